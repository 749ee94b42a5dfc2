"""What befell a TCP connection or a UDP datagram that was lost, as its own packets tell.

A ping that is sent in its place is other traffic: it tells of the way, and not of what rules
make of a port.
"""

from collections.abc import Sequence
from typing import Final

from hopscope.kernel.sandbox import Sandbox
from hopscope.model.journey import Reason
from hopscope.model.reachability import Outcome, Pair, Protocol
from hopscope.model.record import PingResult
from hopscope.model.vocab import NodeName
from hopscope.probe.answers import Answer, Ask, Goal
from hopscope.probe.connections import connections
from hopscope.probe.datagrams import datagrams
from hopscope.trace.exchanges import Service
from hopscope.wire.checksum import TCP, UDP

__all__ = ["Cause", "of_a_ping", "probe", "probes", "service_of", "unknown"]

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
    return probes(sandbox, [pair], protocol, port, timeout)[0]


def probes(
    sandbox: Sandbox, pairs: Sequence[Pair], protocol: Protocol, port: int, timeout: float
) -> list[Answer]:
    """The pairs at once, in their order."""
    goals: dict[NodeName, list[Goal]] = {}
    for number, pair in enumerate(pairs):
        goals.setdefault(pair.source, []).append((number, pair.address or ""))
    send = connections if protocol is Protocol.TCP else datagrams
    asks = [Ask(source, some) for source, some in goals.items()]
    found = {
        number: answer
        for answers in send(sandbox, asks, port=port, timeout=timeout)
        for number, answer in answers.items()
    }
    return [_whole(found.get(number, Answer(Outcome.SILENT))) for number in range(len(pairs))]


def _whole(answer: int | Answer) -> Answer:
    return Answer(Outcome.ANSWERED, answer) if isinstance(answer, int) else answer


def service_of(pair: Pair, protocol: Protocol, port: int) -> Service:
    """What is asked of the pair's target."""
    number = TCP if protocol is Protocol.TCP else UDP
    return Service(proto=number, address=pair.address or "", port=port)


def of_a_ping(reason: Reason | None) -> Cause | None:
    """What keeps a ping from coming through, where it keeps any packet."""
    if reason is None or reason.code not in _OF_ANY_PACKET:
        return None
    return f"{reason.sentence} (so a ping shows that was sent in its place)", reason.mend


def unknown(pair: Pair, service: str, result: PingResult, lab: str, *, last: Reason | None) -> str:
    """A ping is answered, or what befell it concerns pings alone; *last*: where it was seen."""
    pings = "pings are answered"
    if not result.replied:
        why = f" ({result.reason.sentence})" if result.reason else ""
        pings = f"a ping that was sent in its place is lost by itself{why}"
    if pair.error is not None:
        return f"{pings}, and {service} is not: {pair.error}"
    where = pair.source if pair.target == pair.address else pair.target
    if last is not None and last.at is not None:
        where = last.at.node
    seen = f" ({last.sentence})" if last is not None else ""
    what = "something drops it"
    if service.startswith("udp"):
        what = "a listener keeps silent, or something drops it"
    what_comes = service if where == pair.target else service.split(maxsplit=1)[0]
    look = f"hopscope exec {lab} {where} -- tcpdump -ni any {what_comes}"
    return (
        f"{pings}; of {service} no rule was seen to drop it{seen}: {what}; see what comes: {look}"
    )
