"""Frames and packets as bytes → Headers; it never raises, and opens no socket.

What is cut off or makes no sense is None in the result. The neighbours of this module
build our probes (`echo`), sum (`checksum`) and put packets in words (`words`); their
public functions are offered here too.
"""

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple

from msgspec.structs import replace

from hopscope.model.flow import Arp, Headers, Icmp, Ip, Ports
from hopscope.model.vocab import Mac
from hopscope.wire.checksum import ICMP, ICMPV6, TCP, UDP
from hopscope.wire.echo import echo_request, stamp_of, stamped
from hopscope.wire.words import title

__all__ = [
    "ARP_TYPE",
    "IPV4_TYPE",
    "IPV6_TYPE",
    "decode",
    "decode_packet",
    "decode_parts",
    "echo_request",
    "stamp_of",
    "stamped",
    "title",
]

IPV4_TYPE: Final = 0x0800
ARP_TYPE: Final = 0x0806
IPV6_TYPE: Final = 0x86DD

_TAGS: Final = (0x8100, 0x88A8)
_ARP_ETHERNET_IPV4: Final = struct.pack(">HHBB", 1, IPV4_TYPE, 6, 4)
_UDPLITE, _SCTP = 136, 132

_ERRORS: Final = {ICMP: frozenset({3, 4, 5, 11, 12}), ICMPV6: frozenset({1, 2, 3, 4})}
_ECHOES: Final = {ICMP: frozenset({0, 8}), ICMPV6: frozenset({128, 129})}
_TOO_BIG: Final = {(ICMP, 3, 4): ">xxxxxxH", (ICMPV6, 2, 0): ">xxxxI"}  # where the MTU stands
_TARGETED: Final = frozenset({135, 136, 137})  # neighbour solicitation, advertisement, redirect

_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION = 0, 43, 44, 51, 60
_EXTENSIONS: Final = frozenset(
    {_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION, 135, 139, 140}
)
_TCP_FLAGS: Final = (
    (0x002, "SYN"),
    (0x001, "FIN"),
    (0x004, "RST"),
    (0x008, "PSH"),
    (0x010, "ACK"),
    (0x020, "URG"),
    (0x040, "ECE"),
    (0x080, "CWR"),
    (0x100, "AE"),
)


class _Parsed(NamedTuple):
    """An IP header and what it carries; *upper* is None in a later fragment."""

    ip: Ip
    upper: bytes | None


def decode(frame: bytes) -> Headers:
    """What an Ethernet frame says of itself; VLAN tags are passed over."""
    ethertype, start = _ethertype(frame)
    if ethertype is None:
        return Headers()
    inside = decode_packet(frame[start:], ethertype=ethertype)
    return _with_link(inside, frame)


def decode_packet(packet: bytes, *, ethertype: int | None = None) -> Headers:
    """What a packet says of itself, from its network header on.

    *ethertype* None: told from the packet's own first bytes.
    """
    return _network(packet, b"", ethertype, quotes=True)


def decode_parts(link: bytes, network: bytes, transport: bytes) -> Headers:
    """The pieces of an nf_tables trace message: *link* may be empty, the others cut short.

    Over IPv6 the pieces leave out extension headers, and with them the protocol that
    follows: *proto* is then the first extension's number.
    """
    inside = _network(network, transport, _ethertype(link)[0], quotes=True)
    return _with_link(inside, link)


def _ethertype(frame: bytes) -> tuple[int | None, int]:
    """The type of what follows the link header, and where that begins."""
    at = 12
    while at + 2 <= len(frame):
        (ethertype,) = struct.unpack_from(">H", frame, at)
        if ethertype not in _TAGS:
            return ethertype, at + 2
        at += 4
    return None, len(frame)


def _with_link(headers: Headers, link: bytes) -> Headers:
    ethertype, _ = _ethertype(link)
    if ethertype is None:
        return headers
    dst, src = Mac(link[:6].hex(":")), Mac(link[6:12].hex(":"))
    return replace(headers, dst_mac=dst, src_mac=src, ethertype=ethertype)


def _network(packet: bytes, transport: bytes, ethertype: int | None, *, quotes: bool) -> Headers:
    if ethertype is None:
        ethertype = _guess(packet)
    if ethertype == ARP_TYPE:
        return Headers(ethertype=ethertype, arp=_arp(packet))
    parsed = _ip(packet, transport, ethertype)
    if parsed is None:
        return Headers(ethertype=ethertype)
    ip, upper = parsed
    headers = Headers(ethertype=ethertype, ip=ip)
    if upper is None:
        return headers
    if ip.proto in _ERRORS and (ip.proto == ICMP) == (ip.version == 4):
        return _with_icmp(headers, ip.proto, upper, quotes=quotes)
    stamp = stamp_of(upper[8:]) if ip.proto == UDP else None
    return replace(headers, ports=_ports(ip.proto, upper), stamp=stamp)


def _guess(packet: bytes) -> int | None:
    if packet.startswith(_ARP_ETHERNET_IPV4):
        return ARP_TYPE
    version = packet[0] >> 4 if packet else 0
    return {4: IPV4_TYPE, 6: IPV6_TYPE}.get(version)


