"""A LOG rule's report as the kernel's own text, and as a syslog file shows it; pure.

The text of an IP packet itself is `logpacket`'s part.
"""

from datetime import tzinfo
from typing import Final

from hopscope.model.events import Logged
from hopscope.model.vocab import Family, Nanos
from hopscope.render.logpacket import LogOptions, arp_text, ipv4_text, ipv6_text
from hopscope.render.rfc5424 import short_time

__all__ = ["line", "syslog_line"]

_IPV4, _ARP, _RARP, _IPV6 = 0x0800, 0x0806, 0x8035, 0x86DD
_TYPE_OF: Final = {Family.IP: _IPV4, Family.IP6: _IPV6, Family.ARP: _ARP}

_TCP_SEQUENCE, _TCP_OPTIONS, _IP_OPTIONS = 0x01, 0x02, 0x04  # XT_LOG_TCPSEQ and its siblings


def line(event: Logged) -> str:
    """The kernel's text for the event, up to and without the line's end.

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
    options = _options(event.flags)
    if ethertype == _IPV4:
        return text + ipv4_text(event.packet, mark=event.mark, options=options)
    if ethertype == _IPV6:
        return text + ipv6_text(event.packet, mark=event.mark, options=options)
    return text


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


def _options(flags: int) -> LogOptions:
    return LogOptions(
        tcp_sequence=bool(flags & _TCP_SEQUENCE),
        tcp_options=bool(flags & _TCP_OPTIONS),
        ip_options=bool(flags & _IP_OPTIONS),
    )


def _ethertype(event: Logged) -> int | None:
    if event.family in _TYPE_OF:
        return _TYPE_OF[event.family]
    if len(event.link_header) >= 14:
        return int.from_bytes(event.link_header[-2:], "big")
    version = event.packet[0] >> 4 if event.packet else 0
    return {4: _IPV4, 6: _IPV6}.get(version)
