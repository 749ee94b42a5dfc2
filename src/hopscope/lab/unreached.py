"""Why pairs fail: of each group one is probed again, alone, while everything is watched.

Of the largest, so is another, as unlike the first as there is: what is told of the one need not
be true of all.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from hopscope.kernel.neighbours import forget_unresolved
from hopscope.lab import services
from hopscope.lab.running import RunningLab
from hopscope.lab.story import named, ping, to_be_pasted
from hopscope.model.lab import PingStep
from hopscope.model.lookup import addresses_of
from hopscope.model.reachability import Ends, Group, GroupKind, Look, Outcome, Pair, Protocol
from hopscope.model.record import PingResult
from hopscope.observe.session import Session
from hopscope.plan.names import HOME
from hopscope.probe.words import FULL
from hopscope.trace.exchanges import why_unanswered
from hopscope.trace.refusals import who_refused
from hopscope.trace.rewritten import given_by_rules
from hopscope.trace.scene import scene_of

__all__ = ["MOST_EXPLAINED", "explained"]

MOST_EXPLAINED: Final = 5
"""Groups: to watch every node of a large lab takes its time."""
_LOOKED_AT_TWICE: Final = 3
_TRIES: Final = 8
"""How often a pair is probed again: of several next hops, or of those behind a service, one may be
dead, and each probe is another flow."""
_CROWD: Final = 1000
"""Pairs that are probed at once and may be in each other's way."""


class _Cause(NamedTuple):
    """Why a pair fails: the kind of cause, in words, and what mends it, "" where nobody knows."""

    code: str
    sentence: str | None
    mend: str = ""


def explained(
    lab: RunningLab,
    groups: Sequence[Group],
    pairs: Sequence[Pair],
    protocol: Protocol,
    port: int | None,
    timeout: float,
) -> tuple[Group, ...]:
    """The groups; the largest with the reason why their example fails, and whether all do."""
    if not groups:
        return ()
    by_ends = {(pair.source, pair.target): pair for pair in pairs if not pair.reached}
    some, rest = groups[:MOST_EXPLAINED], groups[MOST_EXPLAINED:]
    looks = {group.example: group for group in some}
    looks |= _unlike(some, by_ends)
    asked = {ends: by_ends[ends] for ends in looks}
    addresses = {pair.address for pair in asked.values() if pair.address}
    found: dict[Ends, _Cause] = {}
    if addresses:
        _forget(lab)
        snapshot = lab.snapshot()
        own = {ip for ends in asked for ip in addresses_of(snapshot.node(ends[0]))}
        watched = sorted({*addresses, *own, *given_by_rules(snapshot)})
        service = _Service(protocol, port or 0, timeout, crowd=len(pairs) >= _CROWD)
        with lab.observing(watched, snapshot=snapshot) as session:
            for ends, pair in asked.items():
                found[ends] = _cause(lab, session, looks[ends].kind, pair, service)
    else:
        found = {ends: _Cause("error", pair.error) for ends, pair in asked.items()}
    return (*(_told(group, looks, found) for group in some), *rest)


def _unlike(groups: Sequence[Group], failed: Mapping[Ends, Pair]) -> dict[Ends, Group]:
    """A second pair of the largest groups: with other ends than the example's, if there is one."""
    several = [
        group for group in groups if group.kind is not GroupKind.OVERFLOW and group.pairs > 1
    ]
    found = {}
    for group in several[:_LOOKED_AT_TWICE]:
        others = [ends for ends in failed if ends != group.example and group.has(*ends)]
        found[max(others, key=lambda ends: _differing(ends, group.example))] = group
    return found


def _differing(one: Ends, other: Ends) -> int:
    return (one[0] != other[0]) + (one[1] != other[1])


