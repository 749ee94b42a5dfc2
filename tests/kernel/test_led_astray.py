"""What led a packet astray below or beside the usual tables: told, and mended as told."""

import shlex

import pytest

from hopscope import Lab, StandingLab
from hopscope.model.journey import Reason, RouteStep, hops

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("records")]

VXLAN = """
name: vx
nodes:
  r:
    addresses: {l: 192.0.2.254/24, r: 198.51.100.254/24}
    sysctls: {net.ipv4.ip_forward: 1}
  h1:
    bridges: [br0]
    devices: {vx0: {kind: vxlan, id: 100, remote: 198.51.100.1, bridge: br0}}
    addresses: {u: 192.0.2.1/24}
    routes: [default via 192.0.2.254]
  h2:
    bridges: [br0]
    devices: {vx0: {kind: vxlan, id: 100, remote: 192.0.2.1, bridge: br0}}
    addresses: {u: 198.51.100.1/24}
    routes: [default via 198.51.100.254]
  a: {addresses: {eth0: 10.0.0.1/24}}
  b: {addresses: {eth0: 10.0.0.2/24}}
links: [[h1:u, r:l], [h2:u, r:r], [a:eth0, h1:p1@br0], [b:eth0, h2:p2@br0]]
"""
OVER = """
name: over
nodes:
  sw: {bridges: [br0]}
  host:
  b: {addresses: {eth0: 10.0.0.2/24}}
  a: {devices: {eth0: {kind: macvlan, over: 'host:up'}}, addresses: {eth0: 10.0.0.1/24}}
  c: {addresses: {eth0: 10.0.0.3/24}}
links: [[host:up, sw:p1@br0], [b:eth0, sw:p2@br0], [c:eth0, sw:p3@br0]]
"""
UNDER = OVER.replace("  a:", "  x:").replace("  b:", "  a:").replace("  x:", "  b:")
UNDER = UNDER.replace("[b:eth0, sw", "[a:eth0, sw")
ROUTED = """
name: routed
nodes:
  a: {addresses: {eth0: 10.1.0.2/24}, routes: [default via 10.1.0.1]}
  gw:
    addresses: {lan: 10.1.0.1/24, wan: 10.2.0.1/24}
    sysctls: {net.ipv4.ip_forward: 1}
  b: {addresses: {eth0: 10.2.0.2/24}, routes: [default via 10.2.0.1]}
links: [[a:eth0, gw:lan], [gw:wan, b:eth0]]
"""
FLAT = """
name: flat
nodes:
  sw: {bridges: [br0]}
  a: {addresses: {eth0: 10.0.0.1/24}}
  b: {addresses: {eth0: 10.0.0.2/24}}
links: [[a:eth0, sw:p1@br0], [b:eth0, sw:p2@br0]]
"""
SIX = FLAT.replace("10.0.0.1/24", "'fd00::1/64'").replace("10.0.0.2/24", "'fd00::2/64'")
ROUTED_SIX = """
name: six
nodes:
  a: {addresses: {eth0: 'fd01::2/64'}, routes: ['default via fd01::1']}
  gw:
    addresses: {lan: 'fd01::1/64', wan: 'fd02::1/64'}
    sysctls: {net.ipv6.conf.all.forwarding: 1}
  b: {addresses: {eth0: 'fd02::2/64'}, routes: ['default via fd02::1']}
links: [[a:eth0, gw:lan], [gw:wan, b:eth0]]
"""
STRICT = "net.ipv4.conf.%s.rp_filter=1"
TWICE = ROUTED.replace("eth0: 10.1.0.2/24", "eth0: 10.1.0.2/24, alt: 10.3.0.2/24")
TWICE = TWICE.replace("wan: 10.2", "alt: 10.3.0.1/24, wan: 10.2")
TWICE = TWICE.replace("links: [", "links: [[a:alt, gw:alt], ")
DEVICE = "nft 'table netdev t { chain c { type filter hook %s priority 0; %s }; }'"
FILTER = (
    "tc qdisc add dev lan clsact; tc filter add dev lan ingress protocol ip pref 5 "
    "u32 match ip protocol 1 0xff action mirred egress redirect dev lo"
)
ALL = "00:00:00:00:00:00"
UNFLOODED = f"bridge fdb del {ALL} dev vx0 dst 198.51.100.1"

