"""What a lab sets of its network is what iproute2 says of it, and what a snapshot reads."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hopscope import Lab, StandingLab
from hopscope.errors import CannotError
from hopscope.model.devices import BridgeState, PortOptions, Vlan, Vxlan
from hopscope.model.journey import hops
from hopscope.model.snapshot import FdbEntry, LinkState
from hopscope.model.traffic import Htb, Netem, Tbf
from hopscope.model.vocab import DevName, Family, Fate, Mac, NodeName

pytestmark = pytest.mark.kernel

HOST = NodeName("host")
OTHER = Mac("02:00:00:00:00:77")
Started = Callable[[str], StandingLab]


@pytest.fixture
def started(records: Path) -> Iterator[Started]:
    """Start a lab, which ends with the test."""
    made: list[StandingLab] = []

    def start(text: str) -> StandingLab:
        made.append(Lab.from_text(text, file="network.yaml").up())
        return made[-1]

    yield start
    for lab in made:
        lab.down()


def said(lab: StandingLab, node: str, command: str) -> Any:
    """What iproute2 says inside a node, as JSON."""
    done = lab.run(node, command.split())
    assert done.code == 0, done.stderr
    return json.loads(done.stdout or b"[]")


def link(lab: StandingLab, node: str, dev: str) -> LinkState:
    """A device as the snapshot has it."""
    found = lab.snapshot([node]).node(node).link(dev)
    assert found is not None
    return found


BRIDGES = f"""
name: bridges
nodes:
  host:
    bridges:
      br0: {{stp: true, ageing: 30, forward_delay: 2, priority: 4096, fdb: {{"{OTHER}": p1}}}}
      br1: {{ageing: 0}}
      br2:
  ns1: {{addresses: {{a: 10.0.0.1/24}}}}
  ns2: {{addresses: {{b: 10.0.0.2/24}}}}
links:
  - ends: [ns1:a, {{end: host:p1@br0, hairpin: true, isolated: true, learning: false, cost: 7}}]
    queues: 2
  - [{{end: ns2:b, queues: 3}}, {{end: host:p2@br1, flood: false}}]
  - [host:t0@br0, host:t1@br1]
"""


def test_bridges_and_ports_are_as_declared(started: Started) -> None:
    """As iproute2 tells them, and as we do."""
    lab = started(BRIDGES)
    told = {one["ifname"]: one for one in said(lab, "host", "ip -d -j link show")}
    br0 = told["br0"]["linkinfo"]["info_data"]
    assert (br0["stp_state"], br0["priority"], br0["forward_delay"]) == (1, 4096, 200)
    assert (br0["ageing_time"], told["br1"]["linkinfo"]["info_data"]["ageing_time"]) == (3000, 0)
    p1 = told["p1"]["linkinfo"]["info_slave_data"]
    assert [p1[key] for key in ("hairpin", "isolated", "learning", "flood", "cost")] == [
        *(True, True, False, True, 7),
    ]
    assert told["p2"]["linkinfo"]["info_slave_data"]["flood"] is False
    assert [told[dev]["num_tx_queues"] for dev in ("p1", "p2", "t0")] == [2, 1, 1]
    wanted = BridgeState(stp=True, ageing=30.0, forward_delay=2.0, priority=4096)
    assert link(lab, "host", "br0").bridge == wanted
    assert link(lab, "host", "br1").bridge == BridgeState(ageing=0.0)
    assert link(lab, "host", "br2").bridge == BridgeState()
    assert link(lab, "host", "p1").port == PortOptions(
        hairpin=True, isolated=True, learning=False, cost=7
    )
    assert link(lab, "host", "p2").port == PortOptions(flood=False, cost=2)
    assert link(lab, "host", "t1").port == PortOptions(cost=2)
    assert link(lab, "ns1", "a").port is None
    assert (link(lab, "ns1", "a").queues, link(lab, "ns2", "b").queues) == (2, 3)


def test_a_declared_entry_is_static(started: Started) -> None:
    lab = started(BRIDGES)
    (told,) = [one for one in said(lab, "host", "bridge -j fdb show br br0") if one["mac"] == OTHER]
    assert (told["ifname"], told["state"], told.get("master")) == ("p1", "static", "br0")
    mine = [entry for entry in lab.snapshot().node("host").fdb if entry.mac == OTHER]
    assert mine == [
        FdbEntry(bridge=DevName("br0"), mac=OTHER, port=DevName("p1"), static=True),
    ]


MOVED = """
name: moved
nodes:
  host: {bridges: {br0: {fdb: {"02:00:00:00:00:0b": p1}}}}
  ns1: {addresses: {a: 10.0.0.1/24}}
  ns2: {addresses: {b: 10.0.0.2/24}}
