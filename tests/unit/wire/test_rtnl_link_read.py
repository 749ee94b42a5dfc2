"""Devices as rtnetlink tells them: what no recording holds."""

import struct

import pytest

from hopscope.wire import rtnl_link_read
from hopscope.wire.netlink import Message


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        (rtnl_link_read.IFF_UP, None),  # no carrier: nothing is to come
        (rtnl_link_read.IFF_UP | rtnl_link_read.IFF_LOWER_UP, 2),
        (
            rtnl_link_read.IFF_UP | rtnl_link_read.IFF_LOWER_UP | rtnl_link_read.IFF_RUNNING,
            None,
        ),
        (0, None),
    ],
)
def test_a_carrier_is_used_a_little_later(flags: int, found: int | None) -> None:
    message = Message(16, 0, struct.pack("=BxHiII", 0, 1, 2, flags, 0))
    assert rtnl_link_read.not_yet_running(message) == found


def test_other_messages_tell_of_no_device() -> None:
    late = struct.pack("=BxHiII", 0, 1, 2, 0x10001, 0)
    assert rtnl_link_read.not_yet_running(Message(3, 0, late)) is None
    assert rtnl_link_read.not_yet_running(Message(16, 0, late[:8])) is None