CASES = {
    "no flood entry": (VXLAN, "h1", UNFLOODED, "h1/vx0 dropped it: it has no forwarding entry"),
    "another flood entry": (
        VXLAN,
        "h1",
        f"{UNFLOODED}; bridge fdb append {ALL} dev vx0 dst 198.51.100.77",
        "by its forwarding entry for what is for all, and h2/vx0 is at 198.51.100.1",
    ),
    "local of nobody": (
        VXLAN,
        "h1",
        "ip link set dev vx0 type vxlan local 192.0.2.9",
        "its packets are to come from 192.0.2.9, and h1 does not have that address",
    ),
    "back where it came from": (
        VXLAN,
        "h1",
        "bridge fdb replace $MAC dev p1 master static",
        "names p1, by which it came in, and b/eth0, whose address that is, is behind vx0",
    ),
    "device below is down": (
        OVER,
        "host",
        "ip link set dev up down",
        "a/eth0 has no carrier: host/up, which it lies over, is down",
    ),
    "device below has no carrier": (
        OVER,
        "sw",
        "ip link set p1 down",
        "a/eth0 has no carrier: host/up, which it lies over, has none: sw/p1 is down",
    ),
    "device below the other is down": (UNDER, "host", "ip link set dev up down", "host/up is down"),
    "ingress": (
        ROUTED,
        "gw",
        DEVICE % ("ingress device lan", "ip saddr 10.1.0.2 drop;"),
        "netdev t c, by its rule `ip saddr 10.1.0.2 drop`",
    ),
    "ingress, counted": (
        ROUTED,
        "gw",
        DEVICE % ("ingress device wan", "ip saddr 10.2.0.2 counter drop;"),
        "the rule `ip saddr 10.2.0.2 counter drop` of netdev t c dropped it",
    ),
    "ingress, policy": (
        ROUTED,
        "gw",
        DEVICE % ("ingress device lan", "policy drop; meta protocol arp accept;"),
        "netdev t c, whose policy is drop",
    ),
    "egress": (
        ROUTED,
        "gw",
        DEVICE % ("egress device wan", "ip saddr 10.1.0.2 drop;"),
        "netdev t c, by its rule `ip saddr 10.1.0.2 drop`",
    ),
    "filter of a router": (
        ROUTED,
        "gw",
        FILTER,
        "in gw, the filter `protocol ip pref 5 handle",
    ),
    "policy rule": (
        ROUTED,
        "gw",
        "ip rule add from 10.1.0.2 iif lan blackhole priority 77",
        "in gw, the policy rule 77 (from 10.1.0.2/32 iif lan) drops it silently (blackhole)",
    ),
    "policy rule, back": (
        ROUTED,
        "b",
        "ip rule add to 10.1.0.0/24 prohibit priority 78",
        "the policy rule 78 (from all to 10.1.0.0/24, prohibit) forbids the way back",
    ),
    "short prefix": (
        ROUTED,
        "a",
        "ip address flush dev eth0; ip address add 10.1.0.2/8 dev eth0",
        "has 10.1.0.2/8, which the lab file gives as 10.1.0.2/24; its route default via 10.1.0.1",
    ),
    "short prefix, back": (
        ROUTED,
        "b",
        "ip address flush dev eth0; ip address add 10.2.0.2/8 dev eth0",
        "b takes it to be on its link, because b/eth0 has 10.2.0.2/8, which",
    ),
    "long prefix": (
        FLAT,
        "a",
        "ip address flush dev eth0; ip address add 10.0.0.1/32 dev eth0",
        "that of its subnet is gone, because a/eth0 has 10.0.0.1/32, which",
    ),
    "long prefix, back": (
        FLAT,
        "b",
        "ip address flush dev eth0; ip address add 10.0.0.2/32 dev eth0",
        "that of its subnet, which is gone, because b/eth0 has 10.0.0.2/32, which",
    ),
    "long prefix, six": (
        SIX,
        "a",
        "ip address flush dev eth0; ip address add fd00::1/128 dev eth0 nodad",
        "because a/eth0 has fd00::1/128, which the lab file gives as fd00::1/64",
    ),
    "short prefix, six": (
        ROUTED_SIX,
        "b",
        "ip -6 address flush dev eth0; ip address add fd02::2/8 dev eth0 nodad",
        "because b/eth0 has fd02::2/8, which the lab file gives as fd02::2/64",
    ),
    "reverse path": (
        TWICE,
        "gw",
        f"sysctl -w {STRICT % 'all'} {STRICT % 'lan'}; ip route add 10.1.0.2 via 10.3.0.2",
        "does not lead through lan",
    ),
}  # the lab, where what breaks it, what that is, and what is told of a ping from a to b


