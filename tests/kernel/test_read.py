"""Snapshots: what we read of real namespaces is what iproute2 and /proc say inside them."""

import json
import struct
from collections.abc import Iterator, Mapping
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from hopscope.errors import CannotError, KernelError
from hopscope.lab.declare import parse
from hopscope.lab.running import RunningLab
from hopscope.model.limits import NEXT_HOPS
from hopscope.model.snapshot import NodeState, PolicyRule, Route, Snapshot
from hopscope.model.vocab import DevRef, Family, NeighbourState, NodeName
from hopscope.wire import rtnl
from hopscope.wire.netlink import Message, attr

pytestmark = pytest.mark.kernel

TABLES = {"main": 254, "local": 255, "default": 253}
RICH = """
name: rich
nodes:
  host:
    bridges: {br0: {nf_call_iptables: true}, br1: {mac: "02:00:00:00:00:b1", mtu: 1400}}
    sysctls: {net.bridge.bridge-nf-call-iptables: 0, net.ipv4.ip_forward: 1}
  ns1:
    addresses: {veth1a: [10.244.1.2/24, "fd00::2/64"], twin1: 10.7.0.1/30}
    routes: [default via 10.244.1.4, 10.7.7.0/24 via 10.7.0.2 metric 50, "fd00:5::/64 via fd00::4"]
    neighbours: {veth1a: {10.244.1.9: "02:00:00:00:00:09", "fd00::9": "02:00:00:00:00:09"}}
  ns2:
    addresses: {veth2a: [10.244.1.4/24, "fd00::4/64"], direct: 192.0.2.2/31}
    down: [away]
  ns3:
    addresses: {direct: 192.0.2.3/31}
links:
  - [ns1:veth1a, host:veth1b@br0]
  - [ns2:veth2a, host:veth2b@br0]
  - {ends: [ns2:direct, ns3:direct], mtu: 1300}
  - [ns1:twin1, ns1:twin2]
  - [host:between0@br0, host:between1@br1]
  - [ns2:away, ns3:away]
"""
MORE = """
ip route add blackhole 203.0.113.0/24
ip route add unreachable 198.51.100.0/24 metric 9
ip route add 10.8.1.0/24 via 10.244.1.5 tos 0x10
ip nexthop add id 6 via 10.244.1.5 dev veth1a
ip route add 10.8.2.0/24 nhid 6
ip route add 10.8.0.0/16 nexthop via 10.244.1.5 weight 3 nexthop via 10.244.1.6
ip route add default via 10.244.1.7 table 1000
ip rule add from 10.244.1.2 table 1000 priority 40
ip rule add fwmark 5 table 1000 priority 41
ip -6 rule add to fd00:7::/64 table 1000 priority 42
ip neighbour add 10.244.1.20 lladdr 02:00:00:00:00:20 dev veth1a nud stale
ping -q -c 1 -W 1 10.244.1.4
ping -q -c 1 -W 1 10.244.1.99
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    """A lab with a bit of everything, after a ping that worked and one that could not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOPSCOPE_STATE", str(tmp_path_factory.mktemp("labs")))
        try:
            made = RunningLab.start(parse(RICH, "rich.yaml"), RICH)
        except CannotError as error:
            pytest.skip(str(error))
        with made:
            for line in MORE.strip().splitlines():
                done = made.run("ns1", line.split())
                assert done.code == (1 if line.endswith(".99") else 0), (line, done.stderr)
            yield made


def said(lab: RunningLab, node: str, command: str) -> Any:
    """What iproute2 says inside a node, as JSON."""
    done = lab.run(node, command.split())
    assert done.code == 0, done.stderr
    return json.loads(done.stdout or b"[]")


nodes = pytest.mark.parametrize("node", ["host", "ns1", "ns2", "ns3"])


@nodes
def test_links_are_those_that_ip_shows(lab: RunningLab, node: str) -> None:
    """All but the counters, which may move meanwhile."""
    read = {
        link.index: (
            *(link.name, link.kind, link.mac, link.mtu, link.up, link.carrier),
            *(link.promiscuity, link.master, link.port_state, int(link.nf_call)),
        )
        for link in lab.snapshot([node]).node(node).links
    }
    assert read == {
        one["ifindex"]: _link(one) for one in said(lab, node, "ip -json -details link show")
    }


