"""Addresses, routes and neighbours that are declared against those that there are."""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from comparing import ETH0, GUEST, HOST, P1, connected, found, lab, snapshot, told, work, world
from hopscope.model.change import Action
from hopscope.model.lab import MAIN_TABLE
from hopscope.model.snapshot import Address, Neighbour, NextHop, Route, Snapshot
from hopscope.model.vocab import DevName, DevRef, Family, Mac, NeighbourState, NodeName
from hopscope.plan.compare import differences
from hopscope.plan.ops import (
    AddAddress,
    AddNeighbour,
    AddRoute,
    RemoveAddress,
    RemoveNeighbour,
    RemoveNexthop,
    RemoveRoute,
)
from hopscope.plan.restore import plan_of
from hopscope.plan.wanted import wanted
from hopscope.plan.world import World
from hopscope.wire.rtnl_nexthop import NextHopObject
from hopscope.wire.rtnl_proxy import ProxyEntry

MAC, OTHER = Mac("02:00:00:00:00:98"), Mac("02:00:00:00:00:99")
ONE = Address(ip="10.0.0.1", prefix=24)


def guest(*addresses: Address, **more: Any) -> Snapshot:
    """With these at its device, and more of it."""
    lo, eth0 = snapshot().node(GUEST).links
    routes = (*connected(ETH0, *addresses), *more.pop("routes", ()))
    links = (lo, replace(eth0, addresses=addresses))
    return snapshot(guest={"links": links, "routes": routes, **more})


ADDRESSED = lab(guest="addresses: {eth0: 10.0.0.1/24}")


def test_what_is_as_declared_does_not_differ() -> None:
    """And what the kernel gives by itself is nobody's declaration."""
    local = Address(ip="fe80::1", prefix=64)
    assert told(found(ADDRESSED, guest(ONE, local))) == []


def test_an_address_comes_and_another_goes() -> None:
    """One of another length is another."""
    now = guest(replace(ONE, prefix=16))
    assert told(found(ADDRESSED, now)) == [
        (Action.CREATE, "10.0.0.1/24 on eth0", "", None, None),
        (Action.REMOVE, "10.0.0.1/16 on eth0", "", None, None),
    ]
    assert work(ADDRESSED, now) == [
        RemoveAddress(node=GUEST, dev=ETH0, cidr="10.0.0.1/16"),
        AddAddress(node=GUEST, dev=ETH0, cidr="10.0.0.1/24"),
    ]


def test_addresses_of_a_device_that_is_made_anew_come_with_it() -> None:
    """None is taken from what is removed."""
    text = lab(end="queues: 2", guest="addresses: {eth0: 10.0.0.1/24}")
    ops = work(text, guest(replace(ONE, prefix=16)))
    assert AddAddress(node=GUEST, dev=ETH0, cidr="10.0.0.1/24") in ops
    assert not any(isinstance(op, RemoveAddress) for op in ops)


ROUTE = Route(
    family=Family.IP,
    destination="10.9.0.0/16",
    table=MAIN_TABLE,
    type="unicast",
    dev=ETH0,
    via="10.0.0.9",
    protocol="static",
)
ROUTED = lab(guest="addresses: {eth0: 10.0.0.1/24}, routes: [10.9.0.0/16 via 10.0.0.9]")


@pytest.mark.parametrize("now", [ROUTE, replace(ROUTE, protocol="boot")])
def test_a_route_that_is_as_declared_does_not_differ(now: Route) -> None:
    """The device is the kernel's choice where the lab says none."""
    assert told(found(ROUTED, guest(ONE, routes=(now,)))) == []


