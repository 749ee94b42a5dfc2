"""Routes that the kernel makes of addresses: one that somebody took away is had by the address."""

from typing import Any

import pytest
from msgspec.structs import replace

from comparing import ETH0, GUEST, connected, found, lab, snapshot, told, work, world
from hopscope.model.change import Action
from hopscope.model.snapshot import Address, Route, Snapshot
from hopscope.model.vocab import DevName, DevRef
from hopscope.plan.compare import differences
from hopscope.plan.connected import lacking
from hopscope.plan.ops import AddAddress, RemoveAddress
from hopscope.plan.restore import plan_of
from hopscope.plan.wanted import wanted

ONE, OTHER = Address(ip="10.0.0.1", prefix=24), Address(ip="10.0.0.5", prefix=24)
SIX = Address(ip="fd00::1", prefix=64, nodad=True)
TEXT = lab(guest="addresses: {eth0: [10.0.0.1/24, 10.0.0.5/24, 'fd00::1/64']}")
REF = DevRef(GUEST, ETH0)


def guest(
    *routes: Route, addresses: tuple[Address, ...] = (ONE, OTHER, SIX), **more: Any
) -> Snapshot:
    """With these routes alone."""
    lo, eth0 = snapshot().node(GUEST).links
    return snapshot(
        guest={"links": (lo, replace(eth0, addresses=addresses, **more)), "routes": routes}
    )


ALL = connected(ETH0, ONE, OTHER, SIX)
LOCAL = {"10.0.0.1/24": "local 10.0.0.1/32"}


def without(destination: str, table: int = 254) -> tuple[Route, ...]:
    return tuple(one for one in ALL if (one.destination, one.table) != (destination, table))


@pytest.mark.parametrize(
    ("routes", "lacks"),
    [
        (ALL, {}),
        (without("10.0.0.0/24"), {"10.0.0.1/24": "10.0.0.0/24"}),
        (without("10.0.0.5/32", 255), {"10.0.0.5/24": "local 10.0.0.5/32"}),
        (without("fd00::/64"), {"fd00::1/64": "fd00::/64"}),
        ([replace(one, metric=7) for one in ALL[:2]], LOCAL),
        (
            [replace(one, protocol="static") for one in ALL[:2]],
            {"10.0.0.1/24": "local 10.0.0.1/32"},
        ),
        ([replace(one, dev=DevName("eth1")) for one in ALL[:2]], LOCAL),
    ],
)
def test_what_is_not_there(routes: tuple[Route, ...], lacks: dict[str, str]) -> None:
    """Of a subnet only the first has a route; those of this table and metric, by the kernel."""
    rest = [one for one in ALL if one.destination not in {route.destination for route in routes}]
    now = guest(*routes, *(rest if len(routes) == 2 else ()))
    cidrs = ["10.0.0.1/24", "10.0.0.5/24", "fd00::1/64"]
    assert lacking(world(now), REF, cidrs) == lacks


@pytest.mark.parametrize("cidr", ["0.0.0.7/8", "192.0.2.1/32", "fd00::1/128", "fe80::9/64"])
def test_some_have_no_route_of_a_subnet(cidr: str) -> None:
    """Or have it a moment later."""
    ip, _, length = cidr.partition("/")
    local = connected(ETH0, Address(ip=ip, prefix=int(length)))[:1]
    assert lacking(world(guest(*local)), REF, [cidr]) == {}


def test_a_device_that_is_down_has_none() -> None:
    assert lacking(world(guest(up=False)), REF, ["10.0.0.1/24"]) == {}
    assert lacking(world(guest()), DevRef(GUEST, DevName("lo")), ["10.9.0.1/24"]) == {}
    assert lacking(world(guest()), REF, []) == {}


def test_the_address_goes_and_comes_again_with_those_of_its_subnet() -> None:
    """The kernel takes these along."""
    now = guest(*without("10.0.0.0/24"))
    seen = [one for one in told(found(TEXT, now)) if "10." in one[1]]
    assert seen == [(Action.CHANGE, "10.0.0.1/24 on eth0", "route", "none", "10.0.0.0/24")]
    cidrs = ["10.0.0.1/24", "10.0.0.5/24"]
    done = [op for op in work(TEXT, now) if isinstance(op, RemoveAddress | AddAddress)]
    assert done == [
        *(RemoveAddress(node=GUEST, dev=ETH0, cidr=cidr) for cidr in reversed(cidrs)),
        *(AddAddress(node=GUEST, dev=ETH0, cidr=cidr) for cidr in cidrs),
    ]
    plan = plan_of(now, world(now).sysctls, {})
    assert told(differences(wanted(plan), world(now, only_told=True))) == []


def test_an_address_that_nobody_declared_may_lack_what_it_will() -> None:
    now = guest(addresses=(ONE,))
    assert told(found(lab(), now)) == [(Action.REMOVE, "10.0.0.1/24 on eth0", "", None, None)]


def test_loopback_that_is_up_has_its_own_address() -> None:
    lo, eth0 = snapshot().node(GUEST).links
    now = snapshot(guest={"links": (replace(lo, addresses=()), eth0)})
    (one,) = found(lab(), now)
    assert told([one]) == [(Action.CREATE, "127.0.0.1/8 on lo", "", None, None)]
    assert one.makes == (AddAddress(node=GUEST, dev=DevName("lo"), cidr="127.0.0.1/8"),)
    plan = plan_of(now, world(now).sysctls, {})
    assert told(differences(wanted(plan), world(now, only_told=True))) == []
    down = snapshot(guest={"links": (replace(lo, addresses=(), up=False), eth0)})
    assert [one[1:3] for one in told(found(lab(), down))] == [("lo", "state")]
