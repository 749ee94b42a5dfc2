"""A journey on a time axis: one lane per point, positions in percent of the longest time.

Hooks carry no time of their own: they are marks spread evenly between two points, and the
page says so.
"""

from collections.abc import Sequence

from msgspec import Struct

from hopscope.model.journey import Journey
from hopscope.model.vocab import Nanos
from hopscope.render.way import Point, hooks_at, way
from hopscope.render.words import duration

__all__ = ["Axis", "Lane", "Tick", "axis"]

_STEPS = (1, 2, 5, 10)
_UNITS = ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs"))
_MARGIN = 3.0  # percent, so that the first and the last dot are whole


class Tick(Struct, frozen=True, kw_only=True):
    """A labelled line of the scale."""

    x: float
    label: str


class Lane(Struct, frozen=True, kw_only=True):
    """A point on the axis. *start* is where its parent's dot is; *through*, lines passing by."""

    point: Point
    at: float | None  # None: no time was recorded
    start: float | None
    time: str
    since: str  # since the parent
    marks: tuple[float, ...]  # hooks, between start and at
    through: tuple[float, ...]
    goes_on: bool

    @property
    def bar(self) -> tuple[float, float] | None:
        """Left end and width of the line from the parent's time to this one's."""
        if self.at is None or self.start is None:
            return None
        return min(self.at, self.start), abs(self.at - self.start)


class Axis(Struct, frozen=True, kw_only=True):
    """The lanes of a journey and their scale."""

    lanes: tuple[Lane, ...]
    ticks: tuple[Tick, ...]
    span: str
    timeless: int  # points without a time
    hooks: int  # marks, whose times nobody recorded


def axis(journey: Journey) -> Axis:
    """The journey's points on a scale from its first event to its last."""
    points = way(journey)
    times = [point.at for point in points if point.at is not None]
    first = min(times, default=journey.started)
    span = max(times, default=first) - first
    places = [_place(point.at, first, span) for point in points]
    lanes = tuple(_lane(points, places, index, first) for index in range(len(points)))
    return Axis(
        lanes=lanes,
        ticks=_ticks(span),
        span=duration(span),
        timeless=sum(point.at is None for point in points),
        hooks=sum(len(lane.marks) for lane in lanes),
    )


def _place(at: Nanos | None, first: int, span: int) -> float | None:
    if at is None:
        return None
    return _scaled((at - first) / span if span else 0.0)


def _scaled(share: float) -> float:
    return round(_MARGIN + share * (100 - 2 * _MARGIN), 2)


def _lane(points: Sequence[Point], places: Sequence[float | None], index: int, first: int) -> Lane:
    point, at = points[index], places[index]
    start = places[point.parent] if point.parent is not None else None
    before = points[point.parent].at if point.parent is not None else None
    hooks = hooks_at(point.hooks)
    return Lane(
        point=point,
        at=at,
        start=start,
        time=duration(point.at - first) if point.at is not None else "no time",
        since=_since(point.at, before),
        marks=_spread(start, at, len(hooks)),
        through=_through(points, places, index),
        goes_on=any(later.parent == index for later in points[index + 1 :]),
    )


def _since(at: Nanos | None, before: Nanos | None) -> str:
    if at is None or before is None:
        return ""
    late = at - before
    if late == 0:
        return "same stamp"  # a copy keeps the time stamp of the frame that it was made from
    return f"+{duration(late)}" if late >= 0 else f"−{duration(-late)}"


def _spread(start: float | None, at: float | None, count: int) -> tuple[float, ...]:
    if start is None or at is None:
        return ()
    return tuple(round(start + (at - start) * (n + 1) / (count + 1), 2) for n in range(count))


def _through(
    points: Sequence[Point], places: Sequence[float | None], index: int
) -> tuple[float, ...]:
    """Lines of earlier points that go on to later ones than this."""
    passing: set[float] = set()
    for later in points[index + 1 :]:
        if later.parent is not None and later.parent < index:
            place = places[later.parent]
            if place is not None:
                passing.add(place)
    return tuple(sorted(passing))


def _ticks(span: int) -> tuple[Tick, ...]:
    """Three to six round times from zero on."""
    if span <= 0:
        return (Tick(x=_scaled(0), label="0"),)
    power = 10 ** (len(str(span // 4 or 1)) - 1)
    step = next((power * s for s in _STEPS if power * s * 5 >= span), power * 10)
    return tuple(
        Tick(x=_scaled(at / span), label=_round_time(at)) for at in range(0, span + 1, step)
    )


def _round_time(at: int) -> str:
    if at == 0:
        return "0"
    size, unit = next((one for one in _UNITS if at >= one[0]), _UNITS[-1])
    return f"{at / size:g} {unit}"
