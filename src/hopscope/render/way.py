"""A journey as a tree of points: each device at which it was seen, and what led there.

The picture and the time axis both draw this; neither reads hops itself.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from hopscope.model.journey import (
    BridgeStep,
    DeliverStep,
    DropStep,
    HookStep,
    Hop,
    Journey,
    PassUpStep,
    ReceiveStep,
    TransmitStep,
    hops,
)
from hopscope.model.vocab import DevName, DevRef, Family, Hook, Nanos, NodeName, Verdict

__all__ = ["Point", "bridges_crossed", "entered_stacks", "hooks_at", "ways", "way"]

_UPWARD = (Hook.INGRESS, Hook.PREROUTING, Hook.INPUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The packet at one device. *parent* is the place in the tuple of the point before it."""

    dev: DevRef
    what: Literal["sent", "received", "copied up"]
    at: Nanos | None
    parent: int | None
    hooks: tuple[HookStep, ...] = ()  # passed since the parent; their order is known, not their time
    lent: bool = False  # a copy that only the capture made
    delivered: bool = False  # here the packet reached what it was for
    arrives: bool = False  # here, or at a point that follows


def way(journey: Journey) -> tuple[Point, ...]:
    """Every point, each before those that follow it; of branches, the earlier one first."""
    points: list[Point] = []
    _walk(journey.first, None, points)
    points = _in_time(points)
    for index in reversed(range(len(points))):
        point = points[index]
        if point.delivered or point.arrives:
            points[index] = replace(point, arrives=True)
            if point.parent is not None:
                points[point.parent] = replace(points[point.parent], arrives=True)
    return tuple(points)


def _in_time(points: list[Point]) -> list[Point]:
    """The same tree with each point's followers in the order of their times."""
    followers: dict[int | None, list[int]] = {}
    for index, point in enumerate(points):
        followers.setdefault(point.parent, []).append(index)
    order: list[int] = []
    waiting = _sorted(points, followers.get(None, []))
    while waiting:
        index = waiting.pop(0)
        order.append(index)
        waiting[:0] = _sorted(points, followers.get(index, []))
    place: dict[int | None, int | None] = {old: new for new, old in enumerate(order)}
    place[None] = None
    return [replace(points[old], parent=place[points[old].parent]) for old in order]


def _sorted(points: list[Point], indices: list[int]) -> list[int]:
    """Those with a time by their time; those without stay where they are told, last."""
    return sorted(indices, key=lambda i: (points[i].at is None, points[i].at or 0))


def ways(points: tuple[Point, ...]) -> list[tuple[Point, ...]]:
    """From the start to each end that matters: where it was delivered, else where it was last."""
    parents = {point.parent for point in points}
    ends = [i for i, point in enumerate(points) if point.delivered]
    ends = ends or [i for i, p in enumerate(points) if i not in parents and not p.lent]
    return [tuple(reversed(list(_back(points, end)))) for end in ends]


def _back(points: tuple[Point, ...], end: int) -> Iterator[Point]:
    index: int | None = end
    while index is not None:
        yield points[index]
        index = points[index].parent


def _walk(hop: Hop, before: int | None, points: list[Point]) -> None:
    """The points of a hop, then those of the hops that follow it."""
    trunk, last = before, before
    gathered: list[HookStep] = []
    left: dict[DevName, int] = {}
    bridges = {step.bridge for step in hop.steps if isinstance(step, BridgeStep)}
    outward = {step.dev for step in hop.steps if isinstance(step, TransmitStep)}
    for step in hop.steps:
        match step:
            case HookStep():
                gathered.append(step)
            case ReceiveStep(dev=dev, at=at):
                points.append(Point(dev=DevRef(hop.node, dev), what="received", at=at, parent=trunk))
                trunk = last = len(points) - 1
                gathered = []
            case TransmitStep(dev=dev, at=at):
                hooks = tuple(h for h in gathered if h.oif is None or h.oif not in outward - {dev})
                points.append(
                    Point(
                        dev=DevRef(hop.node, dev), what="sent", at=at, parent=trunk, hooks=hooks
                    )
                )
                left[dev] = last = len(points) - 1
                if dev in bridges:  # the stack's own device: its ports follow from it
                    trunk, gathered = last, []
            case PassUpStep(bridge=bridge, at=at, because=because):
                hooks = tuple(h for h in gathered if h.hook in _UPWARD)
                points.append(
                    Point(
                        dev=DevRef(hop.node, bridge),
                        what="copied up",
                        at=at,
                        parent=trunk,
                        hooks=hooks,
                        lent=because == "promiscuous",
                    )
                )
                last = len(points) - 1
                if because != "promiscuous":
                    trunk, gathered = last, []
            case DeliverStep() if last is not None:
                points[last] = replace(points[last], delivered=True)
            case _:
                pass
    for onward in hop.onward:
        _walk(onward, left.get(onward.came_from, trunk) if onward.came_from else trunk, points)


def bridges_crossed(journey: Journey) -> tuple[DevRef, ...]:
    """The bridges that decided about the packet, in order."""
    found = (
        DevRef(hop.node, step.bridge)
        for hop in hops(journey)
        for step in hop.steps
        if isinstance(step, BridgeStep)
    )
    return tuple(dict.fromkeys(found))


def entered_stacks(journey: Journey) -> frozenset[NodeName]:
    """The nodes whose protocol stack had the packet: as its maker, its goal or a router."""
    return frozenset(hop.node for hop in hops(journey) if _entered(hop))


def _entered(hop: Hop) -> bool:
    if hop.came_in is None:
        return True
    ports = {step.came_in for step in hop.steps if isinstance(step, BridgeStep)}
    if hop.came_in not in ports:
        refused = any(isinstance(step, DropStep) and step.expected for step in hop.steps)
        return not refused or any(isinstance(step, DeliverStep) for step in hop.steps)
    return any(
        (isinstance(step, PassUpStep) and step.because != "promiscuous")
        or (
            isinstance(step, HookStep)
            and step.family in (Family.IP, Family.IP6)
            and step.hook is Hook.INPUT
        )
        for step in hop.steps
    )


def hooks_at(steps: Iterable[object]) -> tuple[HookStep, ...]:
    """The hooks among *steps* that had something to say: a chain, or a drop."""
    return tuple(
        step
        for step in steps
        if isinstance(step, HookStep) and (step.chains or step.verdict is Verdict.DROP)
    )
