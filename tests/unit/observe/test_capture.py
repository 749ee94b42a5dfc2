"""What the kernel says beside a captured frame."""

import struct

from hopscope.observe.capture import _as_sent

FRAME = bytes(range(12)) + b"\x08\x00" + b"payload"
PACKET, AUXILIARY = 263, 8  # SOL_PACKET, PACKET_AUXDATA


def beside(*, length: int, status: int = 1, tci: int = 0, tpid: int = 0) -> tuple[int, int, bytes]:
    """The control message of a frame."""
    told = struct.pack("=IIIHHHH", status, length, len(FRAME), 0, 14, tci, tpid)
    return PACKET, AUXILIARY, told


def test_a_frame_that_was_cut_has_its_whole_length() -> None:
    assert _as_sent(FRAME, [beside(length=70_000)]) == (FRAME, 70_000)


def test_a_vlan_tag_stands_where_it_is_sent() -> None:
    """Between the addresses and the type; the length counts it."""
    told = beside(length=len(FRAME), status=1 | 1 << 4 | 1 << 6, tci=0x200A, tpid=0x88A8)
    tagged = FRAME[:12] + b"\x88\xa8\x20\x0a" + FRAME[12:]
    assert _as_sent(FRAME, [told]) == (tagged, len(FRAME) + 4)


def test_tag_0_is_a_tag_and_a_stale_one_is_none() -> None:
    """The status says which; the fields hold anything."""
    none = beside(length=len(FRAME), tci=10, tpid=0x8100)
    assert _as_sent(FRAME, [none]) == (FRAME, len(FRAME))
    zero = beside(length=len(FRAME), status=1 << 4, tci=0, tpid=0x8100)
    assert _as_sent(FRAME, [zero])[0][12:16] == b"\x81\0\0\0"


def test_other_messages_say_nothing_of_it() -> None:
    """A time stamp, say."""
    assert _as_sent(FRAME, [(1, 35, bytes(16))]) == (FRAME, len(FRAME))
