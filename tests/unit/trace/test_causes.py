"""Causes that a recording cannot show: tables that contradict, nodes that answer late or never."""

from typing import Final

import pytest
from msgspec.structs import replace

from hopscope.model.devices import BridgeState
from hopscope.model.events import FrameSeen, Observation
from hopscope.model.flow import Arp, Headers, Icmp, Ip
from hopscope.model.journey import (
    BridgeStep,
    ChainVisit,
    DropStep,
    HookStep,
    NeighbourStep,
    PassUpStep,
    ReceiveStep,
    RouteStep,
    RuleCheck,
)
from hopscope.model.snapshot import Address, NextHop, NodeState, PolicyRule, Route, Snapshot
from hopscope.model.vocab import (
    Action,
    DevName,
    DevRef,
    Direction,
    Family,
    Fate,
    Hook,
    Mac,
    Nanos,
    NeighbourState,
    NodeName,
    PktType,
    Verdict,
)
from hopscope.trace.causes import links, resolution, routing, stale
from hopscope.trace.explain import explain
from hopscope.trace.identify import Sighting
from hopscope.trace.journeys import unsent
from hopscope.trace.loops import bridge_loop
from hopscope.trace.scene import Packet, Scene
from smalllabs import lab
from tracecases import BASIS, changed, hop, sent, with_link

HOST = NodeName("host")
NS1, NS2 = NodeName("ns1"), NodeName("ns2")
PAIR = lab(
    ["ns1/a = host/p1@br0", "ns2/b = host/p2@br0"],
    addresses={"ns1/a": "10.0.0.1/24", "ns2/b": "10.0.0.2/24"},
)


def scene(snapshot: Snapshot, *, after: Snapshot | None = None, lost: int = 0) -> Scene:
    """A scene in which nothing was seen."""
    return Scene(
        before=snapshot,
        after=after or snapshot,
        observation=Observation(events=(), lost=lost),
        packets=(),
        replied=frozenset(),
    )


def echo(dst: str, src: str = "10.0.0.1") -> Packet:
    """An echo request of which nothing was seen."""
    version = 6 if ":" in dst else 4
    ip = Ip(version=version, src=src, dst=dst, proto=1, ttl=64, length=84)
    headers = Headers(ip=ip, icmp=Icmp(type=8, code=0, ident=1, seq=1), stamp=1 << 32 | 1)
    return Packet(key=("stamp", 8, 1), headers=headers, sightings=(), traversals=())


def of_length(length: int) -> Packet:
    """An echo request of so many bytes, seen as it came in at host/p1."""
    event = FrameSeen(
        at=Nanos(1),
        dev=DevRef(HOST, DevName("p1")),
        direction=Direction.RECEIVE,
        pkttype=PktType.OTHERHOST,
        frame=bytes(12) + b"\x08\x00",
        length=length + 14,
    )
    found = echo("10.0.0.2")
    return replace(found, sightings=(Sighting(event=event, headers=found.headers),))


def question(target: str, sender: str = "10.0.0.1") -> Packet:
    """An ARP request of which nothing was seen."""
    arp = Arp(
        op=1,
        sender_mac=Mac("02:00:00:00:00:01"),
        sender_ip=sender,
        target_mac=Mac("00:00:00:00:00:00"),
        target_ip=target,
    )
    return Packet(key=("arp",), headers=Headers(arp=arp), sightings=(), traversals=())


def got(dev: str, pkttype: PktType = PktType.HOST) -> ReceiveStep:
    """A device received it."""
    return ReceiveStep(dev=DevName(dev), at=Nanos(1), pkttype=pkttype, basis=BASIS)


def route(
    destination: str, kind: str = "unicast", dev: str | None = "a", *, table: int = 254
) -> Route:
    """A route, of the main table unless another is named."""
    return Route(
        family=Family.IP6 if ":" in destination else Family.IP,
        destination=destination,
        table=table,
        type=kind,
        dev=DevName(dev) if dev else None,
    )