def _link(one: Mapping[str, Any]) -> tuple[object, ...]:
    loopback = one["link_type"] == "loopback"
    info = one.get("linkinfo", {})
    return (
        one["ifname"],
        "loopback" if loopback else info["info_kind"],
        None if loopback else one["address"],
        one["mtu"],
        "UP" in one["flags"],
        "LOWER_UP" in one["flags"],
        one["promiscuity"],
        one.get("master"),
        info.get("info_slave_data", {}).get("state"),
        info.get("info_data", {}).get("nf_call_iptables", 0),
    )


def test_counters_are_those_of_a_device_that_rests(lab: RunningLab) -> None:
    """Both directions; lo has sent nothing, and away is down."""
    (link,) = [one for one in lab.snapshot(["ns2"]).node("ns2").links if one.name == "veth2a"]
    (stats,) = [
        one["stats64"] for one in said(lab, "ns2", "ip -json -statistics link show dev veth2a")
    ]
    assert link.counters["rx_packets"] >= 1
    assert link.counters["rx_packets"] <= stats["rx"]["packets"]
    assert set(link.counters) == {
        f"{way}_{what}"
        for way in ("rx", "tx")
        for what in ("packets", "bytes", "errors", "dropped")
    }


@nodes
def test_addresses_are_those_that_ip_shows(lab: RunningLab, node: str) -> None:
    read = {
        (link.name, str(address))
        for link in lab.snapshot([node]).node(node).links
        for address in link.addresses
    }
    assert read == {
        (one["ifname"], f"{info['local']}/{info['prefixlen']}")
        for one in said(lab, node, "ip -json address show")
        for info in one["addr_info"]
    }


def test_a_bridge_and_its_ports_have_no_address(lab: RunningLab) -> None:
    """Not even a link-local one, though the lab speaks IPv6."""
    host = lab.snapshot(["host"]).node("host")
    bare = {link.name for link in host.links if not link.addresses}
    assert bare == {"br0", "br1", "veth1b", "veth2b", "between0", "between1"}


@nodes
def test_routes_are_those_that_ip_shows(lab: RunningLab, node: str) -> None:
    """In every table and both families, also blackholes and all of several next hops."""
    found = said(lab, node, "ip -json -details -4 route show table all")
    found += said(lab, node, "ip -json -details -6 route show table all")
    read = lab.snapshot([node]).node(node).routes
    assert sorted(_route(one) for one in read) == sorted(_route_said(one) for one in found)


def _route(one: Route) -> tuple[str, ...]:
    fields = (one.type, one.destination, one.table, one.dev, one.via, one.source, one.metric)
    hops = [(hop.dev, hop.via, hop.weight) for hop in one.hops]
    return tuple(map(str, (*fields, one.scope, one.protocol, one.tos, one.nhid, hops)))


def _route_said(one: Mapping[str, Any]) -> tuple[str, ...]:
    first = {**one, **one.get("nexthops", [{}])[0]}
    default = "::/0" if "pref" in one else "0.0.0.0/0"
    to = default if one["dst"] == "default" else str(ip_interface(one["dst"]))
    table = TABLES.get(one["table"]) or int(one["table"])
    fields = (one["type"], to, table, first.get("dev"), first.get("gateway"), one.get("prefsrc"))
    more = (one.get("metric", 0), one["scope"], one["protocol"], int(one.get("tos", "0"), 16))
    hops = [(hop["dev"], hop.get("gateway"), hop["weight"]) for hop in one.get("nexthops", ())]
    return tuple(map(str, (*fields, *more, one.get("nhid"), hops)))


def test_routes_of_each_kind_are_there(lab: RunningLab) -> None:
    """So that the comparison above compares something."""
    routes = {r.destination: r for r in lab.snapshot(["ns1"]).node("ns1").routes if r.table < 1000}
    assert routes["203.0.113.0/24"].type == "blackhole"
    assert (routes["198.51.100.0/24"].type, routes["198.51.100.0/24"].metric) == ("unreachable", 9)
    assert (routes["10.8.0.0/16"].via, routes["10.8.0.0/16"].dev) == ("10.244.1.5", "veth1a")
    assert routes["10.7.7.0/24"].metric == 50
    assert routes["fd00:5::/64"].via == "fd00::4"


def test_policy_rules_are_those_that_were_made(lab: RunningLab) -> None:
    """And which of them ask more than source and destination."""
    rules = lab.snapshot(["ns1"]).node("ns1").policy_rules
    four = [(r.priority, r.table) for r in rules if r.family is Family.IP]
    assert four == [(0, 255), (40, 1000), (41, 1000), (32766, 254), (32767, 253)]
    six = [(r.priority, r.table) for r in rules if r.family is Family.IP6]
    assert six == [(0, 255), (42, 1000), (32766, 254)]
    assert [r for r in rules if r.source or r.destination or r.conditions] == [
        PolicyRule(family=Family.IP, priority=40, table=1000, source="10.244.1.2/32"),
        PolicyRule(
            family=Family.IP,
            priority=41,
            table=1000,
            conditions=("fwmark",),
            values={"fwmark": "0x5"},
        ),
        PolicyRule(family=Family.IP6, priority=42, table=1000, destination="fd00:7::/64"),
    ]


