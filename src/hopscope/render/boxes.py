"""A node of the picture as boxes: its devices on the edges, its bridges between, its own size.

Boxes are made at the origin; `layout` moves them to their places.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from hopscope.model.snapshot import LinkState, NodeState
from hopscope.model.vocab import DevName, DevRef
from hopscope.render.columns import devices_of
from hopscope.render.svg import text_width

__all__ = ["BETWEEN", "STICKS_OUT", "BridgeBox", "DeviceBox", "NodeBox", "Side", "node_box"]

Side = Literal["left", "right"]

LINE: Final = 15.0  # between the lines of text in a device's box
BETWEEN: Final = 18.0  # between nodes of one column
HEAD: Final = 34.0  # a node's name
STACK: Final = 40.0  # the protocol stack of a node with bridges
RISE: Final = 46.0  # from its bridges up to there
PAD: Final = 14.0
STICKS_OUT: Final = 10.0  # how far a device stands over its node's edge
INSIDE: Final = 46.0  # between a port and its bridge
FREE: Final = 40.0  # the part of a bridge below its text, which the packets cross
STAGGER: Final = 22.0  # each further bridge shows this much, for its own way up


class DeviceBox(Struct, frozen=True, kw_only=True):
    """A device on its node's edge; its link leaves on *side*."""

    ref: DevRef
    link: LinkState
    lines: tuple[str, ...]  # the name first
    side: Side
    x: float = 0
    y: float = 0
    width: float = 0
    height: float = 0

    @property
    def outer(self) -> tuple[float, float]:
        """Where its link is fastened."""
        x = self.x if self.side == "left" else self.x + self.width
        return x, self.y + self.height / 2

    @property
    def inner(self) -> tuple[float, float]:
        """Where it meets the inside of its node."""
        x = self.x + self.width if self.side == "left" else self.x
        return x, self.y + self.height / 2


class BridgeBox(Struct, frozen=True, kw_only=True):
    """A bridge in the middle of its node, as tall as its ports need; *rise* is its way up."""

    ref: DevRef
    link: LinkState
    lines: tuple[str, ...]
    x: float = 0
    y: float = 0
    width: float = 0
    height: float = 0
    rise: float = 0  # x of the line from its top to the stack

    def meets(self, side: Side, y: float) -> tuple[float, float]:
        """Where a port at height *y* is joined to it."""
        x = self.x if side == "left" else self.x + self.width
        return x, min(max(y, self.y + 8), self.y + self.height - 8)


class NodeBox(Struct, frozen=True, kw_only=True):
    """A node, its devices and bridges. *stack* is the place where its own packets begin."""

    node: NodeState
    devices: tuple[DeviceBox, ...]
    bridges: tuple[BridgeBox, ...]
    x: float
    y: float
    width: float
    height: float
    stack: tuple[float, float, float, float] | None  # x, y, width, height; None: no bridge

    @property
    def below_stack(self) -> float:
        """The height at which lines from its bridges meet its stack."""
        return self.stack[1] + self.stack[3] if self.stack is not None else self.y

    def device(self, dev: DevName) -> DeviceBox | None:
        """The device of that name."""
        return next((box for box in self.devices if box.ref.dev == dev), None)

    def bridge(self, dev: DevName | None) -> BridgeBox | None:
        """The bridge of that name."""
        return next((box for box in self.bridges if box.ref.dev == dev), None)

    def moved(self, dx: float, dy: float) -> "NodeBox":
        """The same box elsewhere."""
        return replace(
            self,
            x=self.x + dx,
            y=self.y + dy,
            devices=tuple(replace(d, x=d.x + dx, y=d.y + dy) for d in self.devices),
            bridges=tuple(
                replace(b, x=b.x + dx, y=b.y + dy, rise=b.rise + dx) for b in self.bridges
            ),
            stack=self.stack
            and (self.stack[0] + dx, self.stack[1] + dy, self.stack[2], self.stack[3]),
        )


def _device_lines(link: LinkState, *, brief: bool) -> tuple[str, ...]:
    lines = [link.name, *(str(address) for address in _shown_addresses(link))]
    if link.mac and not brief:
        lines.append(str(link.mac))
    if not link.up:
        lines.append("✕ down")
    elif not link.carrier:
        lines.append("✕ no carrier")
    elif link.port_state not in (None, "forwarding"):
        lines.append(f"✕ port {link.port_state}")
    if link.kind not in ("veth", "") and link.kind:
        lines.insert(1, link.kind)
    return tuple(lines)


def _shown_addresses(link: LinkState) -> list[object]:
    """Its addresses without IPv6 link-local ones, unless it has no others."""
    chosen = [a for a in link.addresses if not a.ip.startswith("fe80:")]
    return list(chosen or link.addresses)


def _box_width(lines: Sequence[str]) -> float:
    wide = [text_width(lines[0], 13)]
    wide += [text_width(line, 11, mono=True) for line in lines[1:]]
    return max(78.0, max(wide) + 20)


def _box_height(lines: Sequence[str]) -> float:
    return 12 + LINE * len(lines)