def _arp(packet: bytes) -> Arp | None:
    if len(packet) < 28 or not packet.startswith(_ARP_ETHERNET_IPV4):
        return None
    (op,) = struct.unpack_from(">H", packet, 6)
    return Arp(
        op=op,
        sender_mac=Mac(packet[8:14].hex(":")),
        sender_ip=str(IPv4Address(packet[14:18])),
        target_mac=Mac(packet[18:24].hex(":")),
        target_ip=str(IPv4Address(packet[24:28])),
    )


def _ip(packet: bytes, transport: bytes, ethertype: int | None) -> _Parsed | None:
    if ethertype == IPV4_TYPE:
        return _ipv4(packet, transport)
    if ethertype == IPV6_TYPE:
        return _ipv6(packet, transport)
    return None


def _ipv4(packet: bytes, transport: bytes) -> _Parsed | None:
    if len(packet) < 20 or packet[0] >> 4 != 4 or packet[0] & 0xF < 5:
        return None
    start = (packet[0] & 0xF) * 4
    tos, length, ident, fragment, ttl, proto = struct.unpack_from(">xBHHHBB", packet)
    offset = (fragment & 0x1FFF) * 8
    ip = Ip(
        version=4,
        src=str(IPv4Address(packet[12:16])),
        dst=str(IPv4Address(packet[16:20])),
        proto=proto,
        ttl=ttl,
        length=length,
        id=ident,
        tos=tos,
        dont_fragment=bool(fragment & 0x4000),
        fragment_offset=offset,
    )
    # behind the packet's own length an Ethernet frame is padding; 0 is a segment to be cut later
    upper = transport or packet[start : length or len(packet)]
    return _Parsed(ip, None if offset else upper)


def _ipv6(packet: bytes, transport: bytes) -> _Parsed | None:
    if len(packet) < 40 or packet[0] >> 4 != 6:
        return None
    first, payload, following, hops = struct.unpack_from(">IHBB", packet)
    body = packet[40 : 40 + payload] if payload else packet[40:]
    at, proto, offset = _skip_extensions(following, body)
    ip = Ip(
        version=6,
        src=str(IPv6Address(packet[8:24])),
        dst=str(IPv6Address(packet[24:40])),
        proto=proto,
        ttl=hops,
        length=40 + payload,
        tos=first >> 20 & 0xFF,
        fragment_offset=offset,
        flow_label=first & 0xFFFFF,
    )
    return _Parsed(ip, None if offset else transport or body[at:])


def _skip_extensions(following: int, body: bytes) -> tuple[int, int, int]:
    """Where the first header that is no extension begins, its number, the fragment's offset."""
    at = offset = 0
    while following in _EXTENSIONS and at + 8 <= len(body) and not offset:
        size = (body[at + 1] + 1) * 8
        if following == _FRAGMENT:
            size = 8
            offset = struct.unpack_from(">H", body, at + 2)[0] & 0xFFF8
        elif following == _AUTHENTICATION:
            size = (body[at + 1] + 2) * 4
        following = body[at]
        at += size
    return at, following, offset


def _with_icmp(headers: Headers, proto: int, message: bytes, *, quotes: bool) -> Headers:
    if len(message) < 4:
        return headers
    kind, code = message[0], message[1]
    icmp = Icmp(type=kind, code=code)
    if kind in _ECHOES[proto] and len(message) >= 8:
        ident, seq = struct.unpack_from(">HH", message, 4)
        icmp = replace(icmp, ident=ident, seq=seq)
        return replace(headers, icmp=icmp, stamp=stamp_of(message[8:]))
    if proto == ICMPV6 and kind in _TARGETED and len(message) >= 24:
        icmp = replace(icmp, target=str(IPv6Address(message[8:24])))
    if (form := _TOO_BIG.get((proto, kind, code))) is not None and len(message) >= 8:
        icmp = replace(icmp, mtu=struct.unpack_from(form, message)[0])
    if kind not in _ERRORS[proto] or not quotes:  # an error must not quote an error
        return replace(headers, icmp=icmp)
    ethertype = IPV4_TYPE if proto == ICMP else IPV6_TYPE
    inner = _network(message[8:], b"", ethertype, quotes=False)
    return replace(headers, icmp=icmp, inner=inner if inner.ip is not None else None)


def _ports(proto: int, segment: bytes) -> Ports | None:
    if proto not in (TCP, UDP, _UDPLITE, _SCTP) or len(segment) < 4:
        return None
    sport, dport = struct.unpack_from(">HH", segment)
    flags = ""
    seq = None
    if proto == TCP and len(segment) >= 8:
        (seq,) = struct.unpack_from(">I", segment, 4)
    if proto == TCP and len(segment) >= 14:
        (bits,) = struct.unpack_from(">H", segment, 12)
        flags = ",".join(name for bit, name in _TCP_FLAGS if bits & bit)
    return Ports(sport=sport, dport=dport, flags=flags, seq=seq)
