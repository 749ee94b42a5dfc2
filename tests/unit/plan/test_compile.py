"""Labs compiled: exactly these operations, in this order; every device has its index."""

import re
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from hopscope.model.lab import BridgeSpec, LabSpec, LinkEnd, LinkSpec, NodeSpec
from hopscope.model.vocab import DevName, DevRef, Mac, NodeName
from hopscope.plan.compile import compile_lab, uses_ipv6
from hopscope.plan.macs import mac_of
from hopscope.plan.names import HOME, alias_of, sysctl_path
from hopscope.plan.ops import (
    AddAddress,
    AddBridge,
    AddNeighbour,
    AddPolicyRule,
    AddRoute,
    AddRules,
    AddVeth,
    MakeNodes,
    Mark,
    NewEnd,
    Op,
    RemoveNodes,
    SetSysctl,
    SetUp,
)
from hopscope.spec import parse
from labtexts import FILE, PAIR, changed
from strategies import dev_names, node_names

HOST, NS1, NS2 = (NodeName(name) for name in ("host", "ns1", "ns2"))
BR0, LO = DevName("br0"), DevName("lo")


def parsed(text: str) -> LabSpec:
    """Whatever sysctls this machine knows."""
    return parse(text, FILE)


def ref(text: str) -> DevRef:
    node, _, dev = text.partition("/")
    return DevRef(NodeName(node), DevName(dev))


def ops(lab: str | LabSpec, **options: Any) -> list[Op]:
    """The operations, without their places."""
    spec = parsed(lab) if isinstance(lab, str) else lab
    return [_nowhere(op) for op in compile_lab(spec, **options).ops]


def _nowhere(op: Op) -> Op:
    if isinstance(op, AddRules):
        return replace(op, places=())
    return replace(op, place=None)


def end(text: str, bridge: str | None = None, mac: Mac | None = None) -> NewEnd:
    return NewEnd(
        ref=ref(text), mac=mac or mac_of(ref(text)), bridge=DevName(bridge) if bridge else None
    )


def quiet(*nodes: NodeName, key: str = "disable_ipv6", value: str = "1") -> list[Op]:
    return [
        SetSysctl(node=node, path=f"net/ipv6/conf/{which}/{key}", value=value, implied=True)
        for node in nodes
        for which in ("all", "default")
    ]


def address(node: NodeName, dev: str, cidr: str) -> AddAddress:
    return AddAddress(node=node, dev=DevName(dev), cidr=cidr)


def test_the_built_in_bridge_lab() -> None:
    """Sysctls, bridge, veth pairs; then node by node what is left, the bridge after its ports."""
    text = (resources.files("hopscope") / "labs" / "bridge.yaml").read_text()
    quieted = quiet(HOST, NS1, NS2)
    switch = SetSysctl(node=HOST, path="net/bridge/bridge-nf-call-iptables", value="0")
    assert ops(text) == [
        MakeNodes(names=(HOST, NS1, NS2), home=HOST),
        *quieted[:2],
        switch,
        *quieted[2:],
        AddBridge(node=HOST, name=BR0),
        AddVeth(near=end("host/veth1b", "br0"), far=end("ns1/veth1a"), up=True),
        AddVeth(near=end("host/veth2b", "br0"), far=end("ns2/veth2a"), up=True),
        SetUp(node=HOST, dev=LO),
        SetUp(node=HOST, dev=BR0),
        SetUp(node=NS1, dev=LO),
        SetUp(node=NS1, dev=DevName("veth1a")),
        address(NS1, "veth1a", "10.244.1.2/24"),
        SetUp(node=NS2, dev=LO),
        SetUp(node=NS2, dev=DevName("veth2a")),
        address(NS2, "veth2a", "10.244.1.4/24"),
    ]


def test_indexes_begin_at_two_in_every_node() -> None:
    """Bridges first, then ends in the order of the links; 1 is the loopback's."""
    assert compile_lab(parsed(PAIR)).indexes == {
        ref("host/lo"): 1,
        ref("ns1/lo"): 1,
        ref("ns2/lo"): 1,
        ref("host/br0"): 2,
        ref("ns1/veth1a"): 2,
        ref("host/veth1b"): 3,
        ref("ns2/veth2a"): 2,
        ref("host/veth2b"): 4,
    }


