"""A lab that becomes another is what the other is when it is built: found by comparing the two."""

import json
from typing import Final

import pytest

from changing import become, declared, standing
from hopscope.lab.running import RunningLab
from hopscope.model.vocab import NodeName

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("records")]

LAB: Final = """
name: lab
nodes:
  sw: {{bridges: {{br0: {{{bridge}}}}}}}
  a: {{addresses: {{eth0: {addresses}}}, {a}}}
  b: {{addresses: {{eth0: 10.0.0.2/24}}}}
links:
  - [a:eth0, sw:p1@br0]
  - [b:eth0, sw:p2@br0]
"""


def lab(bridge: str = "", addresses: str = "10.0.0.1/24", a: str = "") -> str:
    """Two nodes on a bridge."""
    return LAB.format(bridge=bridge, addresses=addresses, a=a)


def nft(elements: str) -> str:
    """Rules that ask a set."""
    script = f"""table inet t {{
        set s {{ type ipv4_addr; elements = {{ {elements} }}; }}
        chain c {{ type filter hook input priority 0; ip saddr @s drop; }}
    }}"""
    return f"nft: {json.dumps(script)}"


def seen(running: RunningLab, *argv: str) -> str:
    """What a program tells in a."""
    return running.run("a", list(argv)).stdout.decode()


VIA: Final = "routes: [192.0.2.0/24 dev eth0, 198.51.100.0/24 via 10.0.0.2]"
OTHERS: Final = {
    "a sysctl of all for that of a device": (
        lab(a="sysctls: {net.ipv4.conf.eth0.forwarding: 1}"),
        lab(a="sysctls: {net.ipv4.ip_forward: 1}"),
        ("sh", "-c", "cat /proc/sys/net/ipv4/conf/*/forwarding"),
    ),
    "IPv6 switched on": (
        lab(),
        lab(a="sysctls: {net.ipv6.conf.all.disable_ipv6: 0}"),
        ("sh", "-c", "cat /proc/sys/net/ipv6/conf/*/disable_ipv6"),
    ),
    "another MTU of IPv6": (
        lab(addresses="[10.0.0.1/24, 'fd00::1/64']"),
        lab(
            addresses="[10.0.0.1/24, 'fd00::1/64']",
            a="sysctls: {net.ipv6.conf.eth0.mtu: 1400}",
        ),
        ("cat", "/proc/sys/net/ipv6/conf/eth0/mtu"),
    ),
    "a route without its source": (
        lab(
            addresses="[10.0.0.1/24, 10.0.0.5/24]", a="routes: [default via 10.0.0.2 src 10.0.0.5]"
        ),
        lab(addresses="[10.0.0.1/24, 10.0.0.5/24]", a="routes: [default via 10.0.0.2]"),
        ("ip", "route", "get", "192.0.2.1"),
    ),
    "another first address": (
        lab(addresses="10.0.0.5/24"),
        lab(addresses="[10.0.0.1/24, 10.0.0.5/24]"),
        ("ip", "-4", "-o", "addr", "show", "eth0"),
    ),
    "addresses the other way round": (
        lab(addresses="[10.0.0.1/24, 10.0.0.5/24]"),
        lab(addresses="[10.0.0.5/24, 10.0.0.1/24]"),
        ("ip", "-4", "-o", "addr", "show", "eth0"),
    ),
    "addresses of one subnet behind the first": (
        lab(addresses="[10.0.0.1/24, 10.0.0.5/24, 10.0.0.7/24]"),
        lab(addresses="[10.0.0.1/24, 10.0.0.7/24, 10.0.0.5/24]"),
        ("ip", "-4", "-o", "addr", "show", "eth0"),
    ),
    "subnets the other way round": (
        lab(addresses="[10.0.0.1/24, 10.1.0.1/24, 10.1.0.2/24]", a=VIA),
        lab(addresses="[10.1.0.2/24, 10.2.0.1/16, 10.0.0.1/24, 10.1.0.1/24]", a=VIA),
        ("sh", "-c", "ip -4 -o addr show eth0; ip route get 192.0.2.1; ip route get 198.51.100.1"),
    ),
    "a loopback that is down": (
        lab(),
        lab(a="lo: false"),
        ("ip", "-o", "addr", "show", "lo"),
    ),
    "other elements of a set": (
        lab(a=nft("10.0.0.9")),
        lab(a=nft("10.0.0.2")),
        ("nft", "list", "set", "inet", "t", "s"),
    ),
    "a set alone": (
        lab(a='nft: "table inet t { set s { type ipv4_addr; }; }"'),
        lab(),
        ("nft", "list", "tables", "inet"),
    ),
}


@pytest.mark.parametrize("what", OTHERS)
def test_it_is_what_the_other_is(what: str) -> None:
    """In both directions; and what is built is as declared."""
    one, other, look = OTHERS[what]
    for text, following in ((one, other), (other, one)):
        with standing(following) as fresh:
            assert fresh.differences().changes == ()
            wanted = seen(fresh, *look)
        with standing(text) as running:
            assert seen(running, *look) != wanted
            assert become(running, following)
            assert seen(running, *look) == wanted
            assert running.differences().changes == ()


def test_ports_forward_when_the_spanning_tree_is_switched_off() -> None:
    """They would go on listening for half a minute."""
    with standing(lab("stp: true")) as running:
        states = {
            link.port_state
            for link in running.snapshot().node("sw").links
            if link.port_state is not None
        }
        assert states == {"listening"}
        assert become(running, lab())
        assert running.run("a", ["ping", "-c1", "-W1", "10.0.0.2"]).code == 0


def test_a_set_that_someone_changed_is_told_and_mended() -> None:
    """It decides as much as a rule does."""
    text = lab(a=nft("10.0.0.9"))
    with standing(text) as running:
        add = ["nft", "add", "element", "inet", "t", "s", "{ 10.0.0.2 }"]
        assert running.run("a", add).code == 0
        (change,) = running.differences(declared(text)).changes
        assert (change.node, change.name) == (NodeName("a"), "firewall rules")
        assert become(running, text)
        assert "10.0.0.2" not in seen(running, "nft", "list", "set", "inet", "t", "s")