def test_neighbours_are_those_that_ip_shows(lab: RunningLab) -> None:
    """Permanent, stale, learnt and failed ones; a state may pass into another meanwhile."""
    read = {(n.ip, n.dev, n.mac) for n in lab.snapshot(["ns1"]).node("ns1").neighbours}
    found = said(lab, "ns1", "ip -json neighbour show")
    assert read == {(one["dst"], one["dev"], one.get("lladdr")) for one in found}
    states = {n.ip: n.state for n in lab.snapshot(["ns1"]).node("ns1").neighbours}
    assert states["10.244.1.9"] is NeighbourState.PERMANENT
    assert states["fd00::9"] is NeighbourState.PERMANENT
    assert states["10.244.1.20"] is NeighbourState.STALE
    assert states["10.244.1.99"] in (NeighbourState.FAILED, NeighbourState.INCOMPLETE)
    assert states["10.244.1.4"] not in (NeighbourState.FAILED, NeighbourState.INCOMPLETE)


def test_the_forwarding_table_is_the_one_that_bridge_shows(lab: RunningLab) -> None:
    """Learnt and local entries of both bridges; devices' own filters are none."""
    read = {(e.bridge, e.mac, e.port, e.local, e.static) for e in _host(lab).fdb}
    found = {
        (e["master"], e["mac"], e["ifname"], e["state"] == "permanent", e["state"] == "static")
        for e in said(lab, "host", "bridge -json fdb show")
        if "master" in e
    }
    assert read == found
    here = lab.snapshot(["ns1"]).node("ns1").link("veth1a")
    assert here is not None
    assert ("br0", here.mac, "veth1b", False, False) in read


def _host(lab: RunningLab) -> NodeState:
    return lab.snapshot(["host"]).node("host")


def test_every_veth_end_knows_its_peer(lab: RunningLab) -> None:
    """On a bridge, between two nodes, in one node, between two bridges, and while it is down."""
    assert _peers(lab.snapshot()) == {
        **_both("ns1/veth1a", "host/veth1b"),
        **_both("ns2/veth2a", "host/veth2b"),
        **_both("ns2/direct", "ns3/direct"),
        **_both("ns1/twin1", "ns1/twin2"),
        **_both("host/between0", "host/between1"),
        **_both("ns2/away", "ns3/away"),
    }


def _both(one: str, other: str) -> dict[str, str]:
    return {one: other, other: one}


def _peers(snapshot: Snapshot) -> dict[str, str]:
    return {
        str(DevRef(node.name, link.name)): str(link.peer)
        for node in snapshot.nodes
        for link in node.links
        if link.kind == "veth"
    }


def test_part_of_a_lab_knows_the_peers_in_the_rest(lab: RunningLab) -> None:
    """Only the nodes that were asked for, in that order."""
    snapshot = lab.snapshot(["ns3", "ns1"])
    assert [node.name for node in snapshot.nodes] == ["ns3", "ns1"]
    assert _peers(snapshot)["ns3/direct"] == "ns2/direct"


@pytest.mark.parametrize("nodes", [["a", "b", "c", "d", "e", "f"], ["f", "b", "d", "a", "e", "c"]])
def test_devices_with_the_same_indexes_are_told_apart(records: Path, nodes: list[str]) -> None:
    """Three pairs of which each end is index 2, and a ring of which each node has 3 and 4."""
    links = [["a:p", "b:p"], ["c:p", "d:p"], ["e:p", "f:p"]]
    links += [[f"{one}:r", f"{other}:l"] for one, other in zip("abcdef", "bcdefa", strict=True)]
    text = json.dumps({"name": "same", "nodes": {node: {} for node in nodes}, "links": links})
    wanted: dict[str, str] = {}
    for one, other in links:
        wanted |= _both(one.replace(":", "/"), other.replace(":", "/"))
    with RunningLab.start(parse(text, "same.yaml"), text) as lab:
        assert _peers(lab.snapshot()) == wanted
        assert _peers(lab.snapshot(["e"])) == {
            k: v for k, v in wanted.items() if k.startswith("e/")
        }


