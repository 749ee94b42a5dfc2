"""Netlink framing: what we write reads back, here and in pyroute2; what is cut never raises."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from pyroute2.netlink import nla, nlmsg

from hopscope.wire.netlink import (
    NLMSG_DONE,
    NLMSG_ERROR,
    Ack,
    Message,
    ack,
    attr,
    attribute_list,
    attributes,
    ended,
    nest,
    pack,
    text,
    unpack,
)
from hopscope.wire.netlink import u8 as u8_attr
from hopscope.wire.netlink import u16 as u16_attr
from hopscope.wire.netlink import u32 as u32_attr
from hopscope.wire.netlink import u64 as u64_attr
from strategies import dev_names, u8, u16, u32

messages = st.builds(Message, type=u16, flags=u16, payload=st.binary(max_size=40), seq=u32)
batches = st.lists(messages, max_size=4)
attribute_lists = st.lists(st.tuples(st.integers(0, 0x3FFF), st.binary(max_size=20)), max_size=5)

CAPPED, TLVS = 0x100, 0x200  # NLM_F_CAPPED, NLM_F_ACK_TLVS
REQUEST = pack(Message(16, 5, b"\1\2\3\4\5", seq=9))


class Sample(nlmsg):  # type: ignore[misc] # pyroute2 is untyped
    """A message that pyroute2 decodes by its own tables."""

    nla_map = (
        ("S_UNSPEC", "none"),
        ("S_U8", "uint8"),
        ("S_U16", "uint16"),
        ("S_U32", "uint32"),
        ("S_U64", "uint64"),
        ("S_TEXT", "asciiz"),
        ("S_RAW", "cdata"),
        ("S_NEST", "inside"),
    )

    class inside(nla):  # type: ignore[misc] # noqa: N801 - pyroute2 looks it up by name
        """What S_NEST holds."""

        nla_map = (("I_UNSPEC", "none"), ("I_U32", "uint32"))


@given(batches)
def test_messages_survive_the_wire(batch: list[Message]) -> None:
    """Unpacking undoes packing, for any number of messages in one datagram."""
    assert list(unpack(b"".join(map(pack, batch)))) == batch


@given(batches, st.data())
def test_a_cut_datagram_yields_its_whole_messages(
    batch: list[Message], data: st.DataObject
) -> None:
    """Whole messages are read and no other, wherever the datagram is cut."""
    whole = b"".join(map(pack, batch))
    cut = data.draw(st.integers(0, len(whole)))
    found = list(unpack(whole[:cut]))
    assert found == batch[: len(found)]
    end = 0
    for message in batch:
        end += 16 + len(message.payload)
        if cut < end:
            break
        assert message in found
        end += -end % 4


@given(st.binary(max_size=200))
def test_any_bytes_end(junk: bytes) -> None:
    """Neither messages nor attributes raise or loop, whatever the bytes."""
    for message in unpack(junk):
        assert message.payload in junk
        ack(message)
        ended(message)
    assert attributes(junk) == dict(attribute_list(junk))


def test_a_length_below_the_header_ends_the_datagram() -> None:
    """A length that does not even hold its header would loop for ever."""
    assert list(unpack(struct.pack("=IHHII", 15, 1, 1, 1, 1))) == []
    assert attribute_list(struct.pack("=HH", 3, 1)) == []


@given(attribute_lists)
def test_attributes_survive_the_wire(pairs: list[tuple[int, bytes]]) -> None:
    """Order and repetition are kept by the list; the mapping takes the last."""
    raw = b"".join(attr(kind, data) for kind, data in pairs)
    assert len(raw) % 4 == 0
    assert attribute_list(raw) == pairs
    assert attributes(raw) == dict(pairs)


@given(attribute_lists, st.integers(0, 0x3FFF))
def test_a_nest_holds_attributes(pairs: list[tuple[int, bytes]], kind: int) -> None:
    """A nest's type reads back without its flag, and what it holds unchanged."""
    ((found, inner),) = attribute_list(nest(kind, b"".join(attr(*pair) for pair in pairs)))
    assert found == kind
    assert attribute_list(inner) == pairs


