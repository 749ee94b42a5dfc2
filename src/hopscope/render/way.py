"""A journey as a tree of points: each device at which it was seen, and what led there.

The picture and the time axis both draw this; neither reads hops itself.
"""

from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from hopscope.model.journey import (
    BridgeStep,
    DeliverStep,
    DropStep,
    HookStep,
    Hop,
    Journey,
    PassUpStep,
    ReceiveStep,
    Step,
    TransmitStep,
    hops,
)
from hopscope.model.vocab import BasisKind, DevName, DevRef, Family, Hook, Nanos, NodeName, Verdict

__all__ = ["Point", "bridges_crossed", "entered_stacks", "hooks_at", "way", "ways"]

_UPWARD = (Hook.INGRESS, Hook.PREROUTING, Hook.INPUT)


class Point(Struct, frozen=True, kw_only=True):
    """The packet at one device. *parent* is the place in the tuple of the point before it."""

    dev: DevRef
    what: Literal["sent", "received", "copied up"]
    at: Nanos | None
    parent: int | None
    seen: bool  # by an observer; else computed or inferred
    hooks: tuple[
        HookStep, ...
    ] = ()  # passed since the parent; their order is known, not their time
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
    """By their times. A copy upwards that has none was made first; others without are last."""

    def key(index: int) -> tuple[int, int]:
        point = points[index]
        if point.at is None:
            return (0 if point.what == "copied up" else 2, 0)
        return (1, point.at)

    return sorted(indices, key=key)


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
    stay = _Stay(hop, before, points)
    for step in hop.steps:
        stay.take(step)
    for onward in hop.onward:
        came_from = onward.came_from
        leads = stay.left.get(came_from, stay.trunk) if came_from else stay.trunk
        _walk(onward, leads, points)


class _Stay:
    """One hop as it is walked: *trunk* is the point that the next one follows."""

    def __init__(self, hop: Hop, before: int | None, points: list[Point]) -> None:
        self.hop = hop
        self.points = points
        self.trunk = self.last = before
        self.gathered: list[HookStep] = []
        self.left: dict[DevName, int] = {}
        self.bridges = {step.bridge for step in hop.steps if isinstance(step, BridgeStep)}
        self.outward = {step.dev for step in hop.steps if isinstance(step, TransmitStep)}

    def take(self, step: Step) -> None:
        """One more step."""
        match step:
            case HookStep():
                self.gathered.append(step)
            case ReceiveStep(dev=dev, at=at):
                self.add(
                    Point(
                        dev=DevRef(self.hop.node, dev),
                        what="received",
                        at=at,
                        parent=None,
                        seen=_seen(step),
                    )
                )
                self.follow()
            case TransmitStep(dev=dev, at=at):
                hooks = tuple(h for h in self.gathered if h.oif not in self.outward - {dev})
                ref = DevRef(self.hop.node, dev)
                self.left[dev] = self.add(
                    Point(dev=ref, what="sent", at=at, parent=None, seen=_seen(step), hooks=hooks)
                )
                if dev in self.bridges:  # the stack's own device: its ports follow from it
                    self.follow()
            case PassUpStep():
                self.add(self.copied_up(step))
                if step.taken:
                    self.follow()
            case DeliverStep() if self.last is not None:
                self.points[self.last] = replace(self.points[self.last], delivered=True)
            case _:
                pass

    def copied_up(self, step: PassUpStep) -> Point:
        return Point(
            dev=DevRef(self.hop.node, step.bridge),
            what="copied up",
            at=step.at,
            parent=None,
            seen=_seen(step),
            hooks=tuple(hook for hook in self.gathered if hook.hook in _UPWARD),
            lent=step.because == "promiscuous",
        )

    def add(self, point: Point) -> int:
        """Put it after the trunk; returns its place."""
        self.points.append(replace(point, parent=self.trunk))
        self.last = len(self.points) - 1
        return self.last

    def follow(self) -> None:
        """What comes now follows the last point."""
        self.trunk = self.last
        self.gathered = []


def _seen(step: Step) -> bool:
    return step.basis.kind is BasisKind.SEEN


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
        (isinstance(step, PassUpStep) and step.taken)
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
