"""A journey's way as lines over a layout: through which boxes, from where to where."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from hopscope.model.journey import Journey, PassUpStep, hops
from hopscope.model.vocab import DevRef
from hopscope.render.boxes import BridgeBox, DeviceBox, NodeBox
from hopscope.render.layout import Layout
from hopscope.render.way import Point, bridges_crossed, entered_stacks, way, ways

__all__ = ["Spot", "Trail", "Untaken", "trails", "untaken"]

Spot = tuple[float, float]
_ABOVE = 14.0  # a line from the stack turns this far above a bridge
_EDGE = 5.0  # and runs this far inside its edge
_HOME = 30.0  # how far inside a node, from its device, its own packets begin and end


class Trail(Struct, frozen=True, kw_only=True):
    """A line through the spots; *whole*: the packet reached what it was for."""

    spots: tuple[Spot, ...]
    devices: tuple[DevRef, ...]
    whole: bool
    seen: bool  # at each of its devices


class Untaken(Struct, frozen=True, kw_only=True):
    """The way from a bridge up to its node's stack that the packet did not take.

    *lent*: a copy went there only because the capture asked for it.
    """

    bridge: DevRef
    low: Spot
    high: Spot
    lent: bool


def trails(journey: Journey, layout: Layout) -> list[Trail]:
    """One line for each end of the journey."""
    found: list[Trail] = []
    for points in ways(way(journey)):
        spots = tuple(_spots(points, layout))
        if len(spots) > 1:
            devices = tuple(point.dev for point in points)
            found.append(
                Trail(
                    spots=spots,
                    devices=devices,
                    whole=points[-1].delivered,
                    seen=all(point.seen for point in points),
                )
            )
    return found


def untaken(journey: Journey, layout: Layout) -> Iterator[Untaken]:
    """For each bridge crossed in a node whose stack was not entered."""
    entered = entered_stacks(journey)
    lent = {
        DevRef(hop.node, step.bridge)
        for hop in hops(journey)
        for step in hop.steps
        if isinstance(step, PassUpStep) and step.because == "promiscuous"
    }
    for ref in bridges_crossed(journey):
        node = layout.node(ref.node)
        box = node.bridge(ref.dev) if node is not None else None
        if ref.node in entered or node is None or box is None:
            continue
        high = (box.rise, node.below_stack)
        yield Untaken(bridge=ref, low=(box.rise, box.y), high=high, lent=ref in lent)


def _spots(points: Sequence[Point], layout: Layout) -> Iterator[Spot]:
    before: Point | None = None
    for point in points:
        node = layout.node(point.dev.node)
        if node is not None:
            yield from _reach(node, before, point)
            device = node.device(point.dev.dev)
            if device is not None:
                ends = (device.outer, device.inner)
                yield from ends if point.what == "received" else reversed(ends)
        before = point
    node = layout.node(before.dev.node) if before is not None else None
    device = node.device(before.dev.dev) if node is not None and before is not None else None
    if before is not None and before.delivered and device is not None and node is not None:
        yield _home(node, device)


def _reach(node: NodeBox, before: Point | None, point: Point) -> Iterator[Spot]:
    """From where the packet was in this node to the point, up to the point's own box."""
    device, bridge = node.device(point.dev.dev), node.bridge(point.dev.dev)
    if before is None and point.what == "sent":
        if device is not None:
            yield _home(node, device)
        if bridge is not None:
            yield from _down(node, bridge)
        return
    if before is None or before.dev.node != point.dev.node:
        return
    came = node.device(before.dev.dev)
    if point.what == "copied up" and bridge is not None:
        if came is not None:
            yield from reversed(list(_beside_text(bridge, came)))
        yield from reversed(list(_down(node, bridge)))
    elif point.what == "sent" and bridge is not None:
        yield from _down(node, bridge)
    elif point.what == "sent" and device is not None:
        yield from _across(node, came, before, device)


def _across(
    node: NodeBox, came: DeviceBox | None, before: Point, device: DeviceBox
) -> Iterator[Spot]:
    """From device to device: over their bridge, or through the stack."""
    bridge = node.bridge(device.link.master)
    if bridge is not None:
        out = bridge.meets(device.side, device.inner[1])
        middle = bridge.x + bridge.width / 2
        if came is not None and came.link.master == device.link.master:
            inward = bridge.meets(came.side, came.inner[1])
            bend = ((middle, inward[1]), (middle, out[1])) if inward[1] != out[1] else ()
            yield from (inward, *bend, out)
        else:
            yield from _beside_text(bridge, device)
    elif came is not None and came.side == device.side:
        yield from (_home(node, came), _home(node, device))
    elif came is None and node.bridge(before.dev.dev) is not None and node.stack is not None:
        x, y, width, height = node.stack
        edge = x + 24 if device.side == "left" else x + width - 24
        yield from ((edge, y + height), (edge, device.inner[1]))


def _down(node: NodeBox, bridge: BridgeBox) -> Iterator[Spot]:
    """From the stack down to just above a bridge."""
    yield bridge.rise, node.below_stack
    yield bridge.rise, bridge.y - _ABOVE


def _beside_text(bridge: BridgeBox, port: DeviceBox) -> Iterator[Spot]:
    """From above a bridge to where its port is joined, along its edge, past its name."""
    x, y = bridge.meets(port.side, port.inner[1])
    inside = x + _EDGE if port.side == "left" else x - _EDGE
    yield from ((inside, bridge.y - _ABOVE), (inside, y), (x, y))


def _home(node: NodeBox, device: DeviceBox) -> Spot:
    """Where packets of the node's own begin and end, at a device's height."""
    x, y = device.inner
    inside = x + _HOME if device.side == "left" else x - _HOME
    return min(max(inside, node.x + 12), node.x + node.width - 12), y