def mended(lab: StandingLab, reason: Reason) -> None:
    """Do what the reason says: all of it is commands."""
    for line in reason.mend.split("; or ", maxsplit=1)[0].split("hopscope ")[1:]:
        words = shlex.split(line.removesuffix("; "))
        if words[0] == "exec":
            done = lab.run(words[2], words[4:])
            assert done.code == 0, done.stderr
        else:
            assert words[0] == "set", reason.mend
            for setting in words[3:]:
                key, _, value = setting.partition("=")
                lab.set_sysctl(words[2], key, value)


@pytest.mark.parametrize("name", CASES)
def test_what_led_it_astray_is_named_and_mended(name: str) -> None:
    """The commands are run as they stand."""
    text, node, words, said = CASES[name]
    with Lab.from_text(text).up() as lab:
        assert lab.ping("a", "b", timeout=1).replied
        mac = lab.snapshot().node("b").links[1].mac or ""
        done = lab.run(node, ["sh", "-c", words.replace("$MAC", mac)])
        assert done.code == 0, done.stderr
        if "$MAC" not in words:
            assert lab.run("a", ["ip", "neigh", "flush", "dev", "eth0"]).code == 0
        reason = lab.ping("a", "b", timeout=0.3).reason
        assert reason is not None
        assert said in reason.sentence
        mended(lab, reason)
        assert lab.ping("a", "b", timeout=1).replied, reason.mend


LED = """
name: led
nodes:
  a: {addresses: {eth0: 10.1.0.2/24}, routes: [default via 10.1.0.1]}
  b: {addresses: {eth0: 10.2.0.2/24}, routes: [default via 10.2.0.1]}
  gw:
    addresses: {lan1: 10.1.0.1/24, lan2: 10.2.0.1/24, up1: 10.8.1.2/24, up2: 10.8.2.2/24}
    sysctls: {net.ipv4.ip_forward: 1}
    routes: [default via 10.8.1.1 table 101, default via 10.8.2.1 table 102]
    policy:
      - from 10.1.0.0/24 lookup 101 priority 1001
      - from 10.2.0.0/24 lookup 102 priority 1002
  one: {addresses: {e: 10.8.1.1/24, lo: 192.0.2.1/32}, sysctls: {net.ipv4.ip_forward: 1}}
  two: {addresses: {e: 10.8.2.1/24}, sysctls: {net.ipv4.ip_forward: 1}}
links: [[a:eth0, gw:lan1], [b:eth0, gw:lan2], [gw:up1, one:e], [gw:up2, two:e]]
"""


def test_a_route_of_another_table_says_which_and_who_led_there() -> None:
    """The step says it where it is not main; a node that sent it past its own subnet is named."""
    with Lab.from_text(LED).up() as lab:
        lab.run("one", ["ip", "route", "add", "10.1.0.0/24", "via", "10.8.1.2"])
        found = lab.ping("a", "192.0.2.1", timeout=1)
        steps = [
            (hop.node, step.table, step.rule)
            for journey in found.journeys
            for hop in hops(journey)
            for step in hop.steps
            if isinstance(step, RouteStep)
        ]
        assert found.replied
        assert ("gw", 101, 1001) in steps
        assert ("a", None, None) in steps
        lab.run("one", ["ip", "route", "del", "10.1.0.0/24"])
        for source, uplink, table in (("10.1.0.0", "one", 101), ("10.2.0.0", "two", 102)):
            reason = lab.ping("a", "b", timeout=0.5).reason
            assert reason is not None
            assert f"{uplink} has no route to" in reason.sentence
            assert f"policy rule {900 + table} (from {source}/24) and" in reason.sentence
            mended(lab, reason)
        assert lab.ping("a", "b", timeout=1).replied
