"""Each kind of part of a lab that stands: it is changed, added, removed, drifts and is mended.

Every test here is of every case: one more case is one more line of a table.
"""

import re
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from changing import become, declared, standing, struck, writes_of
from changinglabs import changing_labs
from essence import essence, unlike
from hopscope.errors import CannotError, HopscopeError
from hopscope.lab.running import RunningLab
from permitted import TAPS

pytestmark = pytest.mark.kernel


def lab(
    bridge: str = "",
    port: str = "",
    end: str = "",
    link: str = "",
    ns1: str = "",
    ns2: str = "",
    host: str = "",
    at: str = "@br0",
) -> str:
    """Two nodes on a bridge, with these additions."""
    return f"""
name: lab
nodes:
  host:
    bridges: {{br0: {{{bridge}}}}}
    {host}
  ns1: {{addresses: {{eth0: 10.0.0.1/24}}, {ns1}}}
  ns2: {{addresses: {{eth0: 10.0.0.2/24}}, {ns2}}}
links:
  - {{ends: [{{end: "ns1:eth0", {end}}}, {{end: "host:p1{at}", {port}}}], {link}}}
  - [ns2:eth0, host:p2@br0]
"""


def vxlan(more: str = "") -> str:
    """With a vxlan device on the bridge."""
    number = "" if "id:" in more else "id: 42,"
    return lab(
        host=f"devices: {{vx: {{kind: vxlan, {number} remote: 192.0.2.2, bridge: br0, {more}}}}}"
    )


