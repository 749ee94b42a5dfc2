"""A rule or a policy ended the packet: netfilter says so itself."""

import re
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from hopscope.model.events import RuleHit
from hopscope.model.flow import Headers
from hopscope.model.journey import (
    BridgeStep,
    ChainVisit,
    HookStep,
    Hop,
    NeighbourStep,
    Reason,
    ReceiveStep,
    RuleCheck,
)
from hopscope.model.lookup import solicited_group, without_words
from hopscope.model.snapshot import Chain, Rule
from hopscope.model.vocab import DevRef, Family, Hook, NodeName, PktType, Verdict, inferred, seen
from hopscope.trace.causes.evidence import (
    all_hops,
    command,
    last_device,
    leaves,
    main_steps,
    sends,
)
from hopscope.trace.hooks import hook_step
from hopscope.trace.scene import Packet, Scene
from hopscope.wire.ruleset import IPTABLES_TABLES, shell_line

__all__ = [
    "deletion",
    "device_chain",
    "device_end",
    "discovery_drop",
    "question_drop",
    "queued",
    "rule_drop",
]

_TOOLS: Final = {Family.IP: "iptables", Family.IP6: "ip6tables"}
_SOLICITATION, _ADVERTISEMENT = 135, 136
_DROPS: Final = re.compile(r"\bdrop\b")
_REJECTS: Final = re.compile(r"-j REJECT|\breject\b")


def rule_drop(_packet: Packet, first: Hop, _scene: Scene) -> Reason | None:
    """A rule, or a chain's policy, dropped or rejected it: the trace says which."""
    for hop in all_hops(first):
        for step in hop.steps:
            if isinstance(step, HookStep) and step.verdict is Verdict.DROP:
                return _dropped(hop, step)
    return None


