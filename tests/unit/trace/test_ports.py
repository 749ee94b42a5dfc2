"""Ports and devices that keep a frame from its goal: flags, a MAC address of two, no ARP."""

from typing import Any

import pytest
from msgspec.structs import replace

from hopscope.model.devices import BridgeState, PortOptions
from hopscope.model.events import FrameSeen, Observation
from hopscope.model.flow import Arp, Headers, Icmp, Ip
from hopscope.model.journey import (
    BridgeStep,
    Hop,
    NeighbourStep,
    PassUpStep,
    Reason,
    ReceiveStep,
    Step,
)
from hopscope.model.lab import AddressSpec, NodeSpec
from hopscope.model.snapshot import FdbEntry, LinkState, Snapshot
from hopscope.model.vocab import (
    Action,
    DevName,
    DevRef,
    Direction,
    Mac,
    Nanos,
    NeighbourState,
    NodeName,
    PktType,
    seen,
)
from hopscope.trace.causes import links, resolution, stale
from hopscope.trace.causes.firewall import question_drop
from hopscope.trace.causes.isolation import isolated, not_flooded
from hopscope.trace.causes.samemac import same_mac
from hopscope.trace.causes.silent import switched_off
from hopscope.trace.identify import Sighting
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.stitch import weave
from journeycases import CASES
from smalllabs import lab, mac_of

BASIS = seen("test")
ALL, GROUP = Mac("ff:ff:ff:ff:ff:ff"), Mac("33:33:ff:00:00:02")
SW, NS1, NS2 = NodeName("sw"), NodeName("ns1"), NodeName("ns2")
BR0, A, B = DevName("br0"), DevName("a"), DevName("b")
FLAT = lab(
    ["ns1/a = sw/p1@br0", "ns2/b = sw/p2@br0"],
    addresses={
        "ns1/a": "10.0.0.1/24",
        "ns2/b": "10.0.0.2/24",
        "ns1/c": "10.7.0.1/24",
    },
)
ASKS = Arp(
    op=1,
    sender_mac=mac_of(DevRef(NS1, A)),
    sender_ip="10.0.0.1",
    target_mac=Mac("00:00:00:00:00:00"),
    target_ip="10.0.0.2",
)
NAMED = {case.name: case for case in CASES}


def scene(snapshot: Snapshot = FLAT, *, declared: tuple[NodeSpec, ...] = ()) -> Scene:
    """A scene in which nothing was seen."""
    return Scene(
        before=snapshot,
        after=snapshot,
        observation=Observation(events=(), lost=0),
        packets=(),
        replied=frozenset(),
        declared=declared,
    )


def altered(ref: str, snapshot: Snapshot = FLAT, **changes: object) -> Snapshot:
    """The snapshot with a device changed."""
    node, dev = ref.split("/")

    def one(link: LinkState) -> LinkState:
        return replace(link, **changes) if link.name == dev else link

    return Snapshot(
        nodes=tuple(
            replace(state, links=tuple(map(one, state.links))) if state.name == node else state
            for state in snapshot.nodes
        )
    )


def frame(dst: Mac | None, *, arp: Arp | None = ASKS, src: Mac | None = None) -> Packet:
    """A frame of which nothing was seen."""
    headers = Headers(src_mac=src, dst_mac=dst, arp=arp)
    return Packet(key=("x",), headers=headers, sightings=(), traversals=())


def solicitation(target: str) -> Packet:
    """A neighbour solicitation of which nothing was seen."""
    ip = Ip(version=6, src="fd00::1", dst="ff02::1:ff00:2", proto=58, ttl=255, length=72)
    icmp = Icmp(type=135, code=0, target=target)
    headers = Headers(dst_mac=GROUP, ip=ip, icmp=icmp)
    return Packet(key=("nd",), headers=headers, sightings=(), traversals=())


def bridge(
    *out: str, entry: str | None = None, mac: Mac | None = None, came_in: str | None = "p1"
) -> Hop:
    """A bridge that sent it out by these ports."""
    known = FdbEntry(bridge=BR0, mac=mac or ALL, port=DevName(entry)) if entry else None
    step = BridgeStep(
        bridge=BR0,
        action=Action.FLOOD if out else Action.DROP,
        came_in=DevName(came_in) if came_in else None,
        out=tuple(map(DevName, out)),
        entry=known,
        learnt=None,
        basis=BASIS,
    )
    return hop("sw", step, came_in=came_in)


