"""Addresses and routes that the lab file gives, and that went with a device."""

import pytest
from msgspec.structs import replace

from hopscope.model.events import Observation
from hopscope.model.flow import Headers, Ip
from hopscope.model.journey import Hop, NeighbourStep, Reason, RouteStep, Step, TransmitStep
from hopscope.model.lab import AddressSpec, NodeSpec, RouteSpec
from hopscope.model.snapshot import LinkState, NextHop, PolicyRule, Route, Snapshot
from hopscope.model.vocab import DevName, DevRef, Family, Fate, NeighbourState, NodeName, seen
from hopscope.trace.causes.lost import declared_owner, lost_address, lost_route
from hopscope.trace.causes.routing import led_elsewhere
from hopscope.trace.explain import explain
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.ways import Lookup
from smalllabs import lab

NS1, EMPTY = NodeName("ns1"), Observation(events=(), lost=0)
A, B = DevName("a"), DevName("b")
ROUTES = (
    RouteSpec(to="0.0.0.0/0", via="10.0.0.9"),
    RouteSpec(to="10.9.0.0/16", type="blackhole"),
    RouteSpec(to="10.9.0.0/16", via="10.0.0.9", table=7),
    RouteSpec(to="10.8.0.0/16", via="10.0.0.9", dev=A),
    RouteSpec(to="10.7.0.0/16", hops=(NextHop(dev=None, via="10.0.0.9"), NextHop(dev=B))),
    RouteSpec(to="::/0", via="fd00::9"),
)
DECLARED = (
    NodeSpec(
        name=NS1,
        addresses=(
            AddressSpec(dev=A, cidr="10.0.0.1/24"),
            AddressSpec(dev=A, cidr="fd00::1/64"),
            AddressSpec(dev=DevName("gone"), cidr="10.5.0.1/24"),
        ),
        routes=ROUTES,
    ),
)
PAIR = lab(["ns1/a = ns2/b"])


def scene(**changes: object) -> Scene:
    """A scene in which nothing was seen; ns1/a is as changed, and has no address."""

    def one(link: LinkState) -> LinkState:
        return replace(link, **changes) if link.name == "a" else link

    nodes = tuple(replace(node, links=tuple(map(one, node.links))) for node in PAIR.nodes)
    return Scene(
        before=Snapshot(nodes=nodes),
        after=PAIR,
        observation=EMPTY,
        packets=(),
        replied=frozenset(),
        declared=DECLARED,
    )


def switched_off() -> Scene:
    """ns1/a takes no IPv6."""
    found = scene()
    node = replace(found.node(NS1), sysctls={"net.ipv6.conf.a.disable_ipv6": "1"})
    return replace(found, before=Snapshot(nodes=(node, *found.before.nodes[1:])))


def echo(dst: str) -> Packet:
    """A request of which nothing was seen."""
    ip = Ip(version=6 if ":" in dst else 4, src="10.0.0.1", dst=dst, proto=1, ttl=64, length=84)
    return Packet(key=("stamp",), headers=Headers(ip=ip), sightings=(), traversals=())


def at(found: Scene, goal: str, *, node: str = "ns1") -> tuple[Scene, Lookup]:
    """A scene, and what a node is asked in it."""
    return found, Lookup(state=found.node(NodeName(node)), destination=goal)


def said(reason: Reason | None) -> tuple[str, str]:
    """Its code and its sentence."""
    assert reason is not None
    return reason.code, reason.sentence


def test_who_has_an_address_by_the_lab_file() -> None:
    assert declared_owner(scene(), "fd00::1") == DevRef(NS1, A)
    assert declared_owner(scene(), "10.0.0.2") is None


def test_an_address_that_its_device_lost() -> None:
    """It is down, or takes no IPv6; otherwise only the loss is told."""
    given = "ns1/a, which the lab file gives fd00::1, "
    assert said(lost_address(scene(up=False), "fd00::1")) == ("device-down", f"{given}is down")
    assert said(lost_address(switched_off(), "fd00::1")) == (
        "ipv6-off",
        f"{given}takes no IPv6: net.ipv6.conf.a.disable_ipv6 = 1",
    )
    assert said(lost_address(scene(mtu=1279), "fd00::1")) == (
        "ipv6-off",
        f"{given}takes no IPv6: its MTU is 1279, and IPv6 needs 1280",
    )
    for found, ip in ((scene(mtu=1280), "fd00::1"), (scene(mtu=1279), "10.0.0.1")):
        why = f"ns1/a, which the lab file gives {ip}, no longer has it"
        assert said(lost_address(found, ip)) == ("no-such-address", why)