PLAIN: Final = lab()
MAC, ANY = '"02:00:00:00:00:99"', '"00:00:00:00:00:00"'
X: Final = ", routes: [10.7.0.0/16 dev x, 10.8.0.0/16 via 10.0.0.2]"
CHANGES: Final = {
    "two addresses of one network": (
        PLAIN.replace("10.0.0.1/24", "[10.3.0.1/24, 10.3.0.2/24, 10.3.0.3/24]"),
        PLAIN,
    ),
    "ageing": (lab("ageing: 60"), lab("ageing: 12.34")),
    "ageing, added": (PLAIN, lab("ageing: 60")),
    "delay and priority": (lab("forward_delay: 4, stp: true"), lab("priority: 7")),
    "a tree with another delay": (PLAIN, lab("forward_delay: 2, stp: true, ageing: 0")),
    "isolated": (PLAIN, lab(port="isolated: true")),
    "hairpin for isolated": (lab(port="hairpin: true"), lab(port="isolated: true, flood: false")),
    "learning": (PLAIN, lab(port="learning: false")),
    "a cost": (lab(port="cost: 7"), lab(port="cost: 9")),
    "a cost, added": (PLAIN, lab(port="cost: 7, isolated: true")),
    "a rate": (lab(link="rate: 10mbit"), lab(link="rate: 1mbit")),
    "a rate, added": (PLAIN, lab(end="rate: 10mbit")),
    "htb": (
        lab(end="rate: {rate: 10mbit, kind: htb, ceil: 20mbit}"),
        lab(end="rate: {rate: 10mbit, kind: htb, ceil: 30mbit, burst: 64kb}"),
    ),
    "htb for tbf": (lab(end="rate: {rate: 7gbit, kind: htb}"), lab(end="rate: 7gbit")),
    "a rate on another end": (lab(end="rate: 333kbit"), lab(port="rate: 333kbit")),
    "policy": (
        lab(
            ns1="policy: [{from: 10.0.0.1, lookup: 100}], routes: [default via 10.0.0.2 table 100]"
        ),
        lab(ns1="policy: [from 10.0.0.1 prohibit priority 9, fwmark 7 lookup main]"),
    ),
    "policy, added": (PLAIN, lab(ns1="policy: [{iif: eth0, to: 10.9.0.0/16, action: blackhole}]")),
    "policy of IPv6": (PLAIN, lab(ns1='policy: [{from: "fd00::/8", lookup: main, priority: 5}]')),
    "a static entry": (lab(f"fdb: {{{MAC}: p1}}"), lab(f"fdb: {{{MAC}: p2}}")),
    "a static entry, added": (PLAIN, lab(f"fdb: {{{MAC}: p1}}", port="isolated: true")),
    "remotes": (
        vxlan(f"fdb: {{{MAC}: 192.0.2.3, {ANY}: [192.0.2.4, 192.0.2.5]}}"),
        vxlan(f"fdb: {{{MAC}: 192.0.2.9, {ANY}: [192.0.2.5, 192.0.2.6]}}"),
    ),
    "remotes, added": (vxlan(), vxlan(f"fdb: {{{MAC}: 192.0.2.3, {ANY}: 192.0.2.4}}")),
    "a vxlan": (PLAIN, vxlan(f"fdb: {{{MAC}: 192.0.2.3}}, isolated: true")),
    "another id": (vxlan(f"fdb: {{{MAC}: 192.0.2.3}}"), vxlan("id: 43")),
    "a vxlan as a macvlan": (
        lab(ns1=f"devices: {{x: {{kind: vxlan, id: 4, over: eth0}}}}{X}"),
        lab(ns1=f"devices: {{x: {{kind: macvlan, over: eth0}}}}{X}"),
    ),
    "a macvlan": (PLAIN, lab(ns1=f"devices: {{x: {{kind: macvlan, over: eth0}}}}{X}")),
    "another mode": (
        lab(ns1=f"devices: {{x: {{kind: macvlan, over: eth0, mode: passthru}}}}{X}"),
        lab(ns1=f"devices: {{x: {{kind: macvlan, over: eth0, mode: private}}}}{X}"),
    ),
    "over another": (
        lab(ns1="devices: {x: {kind: macvlan, over: eth0}}"),
        lab(ns1="devices: {x: {kind: macvlan, over: 'host:br0'}}"),
    ),
    "in another node": (
        lab(ns1="devices: {x: {kind: macvlan, over: 'host:br0', mac: '02:00:00:00:00:77'}}"),
        lab(ns2="devices: {x: {kind: macvlan, over: 'host:br0', mac: '02:00:00:00:00:77'}}"),
    ),
    "another MTU below": (
        lab(ns1="devices: {x: {kind: macvlan, over: eth0}, y: {kind: vxlan, id: 4, over: eth0}}"),
        lab(
            ns1="devices: {x: {kind: macvlan, over: eth0}, y: {kind: vxlan, id: 4, over: eth0}}",
            link="mtu: 1400",
        ),
    ),
    "another device below": (
        lab(ns1=f"devices: {{x: {{kind: macvlan, over: eth0}}}}{X}"),
        lab(ns1=f"devices: {{x: {{kind: macvlan, over: eth0}}}}{X}", link="queues: 2"),
    ),
    "a port below": (PLAIN, lab(host="devices: {x: {kind: macvlan, over: p1}}", at="")),
    "a vxlan over a macvlan": (
        lab(ns1="devices: {a: {kind: vxlan, id: 4, over: x}, x: {kind: macvlan, over: eth0}}"),
        lab(ns1="devices: {a: {kind: vxlan, id: 4, over: eth0}, x: {kind: macvlan, over: a}}"),
    ),
    "a tap": (PLAIN, lab(host="devices: {tap0: {kind: tap, bridge: br0, mtu: 1400, cost: 3}}")),
    "another tap": (
        lab(host="devices: {tap0: {kind: tap, mac: '02:00:00:00:00:78'}}"),
        lab(host="devices: {tap0: {kind: tap, bridge: br0}, u: {kind: tap}}\n    down: [u]"),
    ),
    "queues": (PLAIN, lab(link="queues: 4")),
    "queues of one end": (lab(end="queues: 2"), lab(port="queues: 2", link="rate: 1mbit")),
    "queues of a macvlan": (
        lab(ns1=f"devices: {{x: {{kind: macvlan, over: eth0, queues: 3}}}}{X}"),
        lab(ns1=f"devices: {{x: {{kind: macvlan, over: eth0}}}}{X}"),
    ),
    "dad": (
        lab(ns2="lo: true").replace("10.0.0.2/24", "'fd00::2/64', lo: 'fd00::3/128'"),
        lab(ns2="dad: true").replace("10.0.0.2/24", "'fd00::2/64', lo: 'fd00::3/128'"),
    ),
}
"""Two labs, of which each becomes the other."""

WAYS: Final = [
    pytest.param(*(pair if there else reversed(pair)), id=f"{name}, {'there' if there else 'back'}")
    for name, pair in CHANGES.items()
    for there in (True, False)
]


@pytest.mark.parametrize(("first", "then"), WAYS)
def test_what_it_becomes_is_what_it_would_be(records: Path, first: str, then: str) -> None:
    """As if it had been built so; another time nothing is written."""
    with standing(then) as one:
        wanted = essence(one.snapshot())
    with standing(first) as one:
        planned = one.differences(declared(then))
        assert one.change(declared(then), then) == planned.changes != ()
        assert unlike(essence(one.snapshot()), wanted) == []
        assert writes_of(one, then) == []


