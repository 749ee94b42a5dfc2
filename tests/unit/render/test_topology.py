"""The picture: which way is red, which is yellow, and what it says in words."""

from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace

from hopscope.model.journey import (
    BridgeStep,
    DeliverStep,
    DropStep,
    HookStep,
    Hop,
    Journey,
    PassUpStep,
    ReceiveStep,
    RouteStep,
    TransmitStep,
)
from hopscope.model.snapshot import Snapshot
from hopscope.model.vocab import (
    Action,
    DevName,
    DevRef,
    Fate,
    Nanos,
    NodeName,
    PktType,
    computed,
    seen,
)
from hopscope.render.boxes import BridgeBox, NodeBox
from hopscope.render.layout import lay_out
from hopscope.render.topology import picture
from hopscope.render.trail import Spot, Trail, trails, untaken
from reportcases import BRIDGE, HOSTILE, echo
from smalllabs import lab

SVG = "{http://www.w3.org/2000/svg}"
CHAIN = lab(
    ["a/a0 = r1/r1a", "r1/r1b = r2/r2a", "r2/r2b = b/b0"],
    addresses={"a/a0": "2001:db8:1::2/64", "b/b0": "2001:db8:3::2/64"},
)


# -- the way taken and the way not taken -------------------------------------------------


def inside(spot: Spot, node: NodeBox | None) -> bool:
    """Whether a spot lies within a node's box."""
    assert node is not None
    return node.x <= spot[0] <= node.x + node.width and node.y <= spot[1] <= node.y + node.height


def find(root: ET.Element, kind: str) -> list[ET.Element]:
    """The elements of a class."""
    return [one for one in root.iter() if kind in (one.get("class") or "").split()]


def drawn(snapshot: Snapshot, journey: Journey | None) -> ET.Element:
    """The picture, read back."""
    return ET.fromstring(picture(snapshot, journey))  # noqa: S314 - our own text


def words(root: ET.Element) -> str:
    """All that the picture says."""
    return " ".join(text for text in root.itertext() if text.strip())


def test_the_red_line_leads_from_ns1_over_br0_to_ns2() -> None:
    """It begins in ns1's box, crosses the bridge's and ends in ns2's."""
    layout = lay_out(BRIDGE)
    (trail,) = trails(echo(), layout)
    assert [str(ref) for ref in trail.devices] == [
        "ns1/veth1a",
        "host/veth1b",
        "host/veth2b",
        "ns2/veth2a",
    ]
    assert trail.whole
    assert inside(trail.spots[0], layout.node(NodeName("ns1")))
    assert inside(trail.spots[-1], layout.node(NodeName("ns2")))
    host = layout.node(NodeName("host"))
    assert host is not None
    (bridge,) = host.bridges
    assert (bridge.x, trail.spots[0][1]) in trail.spots
    assert (bridge.x + bridge.width, trail.spots[0][1]) in trail.spots


def test_the_red_line_is_in_the_svg_with_its_ends_and_arrows() -> None:
    root = drawn(BRIDGE, echo())
    taken = [one for one in find(root, "taken") if "way" in (one.get("class") or "").split()]
    assert [(one.get("data-from"), one.get("data-to")) for one in taken] == [
        ("ns1/veth1a", "ns2/veth2a")
    ]
    assert len(find(root, "way-arrow")) >= 4
    assert len(find(root, "way-end")) == 2
    assert not find(root, "way-lost")
    assert len(find(root, "on-way")) == 4


def test_the_reply_is_drawn_the_other_way_round() -> None:
    (trail,) = trails(echo(reply=True), lay_out(BRIDGE))
    assert str(trail.devices[0]) == "ns2/veth2a"
    assert trail.spots[0][0] > trail.spots[-1][0]


def test_the_way_up_is_yellow_when_it_was_not_taken() -> None:
    """And the capture's own copy is named as such; without a copy nothing is said of one."""
    root = drawn(BRIDGE, echo())
    (line,) = [one for one in find(root, "untaken") if one.get("data-bridge")]
    assert line.get("data-bridge") == "host/br0"
    assert "not taken (only the capture's copy)" in words(root)
    plain = words(drawn(BRIDGE, echo(copy=False)))
    assert "not taken" in plain
    assert "capture" not in plain