def test_a_lab_with_ipv6_keeps_it_and_ports_stay_silent() -> None:
    """No duplicate address detection; a port, or a bridge without an address, has no fe80::."""
    text = changed("10.244.1.2/24", '["10.244.1.2/24", "fd00::2/64"]')
    found = ops(text)
    assert found[1:7] == quiet(HOST, NS1, NS2, key="accept_dad", value="0")
    off = [op.path for op in found if isinstance(op, SetSysctl) and "disable_ipv6" in op.path]
    assert off == [f"net/ipv6/conf/{dev}/disable_ipv6" for dev in ("br0", "veth1b", "veth2b")]
    last_link = max(i for i, op in enumerate(found) if isinstance(op, AddVeth))
    first_off = next(i for i, op in enumerate(found) if op == _off("br0"))
    assert last_link < first_off < found.index(SetUp(node=HOST, dev=LO))
    assert address(NS1, "veth1a", "fd00::2/64") in found


def _off(dev: str) -> SetSysctl:
    path = f"net/ipv6/conf/{dev}/disable_ipv6"
    return SetSysctl(node=HOST, path=path, value="1", implied=True)


def test_a_bridge_with_an_ipv6_address_keeps_ipv6() -> None:
    text = changed("{br0: {}}", "{br0: {}}\n    addresses: {br0: fd00::1/64}")
    assert _off("br0") not in ops(text)
    assert _off("veth1b") in ops(text)


def test_who_chose_a_devices_ipv6_has_it() -> None:
    """A sysctl of the lab's own comes late, when its device is there, and is the only one."""
    text = changed(
        "{br0: {}}",
        "{br0: {}}\n    addresses: {br0: 10.0.0.1/24}"
        "\n    sysctls: {net.ipv6.conf.veth1b.disable_ipv6: 0, net.ipv4.ip_forward: 1}",
    )
    text = changed("10.244.1.4/24", "fd00::4/64", text)
    found = ops(text)
    own = SetSysctl(node=HOST, path="net/ipv6/conf/veth1b/disable_ipv6", value="0")
    assert found.index(own) > max(i for i, op in enumerate(found) if isinstance(op, AddVeth))
    assert _off("veth1b") not in found
    assert _off("veth2b") in found
    plain = SetSysctl(node=HOST, path="net/ipv4/ip_forward", value="1")
    assert found.index(plain) < found.index(AddBridge(node=HOST, name=BR0))


NS2_HAS = "  ns2:\n    "
PING = "  - ping: ns1 -> ns2"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (NS2_HAS, NS2_HAS + "ip6tables: [-A INPUT -j ACCEPT]\n    "),
        (NS2_HAS, NS2_HAS + 'nft: "table ip6 t { }"\n    '),
        ("10.244.1.4/24", "fd00::4/64"),
        (NS2_HAS, NS2_HAS + "policy: [to fd00::/64 prohibit]\n    "),
        (
            "10.244.1.4/24}\n",
            '10.244.1.4/24}\n    neighbours: {veth2a: {"fd00::9": "02:00:00:00:00:09"}}\n',
        ),
        (NS2_HAS, NS2_HAS + "sysctls: {net.ipv6.conf.all.forwarding: 1}\n    "),
        ("ns1 -> ns2", '{from: ns1, to: "fd00::9"}'),
        (PING, "  - ip6tables: {host: [-A INPUT -j ACCEPT]}"),
        (PING, "  - set: {host: {net.ipv6.conf.all.forwarding: 1}}"),
    ],
)
def test_anything_of_ipv6_is_found(old: str, new: str) -> None:
    """In a node or in the story."""
    assert uses_ipv6(parsed(changed(old, new)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ns1 -> ns2", "ns2 -> ns1"),
        (NS2_HAS, NS2_HAS + "routes: [default via 10.244.1.1]\n    "),
        (NS2_HAS, NS2_HAS + "sysctls: {net.ipv6.conf.all.disable_ipv6: 1}\n    "),
        (PING, "  - iptables: {host: [-A INPUT -j ACCEPT]}"),
        (PING, "  - set: {host: {net.ipv4.ip_forward: 1}}"),
        (PING, "  - show: links"),
    ],
)
def test_what_is_of_ipv4_needs_no_ipv6(old: str, new: str) -> None:
    """So that such a lab stays quiet; nor does a lab that turns IPv6 off."""
    assert not uses_ipv6(parsed(changed(old, new)))