@pytest.mark.parametrize(
    "now",
    [
        replace(ROUTE, via="10.0.0.8"),
        replace(ROUTE, metric=7),
        replace(ROUTE, table=7),
        replace(ROUTE, type="blackhole", dev=None, via=None),
        replace(ROUTE, destination="10.8.0.0/16"),
        replace(ROUTE, tos=8),
        replace(ROUTE, source="10.0.0.1"),
        replace(ROUTE, nhid=6),
        replace(ROUTE, metrics=("mtu 600",)),
        replace(ROUTE, hops=(NextHop(dev=ETH0, via="10.0.0.9"), NextHop(dev=ETH0, via="10.0.0.8"))),
    ],
)
def test_a_route_that_differs_goes_before_the_declared_one_comes(now: Route) -> None:
    """Two of one destination may not stand beside each other."""
    goal = AddRoute(node=GUEST, to="10.9.0.0/16", via="10.0.0.9", dev=None, metric=None)
    gone = RemoveRoute(
        node=GUEST,
        to=now.destination,
        via=now.via,
        dev=now.dev,
        metric=now.metric,
        type=now.type,
        table=now.table,
        tos=now.tos,
        nhid=now.nhid,
        hops=now.hops,
    )
    ops = work(ROUTED, guest(ONE, routes=(now,)))
    assert ops == [gone, goal]


SEVERAL = lab(
    guest="addresses: {eth0: 10.0.0.1/24},"
    " routes: [10.9.0.0/16 nexthop via 10.0.0.9 nexthop via 10.0.0.8 dev eth0 weight 3]"
)
HOPS = (NextHop(dev=ETH0, via="10.0.0.9"), NextHop(dev=ETH0, via="10.0.0.8", weight=3))


def test_a_route_with_several_next_hops_is_compared_hop_by_hop() -> None:
    """And told as it was written; the device is the kernel's choice where none is said."""
    now = replace(ROUTE, hops=HOPS)
    assert told(found(SEVERAL, guest(ONE, routes=(now,)))) == []
    others = (
        HOPS[:1],
        (HOPS[0], replace(HOPS[1], weight=2)),
        (HOPS[0], replace(HOPS[1], dev=DevName("eth1"))),
        (replace(HOPS[0], onlink=True), HOPS[1]),
        (),
    )
    for hops in others:
        names = [
            name
            for _, name, *_ in told(found(SEVERAL, guest(ONE, routes=(replace(now, hops=hops),))))
        ]
        assert names[0] == (
            "10.9.0.0/16 nexthop via 10.0.0.9 nexthop via 10.0.0.8 dev eth0 weight 3"
        )


def test_a_gateway_that_is_on_the_link_whatever_the_subnets_say() -> None:
    text = ROUTED.replace("10.0.0.9]", "10.0.0.9 dev eth0 onlink]")
    there = guest(ONE, routes=(replace(ROUTE, onlink=True),))
    assert told(found(text, there)) == []
    assert [name for _, name, *_ in told(found(text, guest(ONE, routes=(ROUTE,))))] == [
        "10.9.0.0/16 via 10.0.0.9 dev eth0 onlink",
        "10.9.0.0/16 via 10.0.0.9 dev eth0",
    ]


def test_on_the_way_back_a_route_has_its_next_hops() -> None:
    """Unless the device of one was made by hand."""
    away = (HOPS[0], replace(HOPS[1], dev=DevName("eth9")))
    for hops, number in ((HOPS, 1), (away, 0)):
        plan = plan_of(guest(ONE, routes=(replace(ROUTE, hops=hops),)), {}, {})
        made = [op for op in plan.ops if isinstance(op, AddRoute)]
        assert [(op.via, op.dev, op.hops) for op in made] == [(None, None, HOPS)] * number


def test_routes_that_nobody_added_are_left_alone() -> None:
    """And those of a device that goes are not removed one by one."""
    kernel = replace(ROUTE, protocol="kernel")
    assert told(found(ADDRESSED, guest(ONE, routes=(kernel,)))) == []
    gone = replace(ROUTE, dev=DevName("away"))
    assert told(found(ADDRESSED, guest(ONE, routes=(gone,)))) == []


