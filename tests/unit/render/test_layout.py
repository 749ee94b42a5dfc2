"""Where boxes stand: nothing covers anything, whatever is joined to whatever."""

from itertools import combinations
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopscope.model.snapshot import Snapshot
from hopscope.model.vocab import NodeName
from hopscope.render.boxes import BridgeBox, DeviceBox, NodeBox
from hopscope.render.layout import Layout, lay_out
from hopscope.render.topology import picture
from reportcases import BRIDGE
from smalllabs import lab

STAR = lab([f"pod{i}/eth0 = host/v{i}@br0" for i in range(30)])
CHAIN = lab(
    ["a/a0 = r1/r1a", "r1/r1b = r2/r2a", "r2/r2b = b/b0"],
    addresses={"a/a0": "2001:db8:1::2/64", "b/b0": "2001:db8:3::2/64"},
)
TWO_BRIDGES = lab(
    [
        "a/a0 = host/va@left",
        "b/b0 = host/vb@right",
        "r.x/r0 = host/vr0@left",
        "r.x/r1 = host/vr1@right",
    ]
)
RING = lab(["a/x = b/x", "b/y = c/y", "c/z = a/z"])
FABRIC = lab(
    [f"h{i}/e0 = leaf{i // 2}/h{i}@br0" for i in range(8)]
    + [f"leaf{i}/s{j} = spine{j}/l{i}" for i in range(4) for j in range(2)]
)
APART = lab(["a/x = b/y"], nodes=["lonely"], addresses={"host/eth0": "192.0.2.1/24"})
INSIDE = lab(["host/a@br0 = host/b@br1", "ns/e = host/c@br0"])
LABS = {
    "bridge": BRIDGE,
    "star": STAR,
    "chain": CHAIN,
    "two bridges": TWO_BRIDGES,
    "ring": RING,
    "fabric": FABRIC,
    "apart": APART,
    "inside": INSIDE,
    "empty": Snapshot(nodes=()),
}


@st.composite
def labs(draw: st.DrawFn) -> Snapshot:
    """Any small lab: which nodes are joined, and which ends are ports of which bridge."""
    nodes = draw(st.integers(1, 6))
    pairs = st.tuples(st.integers(0, nodes - 1), st.integers(0, nodes - 1))
    masters = st.sampled_from(["", "", "@br0", "@br1"])
    links = draw(st.lists(st.tuples(pairs, masters, masters), max_size=9))
    return lab(
        [
            f"n{a}/l{number}a{one} = n{b}/l{number}b{other}"
            for number, ((a, b), one, other) in enumerate(links)
        ],
        nodes=[f"n{i}" for i in range(nodes)],
    )


def overlap(one: NodeBox, other: NodeBox) -> bool:
    """Whether two nodes cover each other."""
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


def check_layout(layout: Layout) -> None:
    """What holds of every layout: nothing covers anything, and all is within the picture."""
    for one, other in combinations(layout.nodes, 2):
        assert not overlap(one, other), (one.node.name, other.node.name)
    for node in layout.nodes:
        assert node.x >= 0
        assert node.y >= 0
        boxes: list[DeviceBox | BridgeBox] = [*node.devices, *node.bridges]
        for box in boxes:
            assert box.x >= 0
            assert box.x + box.width <= layout.width
            assert node.y <= box.y
            assert box.y + box.height <= node.y + node.height <= layout.height
        for a, b in combinations(boxes, 2):
            beside = a.x + a.width <= b.x or b.x + b.width <= a.x
            above = a.y + a.height <= b.y or b.y + b.height <= a.y
            assert beside or above, (a.ref, b.ref)


@pytest.mark.parametrize("name", LABS)
def test_nothing_covers_anything(name: str) -> None:
    """Nodes stand apart, devices too, and the picture holds them all."""
    check_layout(lay_out(LABS[name]))


@given(labs())
def test_nothing_covers_anything_in_any_lab(snapshot: Snapshot) -> None:
    """Whatever is joined to whatever."""
    layout = lay_out(snapshot)
    check_layout(layout)
    assert {node.node.name for node in layout.nodes} == {node.name for node in snapshot.nodes}
    drawn = sum(len(node.devices) + len(node.bridges) for node in layout.nodes)
    assert drawn == sum(len(node.links) for node in snapshot.nodes)


@given(labs())
def test_a_lab_is_always_drawn_the_same(snapshot: Snapshot) -> None:
    """Two pictures of one lab are one picture, and it is lawful XML."""
    first = picture(snapshot)
    assert first == picture(snapshot)
    ET.fromstring(first)  # noqa: S314 - our own text


def test_the_bridge_stands_between_its_two_nodes() -> None:
    """ns1 left, host in the middle, ns2 right, and straight links between them."""
    layout = lay_out(BRIDGE)
    ns1, host, ns2 = (layout.node(NodeName(name)) for name in ("ns1", "host", "ns2"))
    assert ns1 is not None
    assert host is not None
    assert ns2 is not None
    assert ns1.x + ns1.width < host.x < host.x + host.width < ns2.x
    assert {(str(a.ref), str(b.ref)) for a, b in layout.links} == {
        ("ns1/veth1a", "host/veth1b"),
        ("host/veth2b", "ns2/veth2a"),
    }
    for one, other in layout.links:
        assert one.outer[1] == pytest.approx(other.outer[1])


def test_a_star_of_thirty_is_balanced() -> None:
    """Half of the pods stand left of the host, half of them right."""
    layout = lay_out(STAR)
    host = layout.node(NodeName("host"))
    assert host is not None
    left = [node for node in layout.nodes if node.x < host.x]
    assert len(left) == 15
    assert layout.width < 1150
