"""Netlink framing as bytes: messages, attributes, acknowledgements (RFC 3549, linux/netlink.h)."""

import struct
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

__all__ = [
    "NETLINK_ADD_MEMBERSHIP",
    "NETLINK_CAP_ACK",
    "NETLINK_EXT_ACK",
    "NETLINK_GET_STRICT_CHK",
    "NETLINK_NETFILTER",
    "NETLINK_ROUTE",
    "NLMSG_DONE",
    "NLMSG_ERROR",
    "NLM_F_ACK",
    "NLM_F_APPEND",
    "NLM_F_CREATE",
    "NLM_F_DUMP",
    "NLM_F_DUMP_INTR",
    "NLM_F_EXCL",
    "NLM_F_MULTI",
    "NLM_F_REPLACE",
    "NLM_F_REQUEST",
    "SOL_NETLINK",
    "Ack",
    "Message",
    "ack",
    "attr",
    "attribute_list",
    "attributes",
    "ended",
    "nest",
    "pack",
    "text",
    "u8",
    "u16",
    "u32",
    "u64",
    "unpack",
]

NETLINK_ROUTE: Final = 0
NETLINK_NETFILTER: Final = 12  # the socket module has no name for it

SOL_NETLINK: Final = 270
NETLINK_ADD_MEMBERSHIP, NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK = 1, 10, 11, 12
"""Options of netlink sockets."""

NLM_F_REQUEST: Final = 0x1
NLM_F_ACK: Final = 0x4
NLM_F_MULTI: Final = 2
NLM_F_DUMP_INTR: Final = 0x10
NLM_F_DUMP: Final = 0x300
NLM_F_REPLACE: Final = 0x100
NLM_F_EXCL: Final = 0x200
NLM_F_CREATE: Final = 0x400
NLM_F_APPEND: Final = 0x800

NLMSG_ERROR: Final = 0x2
NLMSG_DONE: Final = 0x3

_NLM_F_CAPPED = 0x100
_NLM_F_ACK_TLVS = 0x200
_NLA_F_NESTED = 0x8000
_NLA_TYPE_MASK = 0x3FFF
_NLMSGERR_ATTR_MSG = 1
_NLMSGERR_ATTR_OFFS = 2
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_ATTRIBUTE_U32 = struct.Struct("=HHI")


class Message(Struct, frozen=True):
    """One netlink message; *payload* is what follows the 16-byte header."""

    type: int
    flags: int
    payload: bytes
    seq: int = 0


class Ack(Struct, frozen=True):
    """An answer to one message: *code* is a positive errno, 0 when it went well."""

    seq: int
    code: int
    said: str = ""
    offset: int | None = None  # of the offending attribute, in the request


_PADDING: Final = (b"", bytes(3), bytes(2), bytes(1))  # after so many bytes beyond a multiple of 4


def _padded(length: int) -> int:
    return (length + 3) & ~3


def pack(message: Message, flags: int = 0, seq: int | None = None) -> bytes:
    """The message as bytes, padded to four; with more *flags*, and another number."""
    length = _HEADER.size + len(message.payload)
    number = message.seq if seq is None else seq
    header = _HEADER.pack(length, message.type, message.flags | flags, number, 0)
    return header + message.payload + _PADDING[length & 3]


def unpack(data: bytes) -> Iterator[Message]:
    """The messages of a datagram; a cut one at the end is left out."""
    at, end, header = 0, len(data), _HEADER.size
    while at + header <= end:
        length, kind, flags, seq, _pid = _HEADER.unpack_from(data, at)
        if length < header or at + length > end:
            return
        yield Message(kind, flags, data[at + header : at + length], seq)
        at += _padded(length)


def attr(type: int, data: bytes) -> bytes:  # noqa: A002 - the kernel's word
    """One attribute, padded to four."""
    length = _ATTRIBUTE.size + len(data)
    return _ATTRIBUTE.pack(length, type) + data + _PADDING[length & 3]


def nest(type: int, data: bytes) -> bytes:  # noqa: A002 - the kernel's word
    """An attribute that holds attributes."""
    return attr(type | _NLA_F_NESTED, data)


def text(type: int, value: str) -> bytes:  # noqa: A002 - the kernel's word
    """A string attribute, with its final NUL."""
    return attr(type, value.encode() + b"\0")


def u8(type: int, value: int) -> bytes:  # noqa: A002 - the kernel's word
    """A one-byte attribute."""
    return attr(type, struct.pack("=B", value))


def u16(type: int, value: int) -> bytes:  # noqa: A002 - the kernel's word
    """A two-byte attribute, host byte order."""
    return attr(type, struct.pack("=H", value))


def u32(type: int, value: int) -> bytes:  # noqa: A002 - the kernel's word
    """A four-byte attribute, host byte order."""
    return _ATTRIBUTE_U32.pack(_ATTRIBUTE_U32.size, type, value)


def u64(type: int, value: int) -> bytes:  # noqa: A002 - the kernel's word
    """An eight-byte attribute, host byte order."""
    return attr(type, struct.pack("=Q", value))


def attribute_list(data: bytes) -> list[tuple[int, bytes]]:
    """Attributes in order; what does not parse ends the list."""
    found: list[tuple[int, bytes]] = []
    at, end, header = 0, len(data), _ATTRIBUTE.size
    while at + header <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < header or at + length > end:
            break
        found.append((kind & _NLA_TYPE_MASK, data[at + header : at + length]))
        at += _padded(length)
    return found


def attributes(data: bytes) -> dict[int, bytes]:
    """Attributes by type; of several of one type, the last."""
    return dict(attribute_list(data))


def ended(message: Message) -> Ack | None:
    """What the NLMSG_DONE of a dump says: also why the kernel told no more; None for any other.

    Layout: netlink_dump_done(), net/netlink/af_netlink.c. Some parts of the kernel leave it empty.
    """
    if message.type != NLMSG_DONE:
        return None
    if len(message.payload) < 4:
        return Ack(message.seq, 0)
    (code,) = struct.unpack_from("=i", message.payload)
    told = message.payload[4:] if message.flags & _NLM_F_ACK_TLVS else b""
    return Ack(message.seq, -code, *_words(told))


def ack(message: Message) -> Ack | None:
    """What an NLMSG_ERROR message says; None for any other message."""
    if message.type != NLMSG_ERROR or len(message.payload) < 4 + _HEADER.size:
        return None
    (code,) = struct.unpack_from("=i", message.payload)
    if not message.flags & _NLM_F_ACK_TLVS:
        return Ack(message.seq, -code)
    (length,) = struct.unpack_from("=I", message.payload, 4)
    start = 4 + (_HEADER.size if message.flags & _NLM_F_CAPPED else _padded(length))
    return Ack(message.seq, -code, *_words(message.payload[start:]))


def _words(data: bytes) -> tuple[str, int | None]:
    """The kernel's own words, and where in the request the attribute is that it means."""
    found = attributes(data)
    said = found.get(_NLMSGERR_ATTR_MSG, b"").rstrip(b"\0").decode(errors="replace")
    where = found.get(_NLMSGERR_ATTR_OFFS, b"")
    offset: int | None = struct.unpack("=I", where)[0] if len(where) == 4 else None
    return said, offset
