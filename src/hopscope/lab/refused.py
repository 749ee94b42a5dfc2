"""Who refused: the target, where nothing listens, or another to which a rule sent the request.

A refusal looks the same, whoever makes it. Where no rule of the lab can refuse, or send a request
elsewhere, it is the target's own; else requests are sent once more while everything is watched.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from hopscope.kernel.read.rules import read_chains
from hopscope.lab.running import RunningLab
from hopscope.lab.services import probes, service_of
from hopscope.model.lookup import addresses_of, sysctl_int, without_words
from hopscope.model.reachability import Outcome, Pair, Protocol
from hopscope.model.snapshot import NodeState
from hopscope.model.vocab import NodeName
from hopscope.trace.refusals import Refusal, who_refused
from hopscope.trace.rewritten import given_by_rules
from hopscope.trace.scene import scene_of

__all__ = ["MOST_WATCHED", "told_who_refused"]

MOST_WATCHED: Final = 1000
"""Pairs, times the nodes that are watched: a flood comes to each of them."""
_ELSEWHERE: Final = re.compile(
    r"-j (DNAT|REDIRECT|NETMAP|TPROXY|REJECT|SYNPROXY|NFQUEUE)\b"
    r"|\b(dnat|redirect|tproxy|reject|synproxy|queue)\b"
)
"""What may refuse in the target's name, or send a request elsewhere."""


def told_who_refused(
    lab: RunningLab,
    pairs: Sequence[Pair],
    owners: Mapping[str, NodeName],
    protocol: Protocol,
    port: int,
    timeout: float,
) -> tuple[tuple[Pair, ...], tuple[str, ...]]:
    """The pairs, those that are refused with who did it, and what is to be said of them.

    *owners*: the nodes that have the addresses; of some, as a service's, none has.
    """
    refused = [pair for pair in pairs if pair.outcome is Outcome.REFUSED]
    if not refused:
        return tuple(pairs), ()
    ruled, unread = _ruled(lab)
    if unread:
        return tuple(pairs), ()

    def aim(pair: Pair) -> NodeName | None:
        return pair.target if pair.target in lab.nodes else owners.get(pair.address or "")

    passing = any(ruled.values())
    concerned = [one for one in refused if passing or {one.source, aim(one)} & ruled.keys()]
    told = {(one.source, one.target): replace(one, refused_by=aim(one)) for one in refused}
    told |= {(one.source, one.target): one for one in concerned}
    chosen = _chosen(concerned, ruled, MOST_WATCHED // len(lab.nodes) or 1)
    for pair, who in _watched(lab, chosen, protocol, port, timeout) if chosen else ():
        told[pair.source, pair.target] = _told(pair, who, aim(pair))
    all_told = tuple(told.get((one.source, one.target), one) for one in pairs)
    if len(chosen) == len(concerned):
        return all_told, ()
    counts = f"{len(chosen)} of {len(concerned)} pairs that are refused and that rules may concern"
    return all_told, (f"who refuses was looked at for {counts}",)


def _ruled(lab: RunningLab) -> tuple[dict[NodeName, bool], bool]:
    """The nodes with such rules, with whether others' packets pass them; whether any are unread."""
    found: list[NodeName] = []
    for node in lab.nodes:
        chains, unread = read_chains(lab.sandbox, node)
        if unread:
            return {}, True
        rules = (rule for one in chains if not one.ours for rule in one.rules)
        if any(_ELSEWHERE.search(without_words(rule.text)) for rule in rules):
            found.append(node)
    states = lab.snapshot(found).nodes if found else ()
    return {state.name: _passed(state) for state in states}, False


def _passed(state: NodeState) -> bool:
    """It has a bridge, or forwards."""
    switches = (key for key in state.sysctls if key.endswith((".ip_forward", ".forwarding")))
    bridges = any(link.kind == "bridge" for link in state.links)
    return bridges or any(sysctl_int(state, key) for key in switches)


def _chosen(pairs: Sequence[Pair], ruled: Mapping[NodeName, bool], most: int) -> list[Pair]:
    """Those with such a rule at an end first; each target once before any is chosen again."""
    times: dict[NodeName, int] = {}
    order: list[tuple[bool, int, int]] = []
    for number, pair in enumerate(pairs):
        times[pair.target] = times.get(pair.target, 0) + 1
        ends = pair.source in ruled or pair.target in ruled
        order.append((not ends, times[pair.target], number))
    return [pairs[number] for *_, number in sorted(order)[:most]]


def _watched(
    lab: RunningLab, pairs: Sequence[Pair], protocol: Protocol, port: int, timeout: float
) -> list[tuple[Pair, Refusal | None]]:
    """Each asked once more, and who refused it."""
    before = lab.snapshot()
    own = {ip for pair in pairs for ip in addresses_of(before.node(pair.source))}
    addresses = {*own, *given_by_rules(before), *(pair.address for pair in pairs if pair.address)}
    with lab.observing(sorted(addresses), snapshot=before) as session:
        again = probes(lab.sandbox, pairs, protocol, port, timeout)
        events = session.take()
    scene = scene_of(events, before, lab.snapshot(), replied=frozenset(), declared=lab.spec.nodes)
    return [
        (pair, who_refused(scene, pair.source, service_of(pair, protocol, port)))
        for pair, answer in zip(pairs, again, strict=True)
        if answer.outcome is Outcome.REFUSED
    ]


def _told(pair: Pair, who: Refusal | None, aim: NodeName | None) -> Pair:
    """Refused before it came to its target, it is not reached.

    What no node has comes to where rules send it, unless one of these refuses it.
    """
    if who is None:
        return pair
    if aim in who.passed or (aim is None and not who.mend):
        return replace(pair, refused_by=who.node, refusal=who.sentence)
    return replace(pair, outcome=Outcome.FAILED, rtt=None, error=who.sentence, refused_by=who.node)
