"""What the report's page shows of each step of a story, and what it folds away.

Long stories repeat themselves. A packet that went the same way as one before is named,
with its time, and not drawn again; and a page has a budget of steps.
"""

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from hopscope.model.journey import HookStep, Journey, hops
from hopscope.model.reachability import Reachability
from hopscope.model.record import (
    Check,
    ExpectResult,
    PingResult,
    Record,
    RuleDelta,
    StepResult,
)
from hopscope.model.vocab import Family, Fate
from hopscope.render.aligned import shape
from hopscope.render.axis import Axis, axis
from hopscope.render.changes import Change, fdb_changes, neighbour_changes
from hopscope.render.topology import picture
from hopscope.render.way import bridges_crossed, way
from hopscope.render.words import counted

__all__ = [
    "Failure",
    "JourneyView",
    "Picture",
    "PingView",
    "StepView",
    "failures",
    "matrices",
    "picture_of_record",
    "verdict",
    "views",
]

ALL_IN_FULL = 6
"""Up to this many pings, none is folded."""
STEPS_IN_FULL = 2500
"""How many steps of journeys a page tells before it refers to journeys.json."""
PICTURES = 8
"""How many ways are drawn as pictures of their own, besides the first."""
FEW_RULES = 12
"""Up to this many counted rules, those without a hit stay in sight."""


class JourneyView(Struct, frozen=True, kw_only=True):
    """A journey, and the later ones of its ping that went the same way."""

    journey: Journey
    axis: Axis | None  # None: the page's budget is spent
    alike: tuple[Journey, ...]


class Picture(Struct, frozen=True, kw_only=True):
    """The topology as SVG, and the journey that is drawn into it."""

    svg: str
    journey: Journey | None
    ping: PingResult | None


class PingView(Struct, frozen=True, kw_only=True):
    """A ping as the page tells it; *like* is the number of an earlier ping that tells it all."""

    ping: PingResult
    like: int | None
    journeys: tuple[JourneyView, ...]
    neighbours: tuple[Change, ...]
    fdb: tuple[Change, ...]
    deltas: tuple[RuleDelta, ...]
    unhit: tuple[RuleDelta, ...]
    picture: Picture | None = None  # where its way is one that no picture before shows


class StepView(Struct, frozen=True, kw_only=True):
    """A step of the story by its number; *ping* for pings only."""

    number: int
    result: StepResult
    ping: PingView | None


class Failure(Struct, frozen=True, kw_only=True):
    """What did not come out as expected, and where on the page it is told."""

    title: str
    anchor: str
    expected: str
    seen: str
    why: str
    mend: str


def verdict(record: Record) -> str:
    """The outcome of the run in one sentence."""
    checks = [check for _, check in _checks(record)]
    held = sum(check.held for check in checks)
    answered = sum(ping.replied for ping in record.pings)
    pings = f"{answered} of {len(record.pings)} pings answered"
    if not record.pings:
        pings = "no ping was sent"
    if record.reachability:
        reached = ", ".join(_reached(found) for found in record.reachability)
        pings = f"{pings}; {reached}" if record.pings else reached
    if not checks:
        return f"No expectations were stated; {pings}."
    if len(checks) == 1:
        return f"The one expectation {'held' if held else 'failed'}; {pings}."
    if held == len(checks):
        return f"All {held} expectations held; {pings}."
    return f"{len(checks) - held} of {len(checks)} expectations failed; {pings}."


def _reached(found: Reachability) -> str:
    return (
        f"{len(found.pairs) - len(found.failures)} of {counted(len(found.pairs), 'pair')} reached"
    )


def matrices(record: Record) -> list[str]:
    """What was probed beside the steps, as the terminal has it."""
    if not record.reachability:
        return []
    from hopscope.render.account import plain  # noqa: PLC0415 - loads rich
    from hopscope.render.matrix import matrix  # noqa: PLC0415

    return [plain(matrix(found)) for found in record.reachability]


def _checks(record: Record) -> Iterator[tuple[StepResult, Check]]:
    for step in record.steps:
        if isinstance(step, PingResult | ExpectResult):
            for check in step.checks:
                yield step, check


def failures(record: Record) -> list[Failure]:
    """Expectations that failed, then what nobody expected anything of: silent pings and pairs."""
    found: list[Failure] = []
    for number, step in enumerate(record.steps, 1):
        if isinstance(step, PingResult | ExpectResult):
            found += [_failure(number, step, check) for check in step.checks if not check.held]
    for number, step in enumerate(record.steps, 1):
        if isinstance(step, PingResult) and not step.checks and step.reason is not None:
            got = sum(reply.rtt is not None for reply in step.replies)
            seen = f"{got} of {len(step.replies)} requests answered"
            check = Check(expected="", seen=seen, held=False, why=step.reason.sentence)
            found.append(_failure(number, step, check))
    return [*found, *(_unreached(one) for one in record.reachability if not one.held)]


def _unreached(found: Reachability) -> Failure:
    why = next((group for group in found.groups if group.reason), None)
    return Failure(
        title=f"Reachability of {found.lab}",
        anchor="reachability",
        expected="",
        seen=_reached(found),
        why=f"{' → '.join(why.example)}: {why.reason}" if why else "",
        mend=why.mend if why else "",
    )


