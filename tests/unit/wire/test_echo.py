"""Our probes: the stamp comes back, and the message is what RFC 792 and RFC 4443 say."""

import struct
from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from hopscope.wire.checksum import ICMPV6, checksum, pseudo_header
from hopscope.wire.echo import STAMP_SIZE, echo_request, stamp_of
from layouts import echo, icmp, icmpv6
from strategies import addresses4, addresses6, u16

stamps = st.integers(0, (1 << 64) - 1)


@given(addresses4, u16, u16, stamps, st.integers(0, 300))
def test_ipv4(dst: str, ident: int, seq: int, stamp: int, size: int) -> None:
    """Every byte is as laid out by hand; a size below the stamp's is the stamp's."""
    message = echo_request("10.0.0.1", dst, ident=ident, seq=seq, stamp=stamp, size=size)
    assert len(message) == 8 + max(size, STAMP_SIZE)
    assert stamp_of(message[8:]) == stamp
    assert message == icmp(8, 0, echo(ident, seq, message[8:]))


@given(addresses6, addresses6, u16, u16, stamps)
def test_ipv6(src: str, dst: str, ident: int, seq: int, stamp: int) -> None:
    """The checksum covers the addresses."""
    message = echo_request(src, dst, ident=ident, seq=seq, stamp=stamp, size=56)
    assert stamp_of(message[8:]) == stamp
    assert message == icmpv6(128, 0, echo(ident, seq, message[8:]), ends=(src, dst))
    ends = (ip_address(src).packed, ip_address(dst).packed)
    assert checksum(pseudo_header(*ends, ICMPV6, len(message)) + message) == 0


@given(u16)
def test_numbers_wrap_like_the_fields_they_fill(number: int) -> None:
    """The thousandth ping of a long story must not fail for its number."""
    wrapped = echo_request("::1", "::1", ident=number + 65536, seq=number + 65536, stamp=1, size=0)
    assert wrapped == echo_request("::1", "::1", ident=number, seq=number, stamp=1, size=0)


@given(st.binary(max_size=40))
def test_a_payload_without_our_mark_has_no_stamp(payload: bytes) -> None:
    """Another program's ping is never taken for ours."""
    ours = len(payload) >= STAMP_SIZE and payload.startswith(b"hops")
    assert (stamp_of(payload) is not None) == ours


def test_a_cut_stamp_is_none() -> None:
    """A trace shows the first bytes only; half a number would name another probe."""
    whole = struct.pack(">4sQ", b"hops", 5)
    assert stamp_of(whole) == 5
    assert stamp_of(whole[:-1]) is None