def test_objects_that_someone_added_go_and_groups_before_their_members() -> None:
    """Not what a daemon made, nor those of a node that goes."""
    objects = [
        NextHopObject(id=3, words="", dev=2),
        NextHopObject(id=6, words="via 10.0.0.9", dev=99),
        NextHopObject(id=7, words="group 6", group=True),
        NextHopObject(id=8, words="via 10.0.0.8", by_hand=False),
    ]
    left = found(ADDRESSED, guest(ONE), nexthops={GUEST: objects, NodeName("away"): objects})
    assert told(left) == [
        (Action.REMOVE, name, "", None, None)
        for name in ("7 group 6", "3 dev eth0", "6 via 10.0.0.9")
    ]
    assert [one.removes for one in left] == [
        (RemoveNexthop(node=GUEST, id=number),) for number in (7, 3, 6)
    ]


def test_who_answers_for_addresses_of_others_does_no_longer() -> None:
    """But on a device that goes, or of nobody's."""
    entries = [ProxyEntry(index=index, ip="10.0.0.7") for index in (2, 7)]
    left = found(ADDRESSED, guest(ONE), proxies={GUEST: entries})
    assert told(left) == [(Action.REMOVE, "proxy 10.0.0.7 on eth0", "", None, None)]
    gone = RemoveNeighbour(node=GUEST, dev=ETH0, ip="10.0.0.7", proxy=True)
    assert left[0].removes == (gone,)
    anew = lab(end="queues: 2", guest="addresses: {eth0: 10.0.0.1/24}")
    names = [one[1] for one in told(found(anew, guest(ONE), proxies={GUEST: entries}))]
    assert not any("proxy" in name for name in names)


def test_a_route_is_told_in_the_words_of_ip() -> None:
    """With all that was chosen of it."""
    now = replace(ROUTE, metric=7, table=100)
    nowhere = replace(ROUTE, type="prohibit", dev=None, via=None, destination="10.7.0.0/16")
    by_hand = replace(
        ROUTE,
        tos=8,
        nhid=6,
        hops=(NextHop(dev=ETH0, via="10.0.0.9"), NextHop(dev=ETH0, via="10.0.0.8", weight=3)),
    )
    small = replace(ROUTE, metrics=("mtu lock 600", "advmss 560"))
    there = guest(ONE, routes=(now, nowhere, by_hand, small))
    assert [name for _, name, *_ in told(found(ADDRESSED, there))] == [
        "10.9.0.0/16 via 10.0.0.9 dev eth0 metric 7 table 100",
        "prohibit 10.7.0.0/16",
        (
            "10.9.0.0/16 tos 0x08 nhid 6 nexthop via 10.0.0.9 dev eth0 "
            "nexthop via 10.0.0.8 dev eth0 weight 3"
        ),
        "10.9.0.0/16 via 10.0.0.9 dev eth0 mtu lock 600 advmss 560",
    ]


def test_a_default_route_is_told_as_lab_files_have_it() -> None:
    """Of IPv6 only with a gateway: without one nothing would say of which family it is."""
    default = replace(ROUTE, destination="0.0.0.0/0")
    six = replace(default, family=Family.IP6, destination="::/0")
    routes = (
        default,
        replace(six, via="fd00::9"),
        replace(six, via=None),
        replace(six, via=None, hops=(NextHop(dev=ETH0, via="fd00::9"),)),
    )
    assert [name for _, name, *_ in told(found(ADDRESSED, guest(ONE, routes=routes)))] == [
        "default via 10.0.0.9 dev eth0",
        "default via fd00::9 dev eth0",
        "::/0 dev eth0",
        "default nexthop via fd00::9 dev eth0",
    ]


def test_on_the_way_back_a_route_that_no_lab_declares_stays() -> None:
    """None is told as another, either."""
    theirs = ({"tos": 8}, {"nhid": 6}, {"type": "local"}, {"metrics": ("mtu 600",)})
    by_hand = tuple(replace(ROUTE, **one) for one in theirs)
    there = guest(ONE, routes=by_hand)
    plan = plan_of(there, {}, {})
    assert not any(isinstance(op, AddRoute) for op in plan.ops)
    before = World(there, sysctls={}, defaults={}, expected_rules={}, only_told=True)
    assert [one for one in differences(wanted(plan), before) if one.change.subject == "route"] == []


