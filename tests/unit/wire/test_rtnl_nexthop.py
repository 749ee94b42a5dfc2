"""Nexthop objects, as a dump of a real kernel told them, are named, made again and removed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopscope.wire.netlink import NLM_F_DUMP, Message, attr, attributes, nest, u32
from hopscope.wire.rtnl_nexthop import (
    NextHopObject,
    dump_nexthops,
    nexthop,
    nexthop_told,
    remove_nexthop,
)

DEV = "02fe000000000000" + "0800010003000000" + "0800050003000000"
VIA = "02fd000000000000" + "0800010006000000" + "0800050003000000" + "080006000a000002"
ONLINK = "02fd040004000000" + "0800010009000000" + "0800050003000000" + "080006000a000009"
FDB = "02fd000000000000" + "080001000d000000" + "04000b00" + "0800060001010101"
GROUP = (
    "0000000000000000" + "0800010010000000" + "0600030000000000"
    "140002000600000000000000090000000200000008000e0000000080"
)
RESILIENT = (
    "0000000000000000"
    "080001000b000000"
    "0600030001000000"
    "1400020006000000000000000900000000000000"
    "28000c80060001000400000008000200f401000008000300000000000c000400000000000000000008000e0000000080"
)
BLACKHOLE = "0200030000000000" + "0800010008000000" + "04000400"


def dumped(text: str) -> Message:
    return Message(104, NLM_F_DUMP, bytes.fromhex(text))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (DEV, NextHopObject(id=3, words="", dev=3)),
        (VIA, NextHopObject(id=6, words="via 10.0.0.2", dev=3)),
        (ONLINK, NextHopObject(id=9, words="via 10.0.0.9", dev=3)),
        (FDB, NextHopObject(id=13, words="via 1.1.1.1 fdb")),
        (GROUP, NextHopObject(id=16, words="group 6,9", group=True)),
        (RESILIENT, NextHopObject(id=11, words="group 6,9", group=True)),
        (BLACKHOLE, NextHopObject(id=8, words="blackhole")),
        (VIA[:4] + "0b" + VIA[6:], NextHopObject(id=6, words="via 10.0.0.2", dev=3, by_hand=False)),
    ],
)
def test_one_is_told_in_the_words_of_ip(text: str, found: NextHopObject) -> None:
    assert nexthop(dumped(text)) == found


def test_what_one_was_given_is_asked_for() -> None:
    """Not its scope, which follows, nor how it fares."""
    told = nexthop_told(dumped(ONLINK))
    assert told is not None
    assert told.again.payload == bytes.fromhex(ONLINK[:2] + "00" + ONLINK[4:])
    assert told.alike == nexthop_told(dumped(ONLINK[:8] + "14" + ONLINK[10:])).alike  # type: ignore[union-attr]
    assert told.away == remove_nexthop(9)
    assert told.devices == {3}
    assert (told.again.type, told.away.type, dump_nexthops().type) == (104, 105, 106)


def test_a_group_is_asked_for_with_its_members_and_kind() -> None:
    """Of a resilient one, without how long it has been out of balance."""
    told, resilient = nexthop_told(dumped(GROUP)), nexthop_told(dumped(RESILIENT))
    assert told is not None
    assert resilient is not None
    assert set(attributes(told.again.payload[8:])) == {1, 2, 3}
    assert told.devices == frozenset()
    asked = attributes(resilient.again.payload[8:])
    assert set(attributes(asked[12])) == {1, 2, 3}
    assert b"\x0c\x80" in resilient.again.payload  # the kernel wants to be told that it is nested


def test_an_encapsulation_is_asked_for() -> None:
    message = Message(104, 0, bytes(8) + u32(1, 5) + attr(7, b"\x05\0") + nest(8, u32(1, 2)))
    told = nexthop_told(message)
    assert told is not None
    assert told.again.payload == message.payload


@given(kind=st.sampled_from([24, 104]), payload=st.binary(max_size=80))
def test_whatever_comes_nothing_breaks(kind: int, payload: bytes) -> None:
    message = Message(kind, 0, payload)
    assert (nexthop(message) is None) is (nexthop_told(message) is None)


@given(st.lists(st.tuples(st.integers(1, 12), st.binary(max_size=20))))
def test_whatever_is_said_nothing_breaks(said: list[tuple[int, bytes]]) -> None:
    message = Message(104, 0, bytes(8) + b"".join(attr(kind, data) for kind, data in said))
    assert (nexthop(message) is None) is (1 not in dict(said))
    assert nexthop(Message(24, 0, message.payload)) is None
