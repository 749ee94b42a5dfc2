"""Lab files for tests: the bridge exercise with something changed, and other topologies."""

__all__ = [
    "ALONE",
    "GATEWAY",
    "ISLAND",
    "JUMPS",
    "PAIR",
    "REVERSE_PATH",
    "ROUTING_LOOP",
    "SIX",
    "STICK",
    "THREE",
    "TWO_BRIDGES",
    "bridged",
    "firewalled",
    "routed",
    "scripted",
]


def bridged(
    *,
    host: str = "",
    ns1: str = "",
    ns2: str = "",
    br0: str = "{}",
    address: str = "10.244.1.4/24",
    link: str = "",
    ping: str = "{from: ns1, to: ns2, timeout: 0.3}",
) -> str:
    """ns1 ── br0 ── ns2, with more keys for each node, and its last link written out."""
    there = f"{{veth2a: {address}}}" if address else "{}"
    return f"""
name: stranger
nodes:
  host: {{bridges: {{br0: {br0}}}{host}}}
  ns1: {{addresses: {{veth1a: 10.244.1.2/24}}{ns1}}}
  ns2: {{addresses: {there}{ns2}}}
links:
  - [ns1:veth1a, host:veth1b@br0]
  - {link or "[ns2:veth2a, host:veth2b@br0]"}
story:
  - ping: {ping}
"""


def firewalled(*rules: str, switch: int = 1, more: str = "") -> str:
    """Keys of a node with iptables rules, for `bridged`."""
    lines = ", ".join(f'"{rule}"' for rule in rules)
    key = "net.bridge.bridge-nf-call-iptables"
    return f", sysctls: {{{key}: {switch}}}, iptables: [{lines}]{more}"


def scripted(script: str, *, switch: int = 1) -> str:
    """Keys of a node with an nft script, for `bridged`."""
    sysctl = f"net.bridge.bridge-nf-call-iptables: {switch}"
    return f', sysctls: {{{sysctl}}}, nft: "{script}"'


def routed(
    *,
    forward: int = 1,
    gw: str = "",
    back: bool = True,
    ns2: str = "",
    to: str = "ns2",
    link: str = "",
) -> str:
    """ns1 ── gw ── ns2, in two subnets."""
    home = ", routes: [default via 10.2.0.1]" if back else ""
    right = link or "[ns2:eth0, gw:right]"
    return f"""
name: stranger
nodes:
  gw:
    addresses: {{left: 10.1.0.1/24, right: 10.2.0.1/24}}
    sysctls: {{net.ipv4.ip_forward: {forward}}}
    {gw}
  ns1: {{addresses: {{eth0: 10.1.0.2/24}}, routes: [default via 10.1.0.1]}}
  ns2: {{addresses: {{eth0: 10.2.0.2/24}}{home}{ns2}}}
links:
  - [ns1:eth0, gw:left]
  - {right}
story:
  - ping: {to if to.startswith("{") else f"{{from: ns1, to: {to}, timeout: 0.3}}"}
"""


ALONE = """
name: alone
nodes: {me: {addresses: {}}}
story:
  - ping: {from: me, to: 127.0.0.1}
  - ping: {from: me, to: 10.0.0.1}
"""

SIX = """
name: six
nodes:
  the.host: {bridges: {lan: {}}, sysctls: {net.bridge.bridge-nf-call-ip6tables: 1}}
  alice: {addresses: {eth0: 2001:db8:1::2/64}}
  bob: {addresses: {eth0: 2001:db8:1::4/64}}
links:
  - [alice:eth0, the.host:p1@lan]
  - [bob:eth0, the.host:p2@lan]
story:
  - ping: {from: alice, to: bob}
  - ping: {from: alice, to: "2001:db8:1::77", timeout: 0.3}
  - ping: {from: alice, to: "2001:db8:9::1"}
  - ip6tables: {the.host: ["-A FORWARD -p icmpv6 --icmpv6-type echo-reply -j DROP"]}
  - ping: {from: alice, to: bob, timeout: 0.3}
"""

THREE = """
name: three
nodes:
  host: {bridges: {br0: {}}, sysctls: {net.bridge.bridge-nf-call-iptables: 0}}
  ns1: {addresses: {veth1a: 10.244.1.2/24}}
  ns2: {addresses: {veth2a: 10.244.1.4/24}, sysctls: {net.ipv4.icmp_echo_ignore_broadcasts: 0}}
  ns3: {addresses: {veth3a: 10.244.1.6/24}, sysctls: {net.ipv4.icmp_echo_ignore_broadcasts: 0}}
links:
  - [ns1:veth1a, host:veth1b@br0]
  - [ns2:veth2a, host:veth2b@br0]
  - [ns3:veth3a, host:veth3b@br0]
story:
  - ping: {from: ns1, to: ns3}
  - ping: {from: ns1, to: 10.244.1.255}
"""