def discovery_drop(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """As `rule_drop`, of a question for a neighbour or its answer: a trace shows no target."""
    ip, icmp = packet.headers.ip, packet.headers.icmp
    if ip is None or icmp is None or icmp.target is None:
        return None
    itself, answer = (icmp.type, ip.src, ip.dst), (_ADVERTISEMENT, icmp.target, ip.src)
    nodes = {hop.node: hop for hop in all_hops(first)}
    for way in scene.dropped:
        hop, shown = nodes.get(way.node), _message(way.headers)
        if hop is not None and shown in (itself, answer):
            why = _dropped(hop, hook_step(way, scene.node(hop.node)))
            if shown == itself:
                return why
            return replace(why, sentence=f"no answer came from {hop.node}: {why.sentence}")
    return None


def question_drop(hop: Hop, waits: NeighbourStep, scene: Scene) -> Reason | None:
    """What dropped the neighbour solicitation for which a packet waits, before a device had it."""
    groups = (waits.ip, solicited_group(waits.ip))
    for way in scene.dropped:
        kind, _source, goal = _message(way.headers) or (None, "", "")
        mine = (way.node, way.iif, way.oif) == (hop.node, None, waits.dev)
        if mine and kind == _SOLICITATION and goal in groups:
            why = _dropped(hop, hook_step(way, scene.node(hop.node)))
            return replace(why, at=DevRef(hop.node, waits.dev))
    return None


def _message(headers: Headers) -> tuple[int, str, str] | None:
    """Of ICMP: its type, from whom, and for whom."""
    ip, icmp = headers.ip, headers.icmp
    return (icmp.type, ip.src, ip.dst) if ip is not None and icmp is not None else None


def _dropped(hop: Hop, step: HookStep) -> Reason:
    for visit in step.chains:
        for rule in visit.rules:
            if rule.verdict is Verdict.DROP:
                return _by_rule(hop, step, visit, rule)
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


def _by_rule(hop: Hop, step: HookStep, visit: ChainVisit, rule: RuleCheck) -> Reason:
    chain = f"{visit.family} {visit.table} {visit.chain}"
    rejects = _REJECTS.search(rule.text) is not None
    did = "rejected it" if rejects else "dropped it"
    return Reason(
        code="rule-reject" if rejects else "rule-drop",
        sentence=f"in {hop.node}, the rule `{rule.text}` of {chain} {did}",
        at=last_device(hop),
        basis=step.basis,
        mend="accept this packet before that rule, or delete it: "
        + command(hop.node, deletion(visit, rule)),
    )


def _by_policy(hop: Hop, step: HookStep, visit: ChainVisit) -> Reason:
    chain = f"{visit.family} {visit.table} {visit.chain}"
    return Reason(
        code="policy-drop",
        sentence=f"in {hop.node}, no rule of {chain} accepted it, and the chain's policy is drop",
        at=last_device(hop),
        basis=step.basis,
        mend="accept this packet in that chain, or change its policy: "
        + command(hop.node, _acceptance(visit)),
    )


def deletion(visit: ChainVisit | RuleHit, rule: RuleCheck | Rule) -> str:
    """The command of the tool that the rule was written for."""
    if rule.text.startswith("-A "):
        return f"{_TOOLS[visit.family]} -t {visit.table} -D {shell_line(rule.text[3:])}"
    return f"nft delete rule {visit.family} {visit.table} {visit.chain} handle {rule.handle}"


def _acceptance(visit: ChainVisit) -> str:
    if visit.family in _TOOLS and visit.table in IPTABLES_TABLES and visit.chain.isupper():
        return f"{_TOOLS[visit.family]} -t {visit.table} -P {visit.chain} ACCEPT"
    return f"nft 'chain {visit.family} {visit.table} {visit.chain} {{ policy accept; }}'"


def queued(_packet: Packet, first: Hop, _scene: Scene) -> Reason | None:
    """A rule gave the packet to a program, which gave it back to nobody."""
    for hop in all_hops(first):
        steps = [step for step in hop.steps if isinstance(step, HookStep)]
        visits = [visit for step in steps for visit in step.chains]
        for visit in visits:
            rule = next((r for r in visit.rules if r.verdict is Verdict.QUEUE), None)
            if rule is not None and not sends(hop):
                chain = f"{visit.family} {visit.table} {visit.chain}"
                return Reason(
                    code="rule-queue",
                    sentence=f"in {hop.node}, the rule `{rule.text}` of {chain} handed it to "
                    "user space, and it did not come back",
                    at=last_device(hop),
                    basis=inferred("nf_tables trace; no device sent it afterwards"),
                    mend="start the program that serves that queue, or delete the rule: "
                    + command(hop.node, deletion(visit, rule)),
                )
    return None


def device_end(hop: Hop) -> tuple[DevRef, bool] | None:
    """The device where a packet ended that no hook sees, and whether it was to send it."""
    steps = main_steps(hop)
    hooks = [step for step in steps if isinstance(step, HookStep)]
    if not steps or sends(hop):
        return None
    if isinstance(steps[-1], ReceiveStep) and steps[-1].pkttype in (PktType.HOST, *_BRIDGED):
        return DevRef(hop.node, steps[-1].dev), False
    if hooks and _last(hooks[-1]) and hooks[-1].oif is not None:
        chosen = [port for s in hop.steps if isinstance(s, BridgeStep) for port in s.out]
        return DevRef(hop.node, (hooks[-1].oif, *chosen)[-1]), True
    return None


def device_chain(_packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """A chain of a device may have it: no trace tells of ingress and egress."""
    for hop in leaves(first):
        end = device_end(hop) if scene.traced(hop.node) else None
        if end is None:
            continue
        (ref, out), state = end, scene.node(hop.node)
        chains = [one for one in state.chains if one.hook is Hook.INGRESS]
        where = f"{ref} received it, and it never came to the first hook"
        if out:
            chains = [one for one in state.chains if _egress(one)]
            where = f"it passed the last hook of {hop.node}, and no device sent it"
        if chains:
            what, mend = _suspect(hop.node, chains)
            return _by_counter(hop.node, ref, chains, scene) or Reason(
                code="device-chain",
                sentence=f"{where}: a chain of the device itself can have dropped it{what}",
                at=ref,
                basis=inferred("packet sockets, nf_tables trace, ruleset as read"),
                mend=mend,
            )
    return None


def _suspect(node: NodeName, chains: Sequence[Chain]) -> tuple[str, str]:
    """What of these chains can have dropped it without counting it, and what takes that away."""
    rules = [
        (chain, rule)
        for chain in chains
        for rule in chain.rules
        if rule.packets is None and _DROPS.search(without_words(rule.text))
    ]
    closed = [chain for chain in chains if chain.policy == "drop"]
    if len(rules) == 1 and not closed:
        chain, rule = rules[0]
        named = f"nft delete rule {_named(chain)} handle {rule.handle}"
        return f": {_named(chain)}, by its rule `{rule.text}`", command(node, named)
    if len(closed) == 1 and not rules:
        words = f"nft 'chain {_named(closed[0])} {{ policy accept; }}'"
        return f": {_named(closed[0])}, whose policy is drop", command(node, words)
    looks = [command(node, f"nft list chain {_named(one)}") for one in chains]
    return f" ({', '.join(map(_named, chains))})", f"look at its rules: {'; '.join(looks)}"


def _last(hook: HookStep) -> bool:
    """Whether it is the last hook before a device gets the packet."""
    arp = hook.family is Family.ARP and hook.hook is Hook.OUTPUT
    return arp or hook.hook is Hook.POSTROUTING


def _named(chain: Chain) -> str:
    return f"{chain.family} {chain.table} {chain.name}"


def _by_counter(
    node: NodeName, ref: DevRef, chains: Sequence[Chain], scene: Scene
) -> Reason | None:
    """The one rule of these chains that drops, and whose counter rose."""
    after = {
        (chain.family, chain.table, chain.name, rule.handle): rule.packets or 0
        for chain in scene.after.node(node).chains
        for rule in chain.rules
    }
    rose = [
        (chain, rule)
        for chain in chains
        for rule in chain.rules
        if rule.packets is not None
        and _DROPS.search(without_words(rule.text))
        and after.get((chain.family, chain.table, chain.name, rule.handle), 0) > rule.packets
    ]
    if len(rose) != 1:
        return None
    chain, rule = rose[0]
    hit = f"nft delete rule {_named(chain)} handle {rule.handle}"
    return Reason(
        code="device-chain",
        sentence=f"in {node}, the rule `{rule.text}` of {_named(chain)} dropped it",
        at=ref,
        basis=seen("the counter of that rule rose, and no hook behind it saw the packet"),
        mend=f"accept this packet before that rule, or delete it: {command(node, hit)}",
    )


_BRIDGED: Final = (PktType.OTHERHOST, PktType.BROADCAST, PktType.MULTICAST)
"""What a port takes for its bridge, beside what is for the port's own address."""


def _egress(chain: Chain) -> bool:
    """A base chain of a device whose hook is not one that we know by name."""
    return chain.family is Family.NETDEV and chain.type is not None and chain.hook is None
