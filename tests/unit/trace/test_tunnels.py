"""Frames that were lost in a vxlan: recorded, and then altered."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from hopscope.model.journey import Hop, Reason
from hopscope.model.lab import AddressSpec, NodeSpec
from hopscope.model.snapshot import LinkState, NodeState, RemoteEntry, Snapshot
from hopscope.model.vocab import DevName, Mac, NodeName
from hopscope.trace.causes.tunnels import tunnel
from hopscope.trace.explain import explain
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.stitch import weave
from journeycases import CASES

NAMED = {case.name: case for case in CASES}
VX0 = DevName("vx0")


def altered(scene: Scene, node: str, change: Callable[[NodeState], NodeState]) -> Scene:
    """The scene with a node changed, before and after."""

    def one(snapshot: Snapshot) -> Snapshot:
        nodes = (change(state) if state.name == node else state for state in snapshot.nodes)
        return Snapshot(nodes=tuple(nodes))

    return replace(scene, before=one(scene.before), after=one(scene.after))


def without_vxlan(state: NodeState) -> NodeState:
    """The node without its vxlan device."""
    return replace(state, links=tuple(link for link in state.links if link.name != VX0))


def with_vxlan(**changes: object) -> Callable[[NodeState], NodeState]:
    """The node's vxlan set to something else."""

    def link(one: LinkState) -> LinkState:
        if one.vxlan is None:
            return one
        names = {"up", "addresses", "counters"}
        kept = {key: value for key, value in changes.items() if key in names}
        own = {key: value for key, value in changes.items() if key not in names}
        return replace(one, vxlan=replace(one.vxlan, **own), **kept)

    return lambda state: replace(state, links=tuple(map(link, state.links)))


def remotes(**entries: str) -> Callable[[NodeState], NodeState]:
    """The node with these forwarding entries alone."""
    macs = {"rest": Mac("00:00:00:00:00:00"), "b": Mac("02:00:00:00:00:0b")}
    found = tuple(
        RemoteEntry(dev=VX0, mac=macs[key.rstrip("_")], remote=remote)
        for key, remote in entries.items()
    )
    return lambda state: replace(state, remotes=found)


def first_of(scene: Scene, *, question: bool) -> tuple[Packet, Hop]:
    """The ARP request on the vxlan or the echo request, woven."""
    packet = next(
        p
        for p in scene.packets
        if (p.headers.arp is not None and p.headers.arp.target_ip in ("10.0.0.2", "192.168.7.2"))
        == question
        and (question or p.headers.stamp)
    )
    return packet, weave(packet, scene).first


def why(name: str, *changes: tuple[str, Callable[[NodeState], NodeState]]) -> Reason | None:
    """What is told of the recorded frame when these nodes are changed."""
    scene = NAMED[name].scene()
    for node, change in changes:
        scene = altered(scene, node, change)
    packet, first = first_of(scene, question=NAMED[name].name not in UNICAST)

    def about(other: Packet) -> Reason | None:
        return explain(other, weave(other, scene).first, scene)[1]

    return tunnel(about)(packet, first, scene)


UNICAST = ("vxlan-no-entry-1", "vxlan-wrong-remote-1", "vxlan-nobody-1")


def told(name: str, *changes: tuple[str, Callable[[NodeState], NodeState]]) -> str:
    """The sentence, which there is."""
    found = why(name, *changes)
    assert found is not None
    assert found.code == "tunnel"
    return found.sentence


def test_a_node_without_a_tunnel_of_its_own() -> None:
    """It is said that it has none."""
    assert told("vni-1", ("h2", without_vxlan)).endswith("h2 has no vxlan of these: it has none")


def test_of_several_remotes_none_is_blamed_when_the_end_is_not_known() -> None:
    """Its owner is behind another device there."""
    assert why("vxlan-dropped-1", ("b", with_vxlan(addresses=()))) is None
    more = remotes(rest="10.0.0.2", rest_="10.0.0.3")
    assert why("vni-1", ("h1", more), ("h2", without_vxlan)) is None


