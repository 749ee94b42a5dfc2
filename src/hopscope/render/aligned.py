"""Two pings of the same packet side by side: which steps only one of them has."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from msgspec import Struct

from hopscope.model.journey import (
    BridgeStep,
    DropStep,
    HookStep,
    Journey,
    NeighbourStep,
    PassUpStep,
    ReceiveStep,
    RouteStep,
    Step,
    TransmitStep,
    hops,
)
from hopscope.model.record import PingResult, Record
from hopscope.model.vocab import Nanos, NodeName, Verdict
from hopscope.render.words import headline

__all__ = ["Comparison", "Pair", "Placed", "Row", "comparisons", "placed", "shape"]

Key = tuple[str, ...]


class Placed(Struct, frozen=True, kw_only=True):
    """A step and the node that it happened in; *since* its journey's first event."""

    node: NodeName
    step: Step
    since: Nanos | None


class Row(Struct, frozen=True, kw_only=True):
    """A step in both (left and right), or in one of them only."""

    left: Placed | None
    right: Placed | None

    @property
    def same(self) -> bool:
        """Whether both have it."""
        return self.left is not None and self.right is not None

    @property
    def only(self) -> Placed:
        """The step, of whichever has it."""
        found = self.right or self.left
        assert found is not None  # noqa: S101 - a row is never empty
        return found


class Pair(Struct, frozen=True, kw_only=True):
    """Two journeys of the same kind, or one whose counterpart did not happen."""

    title: str
    rows: tuple[Row, ...]
    missing: str = ""  # "left" or "right": that ping had no such packet
    count: int = 1  # how many of this kind both had; the first of each is compared

    @property
    def told(self) -> tuple[Row, ...]:
        """The rows worth reading: not the hooks without a chain that both passed."""
        return tuple(row for row in self.rows if not (row.same and _silent(row.only.step)))

    @property
    def changed(self) -> tuple[Row, ...]:
        """The rows that only one has."""
        return tuple(row for row in self.rows if not row.same)


class Comparison(Struct, frozen=True, kw_only=True):
    """Two consecutive pings between the same two, at different switches."""

    left: PingResult
    right: PingResult
    pairs: tuple[Pair, ...]

    @property
    def changed(self) -> tuple[Row, ...]:
        """The rows that only one has, of all journeys that both have."""
        return tuple(row for pair in self.pairs if not pair.missing for row in pair.changed)

    @property
    def others(self) -> tuple[Row, ...]:
        """The differences that are not netfilter steps."""
        return tuple(row for row in self.changed if not isinstance(row.only.step, HookStep))


def _silent(step: Step) -> bool:
    return isinstance(step, HookStep) and not step.chains and step.verdict is not Verdict.DROP


def comparisons(record: Record) -> list[Comparison]:
    """Each ping with the last one before it between the same two, if their switches differ."""
    last: dict[tuple[str, str], PingResult] = {}
    found: list[Comparison] = []
    for ping in record.pings:
        ends = (str(ping.source), ping.address)
        before = last.get(ends)
        if before is not None and before.switches != ping.switches:
            found.append(Comparison(left=before, right=ping, pairs=_pairs(before, ping)))
        last[ends] = ping
    return found


def placed(journey: Journey) -> Iterator[Placed]:
    """Every step of a journey with its node, in the order of the hops."""
    for hop in hops(journey):
        for step in hop.steps:
            at = getattr(step, "at", None)
            since = Nanos(at - journey.started) if at is not None else None
            yield Placed(node=hop.node, step=step, since=since)


def shape(journey: Journey) -> tuple[Key, ...]:
    """What a journey has in common with another that went the same way: all but times."""
    return ((journey.title, journey.fate), *(_key(one) for one in placed(journey)))


def _key(one: Placed) -> Key:
    """What makes two steps the same. What a table had learnt by then does not count."""
    step = one.step
    match step:
        case HookStep(family=family, hook=hook, chains=chains, verdict=verdict, iif=iif, oif=oif):
            told = [
                f"{v.table} {v.chain} {v.verdict} {[r.handle for r in v.rules if r.matched]}"
                for v in chains
            ]
            return (one.node, step.kind, family, hook, verdict, str(iif), str(oif), *told)
        case BridgeStep(bridge=bridge, action=action, came_in=came_in, out=out):
            return (one.node, step.kind, bridge, action, str(came_in), *out)
        case TransmitStep(dev=dev) | ReceiveStep(dev=dev):
            return (one.node, step.kind, dev)
        case PassUpStep(bridge=bridge, because=because):
            return (one.node, step.kind, bridge, because)
        case RouteStep(destination=destination, route=route, table=table):
            return (one.node, step.kind, destination, str(route), str(table))
        case NeighbourStep(dev=dev, ip=ip, mac=mac):
            return (one.node, step.kind, dev, ip, str(mac))
        case DropStep(reason=reason, where=where):
            return (one.node, step.kind, reason, where)
        case _:
            return (one.node, step.kind, headline(step))


def _pairs(left: PingResult, right: PingResult) -> tuple[Pair, ...]:
    """Journeys matched by title and order; those that only one ping had come last."""
    ours, theirs = _by_title(left), _by_title(right)
    both: list[Pair] = []
    lone: list[Pair] = []
    for title in dict.fromkeys([*ours, *theirs]):
        mine, yours = ours.get(title, []), theirs.get(title, [])
        told = min(len(mine), len(yours))
        if told:
            rows = _align(list(placed(mine[0])), list(placed(yours[0])))
            both.append(Pair(title=title, rows=tuple(rows), count=told))
        else:
            lone.append(_alone(title, mine, yours))
    return (*both, *lone)


def _by_title(ping: PingResult) -> dict[str, list[Journey]]:
    found: defaultdict[str, list[Journey]] = defaultdict(list)
    for journey in ping.journeys:
        found[journey.title].append(journey)
    return found


def _alone(title: str, mine: Sequence[Journey], yours: Sequence[Journey]) -> Pair:
    rows = [Row(left=one, right=None) for one in (placed(mine[0]) if mine else ())]
    rows += [Row(left=None, right=one) for one in (placed(yours[0]) if yours else ())]
    return Pair(title=title, rows=tuple(rows), missing="left" if yours else "right")


def _align(left: Sequence[Placed], right: Sequence[Placed]) -> Iterator[Row]:
    matcher = SequenceMatcher(
        None, [_key(one) for one in left], [_key(one) for one in right], autojunk=False
    )
    for what, a, b, c, d in matcher.get_opcodes():
        if what == "equal":
            for one, other in zip(left[a:b], right[c:d], strict=True):
                yield Row(left=one, right=other)
            continue
        for one in left[a:b]:
            yield Row(left=one, right=None)
        for other in right[c:d]:
            yield Row(left=None, right=other)
