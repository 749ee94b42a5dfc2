"""Permanent neighbours by the thousand, as bytes: made once, patched for each node; no socket.

Each entry carries our mark (NDA_PROTOCOL), so that those of a run that was killed are known.
"""

import struct
from collections.abc import Sequence
from typing import Final

from hopscope.model.vocab import Mac
from hopscope.wire import rtnl
from hopscope.wire.netlink import (
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REQUEST,
    Message,
    pack,
    u8,
)

__all__ = ["NDA_PROTOCOL", "OURS", "addition", "batch", "removal"]

NDA_PROTOCOL: Final = 12
OURS: Final = 0x68
"""Who made an entry: no routing daemon's number (linux/rtnetlink.h, RTPROT_*)."""
_FLAGS_AT: Final = 6  # in a netlink message's header
_SEQ_AT: Final = 8
_INDEX_AT: Final = 20  # behind that header, in struct ndmsg


def addition(ip: str, mac: Mac) -> bytes:
    """The message that makes an entry, and leaves one that is there as it is (EEXIST)."""
    flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL
    bare = rtnl.add_neighbour(0, ip, mac)
    return pack(Message(bare.type, flags, bare.payload + u8(NDA_PROTOCOL, OURS)))


def removal(ip: str) -> bytes:
    """The message that takes an entry away."""
    bare = rtnl.remove_neighbour(0, ip)
    return pack(Message(bare.type, NLM_F_REQUEST, bare.payload))


def batch(messages: Sequence[bytes], index: int) -> bytes:
    """Messages of one length for the device *index*, numbered from 0; the last is answered.

    Of the others the kernel answers those that it refuses.
    """
    length, count = len(messages[0]), len(messages)
    data = bytearray().join(messages)
    for at, octet in enumerate(struct.pack("=i", index), _INDEX_AT):
        data[at::length] = bytes([octet]) * count
    numbers = struct.pack(f"={count}I", *range(count))
    for place in range(4):
        data[_SEQ_AT + place :: length] = numbers[place::4]
    data[-length + _FLAGS_AT] |= NLM_F_ACK
    return bytes(data)