def passed_up() -> Journey:
    """A packet of ns1 to the bridge's own address: it goes up into the stack of the host."""
    journey = echo(copy=False)
    host = journey.first.onward[0]
    steps = (
        host.steps[0],
        BridgeStep(
            bridge=DevName("br0"),
            action=Action.LOCAL,
            came_in=DevName("veth1b"),
            out=(),
            entry=None,
            learnt=None,
            basis=seen("frames"),
        ),
        PassUpStep(
            bridge=DevName("br0"),
            at=Nanos(journey.started + 900),
            because="own-address",
            pkttype=PktType.HOST,
            basis=seen("packet socket on host/br0"),
        ),
        DeliverStep(to="the ICMP code of host", basis=seen("the reply was sent")),
    )
    up = replace(host, steps=steps, onward=())
    return replace(journey, first=replace(journey.first, onward=(up,)))


def check_text_is_clear(trail: Trail, bridge: BridgeBox) -> None:
    """No piece of the line runs through the middle of the bridge, where its name stands."""
    text_ends = bridge.y + 15 * len(bridge.lines)
    for (x1, y1), (x2, y2) in pairwise(trail.spots):
        across = min(x1, x2) < bridge.x + bridge.width - 8 and max(x1, x2) > bridge.x + 8
        if across:
            assert min(y1, y2) >= text_ends or max(y1, y2) < bridge.y


def test_what_the_host_itself_sends_comes_down_through_its_bridge() -> None:
    """From the stack, past the bridge's name, out by the port."""
    journey = echo(copy=False)
    host = journey.first.onward[0]
    sent = TransmitStep(dev=DevName("br0"), at=Nanos(1), basis=seen("packet socket"))
    decision = replace(host.steps[1], came_in=None)
    born = replace(host, came_in=None, came_from=None, steps=(sent, decision, *host.steps[2:]))
    layout = lay_out(BRIDGE)
    box = layout.node(NodeName("host"))
    assert box is not None
    assert box.stack is not None
    (trail,) = trails(replace(journey, first=born), layout)
    assert trail.spots[0] == (box.bridges[0].rise, box.stack[1] + box.stack[3])
    assert [str(ref) for ref in trail.devices] == ["host/br0", "host/veth2b", "ns2/veth2a"]
    check_text_is_clear(trail, box.bridges[0])


def test_the_way_up_is_red_when_it_was_taken() -> None:
    layout = lay_out(BRIDGE)
    host = layout.node(NodeName("host"))
    assert host is not None
    assert host.stack is not None
    assert list(untaken(passed_up(), layout)) == []
    (trail,) = trails(passed_up(), layout)
    assert trail.spots[-1] == (host.bridges[0].rise, host.stack[1] + host.stack[3])
    check_text_is_clear(trail, host.bridges[0])
    assert "not taken" not in words(drawn(BRIDGE, passed_up()))


def test_hooks_that_were_asked_are_counted_at_the_bridge() -> None:
    assert "asks 3 IP hooks" in words(drawn(BRIDGE, echo(switch=1)))
    assert "asks" not in words(drawn(BRIDGE, echo(switch=0)))


def test_a_lost_packet_ends_in_a_cross_where_it_was_last_seen() -> None:
    """Colour does not speak alone: the mark is there, and the description says it."""
    journey = echo(copy=False)
    host = journey.first.onward[0]
    cut = replace(host, steps=host.steps[:1], onward=())
    lost = replace(journey, first=replace(journey.first, onward=(cut,)), fate=Fate.UNSEEN)
    root = drawn(BRIDGE, lost)
    (line,) = find(root, "lost")
    assert line.get("data-to") == "host/veth1b"
    assert len(find(root, "way-lost")) == 1
    assert "where it was last seen" in words(root)