links:
  - [ns1:a, host:p1@br0]
  - [{end: ns2:b, mac: "02:00:00:00:00:0b"}, host:p2@br0]
"""


@pytest.mark.parametrize("learns", [True, False])
def test_a_declared_entry_moves_only_where_a_port_learns(*, started: Started, learns: bool) -> None:
    """It stays static, and diff tells of it."""
    text = MOVED if learns else MOVED.replace("host:p2@br0", "{end: host:p2@br0, learning: false}")
    lab = started(text)
    lab.run("ns2", ["ping", "-c", "1", "-W", "0.1", "10.0.0.1"])
    (now,) = [e for e in lab.snapshot().node("host").fdb if e.mac == "02:00:00:00:00:0b"]
    assert (now.port, now.static) == ("p2" if learns else "p1", True)
    assert [one.before for one in lab.differences().changes] == ["p2"] * learns


VLANS = """
name: vlans
nodes:
  host: {bridges: {br0: {vlan_filtering: true, vlans: [10]}}}
  ns1: {addresses: {a: 10.0.0.1/24}}
links:
  - [ns1:a, {end: host:p1@br0, vlans: [10, {vid: 20, pvid: true, untagged: true}]}]
"""


def tells(error: CannotError, option: str) -> None:
    """The line that asks for it, and the kernel's option."""
    assert error.what.startswith("network.yaml:4:")
    assert option in error.mend


def test_vlans_are_as_declared(started: Started) -> None:
    """Or this kernel's lack of them is told by its option and the lab's line."""
    try:
        lab = started(VLANS)
    except CannotError as error:
        tells(error, "CONFIG_BRIDGE_VLAN_FILTERING")
        pytest.skip("this kernel has no VLAN filtering of bridges")
    told = {one["ifname"]: one["vlans"] for one in said(lab, "host", "bridge -j vlan show")}
    assert told["p1"] == [{"vlan": 10}, {"vlan": 20, "flags": ["PVID", "Egress Untagged"]}]
    assert told["br0"] == [{"vlan": 10}]
    wanted = (Vlan(vid=10), Vlan(vid=20, pvid=True, untagged=True))
    assert link(lab, "host", "p1").vlans == wanted
    assert link(lab, "host", "br0").vlans == (Vlan(vid=10),)


ROUTES = """
name: routes
nodes:
  gw:
    addresses: {l: [10.1.0.1/24, "fd01::1/64"], r: [10.2.0.1/24, 10.2.0.9/24]}
    routes:
      - blackhole 10.9.0.0/16
      - unreachable 10.10.0.0/16 metric 7
      - {to: 10.11.0.0/16, type: prohibit}
      - throw 10.12.0.0/16 table 100
      - default via 10.2.0.2 table 100
      - 10.3.0.0/16 via 10.2.0.2 src 10.2.0.9 metric 5 table 1000
      - blackhole fd09::/32
    policy:
      - from 10.1.0.0/24 lookup 100 priority 1000
      - fwmark 0x10/0xff iif l lookup 1000
      - {to: fd01::/64, lookup: main}
      - from 10.7.0.0/16 prohibit
    dad: true
  a: {addresses: {l: [10.1.0.2/24, "fd01::2/64"]}}
  b: {addresses: {r: 10.2.0.2/24}}
links: [[gw:l, a:l], [gw:r, b:r]]
"""


