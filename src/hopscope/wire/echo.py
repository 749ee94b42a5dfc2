"""Our own probes: the stamp that they carry, and echo requests; knows of no other packet."""

import struct
from ipaddress import ip_address
from typing import Final

from hopscope.wire.checksum import ICMPV6, checksum, pseudo_header

__all__ = ["STAMP_SIZE", "SWEEP", "echo_request", "stamp_of", "stamped"]

_MAGIC: Final = b"hops"
_STAMP: Final = struct.Struct(">4sQ")
STAMP_SIZE: Final = _STAMP.size
"""With an echo's or UDP's header 20 bytes: all that an nf_tables trace shows of them."""

SWEEP: Final = 0x6873
"""The identifier of requests that go to all nodes at once. LOG rules leave no line of them."""


def echo_request(src: str, dst: str, *, ident: int, seq: int, stamp: int, size: int) -> bytes:
    """The ICMP or ICMPv6 message, checksum included; *size* counts the payload's bytes.

    *src* matters for IPv6 only, whose checksum covers the addresses.
    """
    six = ":" in dst
    filler = bytes(i & 0xFF for i in range(STAMP_SIZE, size))
    payload = stamped(stamp) + filler
    rest = struct.pack(">HH", ident & 0xFFFF, seq & 0xFFFF) + payload
    kind = 128 if six else 8
    bare = struct.pack(">BBH", kind, 0, 0) + rest
    covered = bare
    if six:
        ends = (ip_address(src).packed, ip_address(dst).packed)
        covered = pseudo_header(*ends, ICMPV6, len(bare)) + bare
    return struct.pack(">BBH", kind, 0, checksum(covered)) + rest


def stamped(number: int) -> bytes:
    """The payload that carries a number, which `stamp_of` reads."""
    return _STAMP.pack(_MAGIC, number)


def stamp_of(payload: bytes) -> int | None:
    """The number in an echo's payload; None when the payload is not ours, or cut short."""
    if len(payload) < STAMP_SIZE:
        return None
    magic, number = _STAMP.unpack_from(payload)
    return int(number) if magic == _MAGIC else None