def test_a_packet_that_never_left_has_no_line() -> None:
    journey = echo()
    stuck = replace(journey, first=replace(journey.first, steps=(), onward=()), fate=Fate.DROPPED)
    assert trails(stuck, lay_out(BRIDGE)) == []
    assert not find(drawn(BRIDGE, stuck), "way-end")


def routed() -> Journey:
    """From a over r1 and r2 to b, in CHAIN."""

    def sent(dev: str) -> TransmitStep:
        return TransmitStep(dev=DevName(dev), at=None, basis=seen(dev))

    def received(dev: str) -> ReceiveStep:
        return ReceiveStep(dev=DevName(dev), at=None, pkttype=PktType.HOST, basis=seen(dev))

    def hop(node: str, dev: str, came_from: str, *steps: object, onward: tuple[Hop, ...]) -> Hop:
        return Hop(
            node=NodeName(node),
            came_in=DevName(dev),
            came_from=DevName(came_from),
            steps=(received(dev), *steps),  # type: ignore[arg-type]
            onward=onward,
        )

    route = RouteStep(destination="x", route="y", dev=None, via=None, basis=computed("routes"))
    end = hop("b", "b0", "r2b", DeliverStep(to="b", basis=seen("reply")), onward=())
    second = hop("r2", "r2a", "r1b", route, sent("r2b"), onward=(end,))
    first = hop("r1", "r1a", "a0", route, sent("r1b"), onward=(second,))
    birth = Hop(
        node=NodeName("a"), came_in=None, came_from=None, steps=(sent("a0"),), onward=(first,)
    )
    return replace(echo(), first=birth)


def test_a_routed_packet_goes_through_its_routers() -> None:
    layout = lay_out(CHAIN)
    (trail,) = trails(routed(), layout)
    assert " ".join(str(ref) for ref in trail.devices) == "a/a0 r1/r1a r1/r1b r2/r2a r2/r2b b/b0"
    assert list(trail.spots) == sorted(trail.spots)  # from left to right, never back
    assert list(untaken(routed(), layout)) == []


def test_a_flood_goes_red_only_where_it_arrives() -> None:
    """The branch that reached the owner is the way; the others ended as they must."""
    snapshot = lab([f"n{i}/e = host/v{i}@br0" for i in range(3)])
    journey = echo(copy=False)

    def branch(i: int, *, wanted: bool) -> Hop:
        end = (
            DeliverStep(to="ARP", basis=seen("reply"))
            if wanted
            else DropStep(reason="not its address", where="", basis=seen("-"), expected=True)
        )
        receive = ReceiveStep(
            dev=DevName("e"), at=Nanos(5), pkttype=PktType.BROADCAST, basis=seen("socket")
        )
        return Hop(
            node=NodeName(f"n{i}"),
            came_in=DevName("e"),
            came_from=DevName(f"v{i}"),
            steps=(receive, end),
        )

    flood = BridgeStep(
        bridge=DevName("br0"),
        action=Action.FLOOD,
        came_in=DevName("v0"),
        out=(DevName("v1"), DevName("v2")),
        entry=None,
        learnt=None,
        basis=seen("frames"),
    )
    sent = [TransmitStep(dev=DevName(f"v{i}"), at=Nanos(4), basis=seen("socket")) for i in (1, 2)]
    receive = ReceiveStep(
        dev=DevName("v0"), at=Nanos(2), pkttype=PktType.BROADCAST, basis=seen("socket")
    )
    host = Hop(
        node=NodeName("host"),
        came_in=DevName("v0"),
        came_from=DevName("e"),
        steps=(receive, flood, *sent),
        onward=(branch(1, wanted=False), branch(2, wanted=True)),
    )
    birth = Hop(
        node=NodeName("n0"),
        came_in=None,
        came_from=None,
        steps=(TransmitStep(dev=DevName("e"), at=Nanos(1), basis=seen("socket")),),
        onward=(host,),
    )
    (trail,) = trails(replace(journey, first=birth), lay_out(snapshot))
    assert trail.devices[-1] == DevRef(NodeName("n2"), DevName("e"))


