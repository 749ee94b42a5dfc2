"""Pools: first fit, no address twice, none that is reserved, and none that no device may have."""

from ipaddress import ip_address, ip_interface, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopscope.spec.pools import Drawing, IpNetwork, Pool


def pool(range_: str, *reserved: str, prefix: int | None = None) -> Pool:
    network = ip_network(range_)
    return Pool(
        name=range_,
        range=network,
        prefix=network.prefixlen if prefix is None else prefix,
        reserved=tuple(map(ip_network, reserved)),
    )


def some(of: Pool, count: int, *taken: str) -> list[str | None]:
    drawing = Drawing(map(ip_address, taken))
    return [drawing.draw(of) for _ in range(count)]


@pytest.mark.parametrize(
    ("of", "taken", "expected"),
    [
        (pool("10.0.0.0/30"), (), ["10.0.0.1/30", "10.0.0.2/30", None, None]),
        (pool("10.0.0.0/30"), ("10.0.0.1",), ["10.0.0.2/30", None]),
        # two stations on a line have no broadcast, and one station no subnet
        (pool("10.0.0.0/31"), (), ["10.0.0.0/31", "10.0.0.1/31", None]),
        (pool("10.0.0.7/32"), (), ["10.0.0.7/32", None]),
        (pool("fd00::/127"), (), ["fd00::/127", "fd00::1/127", None]),
        # IPv6 has no broadcast, and its first address is any router's
        (pool("fd00::/126"), (), ["fd00::1/126", "fd00::2/126", "fd00::3/126", None]),
        # a slice of a larger subnet: its ends are ordinary addresses
        (pool("10.0.0.4/30", prefix=24), (), [f"10.0.0.{n}/24" for n in (4, 5, 6, 7)] + [None]),
        (pool("10.0.0.0/31", prefix=24), (), ["10.0.0.1/24", None]),
        # cut into smaller subnets: each has ends
        (
            pool("10.0.0.0/29", prefix=30),
            (),
            ["10.0.0.1/30", "10.0.0.2/30", "10.0.0.5/30", "10.0.0.6/30", None],
        ),
        (pool("10.0.0.0/30", prefix=32), (), ["10.0.0.1/32", "10.0.0.2/32", None]),
        # reservations: whole, at an end, one within another, and the whole range
        (pool("10.0.0.0/29", "10.0.0.0/30", "10.0.0.5"), (), ["10.0.0.4/29", "10.0.0.6/29", None]),
        (pool("10.0.0.0/29", "10.0.0.4/30", "10.0.0.5"), (), [f"10.0.0.{n}/29" for n in (1, 2, 3)]),
        (pool("10.0.0.0/30", "10.0.0.0/30"), (), [None]),
        (pool("0.0.0.0/0", "0.0.0.0/1"), (), ["128.0.0.0/0"]),
    ],
)
def test_first_fit(of: Pool, taken: tuple[str, ...], expected: list[str | None]) -> None:
    assert some(of, len(expected), *taken) == expected


def test_pools_that_overlap_never_give_the_same() -> None:
    drawing = Drawing()
    narrow, wide = pool("10.0.0.0/30"), pool("10.0.0.0/29")
    drawn = [drawing.draw(one) for one in (wide, narrow, wide, narrow, wide)]
    assert drawn == ["10.0.0.1/29", "10.0.0.2/30", "10.0.0.3/29", None, "10.0.0.4/29"]


def test_what_is_reserved_is_stepped_over_not_tried() -> None:
    """Sixteen million addresses, of which the first half is reserved; a second would not do."""
    assert some(pool("10.0.0.0/8", "10.0.0.0/9"), 1) == ["10.128.0.0/8"]
    assert some(pool("fd00::/8", "fd00::/9"), 1) == ["fd80::/8"]


@st.composite
def subnets(draw: st.DrawFn, of: IpNetwork) -> IpNetwork:
    """A network within *of*."""
    length = draw(st.integers(of.prefixlen, of.max_prefixlen))
    inner = draw(st.integers(0, of.num_addresses - 1)) + int(of.network_address)
    bits = of.max_prefixlen - length
    return type(of)(((inner >> bits) << bits, length))


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    """Small ones, so that many run out."""
    whole = ip_network(draw(st.sampled_from(["10.0.0.0/24", "fd00::/120"])))
    range_ = draw(subnets(whole))
    reserved = draw(st.lists(subnets(range_), max_size=3))
    prefix = draw(st.integers(1, range_.max_prefixlen))
    return Pool(name=str(range_), range=range_, prefix=prefix, reserved=tuple(reserved))


@given(pools(), st.lists(st.integers(0, 255), max_size=40), st.integers(1, 300))
def test_what_is_drawn(of: Pool, used: list[int], count: int) -> None:
    """Once each, inside, neither reserved nor taken nor an end; and all of these, in order."""
    base = int(of.range.network_address)
    taken = [ip_address(base | number % of.range.num_addresses) for number in used]
    drawing = Drawing(taken)
    drawn = [ip_interface(cidr) for _ in range(count) if (cidr := drawing.draw(of)) is not None]
    addresses = [interface.ip for interface in drawn]
    assert addresses == sorted(set(addresses), key=int)
    assert {interface.network.prefixlen for interface in drawn} <= {of.prefix}
    open_ = [address for address in of.range if fits(address, of) and address not in taken]
    assert addresses == open_[:count]


def fits(address: object, of: Pool) -> bool:
    """By the words of the documentation, with nothing of the implementation."""
    if any(address in network for network in of.reserved):
        return False
    subnet = ip_interface(f"{address}/{of.prefix}").network
    for network in {subnet, of.range if of.range.prefixlen < of.prefix else subnet}:
        ends = [network.network_address]
        if network.version == 4:
            ends.append(network.broadcast_address)
        if network.num_addresses > 2 and address in ends:
            return False
    return True


@given(pools(), st.integers(1, 40), st.integers(1, 10))
def test_more_at_the_end_changes_nothing_before(of: Pool, count: int, more: int) -> None:
    assert some(of, count + more)[:count] == some(of, count)
