"""Packets that came back to a node which had sent them on: recorded, and then altered."""

import pytest
from msgspec.structs import replace

from hopscope.model.journey import Hop, NatStep, Reason, RouteStep, TransmitStep
from hopscope.model.snapshot import Address, Route, Snapshot
from hopscope.model.vocab import DevName, Family, seen
from hopscope.trace.causes.returning import came_back
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.stitch import weave
from journeycases import CASES

NAMED = {case.name: case for case in CASES}
BASIS = seen("test")
TO_EACH_OTHER = "the routes of c and r1 to 10.2.0.2 lead to each other"
BACK = Route(
    family=Family.IP,
    destination="10.2.0.0/24",
    table=254,
    type="unicast",
    dev=DevName("left"),
    via="10.9.0.1",
)


def returned(name: str) -> tuple[Scene, Packet, Hop]:
    """The recorded packet that came back, woven."""
    scene = NAMED[name].scene()
    for packet in scene.packets:
        first = weave(packet, scene).first
        if packet.headers.stamp and came_back(packet, first, scene):
            return scene, packet, first
    raise AssertionError(name)


def changed(scene: Scene, name: str, **changes: object) -> Scene:
    """The scene with some fields of a node changed."""
    nodes = (replace(node, **changes) if node.name == name else node for node in scene.before.nodes)
    return replace(scene, before=Snapshot(nodes=tuple(nodes)))


def beside_ipv6(scene: Scene) -> Scene:
    """Every device has an address of the other family, too."""
    six = Address(ip="fe80::1", prefix=64)
    nodes = (
        replace(
            node,
            links=tuple(replace(link, addresses=(*link.addresses, six)) for link in node.links),
        )
        for node in scene.before.nodes
    )
    return replace(scene, before=Snapshot(nodes=tuple(nodes)))


def why(scene: Scene, packet: Packet, first: Hop) -> Reason:
    """The reason, which there is."""
    found = came_back(packet, first, scene)
    assert found is not None
    assert found.code == "routing-loop"
    return found


@pytest.mark.parametrize(
    ("node", "changes"),
    [
        ("r2", {"sysctls": {"net.ipv4.ip_forward": "0"}}),
        ("r2", {"routes": ()}),
        ("r2", {"routes": (BACK,)}),
        ("r1", {"routes": ()}),
    ],
)
def test_no_better_way_is_known(node: str, changes: dict[str, object]) -> None:
    """Another router that does not forward, knows no way, or leads back; or tables changed."""
    scene, packet, first = returned("led-back-1")
    found = why(changed(beside_ipv6(scene), node, **changes), packet, first)
    assert found.sentence == f"it came back to c, which had sent it on: {TO_EACH_OTHER}"
    assert found.mend == "look at the routes of c and r1: hopscope show LAB routes"


@pytest.mark.parametrize(
    ("destination", "metric", "words"),
    [
        ("10.2.0.0/24", 7, "10.2.0.0/24 via 10.9.0.2 metric 7"),
        ("0.0.0.0/0", 0, "10.2.0.2 via 10.9.0.2"),
    ],
)
def test_the_route_that_is_replaced(destination: str, metric: int, words: str) -> None:
    """The default stays for other goals, and a metric says which route is meant."""
    scene, packet, first = returned("led-back-1")
    said = {"metric": metric, "metrics": ("mtu 900", "advmss 500")}
    wrong = replace(BACK, destination=destination, via="10.1.0.2", **said)
    found = why(changed(scene, "r1", routes=(wrong,)), packet, first)
    assert found.mend == f"hopscope exec LAB r1 -- ip route replace {words} mtu 900 advmss 500"


def test_a_node_that_sends_straight_into_the_subnet_is_not_blamed() -> None:
    """Its own route is as good as any."""
    scene, packet, first = returned("by-another-table-1")
    straight = replace(BACK, destination="10.1.0.0/24", table=100, dev=DevName("lan"), via=None)
    found = why(changed(scene, "r", routes=(straight,)), packet, first)
    assert "lead to each other" in found.sentence


def altered(hop: Hop, **route: object) -> Hop:
    """The hops, with another route at the last, and all addresses rewritten on the way."""
    nat = NatStep(field="source", before="x", after="y", basis=BASIS)
    if hop.onward:
        onward = tuple(altered(one, **route) for one in hop.onward)
        return replace(hop, steps=(*hop.steps, nat), onward=onward)
    steps = (replace(s, **route) if isinstance(s, RouteStep) else s for s in hop.steps)
    return replace(hop, steps=tuple(steps))


def test_what_would_go_elsewhere_the_second_time_is_in_no_ring() -> None:
    """As behind a device that looks at every packet of a router, and gives it back."""
    scene, packet, first = returned("led-back-1")
    assert came_back(packet, altered(first), scene) is not None
    assert came_back(packet, altered(first, dev=DevName("other")), scene) is None
    assert came_back(packet, altered(first, destination="10.3.0.1"), scene) is None


def test_what_left_again_has_not_ended_there_unless_it_goes_round() -> None:
    """Twice in one node can be meant; three times are a loop."""
    scene, packet, first = returned("led-back-1")
    left = TransmitStep(dev=DevName("e"), at=None, basis=BASIS)

    def longer(hop: Hop, end: tuple[Hop, ...]) -> Hop:
        if hop.onward:
            return replace(hop, onward=tuple(longer(one, end) for one in hop.onward))
        return replace(hop, steps=(*hop.steps, left), onward=end)

    assert came_back(packet, longer(first, ()), scene) is None
    again = longer(longer(first, first.onward), ())
    assert came_back(packet, again, scene) is not None