def node_box(
    node: NodeState, sides: Mapping[DevName, Side], *, brief: bool, slot: float
) -> NodeBox:
    """A node at the origin: its devices in two columns, its bridges between them.

    *slot* is the least height for a port, so that the nodes at its other end fit beside it.
    """
    devices = [
        _device(node, link, sides.get(link.name, "right"), brief=brief) for link in devices_of(node)
    ]
    bridges = [link for link in node.links if link.kind == "bridge"]
    wide = {side: _widest(devices, side) for side in ("left", "right")}
    middle = _middle(bridges, wide)
    name = text_width(node.name, 15) + 2 * PAD
    width = max(wide["left"] + middle + wide["right"] - 2 * STICKS_OUT, name, 120)
    top = HEAD + (STACK + RISE if bridges else 0)
    drawn_devices: list[DeviceBox] = []
    drawn_bridges: list[tuple[LinkState, float, float, float]] = []
    for band in (*bridges, None):
        members = [d for d in devices if d.link.master == (band.name if band else None)]
        members = members if band else [d for d in devices if not _ported(d, bridges)]
        text = _box_height(_bridge_lines(band, brief=brief)) if band is not None else 0.0
        height = max(_band(members, slot), FREE if band is not None else 0.0)
        drawn_devices += _stacked(members, top + text, height, width, slot)
        if band is not None:
            x = (width - middle + (wide["left"] - wide["right"])) / 2 + INSIDE
            drawn_bridges.append((band, x, top, text + height))
        top += text + height + (PAD if height else 0)
    return NodeBox(
        node=node,
        devices=tuple(drawn_devices),
        bridges=tuple(_bridge_boxes(node, drawn_bridges, middle, brief=brief)),
        x=0,
        y=0,
        width=width,
        height=max(top + 2, HEAD + 24),
        stack=(PAD, HEAD - 2, width - 2 * PAD, STACK) if bridges else None,
    )


def _widest(devices: Iterable[DeviceBox], side: str) -> float:
    return max((device.width for device in devices if device.side == side), default=0.0)


def _ported(device: DeviceBox, bridges: Iterable[LinkState]) -> bool:
    return any(device.link.master == bridge.name for bridge in bridges)


def _device(node: NodeState, link: LinkState, side: Side, *, brief: bool) -> DeviceBox:
    lines = _device_lines(link, brief=brief)
    return DeviceBox(
        ref=DevRef(node.name, link.name),
        link=link,
        lines=lines,
        side=side,
        width=_box_width(lines),
        height=_box_height(lines),
    )


def _middle(bridges: Sequence[LinkState], wide: Mapping[str, float]) -> float:
    """The width between the columns of devices."""
    if not bridges:
        return 46.0 if all(wide.values()) else 56.0
    lines = max(_box_width(_bridge_lines(bridge, brief=False)) for bridge in bridges)
    return lines + STAGGER * (len(bridges) - 1) + 2 * INSIDE


def _bridge_lines(link: LinkState, *, brief: bool) -> tuple[str, ...]:
    addresses = [str(address) for address in _shown_addresses(link)]
    mac = [str(link.mac)] if link.mac and not brief else []
    down = [] if link.up else ["✕ down"]
    return (link.name, "bridge" if addresses else "bridge, no address", *addresses, *mac, *down)


def _band(members: Sequence[DeviceBox], slot: float) -> float:
    """How high the devices of one bridge (or of none) stand, on their fuller side."""
    sides = ([d for d in members if d.side == side] for side in ("left", "right"))
    return max((sum(_room(d, slot) for d in one) for one in sides), default=0.0)


def _room(device: DeviceBox, slot: float) -> float:
    """How high its place is: at least as high as the node that it is joined to."""
    return max(device.height + 12, slot if device.link.peer is not None else 0)


def _stacked(
    members: Sequence[DeviceBox], top: float, height: float, width: float, slot: float
) -> Iterator[DeviceBox]:
    """The devices of a band, spread evenly over its height on either side."""
    for side in ("left", "right"):
        mine = [d for d in members if d.side == side]
        free = height - sum(_room(d, slot) for d in mine)
        y = top + free / 2
        for device in mine:
            room = _room(device, slot)
            x = -STICKS_OUT if side == "left" else width + STICKS_OUT - device.width
            yield replace(device, x=x, y=y + (room - device.height) / 2)
            y += room


def _bridge_boxes(
    node: NodeState,
    bands: Sequence[tuple[LinkState, float, float, float]],
    middle: float,
    *,
    brief: bool,
) -> Iterator[BridgeBox]:
    narrow = middle - 2 * INSIDE - STAGGER * (len(bands) - 1)
    for number, (link, x, top, height) in enumerate(bands):
        width = narrow + STAGGER * number
        yield BridgeBox(
            ref=DevRef(node.name, link.name),
            link=link,
            lines=_bridge_lines(link, brief=brief),
            x=x,
            y=top,
            width=width,
            height=height,
            rise=x + (width / 2 if len(bands) == 1 else width - STAGGER / 2),
        )
