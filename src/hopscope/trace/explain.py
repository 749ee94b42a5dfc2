"""Why a journey ended short of its goal: one sentence, the place, and what would change it.

Each cause is a small function that looks at what was seen and at the tables, and answers
with a reason or with nothing. They are asked in order, the surest evidence first.
"""

from hopscope.model.journey import DeliverStep, DropStep, HookStep, Hop, NatStep, Reason
from hopscope.model.vocab import BasisKind, Family, Fate, Hook, inferred
from hopscope.trace.causes import (
    firewall,
    isolation,
    links,
    overlays,
    queues,
    resolution,
    routing,
    samemac,
    silent,
)
from hopscope.trace.causes.evidence import LAB, Cause, all_hops, last_device, leaves, main_steps
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.stitch import weave

__all__ = ["explain"]


def explain(packet: Packet, first: Hop, scene: Scene) -> tuple[Fate, Reason | None]:
    """The fate of a woven packet, and the reason when it was not delivered."""
    if any(isinstance(step, DeliverStep) for hop in all_hops(first) for step in hop.steps):
        return Fate.DELIVERED, None
    reasons = (cause(packet, first, scene) for cause in _causes(scene))
    reason = next((one for one in reasons if one is not None), None) or _evidence_stops(first)
    sure = reason.basis.kind is not BasisKind.INFERRED
    held = reason.code in ("unresolved", "queue-wait")  # still there when we stopped
    return (Fate.DROPPED if sure and not held else Fate.UNSEEN), reason


def _causes(scene: Scene) -> tuple[Cause, ...]:
    """Asked in this order."""

    def about(question: Packet) -> Reason | None:
        return explain(question, weave(question, scene).first, scene)[1]

    return (
        firewall.rule_drop,
        firewall.discovery_drop,
        firewall.queued,
        routing.told,
        links.not_sent,
        links.not_carried,
        links.too_long,
        queues.queued,
        resolution.unresolved(about),
        samemac.same_mac,
        silent.switched_off,
        routing.no_route,
        routing.reverse_path,
        routing.not_forwarding,
        silent.martian,
        silent.untold,
        links.ring,
        isolation.isolated,
        isolation.not_flooded,
        overlays.apart,
        overlays.tunnel,
        resolution.unanswered,
        resolution.wrong_neighbour,
        links.wrong_port,
        links.unbridged,
        firewall.device_chain,
        _seen_drop,
    )


def _seen_drop(_packet: Packet, first: Hop, _scene: Scene) -> Reason | None:
    for hop in all_hops(first):
        for step in hop.steps:
            if isinstance(step, DropStep) and not step.expected:
                return Reason(
                    code="dropped",
                    sentence=f"{step.where}: {step.reason}",
                    at=last_device(hop),
                    basis=step.basis,
                )
    return None


def _evidence_stops(first: Hop) -> Reason:
    last = leaves(first)[-1]
    where = last_device(last)
    hooks = [step for step in main_steps(last) if isinstance(step, HookStep)]
    after = ""
    if hooks and hooks[-1].hook is Hook.INPUT and hooks[-1].family is not Family.BRIDGE:
        after = "; it passed the input hook there, so the node's own stack had it"
    elif hooks:
        after = f"; the last hook that it passed there is {hooks[-1].family} {hooks[-1].hook}"
    mend = ""
    if last.steps and isinstance(step := last.steps[-1], NatStep):  # and then no route
        after += f", where a rule rewrote its destination to {step.after}"
        mend = (
            f"ping each of these addresses from {last.node}: "
            f"hopscope ping {LAB} {last.node} ADDRESS"
        )
    place = f"in {last.node}" + (f" at {where}" if where is not None else "")
    return Reason(
        code="unseen",
        sentence=f"the evidence stops {place}{after}: no observer saw it again",
        at=where,
        basis=inferred("packet sockets and nf_tables trace"),
        mend=mend,
    )