def test_a_bridge_is_joined_to_a_bridge() -> None:
    """The near end joins at its birth, the far one when it comes up."""
    text = """
name: two
nodes:
  host: {bridges: {br0: {}, br1: {}}}
  other: {bridges: {br2: {}}}
links:
  - [host:a@br0, other:b@br2]
  - [host:c@br0, host:d@br1]
"""
    other = NodeName("other")
    found = ops(text)
    assert [op for op in found if isinstance(op, AddVeth)] == [
        AddVeth(near=end("host/a", "br0"), far=end("other/b", "br2"), up=True),
        AddVeth(near=end("host/c", "br0"), far=end("host/d", "br1"), up=True),
    ]
    assert [op for op in found if isinstance(op, SetUp)] == [
        SetUp(node=HOST, dev=LO),
        SetUp(node=HOST, dev=DevName("d"), bridge=DevName("br1")),
        SetUp(node=HOST, dev=BR0),
        SetUp(node=HOST, dev=DevName("br1")),
        SetUp(node=other, dev=LO),
        SetUp(node=other, dev=DevName("b"), bridge=DevName("br2")),
        SetUp(node=other, dev=DevName("br2")),
    ]


def test_what_is_to_be_down_stays_down_and_still_joins_its_bridge() -> None:
    """Near end, far end with a bridge, far end without, a bridge, the loopback."""
    text = """
name: downs
nodes:
  host: {bridges: {br0: {}, br1: {up: false}, br2: {}}, down: [a, d, br2], lo: false}
  ns1: {down: [b]}
links:
  - [ns1:b, host:a@br0]
  - [host:c@br0, host:d@br1]
"""
    found = ops(text)
    assert [op.up for op in found if isinstance(op, AddVeth)] == [False, True]
    assert [op for op in found if isinstance(op, SetUp)] == [
        SetUp(node=HOST, dev=DevName("d"), up=False, bridge=DevName("br1")),
        SetUp(node=HOST, dev=BR0),
        SetUp(node=NS1, dev=LO),
    ]


def test_a_bridges_own_mtu_is_set_once_its_ports_are_there() -> None:
    """Each port that joins would change it; a bridge that stays down has it, too."""
    text = changed("{br0: {}}", "{br0: {mtu: 1400}, br1: {mtu: 9000, up: false}}")
    found = [op for op in ops(text) if isinstance(op, SetUp) and op.mtu]
    assert found == [
        SetUp(node=HOST, dev=BR0, mtu=1400),
        SetUp(node=HOST, dev=DevName("br1"), up=False, mtu=9000),
    ]


def test_what_a_lab_chose_reaches_the_operations() -> None:
    """Each option of a bridge, a link, a route, a neighbour."""
    text = """
name: chosen
nodes:
  host:
    bridges: {br0: {stp: true, nf_call_iptables: true, mac: "02:00:00:00:00:b0", mtu: 1400}}
    addresses: {br0: 10.0.0.254/24}
  ns1:
    addresses: {a: [10.0.0.1/24, 10.0.1.1/24]}
    routes: [default via 10.0.0.254, "10.9.0.0/16 dev a metric 7"]
    neighbours: {a: {10.0.0.9: "02:00:00:00:00:09"}}
links:
  - {ends: [ns1:a, host:p@br0], mtu: 1300, mac: {"ns1:a": "02:00:00:00:00:0a"}}
"""
    found = ops(text)
    mac = Mac("02:00:00:00:00:b0")
    assert (
        AddBridge(node=HOST, name=BR0, nf_call_iptables=True, stp=True, mac=mac, mtu=1400) in found
    )
    far = end("ns1/a", mac=Mac("02:00:00:00:00:0a"))
    assert AddVeth(near=end("host/p", "br0"), far=far, up=True, mtu=1300) in found
    dev = DevName("a")
    assert found[-5:] == [
        address(NS1, "a", "10.0.0.1/24"),
        address(NS1, "a", "10.0.1.1/24"),
        AddRoute(node=NS1, to="0.0.0.0/0", via="10.0.0.254", dev=None, metric=None),
        AddRoute(node=NS1, to="10.9.0.0/16", via=None, dev=dev, metric=7),
        AddNeighbour(node=NS1, dev=dev, ip="10.0.0.9", mac=Mac("02:00:00:00:00:09")),
    ]


def test_next_hops_reach_the_operations() -> None:
    """The gateway of the first tells which default is meant."""
    text = changed(
        "{veth1a: 10.244.1.2/24}",
        """{veth1a: 10.244.1.2/24}
    routes: ['default nexthop via fd00::9 dev veth1a onlink nexthop via fe80::9 dev veth1a']""",
    )
    (route,) = (op for op in ops(text) if isinstance(op, AddRoute))
    assert (route.to, route.via, route.dev) == ("::/0", None, None)
    assert [(hop.via, hop.onlink) for hop in route.hops] == [("fd00::9", True), ("fe80::9", False)]


