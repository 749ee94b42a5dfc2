"""Of all that nf_tables reports, keep what LOG rules are about; standard library only.

The holder runs this, so it knows just enough of netlink: a rule that logs is kept when it
is announced, and of a traced packet the reports that such a rule needs. What they mean is
worked out by whoever reads the record (wire/nftlog).
"""

import struct
from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Final

__all__ = ["Recorder"]

NEW_RULE, TRACE = 10 << 8 | 6, 10 << 8 | 17
TABLE, CHAIN, HANDLE, TRACE_ID, LINK_HEADER, NETWORK_HEADER = 1, 2, 3, 6, 7, 8
LOGS: Final = (b"\x08\x00\x01\x00LOG\x00", b"\x08\x00\x01\x00log\x00")
"""The attribute that names an xtables target LOG, or nftables' own log statement."""

_HEADS: Final = 16  # a packet's way through one node has fewer hooks
_PACKETS: Final = 1024  # whose reports are remembered at a time


class Recorder:
    """One node's filter: reports in, in the kernel's order, and those to keep out."""

    def __init__(self) -> None:
        self._rules: set[tuple[int, bytes, bytes, bytes]] = set()
        self._heads: OrderedDict[bytes, deque[bytes]] = OrderedDict()

    def keep(self, datagram: bytes) -> Iterator[bytes]:
        """The messages of *datagram*, and earlier ones, that a reader of LOG lines needs."""
        at = 0
        while at + 20 <= len(datagram):
            length, kind = struct.unpack_from("=IH", datagram, at)
            if length < 20 or at + length > len(datagram):
                return
            message = datagram[at : at + length]
            if kind == NEW_RULE:
                yield from self._rule(message)
            elif kind == TRACE:
                yield from self._trace(message)
            at += (length + 3) & ~3

    def _rule(self, message: bytes) -> Iterator[bytes]:
        key = _key(message, _attributes(message))
        if any(mark in message for mark in LOGS):
            self._rules.add(key)
            yield message
        elif key in self._rules:  # of a table made anew, which counts from 1 again
            self._rules.discard(key)
            yield message

    def _trace(self, message: bytes) -> Iterator[bytes]:
        found = _attributes(message)
        packet = found.get(TRACE_ID, b"")
        heads = self._heads.get(packet)
        if heads is None:
            heads = self._heads[packet] = deque(maxlen=_HEADS)
            if len(self._heads) > _PACKETS:
                self._heads.popitem(last=False)
        if NETWORK_HEADER in found or LINK_HEADER in found:
            heads.append(message)
        if HANDLE in found and _key(message, found) in self._rules:
            yield from heads
            if not heads or heads[-1] is not message:
                yield message
            heads.clear()


def _key(message: bytes, found: dict[int, bytes]) -> tuple[int, bytes, bytes, bytes]:
    """What names a rule: family, table, chain, handle."""
    return message[16], found.get(TABLE, b""), found.get(CHAIN, b""), found.get(HANDLE, b"")


def _attributes(message: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 20
    while at + 4 <= len(message):
        length, kind = struct.unpack_from("=HH", message, at)
        if length < 4 or at + length > len(message):
            break
        found[kind & 0x3FFF] = message[at + 4 : at + length]
        at += (length + 3) & ~3
    return found