def test_routes_are_as_declared(started: Started) -> None:
    """Those that lead nowhere, in other tables, with a source of their own."""
    lab = started(ROUTES)
    told = {
        (one.get("type", "unicast"), one["dst"], one.get("table", "main"), one.get("metric", 0))
        for one in said(lab, "gw", "ip -j -d route show table all")
        if one["protocol"] == "static"
    }
    assert told == {
        ("blackhole", "10.9.0.0/16", "main", 0),
        ("unreachable", "10.10.0.0/16", "main", 7),
        ("prohibit", "10.11.0.0/16", "main", 0),
        ("throw", "10.12.0.0/16", "100", 0),
        ("unicast", "default", "100", 0),
        ("unicast", "10.3.0.0/16", "1000", 5),
        ("blackhole", "fd09::/32", "main", 1024),
    }
    mine = {
        (route.type, route.destination, route.table, route.metric): route
        for route in lab.snapshot(["gw"]).node("gw").routes
        if route.protocol == "static"
    }
    assert set(mine) == {
        ("blackhole", "10.9.0.0/16", 254, 0),
        ("unreachable", "10.10.0.0/16", 254, 7),
        ("prohibit", "10.11.0.0/16", 254, 0),
        ("throw", "10.12.0.0/16", 100, 0),
        ("unicast", "0.0.0.0/0", 100, 0),
        ("unicast", "10.3.0.0/16", 1000, 5),
        ("blackhole", "fd09::/32", 254, 1024),
    }
    chosen = mine["unicast", "10.3.0.0/16", 1000, 5]
    assert (chosen.via, chosen.source) == ("10.2.0.2", "10.2.0.9")


def test_policy_rules_are_as_declared(started: Started) -> None:
    """In the order of the file, those without a priority just before the main table's."""
    lab = started(ROUTES)
    told = {one["priority"]: one for one in said(lab, "gw", "ip -j rule show")}
    assert (told[1000]["src"], told[1000]["table"]) == ("10.1.0.0", "100")
    marked = told[32763]
    assert (marked["fwmark"], marked["fwmask"], marked["iif"]) == ("0x10", "0xff", "l")
    assert told[32765]["action"] == "prohibit"
    mine = {
        (rule.family, rule.priority): rule
        for rule in lab.snapshot(["gw"]).node("gw").policy_rules
        if 0 < rule.priority < 32766
    }
    assert set(mine) == {("ip", 1000), ("ip", 32763), ("ip6", 32764), ("ip", 32765)}
    rule = mine[Family.IP, 32763]
    assert (rule.conditions, rule.values) == (
        ("iif", "fwmark"),
        {"iif": "l", "fwmark": "0x10/0xff"},
    )
    assert (mine[Family.IP6, 32764].destination, mine[Family.IP6, 32764].table) == (
        "fd01::/64",
        254,
    )
    last = mine[Family.IP, 32765]
    assert (last.action, last.source, last.table) == ("prohibit", "10.7.0.0/16", 0)


def test_duplicates_are_looked_for_before_the_lab_stands(started: Started) -> None:
    """In the node that asks for it; elsewhere an address is usable at once."""
    lab = started(ROUTES)
    told = [
        one
        for device in said(lab, "gw", "ip -j -6 address show")
        for one in device.get("addr_info", ())
        if one["local"] == "fd01::1"
    ]
    assert [one.get("tentative", False) for one in told] == [False]
    addresses = {
        node: [a for a in link(lab, node, "l").addresses if a.ip.startswith("fd01")]
        for node in ("gw", "a")
    }
    assert [one.nodad for one in addresses["gw"] + addresses["a"]] == [False, True]


DEVICES = """
name: devices
nodes:
  host:
    bridges: {br0: {}}
    devices:
      vx0: {kind: vxlan, id: 42, local: 10.0.0.1, remote: 10.0.0.2, bridge: br0, mtu: 1400}
      tap0: {kind: tap, bridge: br0, isolated: true, mac: "02:00:00:00:00:7a", mtu: 1300}
    addresses: {up: 10.0.0.1/24}
  peer:
    addresses: {up: 10.0.0.2/24, vx0: 192.168.7.2/24}
    devices:
      vx0:
        kind: vxlan
        id: 42
        local: 10.0.0.2
        over: up
        mac_learning: false
        fdb: {"00:00:00:00:00:00": [10.0.0.1, 10.0.0.9], "02:00:00:00:00:09": 10.0.0.9}
  c1:
    devices: {mv0: {kind: macvlan, over: "host:low", queues: 2}}
    addresses: {mv0: 10.5.0.1/24}
  c2:
    devices: {mv0: {kind: macvlan, over: "host:low", mac: "02:00:00:00:00:c2"}}
    addresses: {mv0: 10.5.0.2/24}
  far:
    devices: {mv1: {kind: macvlan, over: e, mode: private}}
    addresses: {e: 10.5.0.3/24}
  ns1: {addresses: {a: 192.168.7.1/24}}
links:
  - [host:up, peer:up]
  - [host:low, far:e]
  - [ns1:a, host:p1@br0]
"""


