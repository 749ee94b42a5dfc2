"""Why pairs fail: of each group one is probed again, alone, while everything is watched."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from hopscope.kernel.neighbours import forget_unresolved
from hopscope.lab import services
from hopscope.lab.running import RunningLab
from hopscope.lab.story import named, ping, to_be_pasted
from hopscope.model.lab import PingStep
from hopscope.model.lookup import addresses_of
from hopscope.model.reachability import Group, GroupKind, Outcome, Pair, Protocol
from hopscope.model.record import PingResult
from hopscope.observe.session import Session
from hopscope.plan.compile import HOME
from hopscope.probe.words import FULL
from hopscope.trace.exchanges import why_unanswered
from hopscope.trace.refusals import who_refused
from hopscope.trace.rewritten import given_by_rules
from hopscope.trace.scene import scene_of

__all__ = ["MOST_EXPLAINED", "explained"]

MOST_EXPLAINED: Final = 5
"""Groups: to watch every node of a large lab takes its time."""
_TRIES: Final = 8
"""How often a pair is probed again: of several next hops, or of those behind a service, one may be
dead, and each probe is another flow."""
_CROWD: Final = 1000
"""Pairs that are probed at once and may be in each other's way."""


def explained(
    lab: RunningLab,
    groups: Sequence[Group],
    pairs: Sequence[Pair],
    protocol: Protocol,
    port: int | None,
    timeout: float,
) -> tuple[Group, ...]:
    """The groups; the largest with the reason why their example fails."""
    if not groups:
        return ()
    by_ends = {(pair.source, pair.target): pair for pair in pairs if not pair.reached}
    some, rest = groups[:MOST_EXPLAINED], groups[MOST_EXPLAINED:]
    examples = [by_ends[group.example] for group in some]
    addresses = {pair.address for pair in examples if pair.address}
    if not addresses:
        return (*(replace(g, reason=e.error) for g, e in zip(some, examples, strict=True)), *rest)
    _forget(lab)
    snapshot = lab.snapshot()
    own = {ip for pair in examples for ip in addresses_of(snapshot.node(pair.source))}
    service = _Service(protocol, port or 0, timeout, crowd=len(pairs) >= _CROWD)
    watched = sorted({*addresses, *own, *given_by_rules(snapshot)})
    with lab.observing(watched, snapshot=snapshot) as session:
        told = [
            _explained(lab, session, group, pair, service)
            for group, pair in zip(some, examples, strict=True)
        ]
    return (*told, *rest)


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

    def answered(self) -> str:
        """Why it was lost, when each of many tries is answered."""
        said = f"probed again {_TRIES} times, alone, it is answered each time: "
        if self.crowd:
            return f"{said}a probe or its reply was lost in the crowd"
        return (
            f"{said}it is lost once in a while, as where one of several ways, or servers, is dead"
        )


def _explained(
    lab: RunningLab, session: Session, group: Group, pair: Pair, service: _Service
) -> Group:
    if group.kind is GroupKind.OVERFLOW:
        return replace(group, reason=FULL)
    if pair.address is None or pair.instead:
        return replace(group, reason=pair.error)
    if service.protocol is not Protocol.ICMP:
        sentence, mend = _lost(lab, session, pair, service)
        return replace(group, reason=sentence, mend=mend)
    results = (_pinged(lab, session, pair, service.timeout) for _try in range(_TRIES))
    result = next((one for one in results if not one.replied), None)
    if result is None:
        return replace(group, reason=service.answered())
    reason = result.reason.sentence if result.reason else _error(result) or pair.error
    return replace(group, reason=reason, mend=result.reason.mend if result.reason else "")


def _pinged(lab: RunningLab, session: Session, pair: Pair, timeout: float) -> PingResult:
    address = pair.address or ""
    step = PingStep(source=pair.source, target=pair.target, address=address, timeout=timeout)
    return ping(lab, session, step)


def _lost(lab: RunningLab, session: Session, pair: Pair, service: _Service) -> services.Cause:
    """By its own packets, which are sent again; where they do not tell, by a ping."""
    before = lab.snapshot()
    for _try in range(_TRIES):
        session.take()  # what was before is of another
        answer = services.probe(lab.sandbox, pair, service.protocol, service.port, service.timeout)
        refused = answer.outcome is Outcome.REFUSED and pair.refused_by is not None
        if refused or answer.outcome not in (Outcome.ANSWERED, Outcome.REFUSED):
            break
    else:
        return service.answered(), ""
    events, after, given = session.take(), lab.snapshot(), lab.spec.nodes
    scene = scene_of(events, before, after, replied=frozenset(), declared=given)
    asked = services.service_of(pair, service.protocol, service.port)
    if refused:
        who = who_refused(scene, pair.source, asked)
        return pair.error or "", to_be_pasted(who.mend, lab.name) if who is not None else ""
    reason = named(why_unanswered(scene, pair.source, asked), lab.name)
    if reason is not None and reason.code != "unseen":
        return reason.sentence, reason.mend
    _forget(lab)
    result = _pinged(lab, session, pair, service.timeout)
    known = services.of_a_ping(result.reason)
    return known or (services.unknown(pair, str(service), result, lab.name, last=reason), "")


def _error(result: PingResult) -> str | None:
    return next((reply.error for reply in result.replies if reply.error), None)
