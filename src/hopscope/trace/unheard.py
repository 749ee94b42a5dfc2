"""The ICMP error that tells a sender why its packet ended: whether it arrived, or what kept it."""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from hopscope.model.journey import ChainVisit, Hop, Reason, RuleCheck
from hopscope.model.lookup import next_hop
from hopscope.model.vocab import NodeName, Verdict
from hopscope.trace.causes.evidence import all_hops, command
from hopscope.trace.causes.firewall import deletion
from hopscope.trace.hooks import hook_step
from hopscope.trace.identify import ERRORS
from hopscope.trace.scene import Packet, Scene
from hopscope.wire.packet import title

__all__ = ["kept", "with_message"]

_SILENT: Final = ("too-big", "time-exceeded", "routing-loop")
"""Causes of which a sender is always told, unless something keeps the message."""
_BACK: Final = 2
"""How often a packet is in a node that only had it back, before its time to live ran out."""
_OR_SMALLER: Final = "; or send smaller packets, or raise that MTU"


def with_message(
    reason: Reason,
    packet: Packet,
    first: Hop,
    scene: Scene,
    about: Callable[[Packet], Reason | None],
) -> Reason:
    """The reason, and what became of the message about it; *about* tells of another packet."""
    errors = scene.errors_about(packet)
    lost = [why for why in map(about, errors) if why is not None]
    if errors and (packet.headers.stamp in scene.errors or len(lost) < len(errors)):
        told = f", and told its sender: {title(errors[0].headers)}"
        return _more(reason, told) if reason.code == "rule-reject" else reason
    for why in lost[-1:]:
        name = title(errors[-1].headers)
        then = f"; the message that tells its sender ({name}) was lost: {why.sentence}"
        return _more(reason, then, f"let that message through: {why.mend}" if why.mend else "")
    sources = {one.headers.ip.src for one in packet.sightings if one.headers.ip is not None}
    found = _kept_on_the_way(packet, first, scene, sources)
    if found is not None:
        hop, visit, rule = found
        chain = f"{visit.family} {visit.table} {visit.chain}"
        then = f"; the rule `{rule.text}` of {chain} dropped the message that tells its sender"
        mend = (
            f"let that message out, or delete the rule: {command(hop.node, deletion(visit, rule))}"
        )
        return _more(reason, then, mend)
    nodes = [hop.node for hop in all_hops(first)]
    back = reason.code == "routing-loop" and max(map(nodes.count, nodes)) == _BACK
    if reason.code not in _SILENT or back:
        return reason
    return _more(reason, f"; no message of it told its sender{_no_way(reason, sources, scene)}")


def _no_way(reason: Reason, sources: set[str], scene: Scene) -> str:
    """That the node where it ended has no route to its sender, if so."""
    state = scene.node(reason.at.node) if reason.at is not None else None
    back = [source for source in sorted(sources) if state and next_hop(state, source) is None]
    return f", to whom {state.name} has no route" if state and len(back) == len(sources) else ""


def _more(reason: Reason, then: str, mend: str = "") -> Reason:
    """The sentence goes on; of what does not fit, the sender is to be told first of all."""
    if mend and reason.code == "too-big":
        reason = replace(reason, mend=mend + _OR_SMALLER)
    return replace(reason, sentence=reason.sentence + then)


def _kept_on_the_way(
    packet: Packet, first: Hop, scene: Scene, sources: set[str]
) -> tuple[Hop, ChainVisit, RuleCheck] | None:
    if packet.key[0] == "error":
        return None  # of an error nobody is told
    for hop in all_hops(first):
        rule = kept(hop.node, sources, scene)
        if rule is not None:
            return hop, *rule
    return None


def kept(
    node: NodeName, sources: set[str], scene: Scene, kind: tuple[int, int] | None = None
) -> tuple[ChainVisit, RuleCheck] | None:
    """The rule that dropped an ICMP error that *node* made for one of *sources*; of any *kind*."""
    ways = (
        way
        for way in scene.dropped
        if (way.node, way.iif) == (node, None)
        and (ip := way.headers.ip) is not None
        and (icmp := way.headers.icmp) is not None
        and ip.dst in sources
        and icmp.type in ERRORS[ip.version]
        and kind in (None, (icmp.type, icmp.code))
    )
    rules = (
        (visit, rule)
        for way in ways
        for visit in hook_step(way, scene.node(node)).chains
        for rule in visit.rules
        if rule.verdict is Verdict.DROP
    )
    return next(rules, None)