def test_devices_are_as_declared(started: Started) -> None:
    """By iproute2, and by the snapshot: what each lies over, in whichever node."""
    lab = started(DEVICES)
    told = {one["ifname"]: one for one in said(lab, "host", "ip -d -j link show")}
    vx0 = told["vx0"]["linkinfo"]["info_data"]
    assert [vx0[key] for key in ("id", "local", "remote", "port", "learning")] == [
        *(42, "10.0.0.1", "10.0.0.2", 4789, True),
    ]
    tap0 = told["tap0"]
    assert (tap0["linkinfo"]["info_data"]["type"], tap0["master"]) == ("tap", "br0")
    assert (tap0["address"], tap0["mtu"]) == ("02:00:00:00:00:7a", 1300)
    (mv0,) = said(lab, "c1", "ip -d -j link show dev mv0")
    assert mv0["linkinfo"]["info_data"]["mode"] == "bridge"
    assert link(lab, "host", "vx0").vxlan == Vxlan(
        id=42, local="10.0.0.1", remote="10.0.0.2", port=4789
    )
    away = link(lab, "peer", "vx0")
    assert away.vxlan == Vxlan(id=42, local="10.0.0.2", learning=False)
    assert str(away.over) == "peer/up"
    assert (link(lab, "host", "tap0").kind, link(lab, "host", "tap0").master) == ("tap", "br0")
    assert link(lab, "host", "tap0").port == PortOptions(isolated=True, cost=2)
    first = link(lab, "c1", "mv0")
    assert (first.macvlan, str(first.over), first.queues) == ("bridge", "host/low", 2)
    assert link(lab, "c2", "mv0").mac == "02:00:00:00:00:c2"
    own = link(lab, "far", "mv1")
    assert (own.macvlan, str(own.over), own.up) == ("private", "far/e", True)


def test_remotes_are_as_declared(started: Started) -> None:
    lab = started(DEVICES)
    told = {
        (one["mac"], one["dst"])
        for one in said(lab, "peer", "bridge -j fdb show dev vx0")
        if "dst" in one
    }
    mine = lab.snapshot().node("peer").remotes
    assert {(one.mac, one.remote) for one in mine} == told
    assert told == {
        ("00:00:00:00:00:00", "10.0.0.1"),
        ("00:00:00:00:00:00", "10.0.0.9"),
        ("02:00:00:00:00:09", "10.0.0.9"),
    }
    assert all(one.static and one.dev == "vx0" for one in mine)


@pytest.mark.parametrize(
    ("source", "target", "way"),
    [
        ("ns1", "192.168.7.2", ["ns1", "host", "peer"]),
        ("c1", "10.5.0.2", ["c1", "host", "c2"]),
        ("c1", "10.5.0.3", ["c1", "host", "far"]),
        ("far", "10.5.0.1", ["far", "host", "c1"]),
    ],
)
def test_a_packet_is_followed_through_them(
    started: Started, source: str, target: str, way: list[str]
) -> None:
    """Over a vxlan, and between macvlan devices and what lies below: nothing is left untold."""
    lab = started(DEVICES)
    result = lab.ping(source, target)
    assert result.replied
    told = {journey.title: journey for journey in result.journeys}
    echoes = [journey for title, journey in told.items() if title.startswith("echo")]
    assert [journey.fate for journey in echoes] == [
        Fate.DELIVERED
    ] * 2  # an ARP reply may be unseen
    assert list(dict.fromkeys(hop.node for hop in hops(told["echo request"]))) == way
    assert [hop.node for hop in hops(told["echo reply"])] == way[::-1]
    assert not any("no step here explains" in note for note in result.notes)