class TestFirewall:
    """Drops that netfilter reports."""

    def test_a_rule_that_was_not_read_is_not_invented(self) -> None:
        """A hook dropped it, and none of the chains that were read did."""
        visit = ChainVisit(
            family=Family.IP,
            table="filter",
            chain="INPUT",
            priority=0,
            rules=(),
            policy=Verdict.ACCEPT,
            verdict=Verdict.ACCEPT,
        )
        step = HookStep(
            family=Family.IP,
            hook=Hook.INPUT,
            chains=(visit,),
            verdict=Verdict.DROP,
            basis=BASIS,
        )
        fate, why = explain(echo("10.0.0.2"), hop("ns2", got("b"), step, came_in="b"), scene(PAIR))
        assert (fate, why and why.code) == (Fate.DROPPED, "rule-drop")
        assert why is not None
        assert "not in the ruleset read" in why.sentence

    def test_a_queue_that_nobody_serves(self) -> None:
        """The packet went to user space and did not come back: not seen again, not dropped."""
        rule = RuleCheck(handle=7, text="queue to 3", matched=True, verdict=Verdict.QUEUE)
        visit = ChainVisit(
            family=Family.INET,
            table="g",
            chain="c",
            priority=0,
            rules=(rule,),
            policy=None,
            verdict=Verdict.QUEUE,
        )
        step = HookStep(
            family=Family.IP,
            hook=Hook.INPUT,
            chains=(visit,),
            verdict=Verdict.QUEUE,
            basis=BASIS,
        )
        first = hop("ns2", got("b"), step, came_in="b")
        fate, why = explain(echo("10.0.0.2"), first, scene(PAIR))
        assert (fate, why and why.code) == (Fate.UNSEEN, "rule-queue")
        assert why is not None
        assert why.mend.endswith("nft delete rule inet g c handle 7")


ASKED: Final = HookStep(
    family=Family.ARP,
    hook=Hook.OUTPUT,
    chains=(),
    verdict=Verdict.ACCEPT,
    basis=BASIS,
    oif=DevName("a"),
)
"""A question on its way out."""