@pytest.mark.parametrize(("first", "then"), WAYS)
def test_a_failure_at_any_step_leads_back(records: Path, first: str, then: str) -> None:
    """Each single step fails once; the lab is as before, and the next change works."""
    with standing(first) as one:
        before = essence(one.snapshot())
        for budget in range(100):
            told = _struck(one, then, budget)
            if not told:
                break
            assert "injected" in told
            assert "could not be restored" not in told
            assert unlike(essence(one.snapshot()), before) == [], f"after {budget} steps"
        assert budget > 0
        assert writes_of(one, then) == []


def _struck(one: RunningLab, then: str, budget: int) -> str:
    """What is told of a failure after so many steps; "" when there are no more."""
    told: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        fault = struck(one, patch, budget)
        try:
            become(one, then)
        except HopscopeError as error:
            told = [str(error), str(error.__cause__), *getattr(error, "__notes__", [])]
    return "".join(told) if fault.struck else ""


POLICY: Final = lab(ns1="policy: [{from: 10.0.0.1, lookup: main, priority: 9}]")
ENTRY: Final = lab(f"fdb: {{{MAC}: p1}}")
REMOTE: Final = vxlan(f"fdb: {{{MAC}: 192.0.2.3}}")
OVER: Final = lab(ns1=f"devices: {{x: {{kind: macvlan, over: eth0}}}}{X}")
TAP: Final = lab(host="devices: {tap0: {kind: tap, bridge: br0, cost: 3}}")
TUNNEL: Final = lab(ns1="devices: {x: {kind: vxlan, id: 4, remote: 192.0.2.2, over: eth0}}")
SIX: Final = PLAIN.replace("10.0.0.2/24", "'fd00::2/64'")
DRIFT: Final = {
    "ageing": (lab("ageing: 60"), "host", "ip link set br0 type bridge ageing_time 700"),
    "usual ageing": (PLAIN, "host", "ip link set br0 type bridge ageing_time 700"),
    "delay": (PLAIN, "host", "ip link set br0 type bridge forward_delay 500"),
    "priority": (lab("priority: 7"), "host", "ip link set br0 type bridge priority 8"),
    "isolated": (lab(port="isolated: true"), "host", "bridge link set dev p1 isolated off"),
    "hairpin": (PLAIN, "host", "bridge link set dev p2 hairpin on"),
    "learning": (PLAIN, "host", "bridge link set dev p2 learning off"),
    "flood": (PLAIN, "host", "bridge link set dev p2 flood off"),
    "cost": (lab(port="cost: 7"), "host", "bridge link set dev p1 cost 9"),
    "usual cost": (PLAIN, "host", "bridge link set dev p1 cost 9"),
    "a port out": (lab(port="cost: 7, isolated: true"), "host", "ip link set p1 nomaster"),
    "a link": (lab(port="cost: 7, isolated: true"), "host", "ip link del p1"),
    "a bridge": (lab("ageing: 60", "isolated: true"), "host", "ip link del br0"),
    "a rate": (
        lab(end="rate: 10mbit"),
        "ns1",
        "tc qdisc change dev eth0 root tbf rate 1mbit burst 5000 latency 9ms",
    ),
    "a rate removed": (lab(end="rate: 10mbit"), "ns1", "tc qdisc del dev eth0 root"),
    "a rate added": (
        PLAIN,
        "ns1",
        "tc qdisc add dev eth0 root tbf rate 1mbit burst 5000 latency 9ms",
    ),
    "a class": (
        lab(end="rate: {rate: 10mbit, kind: htb}"),
        "ns1",
        "tc class change dev eth0 classid 1:1 htb rate 11mbit",
    ),
    "another kind": (
        lab(end="rate: 10mbit"),
        "ns1",
        "tc qdisc replace dev eth0 root handle 2: pfifo",
    ),
    "a queueing discipline below": (
        lab(end="rate: 10mbit"),
        "ns1",
        "tc qdisc add dev eth0 parent 1:1 handle 7: pfifo limit 5",
    ),
    "one for what comes in": (
        lab(end="rate: 10mbit"),
        "ns1",
        "tc qdisc add dev eth0 handle ffff: ingress",
    ),
    "a device with a rate": (lab(end="rate: 10mbit"), "ns1", "ip link del eth0"),
    "a route for a tos": (PLAIN, "ns1", "ip route add 1.1.1.0/24 via 10.0.0.2 tos 8"),
    "a route of a nexthop": (
        PLAIN,
        "ns1",
        (
            "ip nexthop add id 6 via 10.0.0.2 dev eth0; ip route add 10.5.0.0/24 nhid 6;"
            "ip nexthop add id 7 group 6; ip route add 10.6.0.0/24 nhid 7"
        ),
    ),
    "several next hops for one": (
        lab(ns1="routes: [default via 10.0.0.2]"),
        "ns1",
        "ip route replace default nexthop via 10.0.0.2 nexthop via 10.0.0.9 weight 3",
    ),
    "several next hops of IPv6": (
        SIX,
        "ns2",
        "ip route add fd09::/64 nexthop via fd00::8 dev eth0 nexthop via fd00::9 dev eth0",
    ),
    "a gateway of the other family": (
        SIX,
        "ns2",
        "ip route add 10.78.0.0/16 via inet6 fd00::9 dev eth0",
    ),
    "a route to itself": (PLAIN, "ns1", "ip route add local 10.99.0.0/16 dev lo"),
    "another MTU of a route": (
        lab(ns1="routes: [default via 10.0.0.2]"),
        "ns1",
        "ip route change default via 10.0.0.2 mtu lock 600 advmss 500",
    ),
    "another MTU of an IPv6 route": (
        lab(ns2="routes: ['fd09::/64 via fd00::9']").replace("10.0.0.2/24", "'fd00::2/64'"),
        "ns2",
        "ip route replace fd09::/64 via fd00::9 hoplimit 9 mtu 1300",
    ),
    "a route of a narrow scope": (
        PLAIN,
        "ns1",
        "ip route add 10.98.0.0/16 dev eth0 scope host",
    ),
    "a rule": (POLICY, "ns1", "ip rule del pref 9; ip rule add pref 9 from 10.0.0.1 blackhole"),
    "a rule removed": (POLICY, "ns1", "ip rule del pref 9"),
    "a rule added": (POLICY, "ns1", "ip rule add pref 8 fwmark 0/3 lookup 7"),
    "a rule of IPv6": (PLAIN, "ns1", "ip -6 rule add pref 8 from fd00::1 lookup 7"),
    "a rule beside another": (POLICY, "ns1", "ip rule add pref 9 iif lo unreachable"),
    "rules that no lab declares": (
        POLICY,
        "ns1",
        "ip rule add pref 9 tos 0x10 lookup 7; ip rule add pref 9 ipproto icmp lookup 7",
    ),
    "the usual rules removed": (PLAIN, "ns1", "ip rule flush; ip -6 rule del pref 32766"),
    "a static entry removed": (ENTRY, "host", f"bridge fdb del {MAC} dev p1 master"),
    "a static entry moved": (ENTRY, "host", f"bridge fdb replace {MAC} dev p2 master static"),
    "a static entry added": (
        ENTRY,
        "host",
        "bridge fdb add 02:00:00:00:00:98 dev p2 master static",
    ),
    "a permanent entry added": (ENTRY, "host", "bridge fdb add 02:00:00:00:00:98 dev p2 master"),
    "a static entry made permanent": (ENTRY, "host", f"bridge fdb replace {MAC} dev p1 master"),
    "an entry that was learnt": (
        ENTRY,
        "host",
        f"bridge fdb del {MAC} dev p1 master; bridge fdb add {MAC} dev p2 master dynamic",
    ),
    "a remote removed": (REMOTE, "host", f"bridge fdb del {MAC} dev vx dst 192.0.2.3"),
    "a remote replaced": (REMOTE, "host", f"bridge fdb replace {MAC} dev vx dst 192.0.2.7"),
    "a remote added": (REMOTE, "host", f"bridge fdb append {ANY} dev vx dst 192.0.2.7"),
    "its own remote removed": (REMOTE, "host", f"bridge fdb del {ANY} dev vx dst 192.0.2.2"),
    "its own remote removed, over a device": (
        TUNNEL,
        "ns1",
        f"bridge fdb del {ANY} dev x dst 192.0.2.2 via eth0",
    ),
    "a remote added, over a device": (
        TUNNEL,
        "ns1",
        f"bridge fdb append {ANY} dev x dst 192.0.2.9 via eth0 port 99",
    ),
    "a vxlan removed": (REMOTE, "host", "ip link del vx"),
    "another vxlan": (
        REMOTE,
        "host",
        "ip link del vx; ip link add vx type vxlan id 9 dstport 4789 remote 192.0.2.2",
    ),
    "a macvlan removed": (OVER, "ns1", "ip link del x"),
    "another mode": (OVER, "ns1", "ip link set x type macvlan mode private"),
    "a macvlan taken down": (OVER, "ns1", "ip link set x down"),
    "the device below removed": (OVER, "ns1", "ip link del eth0"),
    "a macvlan added": (PLAIN, "ns1", "ip link add y link eth0 type macvlan mode passthru"),
    "a tap removed": (TAP, "host", "ip link del tap0"),
    "a tap changed": (TAP, "host", "ip link set tap0 mtu 1300 address 02:00:00:00:00:66 nomaster"),
    "a tap added": (PLAIN, "host", "ip tuntap add tap1 mode tap"),
    "an address with dad": (
        SIX,
        "ns2",
        "ip addr del fd00::2/64 dev eth0; ip addr add fd00::2/64 dev eth0",
    ),
    "another number of queues": (
        PLAIN,
        "ns2",
        "ip link del eth0; ip link add eth0 numtxqueues 2 type veth peer name p2",
    ),
}
"""A lab, a node, and a command that someone types there."""


