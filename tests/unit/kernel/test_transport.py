"""A listing that changes interrupt: asked for again, and given up after a while."""

import errno
import socket
from typing import cast

import pytest

from hopscope.errors import KernelError
from hopscope.kernel import transport
from hopscope.kernel.transport import Route
from hopscope.wire import rtnl
from hopscope.wire.netlink import NLM_F_DUMP_INTR, NLMSG_DONE, Message, pack, unpack

_MULTI = 0x2
_NEWLINK = 16


class Restless:
    """A socket whose first *changes* listings of one device are interrupted by a change."""

    def __init__(self, changes: float) -> None:
        self.changes = changes
        self.asked = 0
        self._seq = 0

    def setsockopt(self, *_: int) -> None:
        """Whatever."""

    def send(self, data: bytes) -> None:
        """Take the request."""
        (request,) = unpack(data)
        self.asked, self._seq = self.asked + 1, request.seq

    def recv(self, _size: int) -> bytes:
        """Answer it, at once."""
        flags = _MULTI | (NLM_F_DUMP_INTR if self.asked <= self.changes else 0)
        told = (Message(_NEWLINK, flags, b"one"), Message(NLMSG_DONE, flags, bytes(4)))
        return b"".join(pack(one, 0, self._seq) for one in told)


def asked(changes: float) -> tuple[Restless, Route]:
    made = Restless(changes)
    return made, Route(cast("socket.socket", made), "ns1")


def test_an_interrupted_listing_is_asked_for_again() -> None:
    """What the interrupted ones told is not in the answer."""
    made, route = asked(3)
    assert [one.payload[:3] for one in route.ask(rtnl.dump_links())] == [b"one"]
    assert made.asked == 4


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