def test_a_computed_way_is_not_called_observed() -> None:
    journey = echo(copy=False)
    steps = tuple(
        replace(step, basis=computed("a prediction")) if isinstance(step, TransmitStep) else step
        for step in journey.first.steps
    )
    root = drawn(BRIDGE, replace(journey, first=replace(journey.first, steps=steps)))
    assert "partly computed way of the packet" in words(root)
    assert "observed" not in words(root)
    assert "was seen from" not in words(root)
    assert "observed way of the packet" in words(drawn(BRIDGE, journey))


# -- words -----------------------------------------------------------------------------


def test_a_device_that_is_down_says_so() -> None:
    """In words and by its dashes; its link is broken too."""
    links = ["ns1/a = host/b@br0"]
    root = drawn(lab(links, down=["ns1/a"]), None)
    assert "✕ down" in words(root)
    assert len(find(root, "down")) == 1
    assert find(root, "broken")
    whole = drawn(lab(links), None)
    assert "✕" not in words(whole)
    assert not find(whole, "broken")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"carrier": False}, "✕ no carrier"),
        ({"port_state": "blocking"}, "✕ port blocking"),
        ({"kind": "vxlan"}, "vxlan"),
    ],
)
def test_a_device_says_what_is_special_about_it(changed: dict[str, object], said: str) -> None:
    host = next(node for node in BRIDGE.nodes if node.name == "host")
    links = tuple(
        replace(link, **changed) if link.name == "veth1b" else link for link in host.links
    )
    assert said in words(drawn(Snapshot(nodes=(replace(host, links=links),)), None))
    assert said not in words(drawn(Snapshot(nodes=(host,)), None))


def test_devices_carry_their_names_addresses_and_macs() -> None:
    said = words(drawn(BRIDGE, None))
    for node in BRIDGE.nodes:
        assert node.name in said
        for link in node.links:
            assert link.name in said
            assert str(link.mac) in said
            for address in link.addresses:
                assert str(address) in said


def test_the_description_tells_what_the_lines_show() -> None:
    """For whoever hears the picture instead of seeing it."""
    root = drawn(BRIDGE, echo())
    told = root.find(f"{SVG}desc")
    assert root.get("role") == "img"
    assert told is not None
    assert "ns1/veth1a to host/veth1b to host/veth2b to ns2/veth2a" in (told.text or "")
    assert "did not go up from host/br0" in (told.text or "")
    named = (root.get("aria-labelledby") or "").split()
    assert {one.get("id") for one in root.iter() if one.get("id")} >= set(named)


def test_alone_it_brings_its_own_colours_and_in_a_page_it_does_not() -> None:
    assert find(drawn(BRIDGE, None), "topology")
    assert "prefers-color-scheme: dark" in picture(BRIDGE)
    assert "<style" not in picture(BRIDGE, standalone=False)


def test_names_are_only_ever_text() -> None:
    """A name that looks like markup adds no element."""
    name = HOSTILE.replace("/", "").replace("=", "")
    evil, tame = lab([f"{name}/a = host/b"]), lab(["plain/a = host/b"])
    bad, good = drawn(evil, None), drawn(tame, None)
    assert [one.tag for one in bad.iter()] == [one.tag for one in good.iter()]
    assert name in words(bad)


def test_control_characters_do_not_break_the_file() -> None:
    assert "\ufffd" in words(drawn(lab(["a\x1b[31m/x = b/y"]), None))


def test_hooks_without_the_bridge_do_not_count() -> None:
    """A hook of ns2's own stack is not one that the bridge asked."""
    journey = echo()
    host = journey.first.onward[0]
    last = host.onward[0]
    hook = next(step for step in echo(switch=1).first.onward[0].steps if isinstance(step, HookStep))
    own = replace(hook, iif=DevName("veth2a"), oif=None)
    last = replace(last, steps=(last.steps[0], own, *last.steps[1:]))
    moved = replace(journey.first, onward=(replace(host, onward=(last,)),))
    assert "asks" not in words(drawn(BRIDGE, replace(journey, first=moved)))