TWO_BRIDGES = """
name: two-bridges
nodes:
  host: {bridges: {br0: {}, br1: {}}, sysctls: {net.bridge.bridge-nf-call-iptables: 0}}
  ns1: {addresses: {veth1a: 10.244.1.2/24}}
  ns2: {addresses: {veth2a: 10.244.1.4/24}}
links:
  - [ns1:veth1a, host:veth1b@br0]
  - [ns2:veth2a, host:veth2b@br1]
  - [host:trunk0@br0, host:trunk1@br1]
story:
  - ping: {from: ns1, to: ns2}
"""

PAIR = """
name: pair
nodes:
  a: {addresses: {eth0: [10.0.0.1/24, 10.0.5.1/24]}}
  b: {addresses: {eth0: [10.0.0.2/24, 10.0.5.2/24]}}
links: [[a:eth0, b:eth0]]
story:
  - ping: {from: a, to: 10.0.5.2, size: 12}
  - ping: {from: a, to: b, size: 8000}
  - ping: {from: a, to: b, count: 50}
  - ping: {from: a, to: 10.0.0.1}
  - ping: {from: a, to: 10.0.0.255, timeout: 0.3}
  - ping: {from: a, to: 8.8.8.8}
  - ping: {from: a, to: "2001:db8::1"}
"""

GATEWAY = """
name: gateway
nodes:
  host:
    bridges: {br0: {}}
    addresses: {br0: 10.244.1.1/24, up0: 192.0.2.1/24}
    sysctls: {net.bridge.bridge-nf-call-iptables: 1, net.ipv4.ip_forward: 1}
    iptables: [-t nat -A POSTROUTING -s 10.244.1.0/24 -o up0 -j MASQUERADE]
  ns1: {addresses: {veth1a: 10.244.1.2/24}, routes: [default via 10.244.1.1]}
  out: {addresses: {eth0: 192.0.2.2/24}}
links:
  - [ns1:veth1a, host:veth1b@br0]
  - [out:eth0, host:up0]
story:
  - ping: {from: ns1, to: host}
  - ping: {from: ns1, to: out}
  - ping: {from: host, to: ns1}
"""

STICK = """
name: stick
nodes:
  host: {bridges: {br0: {}}, sysctls: {net.bridge.bridge-nf-call-iptables: 0}}
  gw: {addresses: {eth0: [10.1.0.1/24, 10.2.0.1/24]}, sysctls: {net.ipv4.ip_forward: 1}}
  ns1: {addresses: {veth1a: 10.1.0.2/24}, routes: [default via 10.1.0.1]}
  ns2: {addresses: {veth2a: 10.2.0.2/24}, routes: [default via 10.2.0.1]}
links:
  - [ns1:veth1a, host:veth1b@br0]
  - [ns2:veth2a, host:veth2b@br0]
  - [gw:eth0, host:p3@br0]
story:
  - ping: {from: ns1, to: ns2}
"""

ISLAND = TWO_BRIDGES.replace("  - [host:trunk0@br0, host:trunk1@br1]\n", "").replace(
    "to: ns2}", "to: ns2, timeout: 0.3}"
)


ROUTING_LOOP = routed(
    gw="routes: [10.50.0.0/16 via 10.2.0.2]",
    ns2=", sysctls: {net.ipv4.ip_forward: 1}",
    to="10.50.0.1",
)

REVERSE_PATH = """
name: reverse-path
nodes:
  gw:
    addresses: {left: 10.1.0.1/24, right: 10.2.0.1/24, alt: 10.4.0.1/24}
    sysctls: {net.ipv4.ip_forward: 1, net.ipv4.conf.all.rp_filter: 1}
  ns1: {addresses: {eth0: 10.1.0.2/24}, routes: [default via 10.1.0.1]}
  ns2:
    addresses: {eth0: 10.2.0.2/24, eth1: 10.4.0.2/24}
    routes: [10.1.0.0/24 via 10.4.0.1]
    neighbours: {eth1: {10.4.0.1: "02:00:00:00:00:44"}}
links:
  - [ns1:eth0, gw:left]
  - [ns2:eth0, gw:right]
  - {ends: [ns2:eth1, gw:alt], mac: {"gw:alt": "02:00:00:00:00:44"}}
story:
  - ping: {from: ns1, to: 10.2.0.2, timeout: 0.3}
"""

JUMPS = firewalled(
    "-N GUARD", "-N DEEP", "-A GUARD -s 10.244.1.0/24 -j DEEP", "-A DEEP -p icmp -j DROP",
    "-A FORWARD -j GUARD",
)  # fmt: skip