def test_a_macvlan_comes_up_over_a_device_that_is_down(started: Started) -> None:
    """It has no carrier, then, and takes a route; both work as soon as the device is up."""
    lab = started(
        DEVICES.replace(
            "    addresses: {up: 10.0.0.1/24}",
            "    addresses: {up: 10.0.0.1/24}\n    down: [low]",
            1,
        ).replace(
            "addresses: {mv0: 10.5.0.1/24}",
            "addresses: {mv0: 10.5.0.1/24}\n    routes: [default via 10.5.0.3]",
        )
    )
    assert not link(lab, "host", "low").up
    assert [(one.up, one.carrier) for one in (link(lab, "c1", "mv0"), link(lab, "far", "mv1"))] == [
        *((True, False), (True, False)),
    ]
    assert [route["dev"] for route in said(lab, "c1", "ip -j route show default")] == ["mv0"]
    assert lab.differences().changes == ()
    lab.change(Lab.from_text(DEVICES, file="network.yaml").spec(), DEVICES)
    assert lab.ping("c1", "10.5.0.3").replied


TRAFFIC = """
name: traffic
nodes:
  a: {addresses: {e: 10.0.0.1/24}, devices: {t: {kind: tap, rate: 40gbit}}}
  b: {addresses: {e: 10.0.0.2/24}}
links:
  - ends:
      - a:e
      - {end: b:e, rate: {rate: 2mbit, kind: htb, ceil: 4mbit, burst: 15kb}}
    rate: {rate: 10mbit, burst: 32kb, latency: 20ms}
"""


def test_rates_are_as_declared(started: Started) -> None:
    """As tc tells them; the burst is what the kernel's ticks make of it."""
    lab = started(TRAFFIC)
    (tbf,) = [one for one in said(lab, "a", "tc -j qdisc show") if one.get("dev") == "e"]
    assert (tbf["kind"], tbf["options"]["rate"]) == ("tbf", 10_000_000 // 8)
    htb = lab.run("b", ["tc", "class", "show", "dev", "e"]).stdout.decode()
    assert "class htb 1:1 root" in htb
    assert "rate 2Mbit ceil 4Mbit burst 15Kb" in htb
    now = lab.snapshot()
    mine = {one.dev: one.options for one in now.node("a").qdiscs}
    assert set(mine) == {"e", "t"}
    limit = 10_000_000 // 8 * 20 // 1000 + 32768
    assert mine[DevName("e")] == Tbf(rate=10_000_000, burst=32768, limit=limit)
    fast = mine[DevName("t")]
    assert isinstance(fast, Tbf)
    assert fast.rate == 40_000_000_000
    (other,) = now.node("b").qdiscs
    assert (other.kind, other.handle, other.parent) == ("htb", "1:", "root")
    assert other.options == Htb(rate=2_000_000, ceil=4_000_000, burst=15360)


def test_a_rate_holds_back_what_is_sent(started: Started) -> None:
    """More at once than the queue holds is dropped, and counted."""
    lab = started(TRAFFIC.replace("burst: 32kb, latency: 20ms", "burst: 2kb, latency: 1ms"))
    at_once = "ping -q -c 20 -l 20 -s 1400 -W 1 10.0.0.2"
    assert lab.run("a", at_once.split()).code in (0, 1)
    (tbf,) = [one for one in lab.snapshot(["a"]).node("a").qdiscs if one.dev == "e"]
    assert tbf.sent > 0
    assert tbf.dropped > 0


LINE = """
name: line
nodes: {a: {addresses: {e: 10.0.0.1/24}}, b: {addresses: {e: 10.0.0.2/24}}}
links: [{ends: [a:e, b:e], delay: 20ms, jitter: 2ms, loss: 1%, reorder: 25%, rate: 10mbit}]
"""


def test_a_line_is_as_declared(started: Started) -> None:
    """Or this kernel's lack of netem is told by its option and the lab's line."""
    try:
        lab = started(LINE)
    except CannotError as error:
        tells(error, "CONFIG_NET_SCH_NETEM")
        pytest.skip("this kernel has no netem")
    line, rate = lab.snapshot(["a"]).node("a").qdiscs
    assert line.options == Netem(delay=20_000_000, jitter=2_000_000, loss=1.0, reorder=25.0)
    assert (rate.parent, rate.kind) == ("1:1", "tbf")
    told = {one["kind"]: one for one in said(lab, "a", "tc -j qdisc show dev e")}
    assert told["netem"]["options"]["delay"]["delay"] == 0.02
