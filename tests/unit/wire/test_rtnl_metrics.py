"""What a route says of its packets, from bytes."""

from hopscope.wire.netlink import attr, u32
from hopscope.wire.rtnl_metrics import metrics


def test_each_is_told_in_the_words_of_ip() -> None:
    data = u32(1, 1 << 2) + u32(2, 600) + u32(8, 560) + attr(16, b"cubic\0") + u32(30, 7)
    assert metrics(data) == ("mtu lock 600", "advmss 560", "congctl cubic", "30 7")


def test_most_routes_say_nothing() -> None:
    assert metrics(b"") == ()
