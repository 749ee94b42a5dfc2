"""What was declared is what the kernel holds, for whatever small lab."""

import json
from ipaddress import ip_interface, ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hopscope import Lab
from hopscope.lab.declare import parse
from hopscope.lab.running import RunningLab
from hopscope.model.lab import LabSpec
from hopscope.model.snapshot import NodeState, Snapshot
from hopscope.model.vocab import DevRef, NeighbourState, NodeName
from hopscope.plan.compile import compile_lab
from hopscope.plan.macs import mac_of
from hopscope.wire import rtnl, rtnl_read

HOST = NodeName("host")

pytestmark = pytest.mark.kernel

NAMES = ("host", "ns1", "ns2", "ns3")
FEW = settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@st.composite
def labs(draw: st.DrawFn) -> Lab:
    """Up to four nodes with bridges, links between any of them, addresses, routes, neighbours."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    bridges = {name: draw(st.integers(0, 2)) for name in names}
    ends: dict[str, list[str]] = {name: [] for name in names}
    links = []
    for number in range(draw(st.integers(0, 4))):
        pair = []
        for side in "ab":
            node = draw(st.sampled_from(names))
            bridge = draw(st.none() | st.integers(0, bridges[node] - 1)) if bridges[node] else None
            dev = f"v{number}{side}"
            pair.append(f"{node}:{dev}" + ("" if bridge is None else f"@br{bridge}"))
            if bridge is None:
                ends[node].append(dev)
        links.append((pair, draw(st.none() | st.sampled_from((1280, 1400, 9000)))))
    lab = Lab("any")
    for place, name in enumerate(names):
        lab.node(name, **_node(draw, place, bridges[name], ends[name]))
    for (one, other), mtu in links:
        lab.link(one, other, mtu=mtu)
    return lab


def _node(draw: st.DrawFn, place: int, bridges: int, ends: list[str]) -> dict[str, Any]:
    """No two addresses of a lab share a subnet, so every route is the one that was declared."""
    addresses: dict[str, list[str]] = {}
    for number, dev in enumerate(ends):
        four, six = f"10.{place}.{number}.1/24", f"fd00:{place}:{number}::1/64"
        addresses[dev] = draw(st.lists(st.sampled_from((four, six)), unique=True))
    addresses = {dev: some for dev, some in addresses.items() if some}
    down = draw(st.lists(st.sampled_from(ends), unique=True)) if ends else []
    up = [dev for dev in addresses if dev not in down]
    fours = [dev for dev in up if addresses[dev][0].startswith("10.")]
    routes = []
    neighbours = {}
    routed: bool = draw(st.booleans())
    if fours and routed:
        gateway = addresses[fours[0]][0].replace(".1/24", ".7")
        routes = [f"10.200.{place}.0/24 via {gateway} metric {draw(st.integers(1, 99))}"]
        neighbours = {fours[0]: {gateway: "02:00:00:00:00:77"}}
    return {
        "bridges": {
            f"br{number}": {
                "mtu": draw(st.none() | st.sampled_from((1280, 1400))),
                "stp": draw(st.booleans()),
                "up": draw(st.booleans()),
            }
            for number in range(bridges)
        },
        "addresses": addresses,
        "routes": routes,
        "neighbours": neighbours,
        "down": down,
        "lo": draw(st.booleans()),
        "sysctls": draw(st.sampled_from(({}, {"net.ipv4.ip_forward": 1}))),
    }


@FEW
@given(labs())
def test_what_was_declared_is_what_the_kernel_holds(records: Path, lab: Lab) -> None:
    """Devices with their indexes, MACs, MTUs and bridges, addresses, routes, neighbours."""
    with lab.up() as running:
        snapshot = running.snapshot()
    spec = lab.spec()
    indexes = compile_lab(spec).indexes
    read = {DevRef(n.name, link.name): link.index for n in snapshot.nodes for link in n.links}
    assert read == indexes
    for node in spec.nodes:
        _check_node(spec, snapshot, snapshot.node(node.name))
    for link in spec.links:
        for end, other in ((link.a, link.b), (link.b, link.a)):
            state = snapshot.link(end.ref)
            assert state is not None
            assert (state.peer, state.master) == (other.ref, end.bridge)
            assert (state.mac, state.mtu) == (end.mac or mac_of(end.ref), link.mtu or 1500)
            assert state.up is (end.ref.dev not in spec.node(end.ref.node).down)
            assert state.carrier is (state.up and _is_up(snapshot, other.ref))


def _is_up(snapshot: Snapshot, ref: DevRef) -> bool:
    state = snapshot.link(ref)
    return state is not None and state.up


def _check_node(spec: LabSpec, snapshot: Snapshot, read: NodeState) -> None:
    node = spec.node(read.name)
    loopback = read.link("lo")
    assert loopback is not None
    assert loopback.up is node.lo
    for bridge in node.bridges:
        state = read.link(bridge.name)
        assert state is not None
        assert (state.kind, state.up) == ("bridge", bridge.up)
        assert bridge.mtu in (None, state.mtu)
    declared = {(a.dev, a.cidr) for a in node.addresses}
    global_ones = {
        (link.name, str(address))
        for link in read.links
        if link.kind != "loopback"
        for address in link.addresses
        if not ip_interface(str(address)).is_link_local
    }
    assert global_ones == declared
    routes = {(r.destination, r.via, r.metric) for r in read.routes if r.protocol == "static"}
    assert routes == {(str(ip_network(r.to)), r.via, r.metric) for r in node.routes}
    permanent = {
        (n.dev, n.ip, n.mac) for n in read.neighbours if n.state is NeighbourState.PERMANENT
    }
    assert permanent == {(n.dev, n.ip, n.mac) for n in node.neighbours}
    for sysctl in node.sysctls:
        assert read.sysctls[sysctl.key] == sysctl.value


def test_a_bridge_keeps_its_mtu_whatever_joins_it(records: Path) -> None:
    """The kernel lowers, or raises, a bridge's MTU with each port until it was set once."""
    lab = Lab("mtus").node("host", bridges={"low": {"mtu": 1280}, "high": {"mtu": 9000}, "any": {}})
    lab.node("ns1", addresses={})
    for number, bridge in enumerate(("low", "high", "any")):
        lab.link(
            f"ns1:e{number}", f"host:p{number}@{bridge}", mtu=9000 if bridge == "any" else None
        )
    with lab.up() as running:
        host = running.snapshot().node("host")
    mtus = {link.name: link.mtu for link in host.links if link.kind == "bridge"}
    assert mtus == {"low": 1280, "high": 9000, "any": 9000}


