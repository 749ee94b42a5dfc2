"""What befell a TCP connection or a UDP datagram that was lost, as a trace of its packets tells.

A ping that is sent in its place is other traffic: it tells of the way, and not of what rules
make of a port.
"""

import re
from collections.abc import Iterator
from typing import Final

from hopscope.kernel.sandbox import Sandbox
from hopscope.model.events import Observation, RuleHit
from hopscope.model.journey import Reason
from hopscope.model.reachability import Outcome, Pair, Protocol
from hopscope.model.record import PingResult
from hopscope.model.snapshot import Chain, Rule, Snapshot
from hopscope.model.vocab import Verdict
from hopscope.probe.answers import Answer, Ask
from hopscope.probe.connections import connections
from hopscope.probe.datagrams import datagrams
from hopscope.trace.causes.firewall import deletion
from hopscope.wire.packet import decode_parts

__all__ = ["Cause", "dropped", "of_a_ping", "probe", "unknown"]

_NUMBERS: Final = {Protocol.TCP: 6, Protocol.UDP: 17}
_REJECTS: Final = re.compile(r"-j REJECT|\breject\b")
_OF_ANY_PACKET: Final = frozenset(
    (
        *("no-route", "route-forbids", "not-forwarding", "reverse-path", "routing-loop"),
        *("time-exceeded", "no-such-address", "device-down", "port-not-forwarding"),
        *("isolated-ports", "bridge-loop", "no-layer-2-path", "arp-ignore", "silent"),
        *("unresolved", "wrong-neighbour", "no-route-back", "ipv6-off", "martian-source"),
        *("wrong-port", "macvlan-apart", "tunnel", "not-flooded", "same-mac", "no-arp"),
    )
)
"""The codes of those reasons that ask nothing of a packet but where it goes."""

Cause = tuple[str, str]
"""A sentence, and the command that mends it, "" where none is known."""


def probe(sandbox: Sandbox, pair: Pair, protocol: Protocol, port: int, timeout: float) -> Answer:
    """The pair by itself."""
    ask = Ask(pair.source, [(0, pair.address or "")])
    send = connections if protocol is Protocol.TCP else datagrams
    (answers,) = send(sandbox, [ask], port=port, timeout=timeout)
    found = answers.get(0, Answer(Outcome.SILENT))
    return Answer(Outcome.ANSWERED, found) if isinstance(found, int) else found


def dropped(seen: Observation, tables: Snapshot, protocol: Protocol, lab: str) -> Cause | None:
    """The first rule, or policy, that ended a packet of the protocol."""
    for hit in _hits(seen, _NUMBERS[protocol]):
        if hit.verdict is Verdict.DROP and hit.kind in ("rule", "policy"):
            return _by(hit, tables, lab)
    return None


def _hits(seen: Observation, number: int) -> Iterator[RuleHit]:
    """What met packets of that number; of a packet's trace, only the first message has headers."""
    ours: dict[tuple[str, int], bool] = {}
    for hit in seen.events:
        if not isinstance(hit, RuleHit):
            continue
        key = hit.node, hit.trace_id
        if hit.network_header:
            headers = decode_parts(hit.link_header, hit.network_header, hit.transport_header)
            ours[key] = headers.ip is not None and headers.ip.proto == number
        if ours.get(key):
            yield hit


def _by(hit: RuleHit, tables: Snapshot, lab: str) -> Cause:
    where = f"{hit.family} {hit.table} {hit.chain}"
    if hit.kind == "policy":
        sentence = f"no rule of {where} accepted it, and the chain's policy is drop"
        return f"in {hit.node}, {sentence}", ""
    rule = _rule(hit, tables)
    if rule is None:
        return f"in {hit.node}, a rule of {where} dropped it", ""
    did = "rejected it" if _REJECTS.search(rule.text) else "dropped it"
    delete = f"hopscope exec {lab} {hit.node} -- {deletion(hit, rule)}"
    return (
        f"in {hit.node}, the rule `{rule.text}` of {where} {did}",
        f"accept it before that rule, or delete it: {delete}",
    )


def _rule(hit: RuleHit, tables: Snapshot) -> Rule | None:
    def holds(chain: Chain) -> bool:
        return (chain.family, chain.table, chain.name) == (hit.family, hit.table, hit.chain)

    chains = (chain for chain in tables.node(hit.node).chains if holds(chain))
    rules = (rule for chain in chains for rule in chain.rules)
    return next((rule for rule in rules if rule.handle == hit.handle), None)


def of_a_ping(reason: Reason | None) -> Cause | None:
    """What keeps a ping from coming through, where it keeps any packet."""
    if reason is None or reason.code not in _OF_ANY_PACKET:
        return None
    return f"{reason.sentence} (so a ping shows that was sent in its place)", reason.mend


def unknown(pair: Pair, service: str, result: PingResult, lab: str) -> str:
    """A ping is answered, or what befell it concerns pings alone."""
    pings = "pings are answered"
    if not result.replied:
        why = f" ({result.reason.sentence})" if result.reason else ""
        pings = f"a ping that was sent in its place is lost by itself{why}"
    if pair.error is not None:
        return f"{pings}, and {service} is not: {pair.error}"
    what = "something drops it"
    if service.startswith("udp"):
        what = "a listener keeps silent, or something drops it"
    look = f"hopscope exec {lab} {pair.target} -- tcpdump -ni any {service}"
    return f"{pings}; of {service} no rule was seen to drop it: {what}; see what comes: {look}"