def test_an_address_that_nothing_can_have_lost() -> None:
    """Nobody declared it, or there is no such device."""
    assert lost_address(scene(up=False), "10.0.0.2") is None
    assert lost_address(scene(up=False), "10.5.0.1") is None


@pytest.mark.parametrize(
    ("goal", "way"),
    [
        ("10.0.0.7", "that of its subnet"),
        ("10.8.0.1", "the one that the lab file gives it, 10.8.0.0/16 via 10.0.0.9 dev a,"),
        ("10.9.0.1", "the one that the lab file gives it, default via 10.0.0.9,"),
        ("fd07::1", "the one that the lab file gives it, default via fd00::9,"),
    ],
)
def test_a_route_that_went_with_its_device(goal: str, way: str) -> None:
    """Also one whose gateway, and nothing else, says by which device it leads."""
    why = f"ns1 has no route to {goal}: {way} is gone, because ns1/a is down"
    assert said(lost_route(*at(scene(up=False), goal))) == ("device-down", why)


IP = "hopscope exec LAB ns1 -- ip "
GIVEN_BACK = "; ".join(
    IP + words
    for words in (
        "address add 10.0.0.1/24 dev a",
        "address add fd00::1/64 dev a nodad",
        "route add default via 10.0.0.9 proto static",
        "route add 10.9.0.0/16 via 10.0.0.9 table 7 proto static",
        "route add 10.8.0.0/16 via 10.0.0.9 dev a proto static",
        "route add 10.7.0.0/16 proto static nexthop via 10.0.0.9 nexthop dev b",
    )
)
GIVEN_BACK += f"; {IP}-6 route add default via fd00::9 proto static"
"""All that ns1/a had."""


def test_a_route_that_is_gone_by_itself() -> None:
    """Its devices are up: that it is gone is all that is told."""
    for goal, way in (
        ("10.8.0.1", "10.8.0.0/16 via 10.0.0.9 dev a"),
        ("10.7.0.1", "10.7.0.0/16 nexthop via 10.0.0.9 nexthop dev b"),
        ("192.0.2.1", "default via 10.0.0.9"),
    ):
        reason = lost_route(*at(scene(), goal))
        why = f"ns1 has no route to {goal}: the one that the lab file gives it, {way}, is gone"
        assert said(reason) == ("no-route", why)
        assert reason is not None
        assert reason.mend == GIVEN_BACK


def test_a_route_that_no_lab_file_gives() -> None:
    """That of a subnet goes with its address, and nothing is declared for the other node."""
    reason = lost_route(*at(scene(), "10.0.0.7"))
    why = "that of its subnet is gone, because ns1/a no longer has 10.0.0.1/24"
    assert said(reason) == ("no-route", f"ns1 has no route to 10.0.0.7: {why}")
    assert reason is not None
    assert reason.mend == GIVEN_BACK
    assert lost_route(*at(scene(), "10.5.0.7")) is None  # of a device that is not there
    assert lost_route(*at(scene(up=False), "10.0.0.7", node="ns2")) is None


def route(destination: str, **more: object) -> Route:
    """A route as read."""
    said = {"table": 254, "type": "unicast", **more}
    return Route(family=Family.IP, destination=destination, **said)  # type: ignore[arg-type]


def with_routes(found: Scene, *routes: Route) -> Scene:
    """The scene, with these routes of ns1; a rule asks table 7 before main."""
    tables = {9: 7, 32766: 254}
    rules = tuple(PolicyRule(family=Family.IP, priority=p, table=t) for p, t in tables.items())
    node = replace(found.node(NS1), routes=routes, policy_rules=rules)
    return replace(found, before=Snapshot(nodes=(node, *found.before.nodes[1:])))