def _told(group: Group, looks: Mapping[Ends, Group], found: Mapping[Ends, _Cause]) -> Group:
    """The group, with what its example showed, and whether another pair shows the same."""
    first = found[group.example]
    also = [
        Look(
            source=ends[0],
            target=ends[1],
            alike=(found[ends].code, found[ends].mend) == (first.code, first.mend),
            reason=found[ends].sentence,
            mend=found[ends].mend,
        )
        for ends, of in looks.items()
        if of is group and ends != group.example
    ]
    return replace(group, reason=first.sentence, mend=first.mend, also=tuple(also))


def _forget(lab: RunningLab) -> None:
    """What was not resolved is asked for again, so that it is seen why not."""
    ours = [node for node in lab.nodes if not (lab.on_host and node == HOME)]
    forget_unresolved(lab.sandbox, ours)


class _Service(NamedTuple):
    """What was asked for; *port* 0 with icmp, which has none. *crowd*: by many at once."""

    protocol: Protocol
    port: int
    timeout: float
    crowd: bool

    def __str__(self) -> str:
        return f"{self.protocol} port {self.port}"

    def answered(self) -> _Cause:
        """Why it was lost, when each of many tries is answered."""
        said = f"probed again {_TRIES} times, alone, it is answered each time: "
        if self.crowd:
            return _Cause("crowd", f"{said}a probe or its reply was lost in the crowd")
        return _Cause(
            "answered",
            f"{said}it is lost once in a while, as where one of several ways, or servers, is dead",
        )


def _cause(
    lab: RunningLab, session: Session, kind: GroupKind, pair: Pair, service: _Service
) -> _Cause:
    if kind is GroupKind.OVERFLOW:
        return _Cause("overflow", FULL)
    if pair.address is None or pair.instead:
        return _Cause("error", pair.error)
    if service.protocol is not Protocol.ICMP:
        return _lost(lab, session, pair, service)
    results = (_pinged(lab, session, pair, service.timeout) for _try in range(_TRIES))
    result = next((one for one in results if not one.replied), None)
    if result is None:
        return service.answered()
    if result.reason is None:
        return _Cause("error", _error(result) or pair.error)
    return _Cause(result.reason.code, result.reason.sentence, result.reason.mend)


def _pinged(lab: RunningLab, session: Session, pair: Pair, timeout: float) -> PingResult:
    address = pair.address or ""
    step = PingStep(source=pair.source, target=pair.target, address=address, timeout=timeout)
    return ping(lab, session, step)


def _lost(lab: RunningLab, session: Session, pair: Pair, service: _Service) -> _Cause:
    """By its own packets, which are sent again; where they do not tell, by a ping."""
    before = lab.snapshot()
    for _try in range(_TRIES):
        session.take()  # what was before is of another
        answer = services.probe(lab.sandbox, pair, service.protocol, service.port, service.timeout)
        refused = answer.outcome is Outcome.REFUSED and pair.refused_by is not None
        if refused or answer.outcome not in (Outcome.ANSWERED, Outcome.REFUSED):
            break
    else:
        return service.answered()
    events, after, given = session.take(), lab.snapshot(), lab.spec.nodes
    scene = scene_of(events, before, after, replied=frozenset(), declared=given)
    asked = services.service_of(pair, service.protocol, service.port)
    if refused:
        who = who_refused(scene, pair.source, asked)
        mend = to_be_pasted(who.mend, lab.name) if who is not None else ""
        return _Cause("refused", pair.error or "", mend)
    reason = named(why_unanswered(scene, pair.source, asked), lab.name)
    if reason is not None and reason.code != "unseen":
        return _Cause(reason.code, reason.sentence, reason.mend)
    _forget(lab)
    result = _pinged(lab, session, pair, service.timeout)
    known = services.of_a_ping(result.reason)
    if known is not None and result.reason is not None:
        return _Cause(result.reason.code, *known)
    return _Cause("unknown", services.unknown(pair, str(service), result, lab.name, last=reason))


def _error(result: PingResult) -> str | None:
    return next((reply.error for reply in result.replies if reply.error), None)