@pytest.mark.parametrize(
    "drift", [pytest.param(one, marks=TAPS) if one == "a tap added" else one for one in DRIFT]
)
def test_what_was_changed_by_hand_is_seen_and_mended(records: Path, drift: str) -> None:
    """By diff, and by up, which writes nothing another time."""
    text, node, command = DRIFT[drift]
    with standing(text) as one:
        before = essence(one.snapshot())
        done = one.run(node, ["sh", "-ec", command])
        assert done.code == 0, done.stderr
        seen = one.differences().changes
        assert seen
        assert one.change(declared(text), text) == seen
        assert unlike(essence(one.snapshot()), before) == []
        assert writes_of(one, text) == []


def test_on_the_way_back_what_is_made_by_hand_stays(records: Path) -> None:
    """Also what no lab file can declare, and two ends of a link with different MTUs."""
    by_hand = """
        ip tuntap add made mode tun && ip addr add 10.55.0.1/24 dev made && ip link set made up
        ip route add 10.56.0.0/16 dev made && ip link set eth0 mtu 1300
        ip route add 10.57.0.0/16 nexthop via 10.0.0.2 nexthop via 10.0.0.9
        ip route add local 10.58.0.0/16 dev lo && ip route add 10.59.0.0/16 dev eth0 tos 8
        ip rule add pref 7 tos 0x10 lookup 9 && tc qdisc add dev eth0 root pfifo limit 7
    """
    with standing(PLAIN) as one:
        done = one.run("ns1", ["sh", "-ec", by_hand])
        assert done.code == 0, done.stderr
        before = essence(one.snapshot())
        told = _struck(one, lab("ageing: 60"), 0)
        assert "injected" in told
        assert "could not be restored" not in told
        assert unlike(essence(one.snapshot()), before) == []