def _failure(number: int, step: PingResult | ExpectResult, check: Check) -> Failure:
    title, why, mend = f"Step {number}: expect", check.why, ""
    if isinstance(step, PingResult):
        title = f"Ping {step.number}: {step.source} to {step.target}"
        if step.reason is not None:
            why, mend = why or step.reason.sentence, step.reason.mend
    return Failure(
        title=title,
        anchor=f"step-{number}",
        expected=check.expected,
        seen=check.seen,
        why=why,
        mend=mend,
    )


def picture_of_record(record: Record) -> Picture:
    """The topology with the way of the first echo request that was answered, else of the first."""
    ping = next((p for p in record.pings if p.replied), None)
    ping = ping or next(iter(record.pings), None)
    journey = _lead(ping) if ping is not None else None
    snapshot = ping.before if ping is not None else record.initial
    svg = picture(snapshot, journey, standalone=False)
    return Picture(svg=svg, journey=journey, ping=ping)


def _lead(ping: PingResult) -> Journey | None:
    """The journey that a ping is about: its echo request, or the packet that failed."""
    told = sorted(ping.journeys, key=lambda j: not j.title.startswith("echo"))
    if not ping.replied:
        told.sort(key=lambda j: (j.fate is Fate.DELIVERED, not way(j)))
        told = [j for j in told if way(j)] or told
    return next(iter(told), None)


def views(record: Record) -> list[StepView]:
    """Every step of the story; pings that went wrong are drawn first of all."""
    pings = record.pings
    fold = len(pings) > ALL_IN_FULL
    told: dict[tuple[object, ...], int] = {}
    found: dict[int, PingView] = {}
    for ping in pings:
        like = told.setdefault(_likeness(ping), ping.number) if fold else ping.number
        found[ping.number] = _ping(ping, None if like == ping.number else like)
    found = _with_pictures(_within_budget(found), picture_of_record(record).journey)
    return [
        StepView(
            number=number,
            result=result,
            ping=found[result.number] if isinstance(result, PingResult) else None,
        )
        for number, result in enumerate(record.steps, 1)
    ]


def _likeness(ping: PingResult) -> tuple[object, ...]:
    """What two pings share when telling one of them tells both."""
    failed = tuple(check.expected for check in ping.checks if not check.held)
    shapes = tuple(dict.fromkeys(shape(journey) for journey in ping.journeys))
    switches = tuple(sorted(ping.switches.items()))
    prefixes = tuple(dict.fromkeys(line.prefix for line in ping.log))
    return ping.source, ping.address, switches, ping.replied, failed, shapes, prefixes


def _ping(ping: PingResult, like: int | None) -> PingView:
    grouped: dict[object, list[Journey]] = {}
    for journey in ping.journeys if like is None else ():
        grouped.setdefault(shape(journey), []).append(journey)
    few = len(ping.deltas) <= FEW_RULES
    hit = tuple(d for d in ping.deltas if few or d.after > d.before)
    return PingView(
        ping=ping,
        like=like,
        journeys=tuple(
            JourneyView(journey=first, axis=axis(first), alike=tuple(others))
            for first, *others in grouped.values()
        ),
        neighbours=neighbour_changes(ping.before, ping.after),
        fdb=fdb_changes(ping.before, ping.after),
        deltas=hit,
        unhit=() if few else tuple(d for d in ping.deltas if d.after <= d.before),
    )


def _within_budget(found: dict[int, PingView]) -> dict[int, PingView]:
    """The views with journeys cut to their titles once the steps are spent; failures go first."""
    left = STEPS_IN_FULL
    kept: dict[int, PingView] = {}
    for number in sorted(found, key=lambda n: (found[n].ping.replied, n)):
        cut: list[JourneyView] = []
        for view in found[number].journeys:
            cost = sum(len(hop.steps) for hop in hops(view.journey))
            cut.append(view if cost <= left else replace(view, axis=None))
            left -= cost if cost <= left else 0
        kept[number] = replace(found[number], journeys=tuple(cut))
    return kept


def _with_pictures(found: dict[int, PingView], first: Journey | None) -> dict[int, PingView]:
    """The views, with a picture for each way that no picture shows yet."""
    shown = {_road(first)}
    kept: dict[int, PingView] = {}
    for number, plain in found.items():
        view = plain
        journey = _lead(view.ping)
        new = journey is not None and _road(journey) not in shown and len(shown) <= PICTURES
        if new:
            shown.add(_road(journey))
            name = f"ping-{number}-picture"
            svg = picture(view.ping.before, journey, name=name, standalone=False)
            view = replace(view, picture=Picture(svg=svg, journey=journey, ping=view.ping))
        kept[number] = view
    return kept


def _road(journey: Journey | None) -> tuple[object, ...]:
    """What of a journey a picture shows."""
    if journey is None:
        return ()
    points = tuple((point.dev, point.what, point.delivered) for point in way(journey))
    return journey.fate, points, len(bridges_crossed(journey)), _ip_hooks(journey)


def _ip_hooks(journey: Journey) -> int:
    """How many IP hooks it passed: a picture says so of each bridge."""
    return sum(
        isinstance(step, HookStep) and step.family in (Family.IP, Family.IP6)
        for hop in hops(journey)
        for step in hop.steps
    )