class TestLinks:
    """Devices that carry nothing."""

    def test_no_carrier_without_a_known_other_end(self) -> None:
        """The other end is not in this lab: what is known is said, and no command."""
        alone = with_link(PAIR, "ns1/a", carrier=False, peer=None)
        why = links.not_sent(question("10.0.0.2"), hop("ns1", ASKED), scene(alone))
        assert why is not None
        assert why.sentence == "ns1/a has no carrier, so nothing leaves through it"
        assert why.mend == ""

    def test_a_device_that_is_down_is_itself_to_blame(self) -> None:
        """The hook on the way out names it, and nothing left it."""
        snapshot = with_link(PAIR, "ns1/a", up=False, carrier=False)
        why = links.not_sent(question("10.0.0.2"), hop("ns1", ASKED), scene(snapshot))
        assert why is not None
        assert why.sentence == "ns1/a is down, so nothing leaves through it"
        assert why.mend == "hopscope exec LAB ns1 -- ip link set dev a up"

    def test_an_end_that_takes_less_than_its_port_sent(self) -> None:
        """The bridge sent the frame, whose length is within the port's MTU, not the end's."""
        snapshot = with_link(PAIR, "ns2/b", mtu=1200)
        decision = BridgeStep(
            bridge=DevName("br0"),
            action=Action.FORWARD,
            came_in=DevName("p1"),
            out=(DevName("p2"),),
            entry=None,
            learnt=None,
            basis=BASIS,
        )
        first = hop("host", got("p1", PktType.OTHERHOST), decision, sent("p2"), came_in="p1")
        for length, code in ((1200, None), (1201, "too-long")):
            why = links.too_long(of_length(length), first, scene(snapshot))
            assert (why and why.code) == code
            assert why is None or str(why.at) == "ns2/b"
            assert why is None or why.mend.startswith("use one MTU on all links of a bridge")

    def test_an_end_of_a_link_without_a_bridge(self) -> None:
        """No bridge is spoken of."""
        snapshot = with_link(PAIR, "host/p1", mtu=1200)
        why = links.too_long(of_length(1201), hop("ns1", sent("a")), scene(snapshot))
        assert why is not None
        assert why.mend.startswith("use one MTU on both ends of that link")

    @pytest.mark.parametrize("state", ["disabled", "blocking"])
    def test_a_port_that_does_not_forward(self, state: str) -> None:
        """Only a spanning tree's states pass by themselves."""
        snapshot = with_link(PAIR, "host/p2", port_state=state)
        why = links.carries(snapshot, DevRef(HOST, DevName("p2")))
        assert why is not None
        assert (why.code, bool(why.mend)) == ("port-not-forwarding", state == "blocking")

    @pytest.mark.parametrize(("delay", "said"), [(None, "30 s"), (2.0, "4 s")])
    def test_a_spanning_tree_settles_by_itself(self, delay: float | None, said: str) -> None:
        """After twice the bridge's own delay; switching it off makes no port forward."""
        snapshot = with_link(PAIR, "host/p2", port_state="listening")
        if delay is not None:
            state = BridgeState(stp=True, forward_delay=delay)
            snapshot = with_link(snapshot, "host/br0", bridge=state)
        why = links.carries(snapshot, DevRef(HOST, DevName("p2")))
        assert why is not None
        assert f"a port forwards {said} after it came up" in why.mend
        assert "stp_state" not in why.mend

    def test_an_unknown_device_explains_nothing(self) -> None:
        """A name that the snapshot does not have."""
        assert links.carries(PAIR, DevRef(HOST, DevName("nowhere"))) is None

    def test_a_frame_that_its_link_lost(self) -> None:
        """The device sent it, and the other end is down."""
        snapshot = with_link(PAIR, "host/p1", up=False)
        first = hop("ns1", sent("a"))
        fate, why = explain(echo("10.0.0.2"), first, scene(snapshot))
        assert (fate, why and why.code) == (Fate.DROPPED, "device-down")

    def test_a_blocked_port_whose_state_has_passed(self) -> None:
        """The drop that was seen still tells, though the tables do not any more."""
        drop = DropStep(reason="it is listening", where="host/p1", basis=BASIS)
        fate, why = explain(
            echo("10.0.0.2"), hop("host", got("p1"), drop, came_in="p1"), scene(PAIR)
        )
        assert (fate, why and why.sentence) == (Fate.DROPPED, "host/p1: it is listening")

    def test_a_device_beside_the_bridge_of_another_node(self) -> None:
        """Without a bridge in its node, or with an address, a device is as it should be."""
        ignored = DropStep(reason="not for it", where="", basis=BASIS, expected=True)
        alone = hop("ns2", got("b", PktType.OTHERHOST), ignored, came_in="b")
        port = hop("host", got("p1", PktType.OTHERHOST), ignored, came_in="p1")
        no_address = with_link(PAIR, "ns2/b", addresses=())
        for first in (alone, port):
            assert links.unbridged(question("10.0.0.2"), first, scene(no_address)) is None


class TestRings:
    """Bridges that are joined twice."""

    RING = ("host/l0@br0 = host/l1@br1", "host/k0@br0 = host/k1@br1")

    def test_two_links_between_two_bridges(self) -> None:
        """The second link closes the ring."""
        ends = bridge_loop(lab(self.RING))
        assert ends is not None
        assert [str(end) for end in ends] == ["host/k0", "host/k1"]

    def test_one_link_is_no_ring(self) -> None:
        """A tree has none."""
        assert bridge_loop(lab(self.RING[:1])) is None

    def test_a_link_that_is_blocked_breaks_it(self) -> None:
        """As the spanning tree does it."""
        snapshot = with_link(lab(self.RING), "host/k1", port_state="blocking")
        assert bridge_loop(snapshot) is None

    def test_a_link_to_a_node_is_no_bridge(self) -> None:
        """A node that has two links hands no frames on."""
        assert bridge_loop(lab(["ns1/a = host/p1@br0", "ns1/b = host/p2@br0"])) is None

    def test_three_bridges_in_a_ring(self) -> None:
        """In three nodes."""
        chain = ["x/a@b1 = y/a@b2", "y/b@b2 = z/a@b3", "z/b@b3 = x/b@b1"]
        assert bridge_loop(lab(chain)) is not None

    def test_a_ring_explains_what_was_lost(self) -> None:
        """Where observers lost much, a ring is the reason even if no bridge was seen."""
        ring = lab([*self.RING, "ns1/a = host/p1@br0"])
        first = hop("ns1", sent("a"))
        assert links.ring(question("10.0.0.9"), first, scene(ring)) is None
        why = links.ring(question("10.0.0.9"), first, scene(ring, lost=1))
        assert why is not None
        assert "host/k0 and host/k1 close" in why.sentence


