"""Packets that layer 3 dropped without a word; recorded, and then altered."""

import pytest
from msgspec.structs import replace

from hopscope.model.events import RuleHit
from hopscope.model.journey import HookStep, Hop, NatStep, Reason
from hopscope.model.snapshot import Snapshot
from hopscope.model.vocab import DevName, PktType, Verdict, seen
from hopscope.trace.causes import routing
from hopscope.trace.causes.firewall import discovery_drop
from hopscope.trace.causes.silent import expired, localnet, martian, switched_off, untold
from hopscope.trace.explain import explain
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.stitch import weave
from hopscope.trace.unheard import with_message
from journeycases import CASES

NAMED = {case.name: case for case in CASES}
BLACK_HOLE, HAIRPIN = NAMED["black-hole-1"], NAMED["hairpin-1"]


def request(scene: Scene) -> tuple[Packet, Hop]:
    """The echo request, woven."""
    packet = next(p for p in scene.packets if p.headers.icmp and p.headers.icmp.type == 8)
    return packet, weave(packet, scene).first


def with_mtu(scene: Scene, mtu: int) -> Scene:
    """The router's way on takes packets of that length."""
    nodes = tuple(
        replace(node, links=tuple(replace(link, mtu=mtu) for link in node.links))
        for node in scene.before.nodes
    )
    return replace(scene, before=replace(scene.before, nodes=nodes))


@pytest.mark.parametrize("mtu", [1499, 1500])
def test_what_fits_is_not_too_long(mtu: int) -> None:
    scene = with_mtu(BLACK_HOLE.scene(), mtu)
    assert (untold(*request(scene), scene) is None) == (mtu == 1500)


def test_a_message_that_nobody_saw_dropped() -> None:
    """No rule is blamed."""
    kept = [
        event
        for event in BLACK_HOLE.observation.events
        if not isinstance(event, RuleHit) or event.verdict is not Verdict.DROP
    ]
    scene = BLACK_HOLE.scene(kept)
    _fate, why = explain(*request(scene), scene)
    assert why is not None
    assert why.sentence.endswith("must not be fragmented; no message of it told its sender")


def test_what_may_be_cut_goes_on() -> None:
    """A router fragments it."""
    scene = BLACK_HOLE.scene()
    packet, first = request(scene)
    assert packet.headers.ip is not None
    ip = replace(packet.headers.ip, dont_fragment=False)
    assert untold(replace(packet, headers=replace(packet.headers, ip=ip)), first, scene) is None


def told(*rewritten: str) -> Reason | None:
    """What is told of the hairpin if the gateway rewrote only these fields."""
    scene = HAIRPIN.scene()
    packet, first = request(scene)

    def altered(hop: Hop) -> Hop:
        steps = [step for step in hop.steps if not isinstance(step, NatStep)]
        more = [
            NatStep(field=one, before="x", after="192.168.1.2", basis=seen("test"))
            for one in rewritten
        ]
        again = tuple(map(altered, hop.onward))
        here = (*more, *steps) if hop.node == "gw" else tuple(steps)
        return replace(hop, steps=here, onward=again)

    return martian(packet, altered(first), scene)


@pytest.mark.parametrize(
    ("rewritten", "mend"),
    [
        (("destination",), "let gw, which rewrote its destination, rewrite its source, too"),
        (("destination", "source"), "let gw translate to an address of its own"),
        ((), "let e take what the node itself sent: hopscope set LAB c "),
    ],
)
def test_the_receivers_own_address(rewritten: tuple[str, ...], mend: str) -> None:
    """Whoever gave the packet that source is told to take another."""
    why = told(*rewritten)
    assert why is not None
    assert why.sentence.startswith("c dropped it because it came from outside and its source")
    assert why.mend.startswith(mend)


def switched(scene: Scene, node: str, key: str, value: str = "1") -> Scene:
    """A node has another value of a sysctl."""
    nodes = tuple(
        replace(one, sysctls={**one.sysctls, key: value}) if one.name == node else one
        for one in scene.before.nodes
    )
    return replace(scene, before=replace(scene.before, nodes=nodes))


def test_an_address_that_another_node_has_too() -> None:
    """What sent it is not known to be the receiver."""
    scene = HAIRPIN.scene()
    packet, first = request(scene)
    bare = replace(first, steps=(), onward=(first.onward[0].onward[0],))
    why = martian(replace(packet, birth=None, traversals=()), bare, scene)
    assert why is not None
    assert why.mend == "give 192.168.1.2 to one node only"


@pytest.mark.parametrize("scope", ["e", "all"])
def test_who_accepts_local_sources_drops_none(scope: str) -> None:
    """For one device, or for all: either is enough (IN_DEV_ORCONF)."""
    scene = HAIRPIN.scene()
    assert martian(*request(scene), scene) is not None
    scene = switched(scene, "c", f"net.ipv4.conf.{scope}.accept_local")
    assert martian(*request(scene), scene) is None


@pytest.mark.parametrize("scope", ["left", "all"])
def test_who_routes_localnet_takes_loopback_addresses(scope: str) -> None:
    scene = NAMED["dnat-loopback-1"].scene()
    assert localnet(*request(scene), scene) is not None
    scene = switched(scene, "gw", f"net.ipv4.conf.{scope}.route_localnet")
    assert localnet(*request(scene), scene) is None


