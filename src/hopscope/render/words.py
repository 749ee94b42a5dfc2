"""A step, a hook, a verdict in words; every output says them the same way. Exhaustive and pure."""

from collections.abc import Sequence
from typing import Final, assert_never

from hopscope.model.journey import (
    BridgeStep,
    ChainVisit,
    DeliverStep,
    DropStep,
    HookStep,
    NatStep,
    NeighbourStep,
    PassUpStep,
    ReceiveStep,
    RouteStep,
    Step,
    TransmitStep,
    UnrecognisedStep,
)
from hopscope.model.naming import some_of
from hopscope.model.vocab import Action, BasisKind, PktType, Verdict

__all__ = [
    "counted",
    "duration",
    "headline",
    "known_by",
    "routing_table",
    "rule_lines",
    "visit_words",
]

_TABLES: Final = {253: "default", 254: "main", 255: "local"}  # as rt_tables of iproute2


def counted(number: int, what: str) -> str:
    """``1 link``, ``2 links``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def routing_table(number: int) -> str:
    """Its name, where it has one on every Linux."""
    return _TABLES.get(number, str(number))


def known_by(evidence: str) -> tuple[str, str]:
    """How a finding is known, and from what; evidence that does not say was measured."""
    kind, colon, rest = evidence.partition(": ")
    return (kind, rest) if colon and kind in set(BasisKind) else ("measured", evidence)


def duration(nanoseconds: int) -> str:
    """A span of time with a unit that suits it: ``12.3 µs``, ``1.25 ms``, ``1.02 s``."""
    if nanoseconds < 999_950:  # what rounds up to 1000 goes into the next unit
        return f"{nanoseconds / 1_000:.1f} µs"
    if nanoseconds < 999_995_000:
        return f"{nanoseconds / 1_000_000:.2f} ms"
    return f"{nanoseconds / 1_000_000_000:.2f} s"


def _led(step: RouteStep) -> str:
    """The table that it was found in and the policy rule that led there, beside the usual ones."""
    if step.rule is None:
        return ""
    table = f" table {routing_table(step.table)}" if step.table is not None else ""
    return f"{table}, by policy rule {step.rule}"


def headline(step: Step) -> str:
    """One line that says what happened."""
    match step:
        case TransmitStep(dev=dev, dst_mac=mac):
            return f"sent through {dev}" + (f" to {mac}" if mac else "")
        case ReceiveStep(dev=dev, pkttype=PktType.HOST):
            return f"received on {dev}"
        case ReceiveStep(dev=dev, pkttype=pkttype):
            return f"received on {dev} ({_audience(pkttype)})"
        case BridgeStep():
            return _bridge(step)
        case PassUpStep(bridge=bridge):
            return f"{bridge}: a copy goes up the stack ({_because(step)})"
        case HookStep():
            return _hook(step)
        case RouteStep(destination=destination, route=None):
            return f"no route to {destination}"
        case RouteStep(destination=destination, route=route):
            return f"route to {destination}: {route}{_led(step)}"
        case NeighbourStep(ip=ip, mac=None):
            return f"{ip}: link-layer address unknown, the packet waits"
        case NeighbourStep(ip=ip, mac=mac, state=state):
            return f"neighbour {ip} is at {mac}" + (" (permanent)" if state == "permanent" else "")
        case NatStep(field=field, before=before, after=after):
            return f"{field} rewritten: {before} → {after}"
        case DeliverStep(to=to):
            return f"delivered to {to}"
        case DropStep(reason=reason, expected=expected):
            return f"{'ends' if expected else 'dropped'}: {reason}"
        case UnrecognisedStep(what=what):
            return f"unrecognised: {what}"
        case _:
            assert_never(step)


def visit_words(visit: ChainVisit) -> str:
    """A chain and its outcome: ``filter FORWARD: 2 of 3 rules matched, accept``."""
    matched = sum(check.matched for check in visit.rules)
    decided = f"policy {visit.policy}" if visit.policy else str(visit.verdict)
    count = f"{matched} of {len(visit.rules)} rules matched" if visit.rules else "no rules"
    return f"{visit.table} {visit.chain}: {count}, {decided}"


def rule_lines(visit: ChainVisit) -> list[str]:
    """Each rule that the packet met, with a mark: matched or not."""
    return [
        f"{'✓' if check.matched else '·'} {check.text}"
        + (f"  ⇒ {check.verdict}" if check.verdict not in (None, Verdict.CONTINUE) else "")
        for check in visit.rules
    ]


def _audience(pkttype: PktType) -> str:
    return {
        "otherhost": "its MAC is for another host",
        "broadcast": "for all",
        "multicast": "for a group",
    }.get(pkttype, f"for {pkttype}")


def _because(step: PassUpStep) -> str:
    whom = "a group" if step.pkttype is PktType.MULTICAST else "all"
    return {
        "promiscuous": "only because the capture made it promiscuous",
        "group": f"it is for {whom}",
        "own-address": "it is for the bridge's own address",
    }[step.because]


def _bridge(step: BridgeStep) -> str:
    ports = some_of(step.out)
    match step.action:
        case Action.FORWARD:
            why = f" ({step.entry.mac} is behind {step.entry.port})" if step.entry else ""
            said = f"forwards to {ports}{why}"
        case Action.FLOOD:
            said = f"floods to {ports}"
        case Action.LOCAL:
            said = "takes it up its own stack"
        case Action.DROP:
            said = "forwards to no port"
        case _:
            assert_never(step.action)
    learnt = f"; learns {step.learnt} behind {step.came_in}" if step.learnt else ""
    return f"{step.bridge} {said}{learnt}"


def _hook(step: HookStep) -> str:
    name = f"{step.family} {step.hook}"
    visits = "; ".join(visit_words(visit) for visit in step.chains)
    if step.verdict is Verdict.DROP:
        return f"hook {name}: DROPPED" + (f" by {visits}" if visits else "")
    return f"hook {name}: {visits or _unasked(step.skipped)}"


def _unasked(skipped: Sequence[str]) -> str:
    """Chains that are registered and were not asked, with why; or that there are none."""
    told = "; ".join(one.replace(": not asked: ", ": ") for one in skipped)
    return f"no chain asked ({told})" if told else "no chain"
