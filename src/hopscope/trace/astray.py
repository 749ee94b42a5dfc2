"""A reply that was delivered, and not to the one who waits for it: another node took it."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from hopscope.model.journey import (
    ChainVisit,
    DeliverStep,
    HookStep,
    Hop,
    Journey,
    NatStep,
    Reason,
    RuleCheck,
    hops,
)
from hopscope.model.vocab import Basis, DevRef, NodeName, inferred, seen
from hopscope.trace.causes.evidence import command
from hopscope.trace.causes.firewall import deletion
from hopscope.trace.scene import Scene

__all__ = ["astray", "rewritings"]

_UNTRACKED: Final = re.compile(r"-j (NOTRACK\b|CT\b.*--notrack)|\bnotrack\b")
_RECEIVED: Final = {4: "Icmp.InEchoReps", 6: "Icmp6.InEchoReplies"}


def astray(
    scene: Scene, requests: Sequence[Journey], reply: Journey, source: NodeName
) -> Reason | None:
    """Which node took *reply* in place of *source*, and what gave the reply its address.

    *requests*: those that it answers.
    """
    took = [hop for hop in hops(reply) if any(isinstance(s, DeliverStep) for s in hop.steps)]
    ip = reply.headers.ip
    if ip is None or not took or any(hop.node == source for hop in took):
        return None
    hop = took[0]
    back = [after for _node, _before, after in rewritings(reply, "destination")]
    given = [nat for one in requests for nat in rewritings(one, "source") if not back]
    goal = back[-1] if back else ip.dst
    who: str = hop.node
    mend = ""
    if not given:
        why = f"which has its destination {goal}, too"
    elif given[-1][0] != hop.node:
        nat = given[-1][0]
        why = f"because {nat} gave the request the source {goal}, an address of {who}"
        mend = f"let {nat} translate to an address of its own"
    else:
        who = f"{hop.node} itself"
        why = f"because nothing there translated {goal} back to {given[-1][1]}"
        rule = next(_untracked(hop), None)
        if rule is not None:
            text, visit = rule[1].text, rule[0]
            why += f": the rule `{text}` of {visit.family} {visit.table} {visit.chain} "
            why += "keeps it from connection tracking"
            mend = f"delete that rule: {command(hop.node, deletion(*rule))}"
    return Reason(
        code="reply-astray",
        sentence=f"the reply was delivered to {who}, {why}",
        at=DevRef(hop.node, hop.came_in) if hop.came_in is not None else None,
        basis=_basis(scene, hop.node, reply),
        mend=mend,
    )


def rewritings(journey: Journey, field: str) -> Iterator[tuple[NodeName, str, str]]:
    """The nodes that rewrote an address of it: from what, to what."""
    for hop in hops(journey):
        for step in hop.steps:
            if isinstance(step, NatStep) and step.field == field:
                yield hop.node, step.before, step.after


def _untracked(hop: Hop) -> Iterator[tuple[ChainVisit, RuleCheck]]:
    """The rules that kept a packet from connection tracking."""
    for step in hop.steps:
        for visit in step.chains if isinstance(step, HookStep) else ():
            for rule in visit.rules:
                if rule.matched and _UNTRACKED.search(rule.text):
                    yield visit, rule


def _basis(scene: Scene, node: NodeName, reply: Journey) -> Basis:
    ip, icmp = reply.headers.ip, reply.headers.icmp
    counter = _RECEIVED[ip.version] if ip is not None and icmp is not None else ""
    counts = [one.node(node).counters.get(counter, 0) for one in (scene.before, scene.after)]
    if counts[1] > counts[0]:
        return seen(f"{counter} rose by {counts[1] - counts[0]} in {node}")
    return inferred(f"the input hook of {node} let it pass")
