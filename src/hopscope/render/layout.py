"""Where each node, device and bridge of a snapshot stands in the picture; no drawing here.

Nodes stand in columns by their distance along the longest way through the lab, so that
links run from left to right. The node with most neighbours is placed first, and every
other node beside the devices that it is joined to. The same snapshot always gives the same
layout.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from hopscope.model.snapshot import NodeState, Snapshot
from hopscope.model.vocab import DevName, DevRef, NodeName
from hopscope.render.boxes import BETWEEN, STICKS_OUT, DeviceBox, NodeBox, Side, node_box
from hopscope.render.columns import Joined, columns, devices_of, joined_nodes, parts

__all__ = ["Layout", "lay_out"]

GAP: Final = 76.0  # between columns, where links run
NARROW: Final = 44.0  # the same, when there are four columns or more
CROWD: Final = 12  # from this many nodes on, MAC addresses are left to the tables

States = Mapping[NodeName, NodeState]


class Layout(Struct, frozen=True, kw_only=True):
    """The whole picture's boxes and its size; *links* are pairs of joined devices."""

    nodes: tuple[NodeBox, ...]
    links: tuple[tuple[DeviceBox, DeviceBox], ...]
    width: float
    height: float

    def node(self, name: NodeName) -> NodeBox | None:
        """The box of that node."""
        return next((box for box in self.nodes if box.node.name == name), None)


def lay_out(snapshot: Snapshot) -> Layout:
    """Place everything; the parts of a lab that nothing joins stand below each other."""
    joined = joined_nodes(snapshot)
    states = {node.name: node for node in snapshot.nodes}
    placed: list[NodeBox] = []
    bottom = 0.0
    for part in parts(joined):
        boxes = _place(states, part, joined)
        left, top = min(b.x for b in boxes), min(b.y for b in boxes)
        boxes = [box.moved(STICKS_OUT + 4 - left, bottom + 4 - top) for box in boxes]
        bottom = max(b.y + b.height for b in boxes) + 2 * BETWEEN
        placed += boxes
    return Layout(
        nodes=tuple(placed),
        links=tuple(_links(placed)),
        width=max((b.x + b.width for b in placed), default=0) + STICKS_OUT + 4 + _bows(placed),
        height=max((b.y + b.height for b in placed), default=0) + 4,
    )


def _place(states: States, part: Sequence[NodeName], joined: Joined) -> list[NodeBox]:
    """The boxes of one joined part, with the middle of its hub's column at x = 0."""
    column = columns(part, joined)
    brief = len(part) >= CROWD
    boxes = {name: _sized(states, name, column, joined, brief=brief) for name in part}
    hub = max(part, key=lambda name: (len(joined[name]), bool(boxes[name].bridges)))
    placed: dict[NodeName, NodeBox] = {hub: boxes[hub]}
    standing = _by_column(part, column)
    for at in sorted(standing, key=lambda at: (abs(at - column[hub]), at)):
        _place_column(standing[at], boxes, placed)
    lefts = _lefts(column, placed, hub=column[hub])
    return [placed[name].moved(lefts[name], 0) for name in part]


def _by_column(
    names: Iterable[NodeName], column: Mapping[NodeName, int]
) -> Mapping[int, Sequence[NodeName]]:
    found: dict[int, list[NodeName]] = {}
    for name in names:
        found.setdefault(column[name], []).append(name)
    return found


def _sized(
    states: States,
    name: NodeName,
    column: Mapping[NodeName, int],
    joined: Joined,
    *,
    brief: bool,
) -> NodeBox:
    node = states[name]
    sides: dict[DevName, Side] = {}
    for link in devices_of(node):
        there = column.get(link.peer.node) if link.peer is not None else None
        if there is not None and there < column[name]:
            sides[link.name] = "left"
    slot = 0.0
    leaves = [other for other in joined[name] if len(joined[other]) == 1]
    if leaves and len(joined[name]) > 2:
        alone = [node_box(states[leaf], {}, brief=brief, slot=0) for leaf in leaves]
        slot = max((box.height + BETWEEN) / max(1, len(box.devices)) for box in alone)
    return node_box(node, sides, brief=brief, slot=slot)


def _place_column(
    names: Sequence[NodeName], boxes: Mapping[NodeName, NodeBox], placed: dict[NodeName, NodeBox]
) -> None:
    """Put each node where its links run straight, then push apart those that overlap."""
    wanted = _wanted([boxes[name] for name in names], placed)
    fixed = [name for name in names if name in placed]
    order = sorted((n for n in names if n not in placed), key=lambda name: wanted[name])
    bottom = max((placed[n].y + placed[n].height + BETWEEN for n in fixed), default=-1e9)
    pushed = 0.0
    for name in order:
        y = max(wanted[name], bottom)
        pushed += y - wanted[name] if not fixed else 0.0
        placed[name] = boxes[name].moved(0, y)
        bottom = y + boxes[name].height + BETWEEN
    back = pushed / len(order) if order and not fixed else 0.0
    for name in order:
        placed[name] = placed[name].moved(0, -back)


def _wanted(boxes: Sequence[NodeBox], placed: Mapping[NodeName, NodeBox]) -> dict[NodeName, float]:
    """The mean height at which the devices of each face the ones that they are joined to."""
    peers = {d.link.peer.node: None for box in boxes for d in box.devices if d.link.peer}
    there = {d.ref: d for name in peers if name in placed for d in placed[name].devices}
    return {box.node.name: _height(box, there) for box in boxes}


def _height(box: NodeBox, there: Mapping[DevRef, DeviceBox]) -> float:
    offsets = [
        there[peer].outer[1] - device.outer[1]
        for device in box.devices
        if (peer := device.link.peer) in there and peer is not None
    ]
    return sum(offsets) / len(offsets) if offsets else 0.0


def _lefts(
    column: Mapping[NodeName, int], placed: Mapping[NodeName, NodeBox], *, hub: int
) -> dict[NodeName, float]:
    """The left edge of each node; a column is flush on the side of the hub's."""
    left = 0.0
    found: dict[NodeName, float] = {}
    standing = _by_column(placed, column)
    gap = GAP if len(standing) < 4 else NARROW
    for at, mine in sorted(standing.items()):
        width = max(placed[name].width for name in mine)
        for name in mine:
            free = width - placed[name].width
            found[name] = left + (free if at < hub else free / 2 if at == hub else 0)
        left += width + gap + 2 * STICKS_OUT
    return found


def _bows(placed: Sequence[NodeBox]) -> float:
    """Room on the right for links between nodes of one column."""
    return 34.0 if any(one.side == other.side for one, other in _links(placed)) else 0.0


def _links(placed: Sequence[NodeBox]) -> Iterator[tuple[DeviceBox, DeviceBox]]:
    boxes = {device.ref: device for node in placed for device in node.devices}
    told: set[DevRef] = set()
    for ref, device in boxes.items():
        peer = boxes.get(device.link.peer) if device.link.peer is not None else None
        if peer is not None and ref not in told:
            told |= {ref, peer.ref}
            yield device, peer