def test_routes_and_policy_rules_reach_the_operations() -> None:
    """Rules that say no priority are asked in their order, just before the main table."""
    text = changed(
        "{veth1a: 10.244.1.2/24}",
        """{veth1a: 10.244.1.2/24}
    routes: [blackhole 10.9.0.0/16, default via 10.244.1.1 src 10.244.1.2 table 100]
    policy:
      - from 10.0.0.0/8 lookup 100
      - from 10.1.0.0/16 lookup 100 priority 7
      - fwmark 1 prohibit""",
    )
    found = ops(text)
    assert [op for op in found if isinstance(op, AddRoute)] == [
        AddRoute(node=NS1, to="10.9.0.0/16", via=None, dev=None, metric=None, type="blackhole"),
        AddRoute(
            node=NS1,
            to="0.0.0.0/0",
            via="10.244.1.1",
            dev=None,
            metric=None,
            source="10.244.1.2",
            table=100,
        ),
    ]
    rules = [op for op in compile_lab(parsed(text)).ops if isinstance(op, AddPolicyRule)]
    assert [(op.rule.source, op.rule.priority) for op in rules] == [
        ("10.0.0.0/8", 32764),
        ("10.1.0.0/16", 7),
        (None, 32765),
    ]
    assert [str(op) for op in rules[::2]] == [
        "ns1: adding the policy rule 32764: lookup 100",
        "ns1: adding the policy rule 32765: prohibit",
    ]
    assert rules[0].place is not None
    assert rules[0].place.line == 9


def test_a_node_that_detects_duplicates_is_left_to_it() -> None:
    """Neither its sysctls nor its addresses say otherwise."""
    text = changed("10.244.1.2/24}", "fd00::2/64}\n    dad: true")
    found = ops(text)
    assert not [op for op in found if op in quiet(NS1, key="accept_dad", value="0")]
    assert all(one in found for one in quiet(HOST, NS2, key="accept_dad", value="0"))
    given = AddAddress(node=NS1, dev=DevName("veth1a"), cidr="fd00::2/64", dad=True)
    assert given in found


def test_rules_come_last_each_for_its_own_tool() -> None:
    """With the places of all their lines."""
    text = changed(
        "  ns2:\n",
        "  ns2:\n    iptables: [-A INPUT -j ACCEPT, -A OUTPUT -j ACCEPT]\n"
        '    ip6tables: [-A INPUT -j DROP]\n    nft: "table inet t { }"\n',
    )
    rules = compile_lab(parsed(text)).ops[-3:]
    assert [(op.tool, op.lines) for op in rules if isinstance(op, AddRules)] == [
        ("iptables", ("-A INPUT -j ACCEPT", "-A OUTPUT -j ACCEPT")),
        ("ip6tables", ("-A INPUT -j DROP",)),
        ("nft", ("table inet t { }",)),
    ]
    first = rules[0]
    assert isinstance(first, AddRules)
    assert [place.line for place in first.places if place] == [8, 8]
    assert first.place == first.places[0]


def test_operations_know_the_line_that_asked_for_them() -> None:
    """What nobody wrote was asked for by its node."""
    ops = compile_lab(parsed(PAIR)).ops
    assert [op for op in ops if op.place is None] == []
    lines = {type(op): op.place.line for op in ops if op.place}
    assert (lines[AddBridge], lines[AddVeth], lines[AddAddress]) == (4, 11, 8)
    assert (lines[MakeNodes], lines[SetSysctl]) == (3, 7)


def test_on_the_real_host_its_own_things_are_left_alone() -> None:
    """Its loopback and general sysctls; our devices there are marked, and come up last."""
    spec = parsed(PAIR)
    known = {DevName(dev): index for dev, index in (("br0", 1000), ("veth1b", 77), ("veth2b", 9))}
    plan = compile_lab(spec, on_host=True, known=known)
    found = [_nowhere(op) for op in plan.ops]
    assert quiet(NS1, NS2) == [op for op in found if isinstance(op, SetSysctl)][:4]
    assert not [op for op in found if op in quiet(HOST)]
    marks = [
        Mark(node=HOST, dev=DevName(d), alias="hopscope:pair") for d in ("br0", "veth1b", "veth2b")
    ]
    assert [op for op in found if isinstance(op, Mark)] == marks
    assert [op.up for op in found if isinstance(op, AddVeth)] == [False, False]
    assert [op.dev for op in found if isinstance(op, SetUp) and op.node == HOST] == [
        *("veth1b", "veth2b", "br0"),
    ]
    silent = [_off(dev) for dev in ("br0", "veth1b", "veth2b")]
    assert [op for op in found if op in silent] == silent
    up = [op for op in found if isinstance(op, SetUp) and op.node == HOST]
    before: list[Op] = [*marks, *silent]
    assert all(found.index(op) < found.index(up[0]) for op in before)
    at = [plan.indexes[ref(f"host/{dev}")] for dev in ("lo", "br0", "veth1b", "veth2b")]
    assert at == [1, 1000, 77, 9]
    assert plan.indexes[ref("ns1/veth1a")] == 2