def test_a_peer_outside_the_lab_is_none(lab: RunningLab) -> None:
    """A namespace that somebody made inside; its device has an index that a node has, too."""
    script = (
        "ip netns add elsewhere; ip link add stray index 90 type veth "
        "peer name far index 2 netns elsewhere"
    )
    assert lab.run("ns3", ["sh", "-c", script]).code == 0
    try:
        assert lab.run("ns1", ["ip", "netns", "exec", "elsewhere", "true"]).code == 0
        stray = lab.snapshot(["ns3"]).node("ns3").link("stray")
        assert stray is not None
        assert (stray.kind, stray.peer) == ("veth", None)
    finally:
        assert lab.run("ns3", ["sh", "-c", "ip netns del elsewhere"]).code == 0


@nodes
def test_sysctls_are_what_proc_says_inside(lab: RunningLab, node: str) -> None:
    """Of the node, not of the machine; per device, with dots for slashes."""
    read = lab.snapshot([node]).node(node).sysctls
    for key, value in read.items():
        path = f"/proc/sys/{key.replace('.', '/')}"
        if "conntrack_count" not in key:
            assert lab.run(node, ["cat", path]).stdout.decode().strip() == value, key
    assert read["net.ipv4.ip_forward"] == ("1" if node == "host" else "0")
    devices = {link.name for link in lab.snapshot([node]).node(node).links} - {"lo"}
    assert {f"net.ipv4.conf.{dev}.arp_ignore" for dev in devices} <= read.keys()
    assert read.get("net.bridge.bridge-nf-call-iptables") == ("0" if node == "host" else "1")


def test_counters_are_what_proc_says_inside(lab: RunningLab) -> None:
    """Echo requests in both families; what is 0 is left out."""
    counters = lab.snapshot(["ns2"]).node("ns2").counters
    lines = lab.run("ns2", ["cat", "/proc/net/snmp"]).stdout.decode().splitlines()
    names, numbers = (line.split() for line in lines if line.startswith("Icmp:"))
    icmp = {f"Icmp.{k}": int(v) for k, v in zip(names[1:], numbers[1:], strict=True)}
    assert counters["Icmp.InEchos"] == icmp["Icmp.InEchos"] == 1
    assert counters["Icmp.OutEchoReps"] == 1
    assert "Icmp.InTimestamps" not in counters
    assert any(name.startswith(("Ip6.", "Icmp6.")) for name in counters)


