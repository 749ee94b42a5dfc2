"""Who refused: the target, where nothing listens, or another to which a rule sent the request.

A refusal looks the same, whoever makes it. Where no rule of the lab can refuse, or send a request
elsewhere, it is the target's own; else requests are sent once more while everything is watched.
"""

import re
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from hopscope.kernel.read.rules import read_chains
from hopscope.lab.running import RunningLab
from hopscope.lab.services import probes, service_of
from hopscope.model.lookup import addresses_of, without_words
from hopscope.model.reachability import Outcome, Pair, Protocol
from hopscope.trace.refusals import Refusal, who_refused
from hopscope.trace.rewritten import given_by_rules
from hopscope.trace.scene import scene_of

__all__ = ["MOST_WATCHED", "told_who_refused"]

MOST_WATCHED: Final = 100
"""Pairs: a trace is without loss up to some thousand packets a second."""
_ELSEWHERE: Final = re.compile(
    r"-j (DNAT|REDIRECT|NETMAP|TPROXY|REJECT|SYNPROXY|NFQUEUE)\b"
    r"|\b(dnat|redirect|tproxy|reject|synproxy|queue)\b"
)
"""What may refuse in the target's name, or send a request elsewhere."""


def told_who_refused(
    lab: RunningLab, pairs: Sequence[Pair], protocol: Protocol, port: int, timeout: float
) -> tuple[tuple[Pair, ...], tuple[str, ...]]:
    """The pairs, those that are refused with who did it, and what is to be said of them."""
    refused = [pair for pair in pairs if pair.outcome is Outcome.REFUSED]
    if not refused:
        return tuple(pairs), ()
    chains, unread = zip(*(read_chains(lab.sandbox, node) for node in lab.nodes), strict=True)
    if any(unread):
        return tuple(pairs), ()
    rules = (rule for some in chains for one in some if not one.ours for rule in one.rules)
    if not any(_ELSEWHERE.search(without_words(rule.text)) for rule in rules):
        return tuple(_own(pair) for pair in pairs), ()
    chosen = _chosen(refused)
    found = _watched(lab, chosen, protocol, port, timeout)
    told = {(one.source, one.target): _told(one, who) for one, who in found}
    all_told = tuple(told.get((one.source, one.target), one) for one in pairs)
    if len(chosen) == len(refused):
        return all_told, ()
    counts = f"{len(chosen)} of {len(refused)} pairs that are refused"
    return all_told, (f"who refuses was looked at for {counts}",)


def _own(pair: Pair) -> Pair:
    return replace(pair, refused_by=pair.target) if pair.outcome is Outcome.REFUSED else pair


def _chosen(refused: Sequence[Pair]) -> list[Pair]:
    """As many as may be watched, each target once before any is chosen again."""
    times: dict[str, int] = {}
    order: list[tuple[int, int, Pair]] = []
    for number, pair in enumerate(refused):
        times[pair.target] = times.get(pair.target, 0) + 1
        order.append((times[pair.target], number, pair))
    return [pair for _times, _number, pair in sorted(order, key=lambda one: one[:2])[:MOST_WATCHED]]


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


def _told(pair: Pair, who: Refusal | None) -> Pair:
    """Refused before it came to its target, it is not reached."""
    if who is None:
        return pair
    if pair.target in who.passed:
        return replace(pair, refused_by=who.node, refusal=who.sentence)
    return replace(pair, outcome=Outcome.FAILED, rtt=None, error=who.sentence, refused_by=who.node)