def test_without_a_node_host_no_node_is_home() -> None:
    spec = LabSpec(name="a", nodes=(NodeSpec(name=NS1),))
    assert ops(spec)[0] == MakeNodes(names=(NS1,), home=None)
    assert compile_lab(spec, known={DevName("br0"): 9}).indexes == {ref("ns1/lo"): 1}


def test_a_mac_address_is_the_same_in_every_run() -> None:
    """Written down: reports of different days must be comparable."""
    assert mac_of(ref("ns1/veth1a")) == "02:bd:c5:04:7d:e0"
    assert mac_of(ref("ns2/veth2a")) != mac_of(ref("ns1/veth1a"))


@given(node_names, dev_names)
def test_a_mac_address_is_local_and_no_group(node: NodeName, dev: DevName) -> None:
    """02 as first octet: nobody's card has it."""
    assert re.fullmatch(r"02(:[0-9a-f]{2}){5}", mac_of(DevRef(node, dev)))


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/conf/eth0.5/forwarding", "net/ipv4/conf/eth0.5/forwarding"),
    ],
)
def test_a_sysctl_with_slashes_is_a_path_already(key: str, path: str) -> None:
    """So that a device's name may have a dot."""
    assert sysctl_path(key) == path


def test_the_mark_names_the_lab() -> None:
    assert alias_of("two") == "hopscope:two"


labels = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=4, unique=True)


@st.composite
def labs(draw: st.DrawFn) -> LabSpec:
    """Nodes with bridges, and links between any of them, a node with itself included."""
    names = [NodeName(f"n{label}") for label in draw(labels)]
    if draw(st.booleans()):
        names.insert(draw(st.integers(0, len(names))), HOME)
    bridges = {name: draw(st.integers(0, 2)) for name in names}
    nodes = tuple(
        NodeSpec(
            name=name,
            bridges=tuple(BridgeSpec(name=DevName(f"br{n}")) for n in range(bridges[name])),
        )
        for name in names
    )
    links = []
    for number in range(draw(st.integers(0, 4))):
        ends = []
        for side in "ab":
            node = draw(st.sampled_from(names))
            bridge = (
                draw(st.none() | st.sampled_from(range(bridges[node]))) if bridges[node] else None
            )
            ends.append(
                LinkEnd(
                    ref=DevRef(node, DevName(f"v{number}{side}")),
                    bridge=None if bridge is None else DevName(f"br{bridge}"),
                )
            )
        links.append(LinkSpec(a=ends[0], b=ends[1]))
    return LabSpec(name="any", nodes=nodes, links=tuple(links))


@given(spec=labs(), on_host=st.booleans())
def test_every_device_has_one_index_and_every_operation_a_node(
    *, spec: LabSpec, on_host: bool
) -> None:
    """In each node its own, from 2 on without a gap; nothing speaks of what is not there."""
    plan = compile_lab(spec, on_host=on_host)
    for node in spec.nodes:
        mine = sorted(index for one, index in plan.indexes.items() if one.node == node.name)
        assert mine == [*range(1, 1 + len(mine))]
    declared = {DevRef(node.name, b.name) for node in spec.nodes for b in node.bridges}
    declared |= {one.ref for link in spec.links for one in (link.a, link.b)}
    assert declared == {one for one in plan.indexes if one.dev != "lo"}
    made: set[DevRef] = {one for one in plan.indexes if one.dev == "lo"}
    for op in plan.ops[1:]:
        assert not isinstance(op, MakeNodes | RemoveNodes)
        assert op.node in {node.name for node in spec.nodes}
        match op:
            case AddBridge(node=name, name=dev):
                made.add(DevRef(name, dev))
            case AddVeth(near=near, far=far):
                assert near.bridge is None or DevRef(near.ref.node, near.bridge) in made
                made |= {near.ref, far.ref}
            case SetUp(node=name, dev=dev, bridge=bridge):
                assert {DevRef(name, dev)} | ({DevRef(name, bridge)} if bridge else set()) <= made
            case _:
                assert isinstance(op, SetSysctl | Mark)
    assert made == set(plan.indexes)
