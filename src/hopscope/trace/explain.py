"""Why a journey ended short of its goal: one sentence, the place, and what would change it.

Each cause is a small function that looks at what was seen and at the tables, and answers
with a reason or with nothing. They are asked in order, the surest evidence first.
"""

from collections.abc import Callable, Sequence
from typing import Final

from hopscope.model.journey import (
    BridgeStep,
    DeliverStep,
    DropStep,
    HookStep,
    Hop,
    NatStep,
    Reason,
)
from hopscope.model.vocab import BasisKind, Family, Fate, Hook, inferred
from hopscope.trace.causes import (
    filters,
    firewall,
    isolation,
    links,
    missed,
    overlays,
    queues,
    resolution,
    returning,
    routing,
    samemac,
    silent,
    stale,
    tunnels,
)
from hopscope.trace.causes.evidence import (
    LAB,
    Cause,
    all_hops,
    command,
    last_device,
    main_steps,
    sends,
)
from hopscope.trace.causes.evidence import filters as listing
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.stitch import weave
from hopscope.trace.unheard import with_message

__all__ = ["explain"]

_USUAL: Final = (0, 32766, 32767)
"""The priorities of the policy rules that every node has."""


def explain(packet: Packet, first: Hop, scene: Scene) -> tuple[Fate, Reason | None]:
    """The fate of a woven packet, and the reason when it was not delivered."""
    if any(isinstance(step, DeliverStep) for hop in all_hops(first) for step in hop.steps):
        return Fate.DELIVERED, None

    def about(other: Packet) -> Reason | None:
        return explain(other, weave(other, scene).first, scene)[1]

    reasons = (cause(packet, first, scene) for cause in _causes(about))
    known = next((one for one in reasons if one is not None), None)
    reason = known or _evidence_stops(packet, first, scene)
    reason = routing.led_elsewhere(reason, packet, first, scene)
    reason = returning.sent_away(reason, packet, first, scene)
    reason = with_message(reason, packet, first, scene, about)
    sure = reason.basis.kind is not BasisKind.INFERRED
    held = reason.code in ("unresolved", "queue-wait")  # still there when we stopped
    return (Fate.DROPPED if sure and not held else Fate.UNSEEN), reason


def _causes(about: Callable[[Packet], Reason | None]) -> tuple[Cause, ...]:
    """Asked in this order."""
    return (
        stale.wrong_neighbour,
        missed.straight(firewall.rule_drop),
        missed.straight(firewall.discovery_drop),
        missed.straight(firewall.queued),
        routing.told,
        links.not_sent,
        missed.not_come,
        links.not_carried,
        links.too_long,
        queues.queued,
        filters.filtered,
        resolution.unresolved(about),
        links.not_passed_on,
        samemac.same_mac,
        silent.switched_off,
        routing.no_route,
        returning.came_back,
        routing.reverse_path,
        routing.not_forwarding,
        silent.martian,
        silent.localnet,
        silent.untold,
        silent.expired,
        links.ring,
        isolation.isolated,
        isolation.not_flooded,
        overlays.apart,
        tunnels.tunnel(about),
        resolution.unanswered,
        links.wrong_port,
        links.unbridged,
        missed.straight(firewall.device_chain),
        missed.straight(_seen_drop),
        missed.not_seen,
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


def _evidence_stops(packet: Packet, first: Hop, scene: Scene) -> Reason:
    last = missed.nearest(packet, first, scene)
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
    elif scene.traced(last.node):
        mend = _next_step(last, hooks, scene)
    place = f"in {last.node}" + (f" at {where}" if where is not None else "")
    return Reason(
        code="unseen",
        sentence=f"the evidence stops {place}{after}: no observer saw it again",
        at=where,
        basis=inferred("packet sockets and nf_tables trace"),
        mend=mend,
    )


def _next_step(hop: Hop, hooks: Sequence[HookStep], scene: Scene) -> str:
    """Where to look for what neither hooks nor tables show: filters of devices, policy rules."""
    last, came = (hooks[-1] if hooks else None), last_device(hop)
    ruled = any(rule.priority not in _USUAL for rule in scene.node(hop.node).policy_rules)
    if last is None and came is not None and not sends(hop):
        look, what = listing(came.dev), f"a filter of {came.dev}"
    elif last is not None and last.hook is Hook.POSTROUTING and last.oif and not sends(hop):
        chosen = [port for step in hop.steps if isinstance(step, BridgeStep) for port in step.out]
        dev = (last.oif, *chosen)[-1]
        look, what = listing(dev, out=True), f"a filter of {dev}"
    elif last is not None and last.hook is Hook.PREROUTING and ruled:
        look, what = "ip rule", "a policy rule"
    else:
        return ""
    return f"see whether {what} drops it: {command(hop.node, look)}"
