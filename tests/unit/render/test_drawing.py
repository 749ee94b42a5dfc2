"""The topology drawn in lines: bridges hold their ports, and both ends of a link are told."""

from io import StringIO

from msgspec.structs import replace
from rich.console import Console

from hopscope.model.devices import Vxlan
from hopscope.model.snapshot import LinkState, NodeState, Snapshot
from hopscope.model.vocab import DevName, DevRef, NodeName
from hopscope.render.drawing import drawing
from smalllabs import lab


def drawn(snapshot: Snapshot) -> str:
    """As it stands on a wide page, without blanks at the ends of lines."""
    console = Console(file=StringIO(), width=200)
    with console.capture() as captured:
        console.print(drawing(snapshot))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def test_the_classic_exercise() -> None:
    """ns1 ── br0 ── ns2: a bridge without an address, its ports, and what they lead to."""
    snapshot = lab(
        ["host/veth1b@br0 = ns1/veth1a", "host/veth2b@br0 = ns2/veth2a"],
        addresses={"ns1/veth1a": "10.244.1.2/24", "ns2/veth2a": "10.244.1.4/24"},
    )
    assert (
        drawn(snapshot)
        == """\
host
└── br0  no address
    ├── veth1b ══ ns1/veth1a  10.244.1.2/24
    └── veth2b ══ ns2/veth2a  10.244.1.4/24
ns1
└── veth1a  10.244.1.2/24 ══ host/veth1b  port of br0
ns2
└── veth2a  10.244.1.4/24 ══ host/veth2b  port of br0"""
    )


def test_what_is_wrong_with_a_device_is_said() -> None:
    """Down, without a carrier, a port that does not forward; and a bridge with an address."""
    snapshot = lab(["host/p@br0 = a/x", "a/y = b/y"], addresses={"host/br0": "10.0.0.1/24"})
    changed = _with(snapshot, "a", "y", up=False, carrier=False)
    changed = _with(changed, "b", "y", carrier=False)
    changed = _with(changed, "host", "p", port_state="learning")
    assert (
        drawn(changed)
        == """\
host
└── br0  10.0.0.1/24
    └── p  learning ══ a/x
a
├── x ══ host/p  port of br0
└── y  down ══ b/y
b
└── y  no carrier ══ a/y"""
    )


def _with(snapshot: Snapshot, node: str, dev: str, **fields: object) -> Snapshot:
    def link(one: LinkState) -> LinkState:
        return replace(one, **fields) if one.name == dev else one

    return Snapshot(
        nodes=tuple(
            replace(one, links=tuple(map(link, one.links))) if one.name == node else one
            for one in snapshot.nodes
        )
    )


def test_a_part_of_a_lab_is_drawn_with_what_is_known() -> None:
    """The far end by its name alone, when its node is not shown."""
    whole = lab(["host/p@br0 = a/x"], addresses={"a/x": "10.0.0.1/24"})
    assert drawn(Snapshot(nodes=(whole.node("a"),))) == "a\n└── x  10.0.0.1/24 ══ host/p"


def test_a_node_without_devices_and_a_device_without_a_peer() -> None:
    """Also a port whose bridge is elsewhere, as a real host may have: it is not lost."""
    snapshot = lab([], nodes=["empty"], addresses={"a/d": "10.0.0.1/24"})
    stray = replace(snapshot.node("a").links[0], name=DevName("s"), master=DevName("ovs"))
    shown = (*snapshot.nodes, NodeState(name=NodeName("b"), links=(stray,)))
    assert (
        drawn(Snapshot(nodes=shown))
        == """\
empty
└── no device but lo
a
└── d  10.0.0.1/24
b
└── s  10.0.0.1/24"""
    )


def test_a_lab_without_nodes_is_an_empty_drawing() -> None:
    assert drawn(Snapshot(nodes=())) == ""


def test_what_a_device_lies_over() -> None:
    """In another node, or as a tunnel with its network and its other end."""
    snapshot = lab([], addresses={"a/m": "10.0.0.1/24", "a/t": "10.9.0.1/24", "a/v": "10.9.0.2/24"})
    snapshot = _with(
        snapshot, "a", "m", kind="macvlan", over=DevRef(NodeName("host"), DevName("up"))
    )
    snapshot = _with(snapshot, "a", "t", kind="vxlan", vxlan=Vxlan(id=42, remote="10.0.0.2"))
    snapshot = _with(snapshot, "a", "v", kind="vxlan", vxlan=Vxlan(id=7))
    assert (
        drawn(snapshot)
        == """\
a
├── m  10.0.0.1/24  macvlan over host/up
├── t  10.9.0.1/24  vxlan 42 to 10.0.0.2
└── v  10.9.0.2/24  vxlan 7 to its remotes"""
    )
