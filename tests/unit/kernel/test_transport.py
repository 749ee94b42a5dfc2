"""A listing that changes interrupt, or the kernel ends; and how changes go into batches."""

import errno
import socket
import struct
from typing import cast

import pytest

from hopscope.errors import KernelError
from hopscope.kernel import transport
from hopscope.kernel.transport import Route
from hopscope.wire import rtnl
from hopscope.wire.netlink import (
    NLM_F_ACK,
    NLM_F_DUMP_INTR,
    NLMSG_DONE,
    NLMSG_ERROR,
    Message,
    pack,
    text,
    unpack,
)

_MULTI, _TLVS = 0x2, 0x200
_NEWLINK = 16


class Restless:
    """A socket whose first *changes* listings of one device are interrupted by a change."""

    def __init__(self, changes: float) -> None:
        self.changes = changes
        self.asked = 0
        self.end = bytes(4)
        self.sent: list[bytes] = []
        self.refused = -1  # which of the batches
        self._seq = 0
        self._blocking = True

    def setsockopt(self, *_: int) -> None:
        """Whatever."""

    def setblocking(self, yes: object) -> None:
        """Without, there is nothing more to be had."""
        self._blocking = bool(yes)

    def send(self, data: bytes) -> None:
        """Take the request."""
        *_, request = unpack(data)
        self.sent.append(data)
        self.asked, self._seq = self.asked + 1, request.seq
        self._changed = bool(request.flags & NLM_F_ACK)

    def recv(self, _size: int) -> bytes:
        """Answer it, at once."""
        if not self._blocking:
            raise BlockingIOError
        if self._changed:
            code = -errno.EPERM if len(self.sent) - 1 == self.refused else 0
            return pack(Message(NLMSG_ERROR, 0, struct.pack("=i", code) + bytes(16)), 0, self._seq)
        flags = _MULTI | (NLM_F_DUMP_INTR if self.asked <= self.changes else 0)
        told = (Message(_NEWLINK, flags, b"one"), Message(NLMSG_DONE, flags | _TLVS, self.end))
        return b"".join(pack(one, 0, self._seq) for one in told)


def asked(changes: float) -> tuple[Restless, Route]:
    made = Restless(changes)
    return made, Route(cast("socket.socket", made), "ns1")


def test_an_interrupted_listing_is_asked_for_again() -> None:
    """What the interrupted ones told is not in the answer."""
    made, route = asked(3)
    assert [one.payload[:3] for one in route.ask(rtnl.dump_links())] == [b"one"]
    assert made.asked == 4


def test_a_listing_that_the_kernel_ends_by_an_error_is_none() -> None:
    """What came before it is not all there is, and the kernel's own words are told."""
    made, route = asked(0)
    made.end = struct.pack("=i", -errno.EINVAL) + text(1, "Invalid flags for FIB dump request")
    with pytest.raises(KernelError) as raised:
        route.ask(rtnl.dump_routes(rtnl.AF_INET))
    assert raised.value.code == errno.EINVAL
    assert str(raised.value) == (
        "ns1: reading its network: Invalid argument (EINVAL): Invalid flags for FIB dump request"
    )


def test_batches_fit_the_send_buffer() -> None:
    """Few large messages are sent at once, or many small ones; each once, and in order."""
    sizes = [40_000, 30_000, *[8] * 70, 70_000, 20_000]
    messages = [Message(_NEWLINK, 0, bytes(size)) for size in sizes]
    made, route = asked(0)
    route.send(messages)
    told = [[len(one.payload) for one in unpack(data)] for data in made.sent]
    assert told == [[40_000], [30_000, *[8] * 63], [8] * 7, [70_000], [20_000]]


def test_the_one_refused_is_known_by_its_number_in_all_batches() -> None:
    """Whatever the batches are."""
    made, route = asked(0)
    made.refused = 2
    with pytest.raises(KernelError) as raised:
        route.send([Message(_NEWLINK, 0, bytes(60_000))] * 4)
    assert raised.value.index == 2


def test_one_that_is_interrupted_again_and_again_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever reads it learns which node it is, and what to do."""
    monkeypatch.setattr(transport, "_CALM", 0.02)
    made, route = asked(float("inf"))
    with pytest.raises(KernelError) as raised:
        route.ask(rtnl.dump_links())
    assert raised.value.code == errno.EINTR
    assert str(raised.value).startswith("ns1: reading its network: Interrupted system call")
    assert "try again when that has ended" in str(raised.value)
    assert made.asked > 1