def test_a_node_without_rules_costs_no_program(
    lab: RunningLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And an own table of hopscope's is no rule; one with a chain is listed."""
    ran: list[str] = []
    plain, begin = lab.sandbox.run, lab.sandbox.running

    def running(node: Any, argv: Any, stdin: bytes = b"", **more: Any) -> Any:
        ran.append(" ".join(argv))
        return begin(node, argv, stdin, **more)

    monkeypatch.setattr(lab.sandbox, "running", running)
    snapshot = lab.snapshot()
    assert ran == []
    assert not any(node.chains or node.unread for node in snapshot.nodes)
    script = "table inet t { chain c { type filter hook input priority 0; counter; }; }"
    assert plain(lab.nodes[3], ["nft", script]).code == 0
    ran.clear()
    (chain,) = lab.snapshot().node("ns3").chains
    assert [rule.text for rule in chain.rules] == ["counter"]
    assert ran == ["nft -j -a list table inet t", "nft -s -a list ruleset"]
    monkeypatch.undo()
    assert plain(lab.nodes[3], ["nft", "delete table inet t"]).code == 0


def test_iptables_rules_are_told_as_they_were_written(records: Path) -> None:
    """One that was inserted between two; both families; and the tools are run once each."""
    text = """
name: walls
nodes:
  host:
    iptables: [-A FORWARD -p icmp -j ACCEPT, -A FORWARD -p tcp -j DROP]
    ip6tables: [-A INPUT -p icmpv6 -j LOG --log-prefix "six "]
"""
    with RunningLab.start(parse(text, "walls.yaml"), text) as lab:
        lab.add_rules("iptables", "host", ["-I FORWARD 2 -p udp -j LOG --log-prefix 'a b '"])
        found = {(c.family, c.name): c.rules for c in lab.snapshot().node("host").chains}
    forward = found[Family.IP, "FORWARD"]
    assert [rule.text for rule in forward] == [
        "-A FORWARD -p icmp -j ACCEPT",
        '-A FORWARD -p udp -j LOG --log-prefix "a b "',
        "-A FORWARD -p tcp -j DROP",
    ]
    assert [rule.log_prefix for rule in forward] == [None, "a b ", None]
    assert [rule.packets for rule in forward] == [0, 0, 0]
    (six,) = found[Family.IP6, "INPUT"]
    assert six.text == '-A INPUT -p ipv6-icmp -j LOG --log-prefix "six "'


def test_what_cannot_be_read_is_said(records: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No nft; no iptables-save; rules of the older kind, which nft does not know."""
    text = "name: bare\nnodes: {host: {iptables: [-A FORWARD -p icmp -j ACCEPT]}}\n"
    with RunningLab.start(parse(text, "bare.yaml"), text) as lab:
        plain, begin = lab.sandbox.run, lab.sandbox.running
        absent: set[str] = {"nft"}

        def running(node: Any, argv: Any, stdin: bytes = b"", **more: Any) -> Any:
            there = argv[0] not in absent
            return begin(node, argv if there else ["hopscope-no-such-program"], stdin, **more)

        monkeypatch.setattr(lab.sandbox, "running", running)
        without = lab.snapshot().node("host")
        assert without.chains == ()
        assert without.unread == (
            "host: the firewall is not read: there is no nft (package nftables)",
        )
        absent = {"iptables-save"}
        (chain,) = lab.snapshot().node("host").chains
        assert [rule.text for rule in chain.rules] == ["meta l4proto icmp counter accept"]
        assert lab.snapshot().node("host").unread == (
            "host: rules are told in nft's words: there is no iptables-save",
        )
        absent = set()
        assert lab.snapshot().node("host").unread == ()  # and is not listed again
        if plain(lab.nodes[0], ["iptables-legacy", "-A", "INPUT", "-j", "ACCEPT"]).code:
            pytest.skip("this kernel, or this machine, has no iptables-legacy")
        assert lab.snapshot().node("host").unread == (
            "host: rules of iptables-legacy are not read (filter); see iptables-legacy-save",
        )


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (rtnl.dump_routes(2).payload + attr(15, struct.pack("=I", 12345)), "table does not exist"),
        (rtnl.dump_routes(2).payload[:-4] + struct.pack("=I", 0x10), "Invalid flags for FIB dump"),
    ],
)
def test_a_listing_that_the_kernel_refuses_is_not_empty(
    lab: RunningLab, request_: bytes, said: str
) -> None:
    """It says so where its listing ends; the next one is whole."""
    node = NodeName("ns1")
    with pytest.raises(KernelError, match=said):
        lab.sandbox.ask(node, replace(rtnl.dump_routes(2), payload=request_))
    assert lab.sandbox.ask(node, rtnl.dump_routes(2))


def test_a_kernel_without_policy_rules_of_ipv6_has_none(
    lab: RunningLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is booted with ipv6.disable=1: it knows no such family, and says so at the end.

    AF_APPLETALK never has any.
    """
    asked = rtnl.dump_policy_rules

    def dump(family: int) -> Message:
        return asked(5 if family == rtnl.AF_INET6 else family)

    monkeypatch.setattr(rtnl, "dump_policy_rules", dump)
    node = NodeName("ns1")
    with pytest.raises(KernelError, match="EAFNOSUPPORT"):
        lab.sandbox.ask(node, dump(rtnl.AF_INET6))
    rules = lab.snapshot(["ns1"], rules=False).nodes[0].policy_rules
    assert {rule.family for rule in rules} == {Family.IP}


def test_routes_with_as_many_next_hops_as_a_lab_may_have(records: Path) -> None:
    """They fit the kernel's listing, and the batches that make them the socket."""
    four = ", ".join(f"via 10.0.{n // 250}.{n % 250 + 3}" for n in range(NEXT_HOPS.high))
    six = ", ".join(f"'via fd00::{n + 3:x}'" for n in range(NEXT_HOPS.high))
    routes = [f"{{to: 10.9.{n}.0/24, nexthops: [{four}]}}" for n in range(12)]
    routes += [f"{{to: 'fd09:{n}::/64', nexthops: [{six}]}}" for n in range(2)]
    text = f"""
name: many
nodes:
  a:
    addresses: {{e0: [10.0.0.1/16, "fd00::1/64"]}}
    routes: [{", ".join(routes)}]
  b: {{addresses: {{e0: [10.0.0.2/16, "fd00::2/64"]}}}}
links: [[a:e0, b:e0]]
"""
    with RunningLab.start(parse(text, "many.yaml"), text) as lab:
        found = lab.snapshot(["a"], rules=False).nodes[0].routes
        assert sum(len(one.hops) == NEXT_HOPS.high for one in found) == 14
