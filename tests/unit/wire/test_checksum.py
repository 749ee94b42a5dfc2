"""The Internet checksum against RFC 1071's own example and against plain arithmetic."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopscope.wire.checksum import (
    ICMP,
    ICMPV6,
    TCP,
    UDP,
    ChecksumError,
    checksum,
    pseudo_header,
)
from layouts import icmp, icmpv6, ones_complement, tcp, udp

SRC4, DST4 = ip_address("10.0.0.1").packed, ip_address("10.0.0.2").packed
SRC6, DST6 = ip_address("fd00::1").packed, ip_address("fd00::2").packed
ENDS6 = ("fd00::1", "fd00::2")

SOUND = [
    pytest.param(SRC4, DST4, TCP, tcp(1, 2, bits=2, payload=b"odd"), id="TCP over IPv4"),
    pytest.param(SRC6, DST6, TCP, tcp(1, 2, bits=2, ends=ENDS6), id="TCP over IPv6"),
    pytest.param(SRC4, DST4, UDP, udp(5, 6, b"hello"), id="UDP over IPv4"),
    pytest.param(SRC6, DST6, UDP, udp(5, 6, b"hello", ends=ENDS6), id="UDP over IPv6"),
    pytest.param(SRC4, DST4, ICMP, icmp(8, 0, b"\0\1\0\2abc"), id="ICMP"),
    pytest.param(SRC6, DST6, ICMPV6, icmpv6(128, 0, b"\0\1\0\2abc"), id="ICMPv6"),
]


def sound(src: bytes, dst: bytes, proto: int, body: bytes) -> bool:
    """Whether a message sums up as its receiver wants it."""
    covered = b"" if proto == ICMP else pseudo_header(src, dst, proto, len(body))
    return checksum(covered + body) == 0


def test_the_example_of_rfc_1071() -> None:
    """Section 3: the words sum up to ddf2."""
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2


@given(st.binary(max_size=200))
def test_the_sum_is_arithmetic_modulo_65535(data: bytes) -> None:
    """Two ways to compute it agree, odd lengths and carries over carries included."""
    assert checksum(data) == ones_complement(data)


@given(st.binary(min_size=2, max_size=99).filter(lambda data: any(data[2:])))
def test_data_that_carries_its_checksum_sums_up_to_zero(data: bytes) -> None:
    """That is how receivers verify it."""
    total = checksum(bytes(2) + data[2:])
    assert checksum(total.to_bytes(2, "big") + data[2:]) == 0


@pytest.mark.parametrize(("src", "dst", "proto", "body"), SOUND)
def test_a_sound_message(src: bytes, dst: bytes, proto: int, body: bytes) -> None:
    """Each protocol that has a checksum, over both address families."""
    assert sound(src, dst, proto, body)


@pytest.mark.parametrize(("src", "dst", "proto", "body"), SOUND)
@given(data=st.data())
def test_one_wrong_bit_is_noticed(
    src: bytes, dst: bytes, proto: int, body: bytes, data: st.DataObject
) -> None:
    """Whichever bit it is."""
    at = data.draw(st.integers(0, len(body) * 8 - 1))
    wrong = bytearray(body)
    wrong[at // 8] ^= 1 << at % 8
    assert not sound(src, dst, proto, bytes(wrong))


def test_addresses_of_one_packet_are_of_one_kind() -> None:
    """Mixed ones are a mistake of the caller's."""
    with pytest.raises(ChecksumError, match="4 and 16 bytes"):
        pseudo_header(SRC4, DST6, TCP, 20)