class TestRouting:
    """Layer 3."""

    @pytest.mark.parametrize("kind", ["blackhole", "prohibit", "unreachable"])
    def test_a_route_that_forbids(self, kind: str) -> None:
        """A request that its own kernel refused, because of a route of that kind."""
        snapshot = changed(PAIR, "ns1", routes=(route("10.9.0.0/16", kind, None),))
        journey = unsent(scene(snapshot), NS1, echo("10.9.0.1").headers, "refused", at=Nanos(1))
        assert journey.fate is Fate.DROPPED
        assert journey.reason is not None
        assert journey.reason.code == "route-forbids"
        assert f"ip route del {kind} 10.9.0.0/16" in journey.reason.mend

    @pytest.mark.parametrize(("table", "said"), [(254, ""), (77, " table 77")])
    def test_a_route_of_another_table_is_removed_there(self, table: int, said: str) -> None:
        """Without the table's number, ip route looks into the main one."""
        rule = PolicyRule(family=Family.IP, priority=1, table=table)
        routes = (route("10.9.0.0/16", "blackhole", None, table=table),)
        snapshot = changed(PAIR, "ns1", routes=routes, policy_rules=(rule,))
        journey = unsent(scene(snapshot), NS1, echo("10.9.0.1").headers, "refused", at=Nanos(1))
        assert journey.reason is not None
        assert journey.reason.mend.endswith(f"-- ip route del blackhole 10.9.0.0/16{said}")

    @pytest.mark.parametrize(
        ("other", "code"), [("10.0.0.0/8", "route-forbids"), ("10.7.0.0/16", "no-route")]
    )
    def test_a_throw_route(self, other: str, code: str) -> None:
        """It is the cause if the same table has another route, which it hides."""
        kinds = {"10.9.0.0/16": "throw", "10.9.0.0/24": "throw", "10.1.0.0/16": "throw"}
        routes = (*(route(net, kind, None) for net, kind in kinds.items()), route(other))
        snapshot = changed(PAIR, "ns1", routes=routes)
        journey = unsent(scene(snapshot), NS1, echo("10.9.0.1").headers, "refused", at=Nanos(1))
        assert journey.reason is not None
        assert journey.reason.code == code
        throws = code == "route-forbids"
        assert journey.reason.mend.endswith("ip route del throw 10.9.0.0/24") == throws
        assert ("the throw route for 10.9.0.0/24 sends" in journey.reason.sentence) == throws

    def test_a_refusal_without_a_cause_is_told_as_it_is(self) -> None:
        """There is a route, and still the kernel refused."""
        snapshot = changed(PAIR, "ns1", routes=(route("10.9.0.0/16"),))
        journey = unsent(scene(snapshot), NS1, echo("10.9.0.1").headers, "odd (EODD)", at=Nanos(1))
        assert journey.fate is Fate.DROPPED
        assert journey.reason is not None
        assert journey.reason.sentence == "ns1 refused to send it: odd (EODD)"

    def test_the_device_of_the_subnet_is_down(self) -> None:
        """With the device the route is gone; the reason names the device."""
        snapshot = with_link(PAIR, "ns1/a", up=False)
        journey = unsent(scene(snapshot), NS1, echo("10.0.0.2").headers, "no route", at=Nanos(1))
        assert journey.reason is not None
        assert journey.reason.code == "device-down"
        assert journey.reason.mend == "hopscope exec LAB ns1 -- ip link set dev a up"

    def test_a_router_of_ipv6_that_does_not_forward(self) -> None:
        """IPv6 asks one switch for all devices."""
        key = "net.ipv6.conf.all.forwarding"
        snapshot = changed(PAIR, "ns2", sysctls={key: "0"})
        goal = "2001:db8::9"
        step = RouteStep(destination=goal, route="default", dev=None, via=None, basis=BASIS)
        first = hop("ns2", got("b"), step, came_in="b")
        why = routing.not_forwarding(echo(goal), first, scene(snapshot))
        assert why is not None
        assert why.mend == f"hopscope set LAB ns2 {key}=1"

    def test_a_node_that_does_not_forward_asks_no_route(self) -> None:
        """The missing route is not what ended it there."""
        snapshot = changed(PAIR, "ns2", sysctls={"net.ipv4.ip_forward": "0"})
        step = RouteStep(destination="10.9.0.1", route=None, dev=None, via=None, basis=BASIS)
        first = hop("ns2", got("b"), step, came_in="b")
        assert routing.no_route(echo("10.9.0.1"), first, scene(snapshot)) is None
        _fate, why = explain(echo("10.9.0.1"), first, scene(snapshot))
        assert why is not None
        assert why.code == "not-forwarding"


