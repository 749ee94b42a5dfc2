"""The Internet checksum (RFC 1071), computed and verified; no meaning of headers beyond that."""

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
    "transport_checksum_ok",
]

TCP: Final = 6
UDP: Final = 17
ICMP: Final = 1
ICMPV6: Final = 58

_FIELD_AT: Final = {ICMP: 2, ICMPV6: 2, TCP: 16, UDP: 6}
"""Where each transport header keeps its checksum."""


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


def transport_checksum_ok(src: bytes, dst: bytes, proto: int, body: bytes) -> bool | None:
    """Whether a whole transport message has the right checksum.

    None: the protocol has none that we know, or the field holds only the pseudo header's
    sum, which the sending kernel leaves for a network card to complete (offload).
    """
    at = _FIELD_AT.get(proto)
    if at is None or len(body) < at + 2:
        return None
    (field,) = struct.unpack_from(">H", body, at)
    if proto == ICMP:
        return checksum(body) == 0
    if proto == UDP and field == 0:
        return len(src) == 4  # not computed: lawful over IPv4 only
    pseudo = pseudo_header(src, dst, proto, len(body))
    if checksum(pseudo + body) == 0:
        return True
    return None if field == _sum(pseudo) else False


def _sum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total
