"""A rule or a policy ended the packet: netfilter says so itself."""

import re
from typing import Final

from hopscope.model.journey import ChainVisit, HookStep, Hop, Reason, ReceiveStep, RuleCheck
from hopscope.model.snapshot import Chain, NodeState
from hopscope.model.vocab import DevRef, Family, Hook, PktType, Verdict, inferred
from hopscope.trace.causes.evidence import all_hops, command, devices, last_device, sends
from hopscope.trace.scene import Packet, Scene
from hopscope.wire.packet import title

__all__ = ["before_hooks", "rule_drop"]

_REJECTS: Final = re.compile(r"-j REJECT|\breject\b")


def rule_drop(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """A rule, or a chain's policy, dropped or rejected it: the trace says which."""
    for hop in all_hops(first):
        for step in hop.steps:
            if not isinstance(step, HookStep) or step.verdict is not Verdict.DROP:
                continue
            for visit in step.chains:
                for rule in visit.rules:
                    if rule.verdict is Verdict.DROP:
                        return _by_rule(packet, hop, step, visit, rule, scene)
            for visit in step.chains:
                if visit.policy is Verdict.DROP:
                    return _by_policy(hop, step, visit)
            return Reason(
                code="rule-drop",
                sentence=f"netfilter dropped it in {hop.node} at hook {step.family} {step.hook}, "
                "by a rule that is not in the ruleset read",
                at=last_device(hop),
                basis=step.basis,
            )
    return None


def _by_rule(
    packet: Packet, hop: Hop, step: HookStep, visit: ChainVisit, rule: RuleCheck, scene: Scene
) -> Reason:
    chain = f"{visit.family} {visit.table} {visit.chain}"
    rejects = _REJECTS.search(rule.text) is not None
    told = scene.errors_about(packet)
    did = "rejected it" if rejects else "dropped it"
    if rejects and told:
        did += f", and told its sender: {title(told[0].headers)}"
    return Reason(
        code="rule-reject" if rejects else "rule-drop",
        sentence=f"in {hop.node}, the rule `{rule.text}` of {chain} {did}",
        at=last_device(hop),
        basis=step.basis,
        mend="accept this packet before that rule, or delete it: "
        + command(hop.node, f"nft delete rule {chain} handle {rule.handle}"),
    )


def _by_policy(hop: Hop, step: HookStep, visit: ChainVisit) -> Reason:
    chain = f"{visit.family} {visit.table} {visit.chain}"
    return Reason(
        code="policy-drop",
        sentence=f"in {hop.node}, no rule of {chain} accepted it, and the chain's policy is drop",
        at=last_device(hop),
        basis=step.basis,
        mend="accept this packet in that chain, or change its policy: "
        + command(hop.node, f"nft 'chain {chain} {{ policy accept; }}'"),
    )


def before_hooks(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """A device received it, and no hook of its family saw it: an ingress chain may have it."""
    if packet.headers.ip is None:
        return None
    for hop in all_hops(first):
        taken = any(isinstance(s, ReceiveStep) and s.pkttype is PktType.HOST for s in hop.steps)
        met = any(isinstance(s, HookStep) for s in hop.steps)
        if not taken or met or sends(hop) or not scene.traced(hop.node):
            continue
        chains = [c for c in scene.node(hop.node).chains if _takes_first(c)]
        if not chains or not _shows_hooks(scene, scene.node(hop.node)):
            continue
        names = ", ".join(f"{c.family} {c.table} {c.name}" for c in chains)
        ref = DevRef(hop.node, devices(hop)[-1])
        return Reason(
            code="ingress-drop",
            sentence=f"{ref} received it and it never came to the prerouting hook: the ingress "
            f"chain before it took it ({names})",
            at=ref,
            basis=inferred(f"packet socket on {ref}, nf_tables trace, ruleset as read"),
            mend=f"look at the rules of {names} in {hop.node}",
        )
    return None


def _takes_first(chain: Chain) -> bool:
    return chain.hook is Hook.INGRESS and chain.family in (Family.NETDEV, Family.INET)


def _shows_hooks(scene: Scene, node: NodeState) -> bool:
    """Whether the trace of that node has shown anything, so that silence means something."""
    return any(way.node == node.name for packet in scene.packets for way in packet.traversals)