class TestResolution:
    """Neighbours that do not answer."""

    REACHED = hop("ns1", sent("a"), onward=(hop("ns2", got("b", PktType.BROADCAST), came_in="b"),))

    def test_a_question_that_was_asked_before(self) -> None:
        """Nobody saw it; the owner's port still tells why there is no answer."""
        snapshot = with_link(PAIR, "host/p2", port_state="listening")
        wait = NeighbourStep(
            dev=DevName("a"),
            ip="10.0.0.2",
            mac=None,
            state=NeighbourState.INCOMPLETE,
            basis=BASIS,
        )
        _fate, why = explain(echo("10.0.0.2"), hop("ns1", wait), scene(snapshot))
        assert why is not None
        assert why.sentence == (
            "ns1 holds it back, because nobody told it the link-layer address of 10.0.0.2: "
            "host/p2, a port of br0, is listening, not forwarding"
        )

    def test_an_owner_without_a_way_back_keeps_silent(self) -> None:
        """It has no route to the one who asks."""
        why = resolution.unanswered(question("10.0.0.2"), self.REACHED, scene(PAIR))
        assert why is not None
        assert why.code == "no-route-back"

    def test_a_silent_owner_is_only_told_as_silent(self) -> None:
        """Nothing known keeps it from answering: unseen, not dropped."""
        snapshot = changed(PAIR, "ns2", routes=(route("10.0.0.0/24", dev="b"),))
        fate, why = explain(question("10.0.0.2"), self.REACHED, scene(snapshot))
        assert (fate, why and why.code) == (Fate.UNSEEN, "silent")

    @pytest.mark.parametrize(
        ("value", "sender", "code"),
        [
            ("1", "10.0.0.1", "silent"),
            ("2", "10.0.0.1", "silent"),
            ("2", "10.9.0.1", "arp-ignore"),
            ("3", "10.9.0.1", "silent"),
            ("8", "10.0.0.1", "arp-ignore"),
        ],
    )
    def test_arp_ignore_on_the_device_itself(self, value: str, sender: str, code: str) -> None:
        """1 and 3 keep silent on others only, 2 there and to other subnets, 8 always."""
        snapshot = changed(
            PAIR,
            "ns2",
            routes=(route("10.0.0.0/8", dev="b"),),
            sysctls={"net.ipv4.conf.b.arp_ignore": value, "net.ipv4.conf.all.arp_ignore": "0"},
        )
        asked = question("10.0.0.2", sender)
        why = resolution.unanswered(asked, self.REACHED, scene(snapshot))
        assert why is not None
        assert why.code == code

    def test_nobody_answers_its_own_address(self) -> None:
        """The owner has the asker's, too."""
        links = tuple(
            replace(link, addresses=(*link.addresses, Address(ip="10.0.0.1", prefix=24)))
            for link in PAIR.node("ns2").links
        )
        snapshot = changed(PAIR, "ns2", links=links, routes=(route("10.0.0.0/24", dev="b"),))
        why = resolution.unanswered(question("10.0.0.2"), self.REACHED, scene(snapshot))
        assert why is not None
        assert why.code == "martian-source"
        assert why.sentence.endswith("it has 10.0.0.1, too, on b")
        assert why.mend.endswith("ns2 -- ip addr del 10.0.0.1/24 dev b")

    @pytest.mark.parametrize(("dev", "code"), [("b", "silent"), ("other", "arp-ignore")])
    def test_arp_filter_answers_where_it_leads_back(self, dev: str, code: str) -> None:
        """The device by which the sender would be reached answers, and no other."""
        snapshot = changed(
            PAIR,
            "ns2",
            routes=(route("10.0.0.0/24", dev=dev),),
            sysctls={"net.ipv4.conf.all.arp_filter": "1"},
        )
        why = resolution.unanswered(question("10.0.0.2"), self.REACHED, scene(snapshot))
        assert why is not None
        assert why.code == code

    @pytest.mark.parametrize(
        ("port", "bridge", "code"),
        [
            ({}, None, "unseen"),
            ({"master": None}, None, "no-layer-2-path"),
            ({"peer": DevRef(NodeName("gone"), DevName("x"))}, None, "no-layer-2-path"),
            ({}, BridgeState(vlan_filtering=True), "no-layer-2-path"),
        ],
    )
    def test_a_path_that_tables_show_is_not_denied(
        self, port: dict[str, object], bridge: BridgeState | None, code: str
    ) -> None:
        """Something drops the question on a way that leads there."""
        snapshot = with_link(PAIR, "host/p2", **port)
        snapshot = with_link(snapshot, "host/br0", bridge=bridge)
        first = hop("ns1", sent("a"), onward=(hop("host", got("p1"), came_in="p1"),))
        why = resolution.unanswered(question("10.0.0.2"), first, scene(snapshot))
        assert why is not None
        assert why.code == code

    def test_the_reverse_path_filter_keeps_arp_silent(self) -> None:
        """ARP is routed back before it is answered."""
        snapshot = changed(
            PAIR,
            "ns2",
            routes=(route("10.0.0.0/24", dev="other"),),
            sysctls={"net.ipv4.conf.b.rp_filter": "1"},
        )
        why = resolution.unanswered(question("10.0.0.2"), self.REACHED, scene(snapshot))
        assert why is not None
        assert why.code == "reverse-path"
        assert why.mend == "hopscope set LAB ns2 net.ipv4.conf.b.rp_filter=0"

    def test_the_reverse_path_asks_policy_rules_and_all_next_hops(self) -> None:
        """As that lookup does: from the address that was asked for, and no other."""
        rule = PolicyRule(family=Family.IP, priority=1, table=9, source="10.0.0.2/32")
        usual = PolicyRule(family=Family.IP, priority=2, table=254)
        ways = route("10.0.0.0/24", dev="other")
        several = replace(ways, hops=(NextHop(dev=ways.dev), NextHop(dev=DevName("b"))))

        def code(there: Route) -> str | None:
            snapshot = changed(
                PAIR,
                "ns2",
                policy_rules=(rule, usual),
                routes=(replace(there, table=9), route("10.0.0.0/24", dev="b")),
                sysctls={"net.ipv4.conf.b.rp_filter": "1"},
            )
            why = resolution.unanswered(question("10.0.0.2"), self.REACHED, scene(snapshot))
            return why.code if why is not None else None

        assert code(ways) == "reverse-path"
        assert code(several) == "silent"

    def test_the_stack_behind_a_bridge_can_be_the_owner(self) -> None:
        """The question went up into the bridge's own stack, which kept silent."""
        snapshot = lab(["ns1/a = host/p1@br0"], addresses={"host/br0": "10.0.0.9/24"})
        up = PassUpStep(
            bridge=DevName("br0"),
            at=None,
            because="group",
            pkttype=PktType.BROADCAST,
            basis=BASIS,
        )
        inside = hop("host", got("p1", PktType.BROADCAST), up, came_in="p1")
        first = hop("ns1", sent("a"), onward=(inside,))
        why = resolution.unanswered(question("10.0.0.9"), first, scene(snapshot))
        assert why is not None
        assert "reached host/br0" in why.sentence

    def test_what_was_lost_makes_a_missing_path_a_guess(self) -> None:
        """With losses, frames that are missing prove nothing."""
        island = lab(
            ["ns1/a = host/p1@br0", "ns2/b = host/p2@br1"], addresses={"ns2/b": "10.0.0.2/24"}
        )
        first = hop("ns1", sent("a"), onward=(hop("host", got("p1"), came_in="p1"),))
        sure, why = explain(question("10.0.0.2"), first, scene(island))
        assert (sure, why and why.code) == (Fate.DROPPED, "no-layer-2-path")
        unsure, _why = explain(question("10.0.0.2"), first, scene(island, lost=3))
        assert unsure is Fate.UNSEEN

    def test_a_packet_waits_though_no_question_was_seen(self) -> None:
        """Nobody has the address, or nobody was seen to ask: both are said."""
        wait = NeighbourStep(
            dev=DevName("a"),
            ip="10.0.0.2",
            mac=None,
            state=NeighbourState.INCOMPLETE,
            basis=BASIS,
        )
        fate, why = explain(echo("10.0.0.2"), hop("ns1", wait), scene(PAIR))
        assert fate is Fate.UNSEEN
        assert why is not None
        assert why.sentence.endswith("the link-layer address of 10.0.0.2")
        nowhere = replace(wait, ip="10.0.0.99")
        _fate, why = explain(echo("10.0.0.99"), hop("ns1", nowhere), scene(PAIR))
        assert why is not None
        assert why.sentence.endswith("no device in this lab has that address")

    def test_an_address_of_two_nodes_may_be_at_either(self) -> None:
        """Only an entry that leads to none of them is a wrong one."""
        both = lab(
            ["ns1/a = host/p1@br0", "ns2/b = host/p2@br0", "ns3/c = host/p3@br0"],
            addresses={"ns2/b": "10.0.0.2/24", "ns3/c": "10.0.0.2/24"},
        )

        def wrong(mac: Mac | None) -> bool:
            step = NeighbourStep(
                dev=DevName("a"),
                ip="10.0.0.2",
                mac=mac,
                state=NeighbourState.REACHABLE,
                basis=BASIS,
            )
            first = hop("ns1", step)
            return stale.wrong_neighbour(echo("10.0.0.2"), first, scene(both)) is not None

        here, there = (
            both.link(DevRef(NS2, DevName("b"))),
            both.link(DevRef(NodeName("ns3"), DevName("c"))),
        )
        assert here is not None
        assert there is not None
        assert not wrong(here.mac)
        assert not wrong(there.mac)
        assert wrong(Mac("02:00:00:00:00:99"))


