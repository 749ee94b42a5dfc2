"""The way as a line: through stacks, over two bridges, in and out on one side."""

import pytest
from msgspec.structs import replace

from hopscope.model.journey import (
    BridgeStep,
    DeliverStep,
    Hop,
    Journey,
    PassUpStep,
    ReceiveStep,
    Step,
    TransmitStep,
)
from hopscope.model.snapshot import Snapshot
from hopscope.model.vocab import Action, DevName, Fate, NodeName, PktType, seen
from hopscope.render.boxes import NodeBox
from hopscope.render.layout import Layout, lay_out
from hopscope.render.trail import Trail, trails, untaken
from reportcases import echo
from smalllabs import lab


def sent(dev: str) -> TransmitStep:
    """Out through a device."""
    return TransmitStep(dev=DevName(dev), at=None, basis=seen("socket"))


def received(dev: str) -> ReceiveStep:
    """In through a device."""
    return ReceiveStep(dev=DevName(dev), at=None, pkttype=PktType.HOST, basis=seen("socket"))


def up(bridge: str) -> PassUpStep:
    """From a bridge into the stack."""
    return PassUpStep(
        bridge=DevName(bridge),
        at=None,
        because="own-address",
        pkttype=PktType.HOST,
        basis=seen("socket"),
    )


def forwards(bridge: str, came_in: str | None, *out: str) -> BridgeStep:
    """A bridge's decision."""
    return BridgeStep(
        bridge=DevName(bridge),
        action=Action.FORWARD if out else Action.LOCAL,
        came_in=DevName(came_in) if came_in else None,
        out=tuple(DevName(dev) for dev in out),
        entry=None,
        learnt=None,
        basis=seen("frames"),
    )


def through(*stages: tuple[str, str | None, tuple[Step, ...]]) -> Journey:
    """A journey from node to node, each entered by the device named second."""
    hop: Hop | None = None
    for place in reversed(range(len(stages))):
        node, came_in, steps = stages[place]
        left = [s.dev for s in stages[place - 1][2] if isinstance(s, TransmitStep)]
        hop = Hop(
            node=NodeName(node),
            came_in=DevName(came_in) if came_in else None,
            came_from=left[-1] if place else None,
            steps=steps,
            onward=(hop,) if hop is not None else (),
        )
    assert hop is not None
    return replace(echo(), first=hop, fate=Fate.DELIVERED)


END = DeliverStep(to="its goal", basis=seen("reply"))


def line(snapshot: Snapshot, journey: Journey) -> tuple[Trail, Layout]:
    """The one line of a journey, and the layout that it runs over."""
    layout = lay_out(snapshot)
    (trail,) = trails(journey, layout)
    return trail, layout


def box(layout: Layout, name: str) -> NodeBox:
    """The box of a node."""
    found = layout.node(NodeName(name))
    assert found is not None
    return found


def stack_bottom(node: NodeBox) -> float:
    """Where lines meet a stack from below."""
    assert node.stack is not None
    return node.stack[1] + node.stack[3]


def test_between_two_bridges_the_way_leads_through_the_stack() -> None:
    """Up from one, down to the other, and no way is called untaken."""
    snapshot = lab(["a/e = host/va@br0", "b/e = host/vb@br1"])
    journey = through(
        ("a", None, (sent("e"),)),
        (
            "host",
            "va",
            (
                received("va"),
                forwards("br0", "va"),
                up("br0"),
                sent("br1"),
                forwards("br1", None, "vb"),
                sent("vb"),
            ),
        ),
        ("b", "e", (received("e"), END)),
    )
    trail, layout = line(snapshot, journey)
    host = box(layout, "host")
    rises = [bridge.rise for bridge in host.bridges]
    on_stack = [x for x, y in trail.spots if y == stack_bottom(host)]
    assert on_stack == rises
    assert rises[0] != rises[1]
    assert list(untaken(journey, layout)) == []


def test_from_a_bridge_out_of_a_device_that_is_no_port() -> None:
    """As a container's packet leaves its host by eth0: through the stack, then down to eth0."""
    snapshot = lab(["a/e = host/va@br0", "host/eth0 = out/e"])
    journey = through(
        ("a", None, (sent("e"),)),
        ("host", "va", (received("va"), forwards("br0", "va"), up("br0"), sent("eth0"))),
        ("out", "e", (received("e"), END)),
    )
    trail, layout = line(snapshot, journey)
    host = box(layout, "host")
    eth0 = host.device(DevName("eth0"))
    assert eth0 is not None
    assert sum(y == stack_bottom(host) for _, y in trail.spots) == 2
    assert trail.spots.index(eth0.inner) < trail.spots.index(eth0.outer)


def test_a_router_turns_within_its_own_box() -> None:
    """In and out on one side: the line turns inside, and never leaves the node in between."""
    snapshot = lab(["r/r0 = a/e", "r/r1 = b/e", "r/r2 = c/e", "r/r3 = d/e"])
    layout = lay_out(snapshot)
    router = box(layout, "r")
    one, other = [d for d in router.devices if d.side == "right"]
    far = {"r0": "a", "r1": "b", "r2": "c", "r3": "d"}
    journey = through(
        (far[one.ref.dev], None, (sent("e"),)),
        ("r", one.ref.dev, (received(one.ref.dev), sent(other.ref.dev))),
        (far[other.ref.dev], "e", (received("e"), END)),
    )
    (trail,) = trails(journey, layout)
    inside = trail.spots[trail.spots.index(one.inner) : trail.spots.index(other.inner) + 1]
    assert len(inside) == 4
    assert all(router.x < x < router.x + router.width for x, _ in inside)


@pytest.mark.parametrize("gone", ["host", "b"])
def test_a_journey_through_a_node_that_the_snapshot_lacks_still_has_a_line(gone: str) -> None:
    """What can be drawn is drawn."""
    whole = lab(["a/e = host/va@br0", "b/e = host/vb@br0"])
    snapshot = Snapshot(nodes=tuple(node for node in whole.nodes if node.name != gone))
    journey = through(
        ("a", None, (sent("e"),)),
        ("host", "va", (received("va"), forwards("br0", "va", "vb"), sent("vb"))),
        ("b", "e", (received("e"), END)),
    )
    trail, layout = line(snapshot, journey)
    assert box(layout, "a").device(DevName("e")) is not None
    assert len(trail.spots) >= 2
    assert [ref.node for ref in trail.devices] == ["a", "host", "host", "b"]


def test_from_a_port_that_came_later_the_way_still_leads_up() -> None:
    """It is not in the picture: the line begins at the bridge that is."""
    snapshot = lab(["a/e = host/va@br0"], addresses={"host/br0": "10.0.0.9/24"})
    journey = through(
        ("b", None, (sent("e"),)),
        ("host", "new", (received("new"), forwards("br0", "new"), up("br0"), END)),
    )
    trail, layout = line(snapshot, journey)
    host = box(layout, "host")
    rise = host.bridges[0].rise
    assert [x for x, _ in trail.spots] == [rise, rise]
    assert trail.spots[-1][1] == stack_bottom(host)
