"""The topology for Mermaid (which GitHub draws in Markdown) and for Graphviz."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from hopscope.model.lab import LabSpec
from hopscope.model.snapshot import LinkState, Snapshot
from hopscope.model.vocab import DevRef, NodeName
from hopscope.render.exports.declared import declared
from hopscope.render.exports.unsaid import not_drawn

__all__ = ["dot", "mermaid"]

_ENTITIES = {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;"}


class _Box(Struct, frozen=True, kw_only=True):
    """A device; *id* is one that both languages take."""

    id: str
    ref: DevRef
    link: LinkState

    @property
    def lines(self) -> list[str]:
        """Its name, and what a reader wants to know of it."""
        told = [*_kind(self.link), *map(str, self.link.addresses)]
        if self.link.kind == "bridge" and not told:
            told = ["no address"]
        if not self.link.up:
            told.append("down")
        return [self.link.name, *told]


def _kind(link: LinkState) -> Iterator[str]:
    """What it is, if it is no end of a link."""
    if link.vxlan is not None:
        remote = f" to {link.vxlan.remote}" if link.vxlan.remote else ""
        yield f"vxlan {link.vxlan.id}{remote}"
    elif link.macvlan is not None:
        yield f"macvlan, {link.macvlan}"
    elif link.kind == "tap":
        yield "tap"


def mermaid(lab: LabSpec) -> str:
    """A flowchart: a box per node, in it its devices; lines for what is joined."""
    snapshot = declared(lab)
    boxes = _boxes(snapshot)
    inside = _by_node(boxes)
    lines = [f"%% {line}".rstrip() for line in f"{lab.name}\n{lab.description}".splitlines()]
    lines.append("flowchart LR")
    for number, node in enumerate(snapshot.nodes):
        lines.append(f'  subgraph node{number}["{_mermaid_text(node.name)}"]')
        lines += [f"    {_mermaid_box(box)}" for box in inside[node.name]] or ["    %% no device"]
        lines.append("  end")
    lines += [f"  {one.id} --- {other.id}" for one, other in _ports(snapshot, boxes)]
    lines += [f"  {one.id} === {other.id}" for one, other in _pairs(boxes)]
    lines += [f"  {one.id} -.- {other.id}" for one, other in _overlaid(boxes)]
    lines += [f"%% {line}" for line in not_drawn(lab)]
    return "\n".join(lines) + "\n"


def _mermaid_box(box: _Box) -> str:
    label = "<br/>".join(map(_mermaid_text, box.lines))
    return f'{box.id}{{{{"{label}"}}}}' if box.link.kind == "bridge" else f'{box.id}["{label}"]'


def _mermaid_text(text: str) -> str:
    return "".join(_ENTITIES.get(character, character) for character in text)


def dot(lab: LabSpec) -> str:
    """A graph: a cluster per node, in it its devices; edges for what is joined."""
    snapshot = declared(lab)
    boxes = _boxes(snapshot)
    inside = _by_node(boxes)
    lines = [f"// {line}".rstrip() for line in lab.description.splitlines()]
    lines += [f"graph {_dot_text([lab.name])} {{", "  rankdir=LR", "  node [shape=box]"]
    for number, node in enumerate(snapshot.nodes):
        lines.append(f"  subgraph cluster{number} {{")
        lines.append(f"    label={_dot_text([node.name])}")
        lines += [f"    {_dot_box(box)}" for box in inside[node.name]]
        if not inside[node.name]:
            lines.append(f'    empty{number} [label="", style=invis]  // a cluster needs a node')
        lines.append("  }")
    lines += [f"  {one.id} -- {other.id}" for one, other in _ports(snapshot, boxes)]
    lines += [f"  {one.id} -- {other.id} [penwidth=3]" for one, other in _pairs(boxes)]
    lines += [f"  {one.id} -- {other.id} [style=dotted]" for one, other in _overlaid(boxes)]
    lines += [f"  // {line}" for line in not_drawn(lab)]
    return "\n".join([*lines, "}"]) + "\n"


def _dot_box(box: _Box) -> str:
    shape = ", shape=hexagon" if box.link.kind == "bridge" else ""
    return f"{box.id} [label={_dot_text(box.lines)}{shape}]"


def _dot_text(lines: Sequence[str]) -> str:
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(escaped) + '"'


def _boxes(snapshot: Snapshot) -> Mapping[DevRef, _Box]:
    devices = [
        (DevRef(node.name, link.name), link)
        for node in snapshot.nodes
        for link in node.links
        if link.kind != "loopback"
    ]
    return {
        ref: _Box(id=f"dev{number}", ref=ref, link=link)
        for number, (ref, link) in enumerate(devices)
    }


def _by_node(boxes: Mapping[DevRef, _Box]) -> Mapping[NodeName, Sequence[_Box]]:
    found: defaultdict[NodeName, list[_Box]] = defaultdict(list)
    for ref, box in boxes.items():
        found[ref.node].append(box)
    return found


def _ports(snapshot: Snapshot, boxes: Mapping[DevRef, _Box]) -> Iterator[tuple[_Box, _Box]]:
    """Each port with its bridge."""
    for node in snapshot.nodes:
        for link in node.links:
            if link.master is not None:
                yield boxes[DevRef(node.name, link.name)], boxes[DevRef(node.name, link.master)]


def _overlaid(boxes: Mapping[DevRef, _Box]) -> Iterator[tuple[_Box, _Box]]:
    """Each macvlan or vxlan with the device that it lies over."""
    for box in boxes.values():
        if box.link.over is not None and box.link.over in boxes:
            yield box, boxes[box.link.over]


def _pairs(boxes: Mapping[DevRef, _Box]) -> Iterator[tuple[_Box, _Box]]:
    """The two ends of each link, once."""
    told: set[DevRef] = set()
    for box in boxes.values():
        far = boxes.get(box.link.peer) if box.link.peer is not None else None
        if far is not None and far.ref not in told:
            told.add(box.ref)
            yield box, far
