"""What befell a TCP connection or a UDP datagram that was lost, as its own packets tell.

A ping that is sent in its place is other traffic: it tells of the way, and not of what rules
make of a port.
"""

from typing import Final

from hopscope.kernel.sandbox import Sandbox
from hopscope.model.journey import Reason
from hopscope.model.reachability import Outcome, Pair, Protocol
from hopscope.model.record import PingResult
from hopscope.probe.answers import Answer, Ask
from hopscope.probe.connections import connections
from hopscope.probe.datagrams import datagrams

__all__ = ["Cause", "of_a_ping", "probe", "unknown"]

_OF_ANY_PACKET: Final = frozenset(
    (
        *("no-route", "route-forbids", "not-forwarding", "reverse-path", "routing-loop"),
        *("time-exceeded", "no-such-address", "device-down", "port-not-forwarding"),
        *("isolated-ports", "bridge-loop", "no-layer-2-path", "arp-ignore", "silent"),
        *("unresolved", "wrong-neighbour", "no-route-back", "ipv6-off", "martian-source"),
        *("wrong-port", "macvlan-apart", "tunnel"),
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
    where = last.at.node if last is not None and last.at is not None else pair.target
    seen = f" ({last.sentence})" if last is not None else ""
    what = "something drops it"
    if service.startswith("udp"):
        what = "a listener keeps silent, or something drops it"
    what_comes = service if where == pair.target else service.split(maxsplit=1)[0]
    look = f"hopscope exec {lab} {where} -- tcpdump -ni any {what_comes}"
    return (
        f"{pings}; of {service} no rule was seen to drop it{seen}: {what}; see what comes: {look}"
    )