def test_an_end_that_is_down() -> None:
    assert told("vxlan-dropped-1", ("b", with_vxlan(up=False))).endswith("and b/vx0 is down")


def test_an_entry_that_came_meanwhile_counts() -> None:
    """As one that was learnt from the answer."""
    assert "dropped it" in told("vxlan-nowhere-1")
    scene = NAMED["vxlan-nowhere-1"].scene()
    after = altered(scene, "a", remotes(rest="192.0.2.3")).after
    packet, first = first_of(scene, question=True)
    found = tunnel(lambda _other: None)(packet, first, replace(scene, after=after))
    assert found is not None
    assert "sent it on to 192.0.2.3" in found.sentence


def test_an_end_whose_address_nobody_knows_is_in_no_command() -> None:
    """It takes packets at any of its node's."""
    found = why("vxlan-no-entry-1", ("b", with_vxlan(local=None)))
    assert found is not None
    assert found.mend == ""


def test_a_drop_that_was_counted_is_seen() -> None:
    """Else it is what the entries say."""
    found = why("vxlan-no-entry-1")
    assert found is not None
    assert found.basis.evidence == "tx_dropped of a/vx0 rose by 1"
    found = why("vxlan-no-entry-1", ("a", with_vxlan(counters={})))
    assert found is not None
    assert found.basis.evidence == "forwarding entries of a/vx0 as read"


def test_the_packet_that_carried_it_arrived() -> None:
    """And nothing says what became of the frame."""
    scene = NAMED["vxlan-dropped-1"].scene()
    packet, first = first_of(scene, question=True)
    found = tunnel(lambda _other: None)(packet, first, scene)
    assert found is not None
    assert found.sentence.endswith("and it came out nowhere: the way below lost it")
    assert found.mend.endswith("hopscope ping LAB a 192.0.2.2")


def test_only_the_packet_that_carries_this_frame_is_meant() -> None:
    """Another may be on the same way."""
    scene = NAMED["vxlan-dropped-1"].scene()
    packet, first = first_of(scene, question=True)
    asked: list[Packet] = []
    tunnel(asked.append)(packet, first, scene)
    assert [one.headers.ports.dport for one in asked if one.headers.ports] == [4789]
    asked.clear()
    tunnel(asked.append)(replace(packet, sightings=()), first, scene)
    assert not any(one.headers.ports for one in asked)


def test_what_the_owner_itself_sends_was_not_lost_on_the_way_to_it() -> None:
    """As a bridge there, that floods a question."""
    scene = NAMED["vxlan-dropped-1"].scene()
    packet, first = first_of(scene, question=True)
    there = replace(first, node=NodeName("b"), onward=())
    assert tunnel(lambda _other: None)(packet, there, scene) is None


def test_a_rule_before_any_device_had_the_packet() -> None:
    """It is known by its length, which another's is not."""
    dropped = "the rule `-A OUTPUT -p udp -m udp --dport 4789 -j DROP` of ip filter OUTPUT dropped"
    assert dropped in told("vxlan-output-1")
    scene = NAMED["vxlan-output-1"].scene()
    packet, first = first_of(scene, question=True)
    (frame,) = packet.sightings
    longer = replace(frame, event=replace(frame.event, frame=frame.event.frame + b"x"))
    found = tunnel(lambda _other: None)(replace(packet, sightings=(longer,)), first, scene)
    assert found is not None
    assert found.sentence.endswith("no device of a was seen to send that packet")


def test_a_remote_that_nobody_has() -> None:
    """No node there can be asked what it has."""
    nowhere = remotes(rest="192.0.2.9")
    changes = (("a", nowhere), ("b", without_vxlan), ("c", without_vxlan))
    assert told("vxlan-output-1", *changes).endswith("no device of a was seen to send that packet")


