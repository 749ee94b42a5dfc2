"""Capture files, read back block by block, and by capinfos and tshark without a warning."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopscope.model.events import FrameSeen, Observation
from hopscope.model.record import PingResult
from hopscope.model.snapshot import Snapshot
from hopscope.model.vocab import DevName, DevRef, Direction, Nanos, NodeName, PktType
from hopscope.render.pcapng import Interface, Packet, frames, of_observation, pcapng
from layouts import echo, ethernet, icmp, ipv4
from strategies import frames_seen, nanos, texts
from tshark import TSHARK, capinfos, fields

FRAME = ethernet(ipv4(icmp(8, 0, echo(7, 1)), proto=1), 0x0800)
NOON = Nanos(1_700_000_000_123_456_789)
HERE, THERE = (DevRef(NodeName(node), DevName(dev)) for node, dev in (("ns1", "a"), ("ns2", "b")))


def blocks(file: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and body of each block; its two lengths must agree."""
    at = 0
    while at < len(file):
        kind, length = struct.unpack_from("<II", file, at)
        assert length % 4 == 0
        assert struct.unpack_from("<I", file, at + length - 4) == (length,)
        yield kind, file[at + 8 : at + length - 4]
        at += length


def options(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Code and value of each option, up to the one that ends them."""
    at = 0
    while at < len(raw):
        code, length = struct.unpack_from("<HH", raw, at)
        if code == 0:
            assert at + 4 == len(raw)
            return
        yield code, raw[at + 4 : at + 4 + length]
        at += 4 + length + -length % 4
    assert not raw, "options without an end"


def only_packet(packet: Packet) -> tuple[tuple[int, ...], bytes, list[tuple[int, bytes]]]:
    """Interface, time and lengths of a file's only packet; its bytes; its options."""
    *_, (kind, body) = blocks(pcapng([Interface(name="ns1/a")], [packet]))
    assert kind == 6
    number, high, low, kept, length = struct.unpack_from("<IIIII", body)
    end = 20 + kept + -kept % 4
    return (number, high << 32 | low, kept, length), body[20 : 20 + kept], list(options(body[end:]))


@given(nanos, st.binary(max_size=70), st.integers(0, 100), st.lists(texts, max_size=3))
def test_a_packet_reads_back(at: Nanos, data: bytes, more: int, comments: list[str]) -> None:
    """Its time to the nanosecond, its bytes, its length on the wire, its comments in order."""
    packet = Packet(
        interface=0, at=at, data=data, length=len(data) + more, comments=tuple(comments)
    )
    fixed, raw, found = only_packet(packet)
    assert fixed == (0, at, len(data), len(data) + more)
    assert raw == data
    assert found == [(1, comment.encode()) for comment in comments if comment]


def test_a_length_below_the_bytes_is_lifted() -> None:
    """A reader would refuse a packet longer than it was on the wire."""
    fixed, _raw, _options = only_packet(Packet(interface=0, at=NOON, data=FRAME, length=0))
    assert fixed[2:] == (len(FRAME), len(FRAME))


@pytest.mark.parametrize(
    ("direction", "pkttype", "flags"),
    [
        (Direction.RECEIVE, PktType.HOST, 0b00101),
        (Direction.RECEIVE, PktType.MULTICAST, 0b01001),
        (Direction.RECEIVE, PktType.BROADCAST, 0b01101),
        (Direction.RECEIVE, PktType.OTHERHOST, 0b10001),
        (Direction.TRANSMIT, PktType.OUTGOING, 0b00010),
        (Direction.TRANSMIT, None, 0b00010),
        (None, PktType.HOST, 0b00100),
        (None, None, None),
    ],
)
def test_flags(direction: Direction | None, pkttype: PktType | None, flags: int | None) -> None:
    """Bits 0 and 1 are the direction, 2 to 4 the reception type (section 4.3.1)."""
    packet = Packet(
        interface=0, at=NOON, data=FRAME, length=60, direction=direction, pkttype=pkttype
    )
    _fixed, _raw, found = only_packet(packet)
    assert found == ([(2, struct.pack("<I", flags))] if flags is not None else [])


@given(st.text(min_size=1, max_size=3), st.sampled_from((21_845, 32_768, 65_534, 65_535, 70_000)))
def test_a_long_comment_is_cut_between_characters(piece: str, count: int) -> None:
    """At most 65,535 bytes fit; what is kept is the longest whole beginning."""
    comment = piece * count
    _fixed, _raw, ((code, value),) = only_packet(
        Packet(interface=0, at=NOON, data=FRAME, length=60, comments=(comment,))
    )
    kept = value.decode()
    assert code == 1
    assert comment.startswith(kept)
    assert len(value) <= 0xFFFF
    following = comment[len(kept) :][:1]
    assert not following or len(value) + len(following.encode()) > 0xFFFF


def test_half_a_surrogate_does_not_stop_the_file() -> None:
    """A device's name may hold bytes that are no UTF-8, read as lone surrogates."""
    packet = Packet(interface=0, at=NOON, data=FRAME, length=60, comments=("a\udcffb",))
    assert only_packet(packet)[2] == [(1, b"a?b")]


def test_the_section_says_what_made_it() -> None:
    """Byte order, version and unknown length; empty texts are left out."""
    ((kind, body),) = blocks(pcapng([], [], comment="a lab", hardware="", system="Linux 6.18"))
    assert kind == 0x0A0D0D0A
    assert struct.unpack_from("<IHHq", body) == (0x1A2B3C4D, 1, 0, -1)
    assert list(options(body[16:])) == [(1, b"a lab"), (3, b"Linux 6.18"), (4, b"hopscope")]


def test_a_section_without_texts_has_no_options() -> None:
    """Not even the one that ends them."""
    ((_kind, body),) = blocks(pcapng([], [], application=""))
    assert len(body) == 16


def test_an_interface_is_named_and_counts_nanoseconds() -> None:
    """Ethernet, with the resolution of ten to the minus nine."""
    one = Interface(name="ns1/veth1a", description="the pod's end", snaplen=128)
    _section, (kind, body) = blocks(pcapng([one], []))
    assert kind == 1
    assert struct.unpack_from("<HHI", body) == (1, 0, 128)
    assert list(options(body[8:])) == [(2, b"ns1/veth1a"), (3, b"the pod's end"), (9, b"\x09")]


def frame(dev: DevRef, at: int, direction: Direction) -> FrameSeen:
    """A frame of 42 bytes."""
    return FrameSeen(
        at=Nanos(at),
        dev=dev,
        direction=direction,
        pkttype=PktType.HOST,
        frame=FRAME,
        length=len(FRAME),
    )


def ping(*events: FrameSeen) -> PingResult:
    """A ping in which these frames were seen."""
    empty = Snapshot(nodes=())
    return PingResult(
        number=1,
        source=NodeName("ns1"),
        source_address="10.0.0.1",
        target="ns2",
        address="10.0.0.2",
        replies=(),
        journeys=(),
        before=empty,
        after=empty,
        deltas=(),
        log=(),
        checks=(),
        observation=Observation(events=events),
    )


@given(st.lists(frames_seen, max_size=6))
def test_frames_are_in_order_and_complete(seen: list[FrameSeen]) -> None:
    """By time, over all pings."""
    half = len(seen) // 2
    found = frames([ping(*seen[:half]), ping(*seen[half:])])
    assert [one.at for one in found] == sorted(one.at for one in seen)
    assert sorted(map(repr, found)) == sorted(map(repr, seen))


def test_at_one_instant_what_comes_in_is_first() -> None:
    """The kernel stamps once and uses the stamp on both sides."""
    out, back = frame(THERE, 5, Direction.TRANSMIT), frame(HERE, 5, Direction.RECEIVE)
    assert frames([ping(out, back)]) == (back, out)


def test_devices_of_an_observation() -> None:
    """Those in order come first, seen or not; comments go by a frame's number, one a line."""
    other = DevRef(NodeName("host"), DevName("br0"))
    seen = (frame(THERE, 2, Direction.RECEIVE), frame(HERE, 1, Direction.TRANSMIT))
    file = of_observation([ping(*seen)], order=(other, HERE), comments={1: "one\ntwo"})
    _section, *rest = blocks(file)
    names = [dict(options(body[8:]))[2] for kind, body in rest if kind == 1]
    assert names == [b"host/br0", b"ns1/a", b"ns2/b"]
    packets = [body for kind, body in rest if kind == 6]
    assert [struct.unpack_from("<I", body) for body in packets] == [(1,), (2,)]
    end = 20 + len(FRAME) + -len(FRAME) % 4
    assert [list(options(body[end:]))[:-1] for body in packets] == [[], [(1, b"one"), (1, b"two")]]


@TSHARK
def test_wireshark_reads_it(tmp_path: Path) -> None:
    """Names, nanoseconds, comments and directions, without a warning."""
    path = tmp_path / "capture.pcapng"
    seen = (frame(HERE, NOON, Direction.TRANSMIT), frame(THERE, NOON + 1, Direction.RECEIVE))
    said = {1: "host: hook ip forward: filter FORWARD\nüber 網路"}
    made = of_observation([ping(*seen)], comments=said, comment="lab bridge", system="Linux 6.18")
    path.write_bytes(made)
    names = ("frame.interface_name", "frame.time_epoch", "frame.packet_flags_direction")
    first, second = fields(path, (*names, "frame.comment", "frame.len"))
    assert first == {
        "frame.interface_name": "ns1/a",
        "frame.time_epoch": "1700000000.123456789",
        "frame.packet_flags_direction": "0x00000002",
        "frame.comment": "",
        "frame.len": str(len(FRAME)),
    }
    assert second["frame.interface_name"] == "ns2/b"
    assert second["frame.time_epoch"] == "1700000000.123456790"
    assert second["frame.packet_flags_direction"] == "0x00000001"
    assert second["frame.comment"] == "host: hook ip forward: filter FORWARD|über 網路"


@TSHARK
def test_capinfos_reads_it(tmp_path: Path) -> None:
    """Its own summary counts the same, and finds the times in nanoseconds."""
    path = tmp_path / "capture.pcapng"
    cut = Packet(interface=1, at=NOON, data=FRAME[:20], length=len(FRAME))
    whole = Packet(interface=0, at=NOON, data=FRAME, length=len(FRAME), comments=("x" * 70_000,))
    two = [Interface(name="ns1/a"), Interface(name="ns2/b", snaplen=20)]
    path.write_bytes(pcapng(two, [cut, whole], comment="lab bridge"))
    said = capinfos(path)
    assert "Number of packets:   2" in said
    assert "Number of interfaces in file: 2" in said
    assert "nanoseconds (9)" in said
    assert "Capture comment:     lab bridge" in said
    assert "Capture application: hopscope" in said
