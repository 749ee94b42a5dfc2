"""What keeps a packet from its goal in layer 2, of IPv4 and IPv6: told, and mended as told."""

import shlex

import pytest

from hopscope import Lab, StandingLab
from hopscope.model.journey import Reason

pytestmark = pytest.mark.kernel

BRIDGE = """
name: flat
nodes:
  sw: {bridges: [br0]}
  a: {addresses: {eth0: [10.0.0.1/24, 'fd00::1/64']}}
  b: {addresses: {eth0: [10.0.0.2/24, 'fd00::2/64']}}
links: [[a:eth0, sw:pa@br0], [b:eth0, sw:pb@br0]]
"""
ROUTER = """
name: routed
nodes:
  a:
    addresses: {eth0: [10.1.0.2/24, 'fd01::2/64']}
    routes: [default via 10.1.0.1, 'default via fd01::1']
  r:
    addresses: {left: [10.1.0.1/24, 'fd01::1/64'], right: [10.2.0.1/24, 'fd02::1/64']}
    sysctls: {net.ipv4.ip_forward: 1, net.ipv6.conf.all.forwarding: 1}
  b:
    addresses: {eth0: [10.2.0.2/24, 'fd02::2/64']}
    routes: [default via 10.2.0.1, 'default via fd02::1']
links: [[a:eth0, r:left], [r:right, b:eth0]]
"""
FOUR, SIX = "10.0.0.2", "fd00::2"
FAR_FOUR, FAR_SIX = "10.2.0.2", "fd02::2"
DISCOVERY = "-p icmpv6 --icmpv6-type neighbour-"
ADVERT = (
    "nft add table bridge t; nft add chain bridge t c '{ type filter hook forward priority 0; }'; "
    "nft add rule bridge t c icmpv6 type nd-neighbor-advert drop"
)
ISOLATED = "bridge link set dev pa isolated on; bridge link set dev pb isolated on"

CASES = {
    "down, six": (BRIDGE, "b", "ip link set eth0 down", SIX, "gives fd00::2, is down"),
    "off": (
        BRIDGE,
        "sw",
        "bridge link set dev pb state 0",
        FOUR,
        "sw/pb, a port of br0, is disabled",
    ),
    "off, six": (BRIDGE, "sw", "bridge link set dev pb state 0", SIX, "sw/pb, a port of br0, is"),
    "no port, six": (BRIDGE, "sw", "ip link set pb nomaster", SIX, "no layer-2 path leads there"),
    "isolated, six": (BRIDGE, "sw", ISOLATED, SIX, "both ports are isolated"),
    "bcast": (
        BRIDGE,
        "sw",
        "bridge link set dev pb bcast_flood off",
        FOUR,
        "that port has bcast_flood",
    ),
    "mcast": (
        BRIDGE,
        "sw",
        "bridge link set dev pb mcast_flood off",
        SIX,
        "that port has mcast_flood",
    ),
    "asks": (
        BRIDGE,
        "a",
        f"ip6tables -A OUTPUT {DISCOVERY}solicitation -j DROP",
        SIX,
        "type 135 -j",
    ),
    "hears": (
        BRIDGE,
        "a",
        f"ip6tables -A INPUT {DISCOVERY}advertisement -j DROP",
        SIX,
        "type 136 -j",
    ),
    "passes": (BRIDGE, "sw", ADVERT, SIX, "type nd-neighbor-advert drop` of bridge t c dropped it"),
    "never asks": (BRIDGE, "a", "ip link set eth0 arp off", FOUR, "a/eth0 asks for no link-layer"),
    "never asks, six": (
        BRIDGE,
        "a",
        "ip link set eth0 arp off",
        SIX,
        "a/eth0 asks for no link-layer",
    ),
    "mute": (BRIDGE, "b", "ip link set eth0 arp off", FOUR, "takes no part in ARP (NOARP)"),
    "mute, six": (BRIDGE, "b", "ip link set eth0 arp off", SIX, "b/eth0 asks for no link-layer"),
    "one mac": (BRIDGE, "b", "ip link set eth0 address $MAC", FOUR, "have the same MAC address"),
    "one mac, six": (
        BRIDGE,
        "b",
        "ip link set eth0 address $MAC",
        SIX,
        "have the same MAC address",
    ),
    "gone": (ROUTER, "a", "ip link set eth0 down", FAR_FOUR, "default via 10.1.0.1, is gone"),
    "gone, six": (ROUTER, "a", "ip link set eth0 down", FAR_SIX, "default via fd01::1, is gone"),
    "gone there": (
        ROUTER,
        "b",
        "ip link set eth0 down",
        FAR_SIX,
        "b/eth0, which the lab file gives",
    ),
    "narrow": (ROUTER, "r", "ip link set right mtu 1000", FAR_SIX, "its MTU is 1000"),
    "switched off": (ROUTER, "r", "sysctl net.ipv6.conf.right.disable_ipv6=1", FAR_SIX, "is gone"),
}  # the lab, where what breaks it, what is pinged then, and what is told


def mended(lab: StandingLab, reason: Reason) -> None:
    """Do what the reason says: but for what introduces them, these are commands."""
    for line in reason.mend.partition("hopscope ")[2].split("; hopscope "):
        words = shlex.split(line)
        if words[0] == "exec":
            done = lab.run(words[2], words[4:])
            assert done.code == 0, done.stderr
        else:
            key, _, value = words[3].partition("=")
            lab.set_sysctl(words[2], key, value)


@pytest.mark.parametrize("name", CASES)
def test_what_is_lost_is_explained_and_mended(records: object, name: str) -> None:
    """The bridge's own stack, which takes no IPv6, is blamed for none of it."""
    text, node, words, goal, said = CASES[name]
    with Lab.from_text(text).up() as lab:
        mac = lab.snapshot().node("a").links[1].mac or ""
        done = lab.run(node, ["sh", "-c", words.replace("$MAC", mac)])
        assert done.code == 0, done.stderr
        reason = lab.ping("a", goal, timeout=0.3).reason
        assert reason is not None
        assert said in reason.sentence
        mended(lab, reason)
        assert lab.ping("a", goal, count=2, timeout=2).replied, reason.mend


def test_a_node_is_pinged_by_the_address_that_it_lost(records: object) -> None:
    """A device that goes down loses its IPv6 addresses; the lab file knows them."""
    with Lab.from_text(BRIDGE.replace("10.0.0.2/24, ", "")).up() as lab:
        lab.run("b", ["ip", "link", "set", "eth0", "down"])
        reason = lab.ping("a", "b", timeout=0.3).reason
    assert reason is not None
    assert reason.sentence.endswith("b/eth0, which the lab file gives fd00::2, is down")