def test_evidence_that_stops_after_the_input_hook() -> None:
    """The node's own stack had it, and nothing says what it did."""
    step = HookStep(
        family=Family.IP, hook=Hook.INPUT, chains=(), verdict=Verdict.ACCEPT, basis=BASIS
    )
    fate, why = explain(echo("10.0.0.2"), hop("ns2", got("b"), step, came_in="b"), scene(PAIR))
    assert fate is Fate.UNSEEN
    assert why is not None
    assert "it passed the input hook there" in why.sentence


def test_evidence_that_stops_before_any_device() -> None:
    """Nothing at all is known: the node is named, no device is."""
    snapshot = Snapshot(nodes=(NodeState(name=NS2),))
    fate, why = explain(echo("10.0.0.2"), hop("ns2"), scene(snapshot))
    assert fate is Fate.UNSEEN
    assert why is not None
    assert (why.at, why.sentence.split(":")[0]) == (None, "the evidence stops in ns2")


@pytest.mark.parametrize(
    ("priority", "blind", "mend"),
    [
        (10, (), "see whether a policy rule drops it: hopscope exec LAB ns2 -- ip rule"),
        (32766, (), ""),
        (10, ("ns2: netfilter hooks are not watched",), ""),
    ],
)
def test_evidence_that_stops_at_the_route_tells_where_to_look(
    priority: int, blind: tuple[str, ...], mend: str
) -> None:
    """Rules may ask for what is not known here; where hooks were not watched, nothing follows."""
    rule = PolicyRule(
        family=Family.IP, priority=priority, table=0, conditions=("ipproto",), action="blackhole"
    )
    local = PolicyRule(family=Family.IP, priority=0, table=255)
    snapshot = changed(PAIR, "ns2", policy_rules=(local, rule))
    hook = HookStep(
        family=Family.IP,
        hook=Hook.PREROUTING,
        chains=(),
        verdict=Verdict.ACCEPT,
        basis=BASIS,
        iif=DevName("b"),
    )
    given = replace(scene(snapshot), observation=Observation(events=(), blind=blind))
    _fate, why = explain(echo("10.0.0.2"), hop("ns2", got("b"), hook, came_in="b"), given)
    assert why is not None
    assert (why.code, why.mend) == ("unseen", mend)
