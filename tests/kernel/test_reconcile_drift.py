"""What someone changes by hand in a lab that stands: it is seen, and mended, or else stays.

Each kind of part is one more line of a table.
"""

from pathlib import Path
from typing import Final

import pytest

from changing import become, declared, standing, told_when_struck, writes_of
from essence import essence, unlike
from hopscope.lab.running import RunningLab
from hopscope.model.change import Change, Subject
from partlabs import ANY, MAC, PLAIN, X, lab, vxlan
from permitted import TAPS

pytestmark = pytest.mark.kernel

POLICY: Final = lab(ns1="policy: [{from: 10.0.0.1, lookup: main, priority: 9}]")
ENTRY: Final = lab(f"fdb: {{{MAC}: p1}}")
REMOTE: Final = vxlan(f"fdb: {{{MAC}: 192.0.2.3}}")
OVER: Final = lab(ns1=f"devices: {{x: {{kind: macvlan, over: eth0}}}}{X}")
TAP: Final = lab(host="devices: {tap0: {kind: tap, bridge: br0, cost: 3}}")
TUNNEL: Final = lab(ns1="devices: {x: {kind: vxlan, id: 4, remote: 192.0.2.2, over: eth0}}")
GONE: Final = PLAIN.replace("br0", "br1")
SIX: Final = PLAIN.replace("10.0.0.2/24", "'fd00::2/64'")
DRIFT: Final = {
    "no ARP": (
        lab(ns1=f"neighbours: {{eth0: {{10.0.0.7: {MAC}}}}}"),
        "ns1",
        "ip link set eth0 arp off",
    ),
    "flags": (PLAIN, "ns1", "ip link set eth0 multicast off promisc on allmulticast on"),
    "flags of a bridge, a port and loopback": (
        PLAIN,
        "host",
        "ip link set br0 arp off; ip link set p1 promisc on; ip link set lo promisc on",
    ),
    "how a port is treated": (
        PLAIN,
        "host",
        (
            "bridge link set dev p2 neigh_suppress on; bridge link set dev p2 mcast_to_unicast on;"
            "bridge link set dev p2 bcast_flood off; bridge link set dev p2 mcast_flood off;"
            "bridge link set dev p2 guard on; bridge link set dev p2 root_block on;"
            "bridge link set dev p2 fastleave on; bridge link set dev p2 locked on;"
            "bridge link set dev p2 mcast_router 2; bridge link set dev p1 backup_port p2;"
            "ip link set p1 type bridge_slave group_fwd_mask 8 priority 9 proxy_arp on"
        ),
    ),
    "a port that someone shuts": (PLAIN, "host", "bridge link set dev p2 state 0"),
    "a bridge's own": (
        PLAIN,
        "host",
        (
            "ip link set br0 type bridge mcast_snooping 0 mcast_querier 1 mcast_router 2"
            " group_fwd_mask 8 nf_call_ip6tables 1 nf_call_arptables 1"
        ),
    ),
    "a macvlan's state, by its protocol": (OVER, "ns1", "ip link set x protodown on"),
    "the route of a subnet removed": (
        lab(ns1="routes: [default via 10.0.0.2]"),
        "ns1",
        "ip route flush table main",
    ),
    "the route of a subnet of IPv6 removed": (SIX, "ns2", "ip -6 route del fd00::/64 dev eth0"),
    "an address that the node does not take": (
        PLAIN.replace("10.0.0.1/24", "[10.0.0.1/24, 10.0.0.7/24]"),
        "ns1",
        "ip route del local 10.0.0.7 table local; ip route del local 10.0.0.1 table local",
    ),
    "an address without a route of its subnet": (
        PLAIN.replace("10.0.0.1/24", "[10.0.0.1/24, 10.0.0.7/24, 10.9.0.1/16]"),
        "ns1",
        "ip addr flush dev eth0; ip addr add 10.0.0.1/24 dev eth0 noprefixroute",
    ),
    "an address behind another that nobody declares": (
        lab(ns1="routes: [default via 10.0.0.2]"),
        "ns1",
        "ip addr flush dev eth0; for n in 9 1; do ip addr add 10.0.0.$n/24 dev eth0; done",
    ),
    "loopback's address removed": (PLAIN, "ns1", "ip addr flush dev lo"),
    "addresses in another order": (
        PLAIN.replace("10.0.0.1/24", "[10.0.0.1/24, 10.0.0.7/24, 10.9.0.1/16]"),
        "ns1",
        "ip addr del 10.0.0.1/24 dev eth0; ip addr add 10.0.0.1/24 dev eth0",
    ),
    "an alias and a group": (PLAIN, "ns1", "ip link set eth0 alias mine group 7"),
    "the weight of a next hop": (
        lab(ns1="routes: [10.9.0.0/16 nexthop via 10.0.0.2 nexthop via 10.0.0.9 weight 2]"),
        "ns1",
        "ip route replace 10.9.0.0/16 nexthop via 10.0.0.2 nexthop via 10.0.0.9 weight 3",
    ),
    "a gateway that is no longer on the link": (
        lab(ns1="routes: [10.9.0.0/16 via 10.0.0.2 dev eth0 onlink]"),
        "ns1",
        "ip route replace 10.9.0.0/16 via 10.0.0.2 dev eth0",
    ),
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
    "a route of a narrow scope": (
        PLAIN,
        "ns1",
        "ip route add 10.98.0.0/16 dev eth0 scope host",
    ),
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


OBJECTS: Final = """
    ip nexthop add id 6 via 10.0.0.2 dev eth0
    ip nexthop add id 3 dev eth0
    ip nexthop add id 9 via 10.9.9.9 dev eth0 onlink protocol static
    ip nexthop add id 7 group 6/9
    ip nexthop add id 8 blackhole
    ip nexthop add id 2 group 6/9 type resilient buckets 4 idle_timer 5
    ip nexthop add id 11 via 10.0.0.7 dev eth0 protocol zebra
    ip route add 10.5.0.0/24 nhid 7 && ip route add 10.6.0.0/24 nhid 8
"""


def objects(one: RunningLab) -> str:
    """And the routes that lead there."""
    done = one.run("ns1", ["sh", "-c", "ip -d nexthop show; ip route show"])
    return done.stdout.decode()


def test_nexthop_objects_are_seen_and_removed(records: Path) -> None:
    """But for those of a daemon."""
    with standing(PLAIN) as one:
        assert one.run("ns1", ["sh", "-ec", OBJECTS]).code == 0
        seen = [c for c in one.differences().changes if c.subject is Subject.NEXTHOP]
        assert [c.name for c in seen] == [
            "2 group 6,9",
            "7 group 6,9",
            "3 dev eth0",
            "6 via 10.0.0.2 dev eth0",
            "8 blackhole",
            "9 via 10.9.9.9 dev eth0",
        ]
        become(one, PLAIN)
        assert one.run("ns1", ["ip", "nexthop", "show"]).stdout.startswith(b"id 11 ")
        assert len(one.run("ns1", ["ip", "nexthop", "show"]).stdout.splitlines()) == 1
        assert writes_of(one, PLAIN) == []


PROXIES: Final = """
    ip neigh add proxy 10.0.0.77 dev eth0 && ip neigh add proxy fd00::77 dev eth0 router
    ip neigh add proxy 10.0.0.78 dev lo
"""


def proxies(one: RunningLab) -> list[str]:
    """As ip tells them."""
    return sorted(one.run("ns1", ["ip", "neigh", "show", "proxy"]).stdout.decode().splitlines())


def test_who_answers_for_others_is_seen_and_ends(records: Path) -> None:
    """Or answers again, after any step that fails, in all that the kernel tells."""
    with standing(PLAIN) as one:
        assert one.run("ns1", ["sh", "-ec", PROXIES]).code == 0
        before = proxies(one)
        assert len(before) == 3
        assert sorted(change.name for change in one.differences().changes) == [
            "proxy 10.0.0.77 on eth0",
            "proxy 10.0.0.78 on lo",
            "proxy fd00::77 on eth0",
        ]
        for budget in range(100):
            told = told_when_struck(one, PLAIN, budget)
            if not told:
                break
            assert "restored" not in told
            assert proxies(one) == before
        assert budget == 3
        assert proxies(one) == []
        assert writes_of(one, PLAIN) == []


def test_who_answers_for_others_does_again_where_the_device_is_made_anew(records: Path) -> None:
    """As it goes with its device."""
    then = PLAIN.replace("ns1:eth0", "ns1:eth1").replace("{eth0: 10.0.0.1", "{eth1: 10.0.0.1")
    with standing(PLAIN) as one:
        assert one.run("ns1", ["sh", "-ec", PROXIES]).code == 0
        before = proxies(one)
        for budget in (1, 3, 5):
            assert "restored" not in told_when_struck(one, then, budget)
            assert proxies(one) == before


def test_nexthop_objects_are_given_back(records: Path) -> None:
    """After any step that fails."""
    with standing(PLAIN) as one:
        assert one.run("ns1", ["sh", "-ec", OBJECTS]).code == 0
        before = objects(one)
        for budget in range(100):
            told = told_when_struck(one, PLAIN, budget)
            if not told:
                break
            assert "restored" not in told
            assert objects(one) == before
        assert budget > 0


ODD: Final = """
    ip link set br0 alias mine group 5 arp off && ip link set p1 promisc on
    ip link set br0 type bridge mcast_snooping 0 && bridge link set dev p1 neigh_suppress on
    bridge link set dev p2 state 0
"""


def test_what_no_lab_file_declares_of_a_device_is_told_and_given_back(records: Path) -> None:
    """After any step that fails; also where the device is made anew on the way there or back."""
    with standing(PLAIN) as one:
        assert one.run("host", ["sh", "-ec", ODD]).code == 0
        before = essence(one.snapshot())
        told = [_short(change) for change in one.differences().changes]
        assert told == [
            "p2 state disabled → forwarding",
            "br0 arp off → on",
            "br0 group 5 → 0",
            "br0 mcast_snooping off → on",
            "br0 alias mine → none",
            "p1 promisc on → off",
            "p1 neigh_suppress on → off",
        ]
        for then in (PLAIN, PLAIN.replace("10.0.0.1/24}", "10.0.0.1/24}, lo: false"), GONE):
            for budget in range(100):
                struck = told_when_struck(one, then, budget)
                if not struck:
                    break
                assert "restored" not in struck
                assert unlike(essence(one.snapshot()), before) == []
            assert budget > 0
            become(one, PLAIN)
            assert one.run("host", ["sh", "-ec", ODD]).code == 0


def _short(change: Change) -> str:
    return f"{change.name} {change.attribute} {change.before} → {change.after}"


def test_on_the_way_back_what_is_made_by_hand_stays(records: Path) -> None:
    """Also what no lab file can declare, and two ends of a link with different MTUs."""
    by_hand = """
        ip tuntap add made mode tun && ip addr add 10.55.0.1/24 dev made && ip link set made up
        ip route add 10.56.0.0/16 dev made && ip link set eth0 mtu 1300
        ip route add 10.57.0.0/16 nexthop via 10.0.0.2 nexthop via 10.0.0.9
        ip route add local 10.58.0.0/16 dev lo && ip route add 10.59.0.0/16 dev eth0 tos 8
        ip rule add pref 7 tos 0x10 lookup 9 && tc qdisc add dev eth0 root pfifo limit 7
        ip link set eth0 multicast off alias mine group 5
    """
    with standing(PLAIN) as one:
        done = one.run("ns1", ["sh", "-ec", by_hand])
        assert done.code == 0, done.stderr
        before = essence(one.snapshot())
        told = told_when_struck(one, lab("ageing: 60"), 0)
        assert "injected" in told
        assert "could not be restored" not in told
        assert unlike(essence(one.snapshot()), before) == []
