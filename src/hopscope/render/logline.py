"""A LOG rule's report as the kernel's own text, and as a syslog file shows it; pure.

The text of an IP packet itself is `logpacket`'s part. The kernel writes PHYSIN= also
where nfnetlink_log does not report that port, which is wherever the hook has no input
device: `with_physin` finds the port again among the other events.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import tzinfo
from typing import Final

from hopscope.model.events import Event, FrameSeen, Logged
from hopscope.model.vocab import DevName, Direction, Family, Nanos, NodeName
from hopscope.render.logpacket import PLAIN, LogOptions, arp_text, ipv4_text, ipv6_text
from hopscope.render.rfc5424 import short_time

__all__ = ["LogOptions", "line", "syslog_line", "with_physin"]

_IPV4, _ARP, _RARP, _IPV6 = 0x0800, 0x0806, 0x8035, 0x86DD
_TYPE_OF: Final = {Family.IP: _IPV4, Family.IP6: _IPV6, Family.ARP: _ARP}

_ICMP_KEEPS: Final = (slice(0, 2), slice(6, 8))  # type, code and sequence number
_KEPT: Final[Mapping[int, tuple[slice, ...]]] = {
    1: _ICMP_KEEPS,
    58: _ICMP_KEEPS,
    6: (slice(4, 8),),  # the sequence number
    17: (slice(4, 6),),  # the length
}
"""By protocol, what translation leaves alone in the first eight bytes of its header."""


def line(event: Logged, *, options: LogOptions = PLAIN) -> str:
    """The kernel's text for the event, up to and without the line's end.

    *options* are the LOG rule's own (--log-tcp-options …), which a report does not carry.
    Mirrors nf_log_ip_packet() and its siblings, net/netfilter/nf_log_syslog.c.
    """
    came_in, out = event.iif, event.oif
    physin, physout = event.physin, event.physout
    if event.family is Family.BRIDGE:  # its hooks are given the ports themselves
        came_in, out, physin, physout = physin or came_in, physout or out, None, None
    text = f"{event.prefix}IN={came_in or ''} OUT={out or ''} "
    if physin and physin != came_in:
        text += f"PHYSIN={physin} "
    if physout and physout != out:
        text += f"PHYSOUT={physout} "
    ethertype = _ethertype(event)
    if ethertype in (_ARP, _RARP):
        return text + arp_text(event.packet)
    if came_in or ethertype not in (_IPV4, _IPV6):
        text += f"MAC={event.link_header.hex(':')} "
    if ethertype == _IPV4:
        return text + ipv4_text(event.packet, mark=event.mark, options=options)
    if ethertype == _IPV6:
        return text + ipv6_text(event.packet, mark=event.mark, options=options)
    return text


def with_physin(events: Iterable[Event]) -> Iterator[Logged]:
    """The LOG reports among *events*, in order, each with the port that the kernel prints.

    Only a packet that entered through a bridge's port has a *physout*; the port is then
    the one at which the same packet was logged, or seen as a frame, before.
    """
    ports: dict[tuple[NodeName, bytes], DevName] = {}
    everything = tuple(events)
    for event in everything:
        if isinstance(event, FrameSeen) and event.direction is Direction.RECEIVE:
            # the first device is the port; later ones are the bridge, which has it from there
            ports.setdefault((event.dev.node, _unchanged(event.frame[14:])), event.dev.dev)
    for event in everything:
        if not isinstance(event, Logged):
            continue
        key = (event.node, _unchanged(event.packet))
        if event.physin is not None and event.family is not Family.BRIDGE:
            ports[key] = event.physin
        elif event.physout is not None and event.iif is None and key in ports:
            event = replace(event, physin=ports[key])  # noqa: PLW2901 - the completed event
        yield event


def syslog_line(
    text: str,
    *,
    at: Nanos,
    host: str,
    boot: Nanos | None = None,
    zone: tzinfo | None = None,
) -> str:
    """The line as a syslog file shows it: ``Nov 24 14:00:00 node1 kernel: [12.345678] text``.

    *boot* is the time of the machine's start, which printk counts from; without it the
    brackets are left out. *zone* None: this process's own.
    """
    since = ""
    if boot is not None:
        whole, rest = divmod(at - boot, 1_000_000_000)
        since = f"[{whole:5d}.{rest // 1000:06d}] "
    return f"{short_time(at, zone)} {host} kernel: {since}{text}"


def _ethertype(event: Logged) -> int | None:
    if event.family in _TYPE_OF:
        return _TYPE_OF[event.family]
    if len(event.link_header) >= 14:
        return int.from_bytes(event.link_header[-2:], "big")
    version = event.packet[0] >> 4 if event.packet else 0
    return {4: _IPV4, 6: _IPV6}.get(version)


def _unchanged(packet: bytes) -> bytes:
    """What neither a forwarder nor address translation changes: no TTL, checksums, ends.

    Bytes behind the packet's own length are Ethernet's padding.
    """
    version = packet[0] >> 4 if packet else 0
    if version == 4 and len(packet) >= 20:
        start, length, proto = (packet[0] & 0xF) * 4, packet[2:4], packet[9]
        fixed, end = packet[:8] + packet[9:10], int.from_bytes(length, "big")
    elif version == 6 and len(packet) >= 40:
        start, length, proto = 40, packet[4:6], packet[6]
        fixed, end = packet[:7], 40 + int.from_bytes(length, "big")
    else:
        return packet
    first = packet[start : start + 8]
    kept: tuple[slice, ...] = _KEPT.get(proto, (slice(8),))
    return fixed + b"".join(first[part] for part in kept) + packet[start + 8 : end]
