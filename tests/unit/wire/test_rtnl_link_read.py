"""Devices as rtnetlink tells them: what no recording holds."""

import struct

import pytest

from hopscope.wire import rtnl_link_read
from hopscope.wire.netlink import Message


@pytest.mark.parametrize(
    ("flags", "works"),
    [
        (rtnl_link_read.IFF_UP, True),  # no carrier: nothing is to come
        (rtnl_link_read.IFF_UP | rtnl_link_read.IFF_LOWER_UP, False),
        (rtnl_link_read.IFF_UP | rtnl_link_read.IFF_LOWER_UP | rtnl_link_read.IFF_RUNNING, True),
        (0, True),
    ],
)
def test_a_carrier_is_used_a_little_later(flags: int, works: bool) -> None:  # noqa: FBT001
    message = Message(16, 0, struct.pack("=BxHiII", 0, 1, 2, flags, 0))
    assert rtnl_link_read.operational(message) is works
