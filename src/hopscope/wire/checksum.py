"""The Internet checksum (RFC 1071), computed; no meaning of headers beyond that."""

import struct
from typing import Final

__all__ = [
    "ICMP",
    "ICMPV6",
    "TCP",
    "UDP",
    "ChecksumError",
    "checksum",
    "pseudo_header",
]

TCP: Final = 6
UDP: Final = 17
ICMP: Final = 1
ICMPV6: Final = 58


class ChecksumError(ValueError):
    """Addresses of unequal kind."""


def checksum(data: bytes) -> int:
    """The 16-bit one's complement of the one's complement sum; 0 over data that carries it."""
    return ~_sum(data) & 0xFFFF


def pseudo_header(src: bytes, dst: bytes, proto: int, length: int) -> bytes:
    """What TCP, UDP and ICMPv6 sum up besides themselves (RFC 9293, RFC 8200)."""
    if len(src) != len(dst):
        message = f"addresses of {len(src)} and {len(dst)} bytes in one packet"
        raise ChecksumError(message)
    tail = (
        struct.pack(">BBH", 0, proto, length)
        if len(src) == 4
        else struct.pack(">IHBB", length, 0, 0, proto)
    )
    return src + dst + tail


def _sum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total
