"""The topology as an SVG picture, with the way that a packet was seen to take drawn into it.

Colour never speaks alone: the way taken has arrows, the way not taken is dashed and says so,
a device that is down says so.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import atan2, degrees, hypot

from hopscope.model.journey import HookStep, Journey, hops
from hopscope.model.snapshot import Snapshot
from hopscope.model.vocab import DevRef, Family
from hopscope.render.assets import asset
from hopscope.render.boxes import BridgeBox, DeviceBox, NodeBox
from hopscope.render.layout import Layout, lay_out
from hopscope.render.svg import Number, clean, element, path, text_width
from hopscope.render.trail import Spot, Trail, Untaken, trails, untaken

__all__ = ["picture"]

_LEGEND = 34.0
_WIDE = 1200  # a wider picture is scrolled rather than shrunk
_ARROW = "M-6,-5.5 L6,0 L-6,5.5 Z"
_CROSS = "M-6,-6 L6,6 M-6,6 L6,-6"


def picture(
    snapshot: Snapshot,
    journey: Journey | None = None,
    *,
    name: str = "topology",
    standalone: bool = True,
) -> str:
    """An SVG of the lab; with *journey*, its way in red and the untaken way up in yellow.

    *name* makes its ids unique in a page. Without *standalone* it takes its colours from the
    page that it stands in.
    """
    layout = lay_out(snapshot)
    lines = trails(journey, layout) if journey is not None else []
    avoided = list(untaken(journey, layout)) if journey is not None else []
    legend = _legend(layout, lines, avoided)
    height = layout.height + (_LEGEND if legend else 0)
    return element(
        "svg",
        element(
            "title", _text(f"{len(layout.nodes)} nodes and how they are joined"), id=f"{name}-t"
        ),
        element("desc", _text(_description(layout, lines, avoided, journey)), id=f"{name}-d"),
        _style() if standalone else "",
        *_drawing(layout, lines, avoided, journey),
        *legend,
        xmlns="http://www.w3.org/2000/svg",
        class_="topology wide" if layout.width > _WIDE else "topology",
        role="img",
        aria_labelledby=f"{name}-t {name}-d",
        viewBox=f"0 0 {layout.width:.0f} {height:.0f}",
        width=round(layout.width),
        height=round(height),
    )


def _style() -> str:
    """The colours that a page would give, and the rules."""
    names = ("topology-colours.css", "topology.css")
    return element("style", *map(asset, names))


def _text(text: str) -> str:
    return clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _words(text: str, x: Number, y: Number, kind: str, anchor: str | None = None) -> str:
    return element("text", _text(text), x=x, y=y, class_=kind, text_anchor=anchor)


def _drawing(
    layout: Layout, lines: Sequence[Trail], avoided: Sequence[Untaken], journey: Journey | None
) -> Iterator[str]:
    """From the back to the front: nodes, links, ways, devices."""
    on_way = {ref for line in lines for ref in line.devices}
    for node in layout.nodes:
        yield _node(node)
    for one, other in layout.links:
        yield _link(one, other)
    for node in layout.nodes:
        for bridge in node.bridges:
            yield _bridge(node, bridge, _hooks(journey, bridge.ref) if journey else 0)
    for way in avoided:
        yield _avoided(way)
    for line in lines:
        yield _taken(line, layout)
    for node in layout.nodes:
        for device in node.devices:
            yield _device(device, on_way=device.ref in on_way)
    for line in lines:
        yield _ends(line)


def _node(node: NodeBox) -> str:
    parts = [
        element(
            "rect", x=node.x, y=node.y, width=node.width, height=node.height, rx=6, class_="node"
        ),
        _words(node.node.name, node.x + node.width / 2, node.y + 22, "node-name", "middle"),
    ]
    if node.stack is not None:
        x, y, width, height = node.stack
        parts += [
            element("rect", x=x, y=y, width=width, height=height, rx=4, class_="stack"),
            _words(f"protocol stack of {node.node.name}", x + width / 2, y + 17, "small", "middle"),
            _words("IP, routing, firewall", x + width / 2, y + 31, "tiny", "middle"),
        ]
    return element("g", *parts)


def _link(one: DeviceBox, other: DeviceBox) -> str:
    """The line between two devices; a bow when they leave on the same side."""
    (x1, y1), (x2, y2) = one.outer, other.outer
    kind = "link" if _works(one) and _works(other) else "link broken"
    if one.side != other.side:
        return element("path", d=path([one.outer, other.outer]), class_=kind)
    out = 40 if one.side == "right" else -40
    far = max(x1, x2) + out if out > 0 else min(x1, x2) + out
    return element(
        "path", d=f"M{x1:g},{y1:g} C{far:g},{y1:g} {far:g},{y2:g} {x2:g},{y2:g}", class_=kind
    )


def _works(device: DeviceBox) -> bool:
    return device.link.up and device.link.carrier


def _bridge(node: NodeBox, box: BridgeBox, hooks: int) -> str:
    ports = [device for device in node.devices if device.link.master == box.ref.dev]
    wires = [
        element(
            "path",
            d=path([port.inner, box.meets(port.side, port.inner[1])]),
            class_="link" if _works(port) and box.link.up else "link broken",
        )
        for port in ports
    ]
    down = "" if box.link.up else " down"
    frame = element(
        "rect", x=box.x, y=box.y, width=box.width, height=box.height, rx=4, class_=f"bridge{down}"
    )
    middle = box.x + box.width / 2
    lines = list(_lines(box.lines, middle, box.y + 18))
    if hooks:
        said = f"asks {hooks} IP {'hook' if hooks == 1 else 'hooks'}"
        lines.append(_words(said, middle, box.y + box.height - 7, "tiny asked", "middle"))
    return element("g", *wires, frame, *lines)


def _lines(lines: Sequence[str], x: float, y: float) -> Iterator[str]:
    for number, line in enumerate(lines):
        kind = "device-name" if number == 0 else "fault" if line.startswith("✕") else "detail"
        yield _words(line, x, y + 15 * number, kind, "middle")


def _device(device: DeviceBox, *, on_way: bool) -> str:
    kinds = ["device", "" if _works(device) else "down", "on-way" if on_way else ""]
    frame = element(
        "rect",
        x=device.x,
        y=device.y,
        width=device.width,
        height=device.height,
        rx=3,
        class_=" ".join(kind for kind in kinds if kind),
    )
    lines = _lines(device.lines, device.x + device.width / 2, device.y + 17)
    return element("g", element("title", _text(str(device.ref))), frame, *lines)


def _hooks(journey: Journey, bridge: DevRef) -> int:
    """How many IP hooks a packet met in this node while the bridge forwarded it."""
    return sum(
        isinstance(step, HookStep)
        and step.family in (Family.IP, Family.IP6)
        and bridge.dev in (step.iif, step.oif)
        for hop in hops(journey)
        if hop.node == bridge.node
        for step in hop.steps
    )


def _avoided(way: Untaken) -> str:
    x, y = way.high
    middle = (way.low[1] + y) / 2
    words = [_words("not taken", x + 10, middle + (-2 if way.lent else 4), "small untaken-words")]
    if way.lent:
        words.append(_words("(only the capture's copy)", x + 10, middle + 12, "tiny untaken-words"))
    line = element(
        "path", d=path([way.low, way.high]), class_="way untaken", data_bridge=str(way.bridge)
    )
    return element("g", line, *words)


def _taken(line: Trail, layout: Layout) -> str:
    return element(
        "g",
        element(
            "path",
            d=path(line.spots),
            class_="way taken" if line.whole else "way taken lost",
            data_from=str(line.devices[0]),
            data_to=str(line.devices[-1]),
        ),
        *_arrows(line.spots, layout),
    )


def _ends(line: Trail) -> str:
    """A dot where it began and where it was delivered; a cross just beyond where it was lost."""
    (x, y), (before, _) = line.spots[-1], line.spots[-2]
    begin = element("circle", cx=line.spots[0][0], cy=line.spots[0][1], r=5, class_="way-end")
    if line.whole:
        return begin + element("circle", cx=x, cy=y, r=5, class_="way-end")
    beyond = x + (12 if x > before else -12 if x < before else 0)
    where = f"translate({beyond:g} {y:g})"
    return begin + element("path", d=_CROSS, transform=where, class_="way-lost")


def _arrows(spots: Sequence[Spot], layout: Layout) -> Iterator[str]:
    """A head in the middle of each piece that is long enough to carry it."""
    boxes = [device for node in layout.nodes for device in node.devices]
    for (x1, y1), (x2, y2) in pairwise(spots):
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        hidden = any(b.x < x < b.x + b.width and b.y < y < b.y + b.height for b in boxes)
        if not hidden and hypot(x2 - x1, y2 - y1) >= 34:
            turn = degrees(atan2(y2 - y1, x2 - x1))
            yield element(
                "path",
                d=_ARROW,
                transform=f"translate({x:g} {y:g}) rotate({turn:g})",
                class_="way-arrow",
            )


def _legend(layout: Layout, lines: Sequence[Trail], avoided: Sequence[Untaken]) -> list[str]:
    """What the lines mean; nothing when there are none."""
    entries: list[tuple[str, str]] = []
    known = "observed way" if all(line.seen for line in lines) else "partly computed way"
    if any(line.whole for line in lines):
        entries.append(("way taken", f"{known} of the packet"))
    if any(not line.whole for line in lines):
        entries.append(("way taken", f"{known}, ✕ where it ended"))
    if avoided:
        entries.append(("way untaken", "way not taken"))
    x, y = 14.0, layout.height + _LEGEND / 2
    drawn: list[str] = []
    for kind, words in entries:
        drawn.append(
            element("path", d=path([(x, y), (x + 34, y)]), class_=kind.replace("way ", "key "))
        )
        drawn.append(_words(words, x + 42, y + 4, "small"))
        x += 42 + text_width(words, 12) + 28
    return drawn


def _description(
    layout: Layout, lines: Sequence[Trail], avoided: Sequence[Untaken], journey: Journey | None
) -> str:
    told = [_node_words(node) for node in layout.nodes]
    told += [f"{one.ref} is joined to {other.ref}." for one, other in layout.links]
    for line in lines:
        way = " to ".join(str(ref) for ref in line.devices)
        end = "" if line.whole else ", where it was last seen"
        known = "was seen" if line.seen else "goes, by computation in part,"
        told.append(f"The {journey.title if journey else 'packet'} {known} from {way}{end}.")
    told += [f"It did not go up from {way.bridge} into the protocol stack." for way in avoided]
    return " ".join(told)


def _node_words(node: NodeBox) -> str:
    parts = [
        f"bridge {bridge.ref.dev} with ports "
        + (", ".join(d.ref.dev for d in node.devices if d.link.master == bridge.ref.dev) or "none")
        for bridge in node.bridges
    ]
    parts += [" ".join(device.lines) for device in node.devices]
    return f"{node.node.name}: {'; '.join(parts) or 'no device'}."