def test_an_ipv6_route_without_a_metric_has_the_usual_one() -> None:
    """IP6_RT_PRIO_USER."""
    text = lab(guest="addresses: {eth0: 'fd00::1/64'}, routes: ['fd09::/32 via fd00::0:9']")
    now = replace(
        ROUTE, family=Family.IP6, destination="fd09::/32", via="fd00::9", metric=1024, dev=ETH0
    )

    def names(route: Route) -> list[str]:
        there = guest(Address(ip="fd00::1", prefix=64, nodad=True), routes=(route,))
        return [name for _, name, *_ in told(found(text, there)) if "fd09" in name]

    assert names(now) == []
    assert len(names(replace(now, metric=7))) == 2


NEIGHBOUR = Neighbour(dev=ETH0, ip="10.0.0.9", mac=MAC, state=NeighbourState.PERMANENT)
KNOWN = lab(guest=f"addresses: {{eth0: 10.0.0.1/24}}, neighbours: {{eth0: {{10.0.0.9: '{MAC}'}}}}")


def test_a_neighbour_that_is_as_declared_does_not_differ() -> None:
    assert told(found(KNOWN, guest(ONE, neighbours=(NEIGHBOUR,)))) == []


def test_a_neighbour_comes_and_another_goes() -> None:
    """What was learnt is nobody's declaration."""
    learnt = replace(NEIGHBOUR, state=NeighbourState.REACHABLE)
    other = replace(NEIGHBOUR, ip="10.0.0.8")
    now = guest(ONE, neighbours=(learnt, other))
    assert told(found(KNOWN, now)) == [
        (Action.CREATE, "10.0.0.9 on eth0", "", None, MAC),
        (Action.REMOVE, "10.0.0.8 on eth0", "", None, None),
    ]
    assert work(KNOWN, now) == [
        RemoveNeighbour(node=GUEST, dev=ETH0, ip="10.0.0.8"),
        AddNeighbour(node=GUEST, dev=ETH0, ip="10.0.0.9", mac=MAC),
    ]


def test_a_neighbour_with_another_address_is_removed_first() -> None:
    """The kernel would refuse a second."""
    now = guest(ONE, neighbours=(replace(NEIGHBOUR, mac=OTHER),))
    assert told(found(KNOWN, now)) == [(Action.CHANGE, "10.0.0.9 on eth0", "", OTHER, MAC)]
    assert work(KNOWN, now) == [
        RemoveNeighbour(node=GUEST, dev=ETH0, ip="10.0.0.9"),
        AddNeighbour(node=GUEST, dev=ETH0, ip="10.0.0.9", mac=MAC),
    ]


def test_what_there_was_is_told_as_a_plan() -> None:
    """Going back makes what someone added, and nothing that the kernel gives by itself."""
    nowhere = replace(ROUTE, type="blackhole", dev=None, via=None, destination="10.7.0.0/16")
    kernel = replace(ROUTE, protocol="kernel", destination="10.0.0.0/24", via=None)
    lost = replace(ROUTE, dev=DevName("unknown"), destination="10.6.0.0/16")
    learnt = replace(NEIGHBOUR, ip="10.0.0.7", state=NeighbourState.STALE)
    now = guest(
        ONE,
        Address(ip="fe80::1", prefix=64),
        routes=(replace(ROUTE, metric=7, source="10.0.0.1"), nowhere, kernel, lost),
        neighbours=(NEIGHBOUR, learnt),
    )
    plan = plan_of(now, world(now).sysctls, {})
    assert [op.cidr for op in plan.ops if isinstance(op, AddAddress)] == ["10.0.0.1/24"]
    assert [op.to for op in plan.ops if isinstance(op, AddRoute)] == ["10.9.0.0/16", "10.7.0.0/16"]
    assert [op.ip for op in plan.ops if isinstance(op, AddNeighbour)] == ["10.0.0.9"]
    assert told(differences(wanted(plan), world(now))) == []
    assert DevRef(HOST, P1) in wanted(plan).devices