@given(u8, u16, u32, st.integers(0, (1 << 64) - 1), dev_names)
def test_pyroute2_reads_what_we_write(one: int, two: int, four: int, eight: int, name: str) -> None:
    """An independent decoder finds the header's fields and each attribute's value."""
    body = u8_attr(1, one) + u16_attr(2, two) + u32_attr(3, four) + u64_attr(4, eight)
    body += text(5, name) + attr(6, b"raw") + nest(7, u32_attr(1, four))
    decoded = Sample(pack(Message(40, 0x305, body, seq=77)))
    decoded.decode()
    header = decoded["header"]
    assert (header["length"], header["type"]) == (16 + len(body), 40)
    assert (header["flags"], header["sequence_number"]) == (0x305, 77)
    assert decoded.get_attr("S_U8") == one
    assert decoded.get_attr("S_U16") == two
    assert decoded.get_attr("S_U32") == four
    assert decoded.get_attr("S_U64") == eight
    assert decoded.get_attr("S_TEXT") == name
    assert decoded.get_attr("S_RAW") == b"raw"
    assert decoded.get_attr("S_NEST").get_attr("I_U32") == four


def error(code: int, *, flags: int = 0, echoed: bytes = REQUEST[:16], tlvs: bytes = b"") -> Message:
    """An NLMSG_ERROR message as netlink_ack() of net/netlink/af_netlink.c writes it."""
    padding = bytes(-len(echoed) % 4)
    return Message(NLMSG_ERROR, flags, struct.pack("=i", code) + echoed + padding + tlvs, seq=9)


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        pytest.param(error(0, flags=CAPPED), Ack(9, 0), id="went well"),
        pytest.param(error(-17, echoed=REQUEST), Ack(9, 17), id="refused, nothing said"),
        pytest.param(
            error(-22, flags=CAPPED | TLVS, tlvs=text(1, "no such device")),
            Ack(9, 22, "no such device"),
            id="capped",
        ),
        pytest.param(
            error(-22, flags=TLVS, echoed=REQUEST, tlvs=text(1, "bad") + u32_attr(2, 36)),
            Ack(9, 22, "bad", 36),
            id="uncapped, with the request of odd length before it",
        ),
        pytest.param(
            error(0, flags=CAPPED | TLVS, tlvs=text(1, "a warning")),
            Ack(9, 0, "a warning"),
            id="a warning that refuses nothing",
        ),
        pytest.param(
            error(-1, flags=CAPPED | TLVS, tlvs=attr(1, b"\xff!\0") + attr(2, b"\1")),
            Ack(9, 1, "\N{REPLACEMENT CHARACTER}!"),
            id="a text that is no UTF-8, an offset that is none",
        ),
    ],
)
def test_ack(message: Message, answer: Ack) -> None:
    """The errno is positive, the kernel's own words and the offset are kept."""
    assert ack(message) == answer


def test_no_ack() -> None:
    """Other messages, and one too short to name a request, are no answer."""
    assert ack(Message(NLMSG_DONE, 0, bytes(20))) is None
    short = error(-22)
    assert ack(replace(short, payload=short.payload[:19])) is None


@pytest.mark.parametrize(
    ("flags", "payload", "answer"),
    [
        pytest.param(0x2, bytes(4), Ack(9, 0), id="all was told"),
        pytest.param(0x2, b"", Ack(9, 0), id="empty"),
        pytest.param(0x2, struct.pack("=i", -19), Ack(9, 19), id="refused, nothing said"),
        pytest.param(
            0x2 | TLVS,
            struct.pack("=i", -2) + text(1, "ipv4: FIB table does not exist"),
            Ack(9, 2, "ipv4: FIB table does not exist"),
            id="refused in the kernel's words",
        ),
    ],
)
def test_the_end_of_a_dump(flags: int, payload: bytes, answer: Ack) -> None:
    """As netlink_dump_done() of net/netlink/af_netlink.c writes it; nothing else is one."""
    assert ended(Message(NLMSG_DONE, flags, payload, seq=9)) == answer
    assert ended(Message(NLMSG_ERROR, flags, payload, seq=9)) is None


@given(st.binary(max_size=80), u16)
def test_any_error_message_ends(junk: bytes, flags: int) -> None:
    """An answer is made of any payload that is long enough, and none raises."""
    answer = ack(Message(NLMSG_ERROR, flags, junk, seq=3))
    assert (answer is None) == (len(junk) < 20)
    assert answer is None or answer.seq == 3
