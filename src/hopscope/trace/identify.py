"""Which frames and trace messages are the same packet.

Our probes carry a stamp in their payload, which survives address translation and comes
back in the reply and in errors that quote the request. Without a stamp, header fields
that no forwarder changes identify a packet. A key may stand for several packets (a
repeated ARP request): a packet passes a device in one direction once, so when a frame
shows up again where it already was, another packet has begun.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hopscope.model.events import FrameSeen
from hopscope.model.flow import Headers
from hopscope.model.vocab import Direction
from hopscope.wire.packet import decode

__all__ = ["Key", "Sighting", "key_of", "packets", "sightings"]

Key = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
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
        return ("ports", ip.proto, ports.sport, ports.dport, ports.flags, ip.id)
    if headers.inner is not None:
        return ("error", icmp.type, icmp.code, ip.src, key_of(headers.inner))
    if headers.stamp is not None:
        return ("stamp", icmp.type, headers.stamp)
    if icmp.target is not None:
        return ("nd", icmp.type, icmp.target, ip.src, ip.dst)
    return ("icmp", icmp.type, icmp.code, icmp.ident, icmp.seq, ip.src, ip.dst)


def packets(found: Iterable[Sighting]) -> dict[Key, list[list[Sighting]]]:
    """Sightings by key, each key's split into its packets, all in order of time."""
    grouped: dict[Key, list[list[Sighting]]] = {}
    for sighting in found:
        key = key_of(sighting.headers)
        if key is None:
            continue
        instances = grouped.setdefault(key, [[]])
        where = (sighting.event.dev, sighting.event.direction)
        if any((s.event.dev, s.event.direction) == where for s in instances[-1]):
            instances.append([])
        instances[-1].append(sighting)
    return grouped