LACKED: Final = {
    "VLAN filtering of bridges": lab("vlan_filtering: true, ageing: 60", "vlans: [5]"),
    "netem": lab("ageing: 60", end="delay: 10ms, rate: 1mbit"),
}


@pytest.mark.parametrize("what", LACKED)
def test_what_the_kernel_lacks_is_refused_and_nothing_is_changed(records: Path, what: str) -> None:
    """By the line that asks for it."""
    text = LACKED[what]
    with standing(PLAIN) as one:
        before = essence(one.snapshot())
        told = ""
        try:
            become(one, text)
        except CannotError as error:
            told = str(error)
        if told:
            assert re.match(r"lab.yaml:\d+:\d+: .* this kernel has no " + what, told)
            assert unlike(essence(one.snapshot()), before) == []
        else:  # this kernel has it
            assert writes_of(one, text) == []


@given(first=changing_labs(), then=changing_labs(), budget=st.integers(0, 60))
@settings(
    max_examples=20,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_failure_of_any_change_leads_back(
    records: Path, first: str, then: str, budget: int
) -> None:
    """Some are after the last step."""
    with standing(first) as one:
        before = essence(one.snapshot())
        told = _struck(one, then, budget)
        assert "could not be restored" not in told
        if told:
            assert "injected" in told
            assert unlike(essence(one.snapshot()), before) == []


def test_a_neighbour_that_was_found_becomes_permanent() -> None:
    """The kernel has an entry of its own making by then, as it may while a lab is built."""
    mac = "02:00:00:00:00:77"
    with standing(PLAIN) as running:
        assert running.run("ns1", ["ping", "-c1", "10.0.0.2"]).code == 0
        become(running, lab(ns1=f"neighbours: {{eth0: {{10.0.0.2: '{mac}'}}}}"))
        shown = running.run("ns1", ["ip", "neighbour", "show", "10.0.0.2"]).stdout.decode()
        assert f"lladdr {mac} PERMANENT" in shown
