"""A step, a hook, a verdict in words; every output says them the same way. Exhaustive and pure."""

from typing import assert_never

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
from hopscope.model.vocab import Action, PktType, Verdict

__all__ = ["duration", "headline", "rule_lines", "visit_words"]


def duration(nanoseconds: int) -> str:
    """A span of time with a unit that suits it: ``12.3 µs``, ``1.25 ms``, ``1.02 s``."""
    if nanoseconds < 999_950:  # what rounds up to 1000 goes into the next unit
        return f"{nanoseconds / 1_000:.1f} µs"
    if nanoseconds < 999_995_000:
        return f"{nanoseconds / 1_000_000:.2f} ms"
    return f"{nanoseconds / 1_000_000_000:.2f} s"


def headline(step: Step) -> str:
    """One line that says what happened."""
    match step:
        case TransmitStep(dev=dev, dst_mac=mac):
            return f"sent through {dev}" + (f" to {mac}" if mac else "")
        case ReceiveStep(dev=dev, pkttype=PktType.HOST):
            return f"received on {dev}"
        case ReceiveStep(dev=dev, pkttype=pkttype):
            return f"received on {dev} (for {_audience(pkttype)})"
        case BridgeStep():
            return _bridge(step)
        case PassUpStep(bridge=bridge, because=because):
            return f"{bridge}: a copy goes up the stack ({_because(because)})"
        case HookStep():
            return _hook(step)
        case RouteStep(destination=destination, route=None):
            return f"no route to {destination}"
        case RouteStep(destination=destination, route=route):
            return f"route to {destination}: {route}"
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
    return {"otherhost": "another host", "broadcast": "all", "multicast": "a group"}.get(
        pkttype, str(pkttype)
    )


def _because(because: str) -> str:
    return {
        "promiscuous": "only because the capture made it promiscuous",
        "group": "it is for all",
        "own-address": "it is for the bridge's own address",
    }[because]


def _bridge(step: BridgeStep) -> str:
    ports = ", ".join(step.out)
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
    return f"hook {name}: {visits or 'no chain'}"
