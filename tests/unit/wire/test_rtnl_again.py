"""An address or a route, as a dump tells it, becomes the request that makes the same again."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from hopscope.wire.netlink import Message, attr, attributes, u32
from hopscope.wire.rtnl_again import Told, told

FOREVER = 0xFFFFFFFF


def address(
    family: int, flags: int, *more: bytes, lives: tuple[int, int] | None = (FOREVER, FOREVER)
) -> Told:
    """Of the device 5; with lifetimes and a time of birth."""
    body = struct.pack("=BBBBI", family, 24, flags & 0xFF, 0, 5) + b"".join(more) + u32(8, flags)
    if lives is not None:
        body += attr(6, struct.pack("=IIII", *lives, 1234, 5678))
    found = told(Message(20, 2, body))
    assert found is not None
    return found


def route(family: int, protocol: int, flags: int, *more: bytes) -> Told | None:
    """A unicast one of the main table."""
    header = struct.pack("=BBBBBBBBI", family, 24, 0, 0, 254, protocol, 0, 1, flags)
    return told(Message(24, 2, header + b"".join(more)))


def hops(*indexes: int, flags: int) -> bytes:
    """Next hops by these devices; RTA_MULTIPATH."""
    gateway = attr(5, bytes(4))
    return attr(
        9, b"".join(struct.pack("=HBBi", 16, flags, 2, index) + gateway for index in indexes)
    )


def cacheinfo(ticks: int) -> bytes:
    """Of a route that ends then."""
    return attr(12, struct.pack("=IIiIIII", 7, 8, ticks, 0, 1, 2, 3))


def test_what_an_address_was_given_is_asked_for() -> None:
    """Peer, label and lifetimes as they are; not when it was made, nor that it is permanent."""
    parts = attr(1, bytes(4)), attr(2, b"abcd"), attr(3, b"e:x\0")
    found = address(2, 0x80 | 0x200, *parts, lives=(500, 1000))
    asked = attributes(found.again.payload[8:])
    assert asked == {
        1: bytes(4),
        2: b"abcd",
        3: b"e:x\0",
        6: struct.pack("=IIII", 500, 1000, 0, 0),
        8: struct.pack("=I", 0x200),
    }
    assert (found.again.type, found.away.type) == (20, 21)
    assert (found.devices, found.kernels, found.stays) == (frozenset([5]), False, False)
    assert found.alike == address(2, 0x80 | 0x200, *parts, lives=(499, 999)).alike
    assert found.alike != address(2, 0x80 | 0x200, *parts).alike
    assert found.alike != address(2, 0x80 | 0x201, *parts, lives=(500, 1000)).alike  # secondary
    assert address(2, 0x80, lives=None).alike == address(2, 0x80).alike


def test_an_address_of_the_kernels_own_is_neither_made_nor_removed() -> None:
    """A temporary one; one that says so; and one of the link may be, on an older kernel."""
    near = attr(1, b"\xfe\x80" + bytes(14))
    for found, kernels in (
        (address(10, 0x01), True),
        (address(10, 0x80, near, attr(11, b"\x03")), True),
        (address(10, 0x80, near), False),
    ):
        assert (found.kernels, found.stays) == (kernels, True)
    tentative = address(10, 0xC0, attr(1, bytes(16)))
    assert tentative.alike == address(10, 0x80, attr(1, bytes(16))).alike


def test_a_route_is_asked_for_with_all_its_hops() -> None:
    """And not with how those fare: without a carrier, or dead."""
    found, later = (route(2, 3, flags, hops(5, 6, flags=flags)) for flags in (4, 4 | 16 | 1))
    assert found is not None
    assert later is not None
    assert found.again == later.again
    assert found.alike == later.alike
    assert found.devices == {5, 6}
    assert (found.again.type, found.away.type, found.kernels) == (24, 25, False)
    assert attributes(found.again.payload[12:])[9] == hops(5, 6, flags=4)[4:]


def test_a_route_that_ends_by_itself_ends_then() -> None:
    found, later, never = (
        route(10, 3, 0, u32(4, 5), cacheinfo(ticks)) for ticks in (90_000, 99, -5)
    )
    assert found is not None
    assert later is not None
    assert never is not None
    assert attributes(found.again.payload[12:]) == {
        4: struct.pack("=I", 5),
        23: struct.pack("=I", 900),
    }
    assert attributes(later.again.payload[12:])[23] == struct.pack("=I", 1)
    assert found.alike == later.alike != never.alike
    assert found.devices == {5}


def test_a_route_by_an_object_is_asked_for_by_that_alone() -> None:
    found = route(2, 3, 0, u32(4, 5), attr(5, bytes(4)), u32(30, 77))
    assert found is not None
    assert attributes(found.again.payload[12:]) == {30: struct.pack("=I", 77)}


def test_routes_of_the_kernels_own() -> None:
    """Those of IPv6 come later, by themselves; a copy for one destination is none."""
    whose = [(family, one.kernels) for family in (2, 10) if (one := route(family, 2, 0))]
    assert whose == [(2, False), (10, True)]
    assert route(2, 3, 0x200) is None


def test_a_hop_that_is_no_hop_ends_the_list() -> None:
    found = route(2, 3, 0, attr(9, struct.pack("=HBBi", 3, 0, 0, 5)))
    assert found is not None
    assert found.devices == frozenset()


@given(kind=st.sampled_from([20, 24, 28]), payload=st.binary(max_size=80))
def test_whatever_comes_nothing_breaks(kind: int, payload: bytes) -> None:
    """What is too short, or of another family, is none."""
    found = told(Message(kind, 0, payload))
    assert found is None or (payload[0] in (2, 10) and kind != 28)
