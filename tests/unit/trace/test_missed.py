"""Frames that came to others than whom they are for, and entries that sent them there."""

import pytest
from msgspec.structs import replace

from hopscope.model.events import Observation
from hopscope.model.flow import Headers, Icmp, Ip
from hopscope.model.journey import (
    BridgeStep,
    DropStep,
    HookStep,
    Hop,
    NatStep,
    NeighbourStep,
    Reason,
    ReceiveStep,
    Step,
)
from hopscope.model.lab import AddressSpec, NodeSpec
from hopscope.model.snapshot import Chain, LinkState, Neighbour, NodeState, Snapshot
from hopscope.model.vocab import (
    Action,
    DevName,
    DevRef,
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
from hopscope.trace.causes import missed, stale
from hopscope.trace.causes.lost import lost_address
from hopscope.trace.explain import explain
from hopscope.trace.scene import Packet, Scene
from smalllabs import lab, mac_of
from tracecases import BASIS, hop, sent

A, B, C = (DevRef(NodeName(node), DevName("e")) for node in "abc")
FLAT = lab(
    ["a/e = sw/p1@br0", "b/e = sw/p2@br0", "c/e = sw/p3@br0"],
    addresses={"a/e": "10.0.0.1/24", "b/e": "10.0.0.2/24"},
)
NOBODY = Mac("02:00:00:00:00:99")


def scene(
    before: Snapshot = FLAT, *, blind: tuple[str, ...] = (), declared: tuple[NodeSpec, ...] = ()
) -> Scene:
    """A scene in which nothing was seen."""
    return Scene(
        before=before,
        after=before,
        observation=Observation(events=(), lost=0, blind=blind),
        packets=(),
        replied=frozenset(),
        declared=declared,
    )


def echo(dst: str = "10.0.0.2") -> Packet:
    """An echo request of which nothing was seen."""
    version = 6 if ":" in dst else 4
    ip = Ip(version=version, src="10.0.0.1", dst=dst, proto=1, ttl=64, length=84)
    headers = Headers(ip=ip, icmp=Icmp(type=8, code=0, ident=1, seq=1), stamp=1 << 32 | 1)
    return Packet(key=("stamp", 8, 1), headers=headers, sightings=(), traversals=())


def got(dev: str, pkttype: PktType = PktType.OTHERHOST) -> ReceiveStep:
    """A device received it."""
    return ReceiveStep(dev=DevName(dev), at=Nanos(1), pkttype=pkttype, basis=BASIS)


def flooded(mac: Mac, *more: Step) -> Hop:
    """It was sent to *mac*, and the switch gave c, which ignores it, a copy."""
    ignored = DropStep(reason="for another", where="c/e", basis=BASIS, expected=True)
    decision = BridgeStep(
        bridge=DevName("br0"),
        action=Action.FLOOD,
        came_in=DevName("p1"),
        out=(DevName("p3"),),
        entry=None,
        learnt=None,
        basis=BASIS,
    )
    c = hop("c", got("e"), ignored, came_in="e")
    sw = hop("sw", got("p1"), decision, *more, sent("p3", mac), came_in="p1", onward=(c,))
    return hop("a", sent("e", mac), onward=(sw,))


def drop(dev: str) -> HookStep:
    """A rule of the switch drops the copy for a port."""
    return HookStep(
        family=Family.BRIDGE,
        hook=Hook.FORWARD,
        chains=(),
        verdict=Verdict.DROP,
        basis=BASIS,
        oif=DevName(dev),
    )


@pytest.mark.parametrize(
    ("blind", "look"), [((), "tc -s filter show dev p2 egress"), (("sw: no trace",), "")]
)
def test_nothing_shows_what_kept_it_from_its_goal(blind: tuple[str, ...], look: str) -> None:
    """The evidence stops in front of its goal, and at no bystander."""
    fate, why = explain(echo(), flooded(mac_of(B)), scene(blind=blind))
    assert why is not None
    assert (fate, str(why.at)) == (Fate.UNSEEN, "sw/p2")
    assert why.sentence == (
        "the evidence stops in sw: what left it came to c/e only, and it is for b/e"
    )
    assert why.mend.endswith(look)
    assert bool(why.mend) == bool(look)


def test_an_address_that_no_device_has_leads_nowhere() -> None:
    """Perhaps somebody outside has it."""
    _fate, why = explain(echo("10.0.0.7"), flooded(NOBODY), scene())
    assert why is not None
    assert why.sentence.endswith(f"came to c/e only, and no device in this lab has {NOBODY}")
    assert (why.at, why.mend) == (None, "")


@pytest.mark.parametrize(("dev", "code"), [("p2", "rule-drop"), ("p3", "unseen")])
def test_what_drops_a_bystanders_copy_dropped_nothing(dev: str, code: str) -> None:
    """A bridge asks its rules of each copy."""
    _fate, why = explain(echo(), flooded(mac_of(B), drop(dev)), scene())
    assert why is not None
    assert why.code == code


def test_a_frame_that_rules_gave_another_goal_is_for_nobody_known() -> None:
    """It may have come to that."""
    nat = NatStep(field="destination", before="10.0.0.2", after="10.0.0.3", basis=BASIS)
    first = flooded(mac_of(B), nat)
    assert missed.not_seen(echo(), first, scene()) is None
    assert missed.nearest(echo(), first, scene()).node == "c"


def test_a_frame_for_a_group_has_no_bystander() -> None:
    """Whoever got it last may have lost it."""
    first = flooded(Mac("01:00:5e:00:00:01"))
    assert missed.nearest(echo("224.0.0.1"), first, scene()).node == "c"


def altered(ref: DevRef, before: Snapshot = FLAT, **changes: object) -> Snapshot:
    """The snapshot with some fields of a device changed."""

    def one(link: LinkState) -> LinkState:
        return replace(link, **changes) if link.name == ref.dev else link

    def each(node: NodeState) -> NodeState:
        return replace(node, links=tuple(map(one, node.links))) if node.name == ref.node else node

    return Snapshot(nodes=tuple(map(each, before.nodes)))


def with_fields(name: str, before: Snapshot = FLAT, **changes: object) -> Snapshot:
    """The snapshot with some fields of a node changed."""
    nodes = (replace(node, **changes) if node.name == name else node for node in before.nodes)
    return Snapshot(nodes=tuple(nodes))


def wrong(
    ip: str,
    mac: Mac,
    given: Scene,
    *onward: Hop,
    state: NeighbourState = NeighbourState.REACHABLE,
) -> Reason | None:
    """What is told of a frame that a sent to *mac* for that address."""
    step = NeighbourStep(dev=A.dev, ip=ip, mac=mac, state=state, basis=BASIS)
    first = hop("a", step, sent("e", mac), onward=onward)
    return stale.wrong_neighbour(echo(ip), first, given)


def test_an_entry_for_an_address_that_lives_elsewhere() -> None:
    """The device that it leads to is named, where the lab knows it."""
    why = wrong("10.0.0.2", mac_of(C), scene())
    assert why is not None
    assert why.sentence == (
        f"a sent it to {mac_of(C)} (c/e), by its neighbour entry for 10.0.0.2, but that address "
        f"lives at b/e, which has {mac_of(B)}"
    )
    assert why.mend == "hopscope exec LAB a -- ip neighbour del 10.0.0.2 dev e"


def test_an_entry_that_leads_elsewhere_did_not_send_it() -> None:
    """The tables name another MAC address, so the next hop was another."""
    entry = Neighbour(dev=A.dev, ip="10.0.0.2", mac=mac_of(B), state=NeighbourState.REACHABLE)
    assert wrong("10.0.0.2", mac_of(C), scene(with_fields("a", neighbours=(entry,)))) is None
    assert wrong("10.0.0.2", NOBODY, scene(altered(B, mac=None))) is None


@pytest.mark.parametrize("scope", ["all", "e"])
def test_a_proxy_has_what_is_for_others(scope: str) -> None:
    """By its sysctl, or as it routes it on; a permanent entry is meant so."""
    proxy = with_fields("c", sysctls={f"net.ipv4.conf.{scope}.proxy_arp": "1"})
    assert wrong("10.0.0.2", mac_of(C), scene(proxy)) is None
    nobody = altered(B, proxy, addresses=())
    assert wrong("10.0.0.2", mac_of(C), scene(nobody)) is None


def test_what_was_routed_on_was_not_sent_wrong() -> None:
    """Whoever sends it on stands in for its goal."""
    step = NeighbourStep(
        dev=C.dev, ip="10.0.0.2", mac=mac_of(B), state=NeighbourState.REACHABLE, basis=BASIS
    )
    router = hop("c", got("e", PktType.HOST), step, sent("e", mac_of(B)), came_in="e")
    assert wrong("10.0.0.2", mac_of(C), scene(), router) is None
    bridge = hop("c", got("e"), sent("e", mac_of(C)), came_in="e")
    assert wrong("10.0.0.2", mac_of(C), scene(), bridge) is not None


def test_a_permanent_entry_may_name_a_router() -> None:
    """Where no layer-2 path leads to the address, that is what it is for."""
    apart = lab(["a/e = c/e", "b/e = d/e"], addresses={"b/e": "10.0.0.2/24"})
    permanent = NeighbourState.PERMANENT
    assert wrong("10.0.0.2", mac_of(C), scene(apart), state=permanent) is None
    assert wrong("10.0.0.2", mac_of(C), scene(apart)) is not None
    assert wrong("10.0.0.2", mac_of(C), scene(), state=permanent) is not None


def given_to(ref: DevRef, ip: str) -> tuple[NodeSpec, ...]:
    """A lab file that gives the device this address."""
    return (NodeSpec(name=ref.node, addresses=(AddressSpec(dev=ref.dev, cidr=f"{ip}/24"),)),)


def test_an_entry_for_an_address_that_is_gone() -> None:
    """The lab file may say whose it was."""
    why = wrong("10.0.0.7", mac_of(C), scene())
    assert why is not None
    assert why.sentence.endswith("for 10.0.0.7, but no device in this lab has that address")
    assert why.mend.endswith("ask anew: hopscope exec LAB a -- ip neighbour del 10.0.0.7 dev e")
    given = scene(declared=given_to(C, "10.0.0.7"))
    why, lost = wrong("10.0.0.7", mac_of(C), given), lost_address(given, "10.0.0.7")
    assert why is not None
    assert lost is not None
    assert why.sentence.endswith("but c/e, which the lab file gives 10.0.0.7, no longer has it")
    assert (why.code, why.mend) == (lost.code, lost.mend)


def test_of_an_address_that_the_lab_never_had_nobody_knows() -> None:
    """As of a host outside; nor of a device's own, which asks for none."""
    assert wrong("10.0.0.7", NOBODY, scene()) is None
    assert wrong("10.0.0.7", mac_of(A), scene()) is None
    gone = DevRef(NodeName("b"), DevName("gone"))
    why = wrong("10.0.0.7", NOBODY, scene(declared=given_to(gone, "10.0.0.7")))
    assert why is not None
    assert why.sentence.startswith(f"a sent it to {NOBODY}, by its neighbour entry for 10.0.0.7")


def test_a_device_that_is_down_took_its_address_with_it() -> None:
    """That it is down is told then."""
    down = altered(B, up=False, addresses=())
    assert wrong("fd00::2", mac_of(B), scene(down)) is None
    step = NeighbourStep(
        dev=A.dev, ip="fd00::2", mac=mac_of(B), state=NeighbourState.REACHABLE, basis=BASIS
    )
    _fate, why = explain(echo("fd00::2"), hop("a", step, sent("e", mac_of(B))), scene(down))
    assert why is not None
    assert why.sentence == "b/e is down, so sw/p2 has no carrier"


def test_a_macvlan_has_what_the_device_below_it_has() -> None:
    """That it is down, or its link's other end is."""
    flat = lab(["a/e = sw/p1@br0", "b/e = sw/p2@br0"], addresses={"c/e": "10.0.0.3/24"})
    flat = altered(C, flat, over=B, macvlan="bridge")
    port = DevRef(NodeName("sw"), DevName("p2"))
    for ref, said in ((B, f"{B} is down, so {port}"), (port, f"{port} is down, so {B}")):
        why = missed.cut(altered(ref, flat, up=False), A, C)
        assert why is not None
        assert why.sentence == f"{said} has no carrier"


def test_what_a_bystanders_device_dropped_is_no_cause() -> None:
    """Its chain may have dropped the copy; the goal's was not asked."""
    chain = Chain(family=Family.NETDEV, table="t", name="c", hook=Hook.INGRESS)
    for node, code in (("c", "unseen"), ("sw", "device-chain")):
        first = flooded(mac_of(B))
        (sw,) = first.onward
        copy = replace(sw.onward[0], steps=(got("e"),))
        passed = sw if node == "c" else replace(sw, steps=sw.steps[:1])
        onward = (copy,) if node == "c" else ()
        first = replace(first, onward=(replace(passed, onward=onward),))
        _fate, why = explain(echo(), first, scene(with_fields(node, chains=(chain,))))
        assert why is not None
        assert why.code == code
