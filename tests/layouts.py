"""Packets laid out by hand from the RFCs, independent of the code under test."""

import struct
from ipaddress import ip_address

__all__ = [
    "arp",
    "echo",
    "ethernet",
    "extension",
    "fragment_header",
    "icmp",
    "icmpv6",
    "ipv4",
    "ipv6",
    "ones_complement",
    "tcp",
    "udp",
]

SRC_MAC, DST_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"


def ones_complement(data: bytes) -> int:
    """RFC 1071 by arithmetic: 65536 is 1 modulo 65535, so the words' sum is the number itself."""
    number = int.from_bytes(data + bytes(len(data) % 2), "big")
    total = number % 0xFFFF or (0xFFFF if number else 0)
    return 0xFFFF - total


def ethernet(
    payload: bytes, ethertype: int, *, src: str = SRC_MAC, dst: str = DST_MAC, tags: bytes = b""
) -> bytes:
    """IEEE 802.3; *tags* stand between the addresses and the type."""
    ends = bytes.fromhex((dst + src).replace(":", ""))
    return ends + tags + struct.pack(">H", ethertype) + payload


def arp(op: int, sender: tuple[str, str], target: tuple[str, str]) -> bytes:
    """RFC 826; each end is a MAC and an IPv4 address."""
    body = b"".join(
        bytes.fromhex(mac.replace(":", "")) + ip_address(ip).packed for mac, ip in (sender, target)
    )
    return struct.pack(">HHBBH", 1, 0x0800, 6, 4, op) + body


def ipv4(
    payload: bytes,
    *,
    proto: int,
    src: str = "10.0.0.1",
    dst: str = "10.0.0.2",
    tos: int = 0,
    ident: int = 0,
    fragment: int = 0,
    ttl: int = 64,
    options: bytes = b"",
    length: int | None = None,
) -> bytes:
    """RFC 791; *fragment* is the field of flags and offset."""
    start = 20 + len(options)
    whole = start + len(payload) if length is None else length
    fields = (0x40 | start // 4, tos, whole, ident, fragment, ttl, proto)
    ends = ip_address(src).packed + ip_address(dst).packed + options
    bare = struct.pack(">BBHHHBBH", *fields, 0) + ends
    return struct.pack(">BBHHHBBH", *fields, ones_complement(bare)) + ends + payload


def ipv6(
    payload: bytes,
    *,
    following: int,
    src: str = "fd00::1",
    dst: str = "fd00::2",
    traffic_class: int = 0,
    flow: int = 0,
    hops: int = 64,
    length: int | None = None,
) -> bytes:
    """RFC 8200."""
    first = 6 << 28 | traffic_class << 20 | flow
    size = len(payload) if length is None else length
    head = struct.pack(">IHBB", first, size, following, hops)
    return head + ip_address(src).packed + ip_address(dst).packed + payload


def extension(following: int, *, units: int = 0) -> bytes:
    """An IPv6 options or routing header of 8 × (units + 1) bytes, padded (Pad1)."""
    return bytes([following, units]) + bytes(6 + 8 * units)


def fragment_header(following: int, *, offset: int, more: bool, ident: int = 7) -> bytes:
    """RFC 8200, section 4.5; *offset* in bytes."""
    return struct.pack(">BBHI", following, 0, offset | more, ident)


def tcp(
    sport: int,
    dport: int,
    *,
    bits: int,
    payload: bytes = b"",
    options: bytes = b"",
    ends: tuple[str, str] = ("10.0.0.1", "10.0.0.2"),
) -> bytes:
    """RFC 9293; *bits* are the reserved bits and the flags."""
    offset = (20 + len(options)) // 4 << 12 | bits
    fields = (sport, dport, 1000, 2000, offset, 512)
    bare = struct.pack(">HHIIHHHH", *fields, 0, 0) + options + payload
    total = ones_complement(_pseudo(ends, 6, len(bare)) + bare)
    return struct.pack(">HHIIHHHH", *fields, total, 0) + options + payload


def udp(
    sport: int,
    dport: int,
    payload: bytes = b"",
    *,
    ends: tuple[str, str] = ("10.0.0.1", "10.0.0.2"),
) -> bytes:
    """RFC 768."""
    bare = struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload
    total = ones_complement(_pseudo(ends, 17, len(bare)) + bare) or 0xFFFF
    return bare[:6] + struct.pack(">H", total) + payload


def icmp(kind: int, code: int, rest: bytes = bytes(4)) -> bytes:
    """RFC 792; *rest* is what follows the checksum."""
    bare = bytes([kind, code, 0, 0]) + rest
    return bytes([kind, code]) + struct.pack(">H", ones_complement(bare)) + rest


def icmpv6(
    kind: int,
    code: int,
    rest: bytes = bytes(4),
    *,
    ends: tuple[str, str] = ("fd00::1", "fd00::2"),
) -> bytes:
    """RFC 4443."""
    bare = bytes([kind, code, 0, 0]) + rest
    total = ones_complement(_pseudo(ends, 58, len(bare)) + bare)
    return bytes([kind, code]) + struct.pack(">H", total) + rest


def echo(ident: int, seq: int, payload: bytes = b"") -> bytes:
    """What follows the checksum of an echo request or reply."""
    return struct.pack(">HH", ident, seq) + payload


def _pseudo(ends: tuple[str, str], proto: int, length: int) -> bytes:
    packed = b"".join(ip_address(end).packed for end in ends)
    form = ">xBH" if len(packed) == 8 else ">I3xB"
    return packed + struct.pack(form, *((proto, length) if len(packed) == 8 else (length, proto)))