def numbered(*hosts: int) -> tuple[Address, ...]:
    """Addresses of one subnet, in the kernel's order; those from 100 on are of another."""
    return tuple(replace(ONE, ip=f"10.0.{host // 100}.{host % 100}") for host in hosts)


def cidrs(*hosts: int) -> list[str]:
    return [str(one) for one in numbered(*hosts)]


@pytest.mark.parametrize(
    ("declared", "now", "moved"),
    [
        ((1, 5), (1, 5), ()),
        ((1, 5, 7), (1, 7, 5), (7, 5)),  # those that are no primary ones
        ((1, 5, 7), (1, 7), (7,)),  # 5 would come behind it
        ((1, 5), (5, 1), (5, 1)),
        ((1, 5), (5,), (5,)),
        ((1, 5, 101), (1, 101, 5), ()),  # the firsts of all subnets come before the others
        ((1, 101), (101, 1), (101, 1)),
        ((1, 5, 101), (101, 1, 5), (101, 1, 5)),
        ((101, 1, 5), (1, 5), (1, 5)),
    ],
)
def test_addresses_stand_in_the_order_that_is_declared(
    declared: Sequence[int], now: Sequence[int], moved: Sequence[int]
) -> None:
    """Packets are sent from the first; what is out of place goes, the last first, and comes."""
    text = lab(guest=f"addresses: {{eth0: [{', '.join(cidrs(*declared))}]}}")
    there = guest(*numbered(*now))
    changes = [one.change for one in found(text, there) if one.change.attribute]
    orders = [(one.name, one.attribute, one.before) for one in changes]
    assert orders == ([("eth0", "order", ", ".join(cidrs(*now)))] if moved else [])
    done = work(text, there)
    gone = [op.cidr for op in done if isinstance(op, RemoveAddress)]
    unwanted = set(now) - set(declared)
    assert gone == [*cidrs(*(one for one in reversed(now) if one in (*moved, *unwanted)))]
    made = [op.cidr for op in done if isinstance(op, AddAddress)]
    new = set(declared) - set(now)
    assert made == cidrs(*(host for host in declared if host in moved or host in new))


def test_those_behind_one_that_goes_go_with_it_and_come_again() -> None:
    """As the kernel has it: with the first of a subnet go all others, and routes through it."""
    text = lab(guest="addresses: {eth0: [10.0.1.1/24, 10.0.0.5/24]}")
    there = guest(*numbered(1, 101, 5))
    assert told(found(text, there)) == [(Action.REMOVE, "10.0.0.1/24 on eth0", "", None, None)]
    assert work(text, there) == [
        *(RemoveAddress(node=GUEST, dev=ETH0, cidr=one) for one in cidrs(5, 1)),
        AddAddress(node=GUEST, dev=ETH0, cidr="10.0.0.5/24"),
    ]


def test_what_goes_as_well_goes_in_its_turn() -> None:
    """With a first of a subnet that moves, one that nobody declared would be gone by then."""
    text = lab(guest="addresses: {eth0: [10.0.0.1/24, 10.0.0.5/24]}")
    done = work(text, guest(*numbered(5, 9, 1)))
    assert [op.cidr for op in done if isinstance(op, RemoveAddress)] == cidrs(1, 9, 5)


def test_loopback_has_its_own_address_only_where_it_is_up() -> None:
    """It keeps that of IPv4 when it is taken down."""
    text = lab(guest="addresses: {eth0: 10.0.0.1/24}, lo: false")
    now = guest(ONE)
    assert told(found(text, now)) == [
        (Action.CHANGE, "lo", "state", "up", "down"),
        (Action.REMOVE, "127.0.0.1/8 on lo", "", None, None),
    ]
    lo, eth0 = now.node(GUEST).links
    down = snapshot(guest={"links": (replace(lo, up=False), eth0)})
    plan = plan_of(down, world(down).sysctls, {})
    assert told(differences(wanted(plan), world(down, only_told=True))) == []