def hop(node: str, *steps: Step, came_in: str | None = None) -> Hop:
    """One hop."""
    dev = DevName(came_in) if came_in else None
    return Hop(node=NodeName(node), came_in=dev, came_from=None, steps=steps)


def told(reason: Reason | None) -> str:
    """Its sentence."""
    assert reason is not None
    return reason.sentence


@pytest.mark.parametrize(
    ("dst", "switch", "changes"),
    [
        (ALL, "bcast_flood", {"bcast_flood": False}),
        (GROUP, "mcast_flood", {"mcast_flood": False}),
        (Mac("02:00:00:00:00:77"), "flood", {"port": PortOptions(flood=False)}),
    ],
)
def test_a_port_that_nothing_is_flooded_to(dst: Mac, switch: str, changes: dict[str, Any]) -> None:
    """That is so for one kind of frames, and where the frame did not leave by that port."""
    closed = scene(altered("sw/p2", **changes))
    why = not_flooded(frame(dst), bridge(), closed)
    assert told(why).endswith(f"to p2: that port has {switch} off")
    assert why is not None
    assert why.mend == f"hopscope exec LAB sw -- bridge link set dev p2 {switch} on"
    own = not_flooded(frame(dst), bridge(came_in=None), closed)
    assert (own is not None) == (switch == "flood")  # its own groups go to all ports
    assert not_flooded(frame(dst), bridge(), scene()) is None
    assert not_flooded(frame(dst), bridge("p2"), closed) is None
    assert not_flooded(frame(dst), bridge(entry="p1"), closed) is None


def test_the_frame_that_a_bridge_got_says_for_whom_it_is() -> None:
    """A router before gave it another address than its maker."""
    closed = scene(altered("sw/p2", port=PortOptions(flood=False)))
    packet = frame(Mac("02:00:00:00:00:77"), arp=None)
    assert not_flooded(packet, bridge(), closed) is None
    event = FrameSeen(
        at=Nanos(1),
        dev=DevRef(SW, DevName("p1")),
        direction=Direction.RECEIVE,
        pkttype=PktType.OTHERHOST,
        frame=b"",
        length=0,
    )
    there = Sighting(event=event, headers=Headers(dst_mac=mac_of(DevRef(NS2, B))))
    assert not_flooded(replace(packet, sightings=(there,)), bridge(), closed) is not None


def test_ports_are_kept_apart_when_both_are_isolated() -> None:
    one = altered("sw/p2", port=PortOptions(isolated=True))
    assert isolated(frame(ALL), bridge(), scene(one)) is None
    both = altered("sw/p1", one, port=PortOptions(isolated=True))
    assert told(isolated(frame(ALL), bridge(), scene(both))).endswith("both ports are isolated")
    assert isolated(frame(ALL), bridge(came_in=None), scene(both)) is None


SHARED = mac_of(DevRef(NS1, A))
TWINS = altered("ns2/b", mac=SHARED)
ANSWER = replace(ASKS, op=2, sender_ip="10.0.0.2", target_ip="10.0.0.1")


def test_two_devices_with_one_mac_address() -> None:
    """The answer of one told the bridge that the address of the other is behind its own port."""
    back = bridge(came_in="p2")
    why = same_mac(frame(SHARED, arp=ANSWER, src=SHARED), back, scene(TWINS))
    assert told(why) == (
        "ns1/a and ns2/b have the same MAC address, and sw/br0 had it behind p2, so it did not "
        "come to ns1/a"
    )
    assert why is not None
    assert why.mend.endswith("LAB ns2 -- ip link set dev b address 02:00:00:00:00:01")
    known = bridge("p2", entry="p2", mac=SHARED, came_in="p3")
    assert same_mac(frame(SHARED, arp=ANSWER), known, scene(TWINS)) is not None


def test_a_mac_address_that_two_have_and_that_did_no_harm() -> None:
    """It came to its goal, or nothing tells behind which port the bridge knew the address."""
    packet = frame(SHARED, arp=ANSWER)
    for steps in (bridge("p1", entry="p2", came_in="p3"), bridge(), bridge(entry="p9")):
        assert same_mac(packet, steps, scene(TWINS)) is None
    assert same_mac(packet, hop("sw"), scene(TWINS)) is None
    assert same_mac(packet, bridge(entry="p2"), scene()) is None
    step = NeighbourStep(
        dev=A, ip="10.0.0.77", mac=SHARED, state=NeighbourState.REACHABLE, basis=BASIS
    )
    first = replace(hop("ns1", step), onward=(bridge(entry="p2"),))
    ip = Ip(version=4, src="10.0.0.9", dst="10.0.0.88", proto=1, ttl=64, length=84)
    other = replace(packet, headers=Headers(dst_mac=SHARED, ip=ip))
    assert same_mac(other, first, scene(TWINS)) is None