def test_the_way_to_the_remote_is_gone() -> None:
    """Without a device that is down, a route is what helps."""
    found = why("vxlan-output-1", ("a", lambda state: replace(state, routes=())))
    assert found is not None
    assert found.sentence == (
        "a/vx0 could not send it on to 192.0.2.2, because a has no route there"
    )
    assert found.mend == "add a route to 192.0.2.2 in a"


def test_the_remote_that_a_device_was_made_with_is_no_entry() -> None:
    """It was one, and has been taken away: the other end's address is known by it."""

    def change(state: NodeState) -> NodeState:
        return replace(with_vxlan(remote="192.0.2.2")(state), remotes=())

    found = why("vxlan-dropped-1", ("a", change), ("b", with_vxlan(local=None)))
    assert found is not None
    assert found.sentence.startswith("a/vx0 dropped it: it has no forwarding entry")
    assert found.mend.endswith("bridge fdb append 00:00:00:00:00:00 dev vx0 dst 192.0.2.2")


def test_another_entry_than_the_remote_that_it_was_made_with() -> None:
    """The other end says no address of its own."""

    def change(state: NodeState) -> NodeState:
        return remotes(rest="192.0.2.77")(with_vxlan(remote="192.0.2.2")(state))

    sentence = told("vxlan-dropped-1", ("a", change), ("b", with_vxlan(local=None)))
    assert "sent it on to 192.0.2.77" in sentence
    assert sentence.endswith("and b/vx0 is at 192.0.2.2")


def without(ip: str) -> Callable[[NodeState], NodeState]:
    """The node without an address."""

    def link(one: LinkState) -> LinkState:
        return replace(one, addresses=tuple(own for own in one.addresses if own.ip != ip))

    return lambda state: replace(state, links=tuple(map(link, state.links)))


def test_packets_from_an_address_that_the_node_does_not_have() -> None:
    """They never leave: it is to come from one by which the node leads there."""
    found = why("vxlan-output-1", ("a", with_vxlan(local="192.0.2.9")))
    assert found is not None
    assert found.sentence == (
        "a/vx0 could not send it on to 192.0.2.2, because its packets are to come from 192.0.2.9, "
        "and a does not have that address"
    )
    assert found.mend == ("hopscope exec LAB a -- ip link set dev vx0 type vxlan local 192.0.2.1")


def test_packets_from_an_address_that_is_of_no_device() -> None:
    """No address of the node leads there."""
    gone = without("192.0.2.1")
    changes = [with_vxlan(local="192.0.2.9"), gone]
    assert why("vxlan-output-1", *(("a", one) for one in changes)).mend == ""  # type: ignore[union-attr]
    changes.append(lambda state: replace(state, routes=()))
    assert why("vxlan-output-1", *(("a", one) for one in changes)).mend == ""  # type: ignore[union-attr]


@pytest.mark.parametrize("node", ["a", "b"])
def test_packets_from_an_address_that_the_lab_file_gives(node: str) -> None:
    """What the node lost is to be given back, and another's is not asked for."""
    scene = altered(NAMED["vxlan-output-1"].scene(), "a", without("192.0.2.1"))
    scene = altered(scene, "a", with_vxlan(local="192.0.2.1"))
    own = (AddressSpec(dev=DevName("eth0"), cidr="192.0.2.1/24"),)
    scene = replace(scene, declared=(NodeSpec(name=NodeName(node), addresses=own),))
    packet, first = first_of(scene, question=True)
    found = tunnel(lambda _other: None)(packet, first, scene)
    assert found is not None
    assert ("the lab file gives" in found.sentence) == (node == "a")


def test_ipv6_sends_what_comes_from_any_address() -> None:
    """The node is not asked whether it has it."""
    assert "sent it on to 192.0.2.2 as a frame" in told(
        "vxlan-output-1", ("a", with_vxlan(local="fd00::9"))
    )
