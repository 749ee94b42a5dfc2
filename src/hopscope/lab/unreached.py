"""Why pairs fail: of each group one is probed again, alone, while everything is watched."""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from hopscope.kernel.neighbours import forget_unresolved
from hopscope.lab.running import RunningLab
from hopscope.lab.story import ping
from hopscope.model.lab import PingStep
from hopscope.model.reachability import Group, GroupKind, Outcome, Pair, Protocol
from hopscope.model.record import PingResult
from hopscope.observe.session import Session
from hopscope.plan.compile import HOME
from hopscope.probe.words import FULL

__all__ = ["MOST_EXPLAINED", "explained"]

MOST_EXPLAINED: Final = 5
"""Groups: to watch every node of a large lab takes its time."""


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
    ours = [node for node in lab.nodes if not (lab.on_host and node == HOME)]
    forget_unresolved(lab.sandbox, ours)
    with lab.observing(sorted(addresses)) as session:
        told = [
            _explained(lab, session, group, pair, _words(protocol, port), timeout)
            for group, pair in zip(some, examples, strict=True)
        ]
    return (*told, *rest)


def _words(protocol: Protocol, port: int | None) -> str:
    return "" if protocol is Protocol.ICMP else f"{protocol} port {port}"


def _explained(
    lab: RunningLab, session: Session, group: Group, pair: Pair, service: str, timeout: float
) -> Group:
    if group.kind is GroupKind.OVERFLOW:
        return replace(group, reason=FULL)
    if pair.address is None or pair.instead:
        return replace(group, reason=pair.error)
    step = PingStep(source=pair.source, target=pair.target, address=pair.address, timeout=timeout)
    result = ping(lab, session, step)
    if not result.replied:
        reason = result.reason.sentence if result.reason else _error(result) or pair.error
        return replace(group, reason=reason, mend=result.reason.mend if result.reason else "")
    return replace(group, reason=_answered(pair, service))


def _error(result: PingResult) -> str | None:
    return next((reply.error for reply in result.replies if reply.error), None)


def _answered(pair: Pair, service: str) -> str:
    """The pair fails, and a ping by itself does not."""
    if not service:
        return "probed again, alone, it is answered: a probe or its reply was lost in the crowd"
    if pair.outcome is Outcome.FAILED:
        return f"pings are answered, and {service} is not: {pair.error}"
    if service.startswith("udp"):
        return f"pings are answered; at {service} a listener keeps silent, or a rule drops"
    return f"pings are answered, and {service} is not: a rule drops the connection's packets"