def test_a_device_that_takes_no_part_in_arp() -> None:
    """It answers nothing; of IPv6, it does."""
    mute = scene(altered("ns2/b", noarp=True))
    got = ReceiveStep(dev=B, at=Nanos(1), pkttype=PktType.BROADCAST, basis=BASIS)
    there = hop("ns2", got, came_in="b")
    why = resolution.unanswered(frame(ALL), there, mute)
    assert told(why) == "the ARP request reached ns2/b, which takes no part in ARP (NOARP)"
    assert why is not None
    assert why.mend == "hopscope exec LAB ns2 -- ip link set dev b arp on"
    assert why.code == "no-arp"


@pytest.mark.parametrize(
    ("dev", "mend"),
    [
        ("a", "hopscope exec LAB ns1 -- ip link set dev a arp on"),
        ("c", "nobody is behind ns1/c: let the route lead through another device"),
    ],
)
def test_a_device_that_asks_for_no_address(dev: str, mend: str) -> None:
    """What leaves by it goes to its own address."""
    ref = DevRef(NS1, DevName(dev))
    step = NeighbourStep(
        dev=ref.dev, ip="10.0.0.2", mac=mac_of(ref), state=NeighbourState.REACHABLE, basis=BASIS
    )
    deaf = scene(altered(str(ref), noarp=True))
    why = stale.wrong_neighbour(frame(mac_of(ref)), hop("ns1", step), deaf)
    assert told(why).endswith(f"that device's own, {mac_of(ref)}, and not to ns2/b")
    assert why is not None
    assert (why.code, why.mend) == ("no-arp", mend)
    plain = stale.wrong_neighbour(frame(mac_of(ref)), hop("ns1", step), scene())
    assert plain is not None
    assert plain.code == "wrong-neighbour"


@pytest.mark.parametrize(("stp", "mend"), [(False, "bridge link set dev p2 state 3"), (True, "")])
def test_a_port_that_somebody_switched_off(stp: bool, mend: str) -> None:  # noqa: FBT001 - a case
    """A spanning tree sets the states of its ports itself."""
    off = altered("sw/p2", port_state="disabled")
    off = altered("sw/br0", off, bridge=BridgeState(stp=stp))
    why = links.carries(off, DevRef(SW, DevName("p2")))
    assert why is not None
    assert why.mend.removeprefix("hopscope exec LAB sw -- ") == mend


def test_a_bridge_that_takes_no_ipv6_is_not_to_blame_for_what_it_floods() -> None:
    """Unless the address that is asked for is, or was, its own."""
    node = replace(FLAT.node(SW), sysctls={"net.ipv6.conf.br0.disable_ipv6": "1"})
    quiet = Snapshot(nodes=tuple(node if one.name == SW else one for one in FLAT.nodes))
    got = ReceiveStep(dev=DevName("p1"), at=Nanos(1), pkttype=PktType.MULTICAST, basis=BASIS)
    up = PassUpStep(bridge=BR0, at=None, because="group", pkttype=PktType.MULTICAST, basis=BASIS)
    there = hop("sw", got, up, came_in="p1")
    assert switched_off(solicitation("fd00::2"), there, scene(quiet)) is None
    own = NodeSpec(name=SW, addresses=(AddressSpec(dev=BR0, cidr="fd00::2/64"),))
    why = switched_off(solicitation("fd00::2"), there, scene(quiet, declared=(own,)))
    assert told(why).startswith("sw/br0 received it, and takes no IPv6")


def test_a_rule_that_dropped_the_question_for_another() -> None:
    """It is named for the address that was asked for, and for no other."""
    known = NAMED["six-drop-asked-1"].scene()
    packet = next(p for p in known.packets if p.headers.stamp)
    first = weave(packet, known).first
    wait = next(step for step in first.steps if isinstance(step, NeighbourStep))
    assert question_drop(first, wait, known) is not None
    assert question_drop(first, replace(wait, ip="fd00::77"), known) is None
    assert question_drop(first, replace(wait, ip="10.0.0.2"), known) is None