@pytest.mark.parametrize(
    ("there", "lost"),
    [
        ((), "10.9.0.0/16 via 10.0.0.9 table 7"),
        ((route("10.9.0.0/16"),), "10.9.0.0/16 via 10.0.0.9 table 7"),
        ((route("10.9.0.0/16", type="unreachable", table=7),), None),
        ((route("10.9.0.0/24", table=7),), None),
        ((route("10.9.0.0/16", table=7), route("0.0.0.0/0")), None),
    ],
)
def test_the_route_of_another_table(there: tuple[Route, ...], lost: str | None) -> None:
    """It is missed where the lookup would have found it, whatever main has."""
    reason = lost_route(*at(with_routes(scene(), *there), "10.9.0.1"))
    if lost is None:
        assert reason is None
    else:
        assert f"gives it, {lost}, is gone" in said(reason)[1]


def stepping(*steps: Step) -> Hop:
    """What ns1 did with a packet that it made."""
    return Hop(node=NS1, came_in=None, came_from=None, steps=steps)


def test_a_packet_that_went_another_way_for_want_of_its_route() -> None:
    """Whatever befell it there; both mends are told, and the route's own first."""
    step = RouteStep(
        destination="10.9.0.1", route="default", dev=B, via=None, basis=seen("the frame")
    )
    sent = TransmitStep(dev=B, at=None, basis=seen("a frame"))
    found = with_routes(scene(), route("0.0.0.0/0"))
    fate, why = explain(echo("10.9.0.1"), stepping(step, sent), found)
    assert fate is Fate.UNSEEN
    assert said(why)[1].endswith(
        "; by the lab file ns1 has another route for it, 10.9.0.0/16 via 10.0.0.9 table 7, which "
        "is gone"
    )
    assert why is not None
    assert why.mend.startswith("hopscope exec LAB ns1 -- ip address add 10.0.0.1/24 dev a; ")
    also = Reason(code="unseen", sentence="lost", at=None, basis=seen("x"), mend="do this")
    both = led_elsewhere(also, echo("10.9.0.1"), stepping(step, sent), found)
    assert both.mend.endswith(" proto static; or do this")


def test_the_route_of_a_subnet_whose_device_is_down() -> None:
    """What was sent by the default for want of it."""
    step = RouteStep(destination="10.0.0.7", route="x", dev=B, via=None, basis=seen("the frame"))
    sent = TransmitStep(dev=B, at=None, basis=seen("a frame"))
    found = with_routes(scene(up=False), route("0.0.0.0/0"))
    _fate, why = explain(echo("10.0.0.7"), stepping(step, sent), found)
    assert said(why)[1].endswith("that of its subnet, which is gone, because ns1/a is down")


@pytest.mark.parametrize("kind", ["unreachable", "throw"])
def test_a_route_that_forbids_in_place_of_the_lost_one(kind: str) -> None:
    """It is named, and so is the one that it stood behind."""
    step = RouteStep(destination="10.9.0.1", route=None, dev=None, via=None, basis=seen("x"))
    routes = (route("0.0.0.0/0", type=kind, table=7), route("0.0.0.0/1", table=7))
    found = with_routes(scene(up=False), *routes[: 1 if kind == "unreachable" else 2])
    if kind == "throw":
        longer = route("10.0.0.0/8", type="throw", table=7)
        found = with_routes(scene(up=False), longer, routes[1])
    _fate, why = explain(echo("10.9.0.1"), stepping(step), found)
    code, sentence = said(why)
    assert code == "route-forbids"
    assert f"the {kind} route for" in sentence
    assert sentence.endswith("table 7, which is gone, because ns1/a is down")


def test_what_was_lost_explains_a_packet() -> None:
    """No route, where one was declared; an address that nobody answers for."""
    step = RouteStep(destination="10.8.0.1", route=None, dev=None, via=None, basis=seen("test"))
    first = Hop(node=NS1, came_in=None, came_from=None, steps=(step,))
    _fate, why = explain(echo("10.8.0.1"), first, scene(up=False))
    assert said(why)[0] == "device-down"
    wait = NeighbourStep(
        dev=B, ip="fd00::1", mac=None, state=NeighbourState.INCOMPLETE, basis=seen("test")
    )
    first = Hop(node=NodeName("ns2"), came_in=None, came_from=None, steps=(wait,))
    _fate, why = explain(echo("fd00::1"), first, scene(up=False))
    assert said(why) == (
        "unresolved",
        (
            "ns2 holds it back, because nobody told it the link-layer address of fd00::1: ns1/a, "
            "which the lab file gives fd00::1, is down"
        ),
    )