def test_a_lab_without_ipv6_never_speaks_it(records: Path) -> None:
    """No address, and not one frame before the first ping."""
    with Lab.load("bridge").up() as running:
        snapshot = running.snapshot()
    for node in snapshot.nodes:
        for link in node.links:
            assert not [a for a in link.addresses if ":" in a.ip], (node.name, link.name)
            assert link.kind == "loopback" or link.counters["tx_packets"] == 0


def test_what_is_up_works(records: Path) -> None:
    """Of each of many ports its bridge knows, and each IPv6 address has its local route."""
    pods = range(60)
    nodes: dict[str, Any] = {"host": {"bridges": {"br0": {}}}}
    for pod in pods:
        nodes[f"p{pod}"] = {"addresses": {"eth0": [f"fd00::{pod + 1:x}/64"]}}
    links = [[f"p{pod}:eth0", f"host:v{pod}@br0"] for pod in pods]
    text = json.dumps({"name": "many", "nodes": nodes, "links": links})
    with RunningLab.start(parse(text, "many.yaml"), text) as lab:
        ask = lab.sandbox.ask
        late = [rtnl_read.not_yet_running(one) for one in ask(HOST, rtnl.dump_link_flags())]
        routes = [ask(NodeName(f"p{pod}"), rtnl.dump_routes(rtnl.AF_INET6)) for pod in pods]
        snapshot = lab.snapshot(["host"])
    assert set(late) == {None}
    assert {link.port_state for link in snapshot.nodes[0].links if link.master} == {"forwarding"}
    for pod, answers in zip(pods, routes, strict=True):
        parts = [part for one in answers if (part := rtnl_read.route(one)) is not None]
        assert f"fd00::{pod + 1:x}/128" in {part.destination for part in parts}


def test_a_mac_address_is_the_same_in_every_run(records: Path) -> None:
    """So that reports of two runs can be compared."""
    macs = []
    for _ in range(2):
        with Lab.load("bridge").up() as running:
            macs.append([link.mac for node in running.snapshot().nodes for link in node.links])
    assert macs[0] == macs[1]