def test_a_time_to_live_is_blamed_when_a_counter_rose() -> None:
    """A rule that set it does not suffice."""
    scene = NAMED["expired-kept-1"].scene()
    assert expired(*request(scene), scene) is not None
    same = replace(scene, after=scene.before)
    assert expired(*request(same), same) is None


def test_an_error_about_an_error_is_not_looked_for() -> None:
    """Whatever a rule dropped there is about another packet."""
    scene = NAMED["expired-kept-1"].scene()
    error = replace(request(scene)[0], key=("error", 11, 0, 7))
    why = Reason(code="unseen", sentence="x", at=None, basis=seen("test"))
    assert with_message(why, error, request(scene)[1], scene, lambda _: None) == why


def test_a_device_that_takes_no_ipv6_met_no_hook() -> None:
    """What a hook saw, or what was for another host, ended for another reason."""
    scene = NAMED["six-off-2"].scene()
    packet = next(p for p in scene.packets if p.headers.icmp and p.headers.icmp.type == 128)
    first = weave(packet, scene).first
    why = switched_off(packet, first, scene)
    assert why is not None
    assert why.sentence == "b/e received it, and takes no IPv6: net.ipv6.conf.e.disable_ipv6 = 1"
    hook = next(step for step in first.steps if isinstance(step, HookStep))
    (last,) = first.onward
    for step in (hook, replace(last.steps[0], pkttype=PktType.OTHERHOST)):
        seen_more = replace(first, onward=(replace(last, steps=(*last.steps, step)),))
        assert switched_off(packet, seen_more, scene) is None


def test_a_rule_that_dropped_another_question() -> None:
    """It is named for the question from that address, and for no other."""
    scene = NAMED["six-drop-question-1"].scene()
    packet = next(p for p in scene.packets if p.headers.icmp and p.headers.icmp.target)
    first = weave(packet, scene).first
    why = discovery_drop(packet, first, scene)
    assert why is not None
    assert why.code == "rule-drop"
    assert packet.headers.ip is not None
    another = replace(packet.headers, ip=replace(packet.headers.ip, src="fd00::9"))
    assert discovery_drop(replace(packet, headers=another), first, scene) is None


def test_a_rule_that_set_no_time_to_live_is_not_blamed() -> None:
    """What it began with is told then."""
    scene = NAMED["short-lived-1"].scene()
    nodes = (
        replace(
            node,
            chains=tuple(
                replace(chain, rules=tuple(replace(rule, text="-j LOG") for rule in chain.rules))
                for chain in node.chains
            ),
        )
        for node in scene.before.nodes
    )
    scene = replace(scene, before=Snapshot(nodes=tuple(nodes)))
    why = routing.told(*request(scene), scene)
    assert why is not None
    assert why.sentence.endswith("ran out there: it began with 64")
    assert "ip_default_ttl=128" in why.mend


@pytest.mark.parametrize(
    ("route", "sentence", "mend"),
    [
        (
            {},
            "by its route `10.2.0.0/24 dev right`, whose MTU is 600",
            "ip route replace 10.2.0.0/24 dev right src 10.2.0.1",
        ),
        ({"metric": 7}, "whose MTU is 600", "dev right src 10.2.0.1 metric 7"),
        ({"protocol": "bird"}, "whose MTU is 600", "dev right proto bird src 10.2.0.1"),
        (
            {"metrics": ("mtu lock 600", "rtt 240", "advmss lock 500", "features 17")},
            "whose MTU is 600",
            "src 10.2.0.1 rtt 240 advmss lock 500 features ecn features tcp_usec_ts",
        ),
        (
            {"metrics": ("mtu 600", "features 2", "rto_min lock 200", "congctl cubic")},
            "whose MTU is 600",
            "src 10.2.0.1 rto_min 200 congctl cubic",
        ),
        ({"source": None}, "whose MTU is 600", "replace 10.2.0.0/24 dev right"),
        (
            {"metrics": ()},
            "further: 600 is the MTU that it has learnt of the way",
            "MTU of both ends",
        ),
        (
            {"metrics": (), "dev": DevName("elsewhere")},
            "further: 600 is the MTU that it has learnt of the way",
            "MTU of both ends",
        ),
    ],
)
def test_a_route_may_take_less_than_its_device(
    route: dict[str, object], sentence: str, mend: str
) -> None:
    """Its own MTU, or that of a way of which its node was told once."""
    scene = NAMED["route-mtu-1"].scene()
    nodes = (
        replace(
            node,
            routes=tuple(
                replace(one, **route) if one.destination == "10.2.0.0/24" else one
                for one in node.routes
            ),
        )
        for node in scene.before.nodes
    )
    packet, first = request(scene)
    why = routing.told(packet, first, replace(scene, before=Snapshot(nodes=tuple(nodes))))
    assert why is not None
    assert sentence in why.sentence
    assert "at most 572 bytes of payload" in why.mend
    assert why.mend.endswith(mend)
