"""Which frames and trace messages are the same packet.

Our echo requests and datagrams carry a stamp in their payload, which survives address
translation and comes back in the reply and in errors that quote the request. Of TCP the
sequence number serves. Without these, header fields that no forwarder changes identify a
packet. A key may stand for several packets (a
repeated ARP request, the answers of several nodes to one broadcast): each begins with a
frame that its sender's own device sends. A frame that shows up again where it already was
has gone round a loop.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from hopscope.model.events import FrameSeen
from hopscope.model.flow import Headers
from hopscope.model.vocab import Direction
from hopscope.wire.packet import decode

__all__ = ["ERRORS", "Key", "Sighting", "key_of", "likest", "packets", "sightings"]

Key = tuple[object, ...]

ERRORS: Final[Mapping[int, Sequence[int]]] = {4: (3, 4, 5, 11, 12), 6: (1, 2, 3, 4)}
"""ICMP types that quote another packet, by the version of IP."""


class Sighting(Struct, frozen=True, kw_only=True):
    """A frame and what its bytes say."""

    event: FrameSeen
    headers: Headers


def sightings(events: Iterable[object]) -> Iterator[Sighting]:
    """The frames among the events, decoded, in the order of their time stamps.

    A frame that is received and one that is sent at the same instant are ordered
    receive first: the kernel stamps a frame once, and reuses that stamp on the way in.
    """
    frames = [event for event in events if isinstance(event, FrameSeen)]
    order = {Direction.RECEIVE: 0, Direction.TRANSMIT: 1}
    for frame in sorted(frames, key=lambda frame: (frame.at, order[frame.direction])):
        yield Sighting(event=frame, headers=decode(frame.frame))


def key_of(headers: Headers) -> Key | None:
    """What identifies the packet; None for one that we cannot tell from others."""
    if (arp := headers.arp) is not None:
        return ("arp", arp.op, arp.sender_mac, arp.sender_ip, arp.target_ip)
    ip, icmp = headers.ip, headers.icmp
    if ip is None:
        return None
    if icmp is None:
        if headers.ports is None:
            return None
        ports = headers.ports
        if headers.stamp is not None:
            return ("datagram", headers.stamp)
        if ports.seq is not None:
            return ("segment", ports.seq, ports.flags)
        return ("ports", ip.proto, ports.sport, ports.dport, ports.flags, ip.id)
    if headers.inner is not None or icmp.type in ERRORS[ip.version]:
        maker = ip.id or ip.src  # whose address a router may translate, as the quoted one's
        return ("error", icmp.type, icmp.code, maker)  # a trace is too short for more
    if headers.stamp is not None:
        return ("stamp", icmp.type, headers.stamp)
    if icmp.target is not None:
        return ("nd", icmp.type, icmp.target, ip.src, ip.dst)
    return ("icmp", icmp.type, icmp.code, icmp.ident, icmp.seq, ip.src, ip.dst)


def packets(
    found: Iterable[Sighting], begins: Callable[[Sighting], bool]
) -> dict[Key, list[list[Sighting]]]:
    """Sightings by key, each key's split into its packets, all in order of time.

    *begins* tells a frame that its sender sends from one that somebody hands on.
    """
    grouped: dict[Key, list[list[Sighting]]] = {}
    for sighting in found:
        key = key_of(sighting.headers)
        if key is None:
            continue
        instances = grouped.setdefault(key, [])
        if not instances or (begins(sighting) and _is_another(instances[-1], sighting, begins)):
            instances.append([sighting])
        else:
            _own(instances, sighting).append(sighting)
    return grouped


def _is_another(
    instance: list[Sighting], sighting: Sighting, begins: Callable[[Sighting], bool]
) -> bool:
    """Whether this beginning is another packet's than the last one's.

    A router that translates addresses sends a packet from an address of its own, too; it
    has lived longer then.
    """
    begun = next((one for one in instance if begins(one)), None)
    if begun is None:  # its beginning was not seen, or bears an earlier time than this copy
        return False
    ip, before = sighting.headers.ip, begun.headers.ip
    return ip is None or before is None or ip.ttl >= before.ttl


def _own(instances: list[list[Sighting]], sighting: Sighting) -> list[Sighting]:
    """Of several packets of one key, the one that this frame is of."""
    return instances[likest([one[0].headers for one in instances], sighting.headers)]


def likest(firsts: Sequence[Headers], headers: Headers) -> int:
    """Which of several packets of one key has the IP header most like these; the last, if equal."""

    def likeness(number: int) -> tuple[int, int]:
        first, ip = firsts[number].ip, headers.ip
        if first is None or ip is None:
            return 0, number
        return (first.src == ip.src) + (first.id == ip.id), number

    return max(range(len(firsts)), key=likeness)
