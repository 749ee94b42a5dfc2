"""Labs whose pings are recorded beside those of strangers: rarer devices, rules and ends."""

from labshapes import bridged, firewalled, routed, scripted

__all__ = ["JOURNEY_LABS"]

_CARRIED = """
name: carried
nodes:
  host:
    bridges: {br0: {}}
    devices: {vx0: {kind: vxlan, id: 42, local: 10.0.0.1, remote: 10.0.0.2, bridge: br0}}
    addresses: {up: 10.0.0.1/24, low: 10.5.0.9/24}
  peer:
    devices: {vx0: {kind: vxlan, id: 42, local: 10.0.0.2, remote: 10.0.0.1, over: up}}
    addresses: {up: 10.0.0.2/24, vx0: 192.168.7.2/24}
  c1: {devices: {mv0: {kind: macvlan, over: "host:low"}}, addresses: {mv0: 10.5.0.1/24}}
  c2: {devices: {mv0: {kind: macvlan, over: "host:low"}}, addresses: {mv0: 10.5.0.2/24}}
  far: {addresses: {e: 10.5.0.3/24}}
  ns1: {addresses: {a: 192.168.7.1/24}}
links:
  - [host:up, peer:up]
  - [host:low, far:e]
  - [ns1:a, host:p1@br0]
story:
  - ping: {from: ns1, to: 192.168.7.2}
  - ping: {from: c1, to: c2}
  - ping: {from: c1, to: far}
  - ping: {from: c1, to: 10.5.0.9, timeout: 0.3}
"""

_ISOLATED = """
name: isolated
nodes:
  host: {bridges: {br0: {}}}
  ns1: {addresses: {e: 10.0.0.1/24}}
  ns2: {addresses: {e: 10.0.0.2/24}}
  ns3: {addresses: {e: 10.0.0.3/24}}
  ns4: {addresses: {e: 10.0.0.4/24}}
links:
  - [ns1:e, {end: host:p1@br0, isolated: true}]
  - [ns2:e, {end: host:p2@br0, isolated: true}]
  - [ns3:e, host:p3@br0]
  - [ns4:e, host:p4@br0]
story:
  - ping: {from: ns1, to: ns2, timeout: 0.3}
"""

_SIX_BRIDGED = """
name: six-bridged
nodes:
  sw: {{bridges: [br0]}}
  ns1: {{addresses: {{e: 'fd00::1/64'}}{}}}
  ns2: {{addresses: {{e: 'fd00::2/64'}}}}
links: [[ns1:e, {{end: sw:p1@br0{}}}], [ns2:e, {{end: sw:p2@br0{}}}]]
story:
  - ping: {{from: ns1, to: ns2, timeout: 0.3}}
"""
_DROPPED = ", ip6tables: [-A %s -p icmpv6 --icmpv6-type %d -j DROP]"
_UNFLOODED = """
name: unflooded
nodes:
  sw: {bridges: [br0]}
  ns1: {addresses: {e: 10.0.0.1/24}, neighbours: {e: {10.0.0.2: '02:00:00:00:00:0b'}}}
  ns2: {addresses: {e: 10.0.0.2/24}}
links:
  - [ns1:e, sw:p1@br0]
  - {ends: [ns2:e, {end: sw:p2@br0, flood: false}], mac: {ns2:e: '02:00:00:00:00:0b'}}
story:
  - ping: {from: ns1, to: ns2, timeout: 0.3}
"""

_BEFORE_AND_BEHIND = (
    "table ip g { chain early { type filter hook forward priority -10; policy drop; }; "
    "chain late { type filter hook forward priority 10; counter; }; }"
)

_WRONG_NEIGHBOUR = (
    ', addresses: {br0: 10.244.1.1/24}, neighbours: {br0: {10.244.1.4: "02:00:00:00:00:99"}}'
)
_BRIDGES_RULE = """
name: by-bridge
nodes:
  gw:
    bridges: {br0: {}}
    addresses: {br0: 10.1.0.1/24, up: 10.2.0.1/24}
    sysctls: {net.ipv4.ip_forward: 1}
    policy: [to 10.2.0.0/24 iif br0 prohibit]
  ns1: {addresses: {eth0: 10.1.0.2/24}, routes: [default via 10.1.0.1]}
  ns2: {addresses: {eth0: 10.2.0.2/24}, routes: [default via 10.2.0.1]}
links: [[ns1:eth0, gw:port@br0], [ns2:eth0, gw:up]]
story: [ping: {from: ns1, to: ns2, timeout: 0.3}]
"""
_SLOW = """
name: slow
nodes:
  a: {addresses: {e: 10.0.0.1/24}}
  b: {addresses: {e: 10.0.0.2/24}}
links: [{ends: [{end: a:e, rate: {rate: 64kbit, latency: 1s}}, b:e]}]
story:
  - ping: {from: a, to: b, size: 1400, count: 4, timeout: 0.05}
"""
_ASTRAY = """
name: astray
nodes:
  c: {addresses: {e: 192.168.1.2/24}, routes: [default via 192.168.1.1]}
  gw:
    addresses: {lan: 192.168.1.1/24, wan: 203.0.113.2/24}
    sysctls: {net.ipv4.ip_forward: 1}
    iptables: [-t nat -A POSTROUTING -o wan -j MASQUERADE, -t raw -A PREROUTING -i wan -j NOTRACK]
  web: {addresses: {e: 203.0.113.1/24}}
links: [[c:e, gw:lan], [gw:wan, web:e]]
story: [ping: {from: c, to: web, timeout: 0.3}]
"""
_RULE = "-A OUTPUT -p icmp --icmp-type fragmentation-needed -j DROP"
_BLACK_HOLE = f"""
name: black-hole
nodes:
  c: {{addresses: {{e: 10.1.0.2/24}}, routes: [default via 10.1.0.1]}}
  r:
    addresses: {{left: 10.1.0.1/24, right: 10.2.0.1/24}}
    sysctls: {{net.ipv4.ip_forward: 1}}
    iptables: ["{_RULE}"]
  s: {{addresses: {{e: 10.2.0.2/24}}, routes: [default via 10.2.0.1]}}
links: [[c:e, r:left], {{ends: [r:right, s:e], mtu: 1400}}]
story: [ping: {{from: c, to: s, size: 1472, timeout: 0.3}}]
"""
_HAIRPIN = """
name: hairpin
nodes:
  c: {addresses: {e: 192.168.1.2/24}, routes: [default via 192.168.1.1]}
  gw:
    addresses: {lan: 192.168.1.1/24, wan: 203.0.113.2/24}
    sysctls: {net.ipv4.ip_forward: 1}
    iptables: [-t nat -A PREROUTING -d 203.0.113.2 -j DNAT --to 192.168.1.2]
  web: {addresses: {e: 203.0.113.1/24}}
links: [[c:e, gw:lan], [gw:wan, web:e]]
story: [ping: {from: c, to: 203.0.113.2, timeout: 0.3}]
"""
_UNBRIDGED = """
name: unbridged
nodes:
  host: {bridges: {br0: {}}}
  ns1: {addresses: {e: 10.0.0.1/24}, neighbours: {e: {10.0.0.2: "02:00:00:00:00:0b"}}}
  ns2: {addresses: {e: 10.0.0.2/24}, neighbours: {e: {10.0.0.1: "02:00:00:00:00:0a"}}}
  ns3: {addresses: {e: 10.0.0.3/24}}
links:
  - [{end: ns1:e, mac: "02:00:00:00:00:0a"}, host:p1@br0]
  - [{end: ns2:e, mac: "02:00:00:00:00:0b"}, host:p2]
  - [ns3:e, host:p3@br0]
story:
  - ping: {from: ns1, to: ns2, timeout: 0.3}
  - ping: {from: ns2, to: ns1, timeout: 0.3}
"""
_BRIDGES_FILTER = """
name: bridge-filter
nodes:
  host:
    bridges: {br0: {}}
    addresses: {br0: 172.17.0.1/16, up: 192.0.2.10/24}
    sysctls: {net.ipv4.ip_forward: 1}
    routes: [172.17.0.2/32 via 192.0.2.1]
  c: {addresses: {e: 172.17.0.2/16}, routes: [default via 172.17.0.1]}
  out: {addresses: {e: 192.0.2.1/24}, routes: [172.17.0.0/16 via 192.0.2.10]}
links: [[c:e, host:v1@br0], [host:up, out:e]]
story:
  - ping: {from: c, to: out, timeout: 0.3}
  - set: {host: {net.ipv4.conf.br0.rp_filter: 1}}
  - ping: {from: c, to: out, timeout: 0.3}
"""
_SIX_OFF = """
name: six-off
nodes:
  a: {addresses: {e: "fd00::1/64"}}
  b: {addresses: {e: "fd00::2/64"}}
links: [[a:e, b:e]]
story:
  - ping: {from: a, to: b}
  - set: {b: {net.ipv6.conf.e.disable_ipv6: 1}}
  - ping: {from: a, to: "fd00::2", timeout: 0.3}
"""
_SIX_DROP = """
name: six-drop
nodes:
  a: {addresses: {e: "fd00::1/64"}}
  b: {addresses: {e: "fd00::2/64"}, ip6tables: [-A %s -p icmpv6 -j DROP]}
links: [[a:e, b:e]]
story: [ping: {from: a, to: b, timeout: 0.3}]
"""
_TUNNEL = """
name: tunnel
nodes:
  h1:
    bridges: {br0: {}}
    devices: {vx0: {kind: vxlan, id: 42, local: 10.0.0.1, remote: 10.0.0.2, bridge: br0}}
    addresses: {up: 10.0.0.1/24}
  h2:
    devices: {vx0: {kind: vxlan, id: %s, local: 10.0.0.2, remote: 10.0.0.1}}
    addresses: {up: 10.0.0.2/24, vx0: 192.168.7.2/24}
    iptables: [-A INPUT -p udp --dport 4789 -j %s]
  n1: {addresses: {a: 192.168.7.1/24}}
links: [[h1:up, h2:up], [n1:a, h1:p1@br0]]
story: [ping: {from: n1, to: 192.168.7.2, timeout: 0.3}]
"""
_OVERLAY = """
name: overlay
nodes:
  sw: {bridges: {br0: {}}}
  a:
    addresses: {eth0: 192.0.2.1/24, vx0: 10.0.0.1/24}
    devices: {vx0: {kind: vxlan, id: 5, local: 192.0.2.1, mac_learning: false, fdb: FDB}}
    MORE
  b:
    addresses: {eth0: 192.0.2.2/24, vx0: 10.0.0.2/24}
    devices:
      vx0:
        {kind: vxlan, id: ID, local: 192.0.2.2, mac: "02:00:00:00:00:0b", fdb: {ALL: 192.0.2.1}}
    iptables: [-A INPUT -p udp --dport 4789 -j RULE]
  c:
    addresses: {eth0: 192.0.2.3/24, vx0: 10.0.0.3/24}
    devices: {vx0: {kind: vxlan, id: 5, local: 192.0.2.3, fdb: {ALL: 192.0.2.1}}}
links: [[a:eth0, sw:a@br0], [b:eth0, sw:b@br0], [c:eth0, sw:c@br0]]
story: [ping: {from: a, to: 10.0.0.2, timeout: 0.3}]
"""


def _overlay(fdb: str, more: str = "", *, net: int = 5, rule: str = "ACCEPT") -> str:
    """Three nodes of one vxlan, of which the first has these forwarding entries."""
    text = _OVERLAY.replace("FDB", fdb).replace("MORE", more).replace("RULE", rule)
    return text.replace("ALL", '"00:00:00:00:00:00"').replace("id: ID", f"id: {net}")


_KNOWN = 'neighbours: {vx0: {10.0.0.2: "02:00:00:00:00:0b"}}'
_BOTH = "{ALL: [192.0.2.2, 192.0.2.3]}"
_MACVLANS = """
name: macvlans
nodes:
  host: {addresses: {low: 10.5.0.9/24}}
  c1:
    devices: {mv0: {kind: macvlan, mode: private, over: "host:low"}}
    addresses: {mv0: 10.5.0.1/24}
  c2: {devices: {mv0: {kind: macvlan, over: "host:low"}}, addresses: {mv0: 10.5.0.2/24}}
  far: {addresses: {e: 10.5.0.3/24}}
links: [[host:low, far:e]]
story:
  - ping: {from: c1, to: c2, timeout: 0.3}
  - ping: {from: host, to: c2, timeout: 0.3}
"""
_SHORT_LIVED = routed(gw='iptables: ["-t mangle -A PREROUTING -i left -j TTL --ttl-set 1"]')
_WRONG_PORT = """
name: wrong-port
nodes:
  sw: {bridges: {br0: {fdb: {"02:00:00:00:00:0b": %s}}}}
  a: {addresses: {e: 10.0.0.1/24}, neighbours: {e: {10.0.0.2: "02:00:00:00:00:0b"}}}
  b: {addresses: {e: 10.0.0.2/24}}
  c: {addresses: {e: 10.0.0.3/24}}
links: [[a:e, sw:p1@br0], [{end: b:e, mac: "02:00:00:00:00:0b"}, sw:p2@br0], [c:e, sw:p3@br0]]
story: [ping: {from: a, to: b, timeout: 0.3}]
"""
_MUTE = """
name: mute
nodes:
  a: {addresses: {e: 10.0.0.1/24}}
  b:
    addresses: {e: 10.0.0.2/24}
    nft: "table arp f { chain o { type filter hook output priority 0; policy drop; }; }"
links: [[a:e, b:e]]
story: [ping: {from: a, to: b, timeout: 0.3}]
"""
_FORWARDED_PORT = "-t nat -A PREROUTING -d 10.1.0.1 -p icmp -j DNAT --to-destination {}"
_TO_GW = "{from: ns1, to: 10.1.0.1, timeout: 0.3}"


def _rewritten(target: str, more: str = "", *, forward: int = 1, to: str = _TO_GW) -> str:
    """A router that rewrites pings for itself to another address."""
    rule = _FORWARDED_PORT.format(target)
    return routed(gw=f'iptables: ["{rule}"]\n    {more}', forward=forward, to=to)


_MARKED = 'iptables: ["-t mangle -A PREROUTING -i left -j MARK --set-mark 9"]'
_OTHER_TABLE = """
    policy: [{} lookup 99]
    routes: [{{to: default, via: 10.1.0.77, table: 99}}]"""
_FROM_ITSELF = """
name: from-itself
nodes:
  ns1:
    addresses: {eth0: 10.1.0.2/24}
    routes: [default via 10.1.0.1]
    iptables: ["-t nat -A OUTPUT -d 10.9.9.9 -j DNAT --to-destination 10.1.0.77"]
  gw: {addresses: {left: 10.1.0.1/24}}
links: [[ns1:eth0, gw:left]]
story: [ping: {from: ns1, to: 10.9.9.9, timeout: 0.3}]
"""
_NEXT_HOPS = """
name: next-hops
nodes:
  ns1:
    addresses: {eth0: 10.1.0.2/24}
    run:
      - command: ip route add default nexthop via 10.1.0.1 nexthop via 10.1.0.99 weight 255
        ready: {command: [sh, -c, ip route show default | grep nexthop]}
  gw: {addresses: {left: 10.1.0.1/24}}
links: [[ns1:eth0, gw:left]]
story: [ping: {from: ns1, to: 10.9.9.9, timeout: 0.3}]
"""
_TWICE = """
name: twice
nodes:
  sw: {bridges: {br0: {}}}
  a: {addresses: {eth0: 10.0.0.1/24}}
  b: {addresses: {eth0: 10.0.0.2/24}, sysctls: {net.ipv4.conf.eth0.arp_ignore: 8}}
  evil:
    addresses: {eth0: 10.0.0.3/24}
    iptables: [-A INPUT -p icmp -j DROP]
    run:
      - command: ip address add 10.0.0.2/24 dev eth0
        ready: {command: [sh, -c, ip address show eth0 | grep 10.0.0.2]}
links: [[a:eth0, sw:p1@br0], [b:eth0, sw:p2@br0], [evil:eth0, sw:p3@br0]]
story: [ping: {from: a, to: 10.0.0.2, timeout: 0.3}]
"""
_BRIDGED_DNAT = """
name: bridged-dnat
nodes:
  host:
    bridges: {docker0: {}}
    addresses: {docker0: 172.17.0.1/16, eth0: 192.0.2.10/24}
    sysctls: {net.ipv4.ip_forward: 1, net.bridge.bridge-nf-call-iptables: 1}
    iptables: [-t nat -A PREROUTING -d 192.0.2.10 -p icmp -j DNAT --to-destination 172.17.0.3]
  c1: {addresses: {eth0: 172.17.0.2/16}, routes: [default via 172.17.0.1]}
  c2: {addresses: {eth0: 172.17.0.3/16}, routes: [default via 172.17.0.1]}
  out: {addresses: {eth0: 192.0.2.1/24}}
links: [[c1:eth0, host:v1@docker0], [c2:eth0, host:v2@docker0], [host:eth0, out:eth0]]
story:
  - ping: {from: c1, to: 192.0.2.10}
  - ping: {from: c1, to: 192.0.2.10}
"""
_LED_BACK = """
name: led-back
nodes:
  c: {addresses: {e: 10.1.0.2/24}, routes: [default via 10.1.0.1]}
  r1:
    addresses: {left: 10.1.0.1/24, right: 10.9.0.1/30}
    sysctls: {net.ipv4.ip_forward: 1}
    routes: [10.2.0.0/24 via 10.1.0.2]
  r2:
    addresses: {left: 10.9.0.2/30, right: 10.2.0.1/24}
    sysctls: {net.ipv4.ip_forward: 1}
    routes: [10.1.0.0/24 via 10.9.0.1]
  s: {addresses: {e: 10.2.0.2/24}, routes: [default via 10.2.0.1]}
links: [[c:e, r1:left], [r1:right, r2:left], [r2:right, s:e]]
story:
  - ping: {from: c, to: s, timeout: 0.3}
  - set: {c: {net.ipv4.ip_forward: 1}}
  - ping: {from: c, to: s, timeout: 0.3}
"""
_BY_ANOTHER_TABLE = """
name: by-another-table
nodes:
  c: {addresses: {e: 10.1.0.2/24}}
  r:
    addresses: {lan: 10.1.0.1/24, wan: 10.9.0.1/30}
    sysctls: {net.ipv4.ip_forward: 1, net.ipv4.conf.all.rp_filter: %s}
    routes: [default via 10.9.0.2 table 100]
    policy: [from 10.1.0.0/25 lookup 100]
  i:
    addresses: {r: 10.9.0.2/30}
    sysctls: {net.ipv4.ip_forward: 1}
    routes: [10.1.0.0/24 via 10.9.0.1]
links: [[c:e, r:lan], [r:wan, i:r]]
story:
  - ping: {from: c, to: r, timeout: 0.3}
  - set: {r: {net.ipv4.conf.all.rp_filter: 1}}
  - ping: {from: c, to: r, timeout: 0.3}
"""
_RULE_BACK = """
name: rule-back
nodes:
  a: {addresses: {e: 10.0.0.1/24}}
  b:
    addresses: {e: 10.0.0.2/24}
    routes: [{type: blackhole, to: 10.0.0.1/32, table: 99}]
    policy: [from 10.0.0.0/24 lookup 99]
links: [[a:e, b:e]]
story: [ping: {from: a, to: b, timeout: 0.3}]
"""
_ROUTE_MTU = """{}run:
      - command: ip route replace 10.2.0.0/24 dev right src 10.2.0.1 mtu lock 600
        ready: {{command: [sh, -c, ip route show 10.2.0.0/24 | grep mtu]}}"""
_UPLINK = """
name: uplink
nodes:
  s1: {bridges: [br0]}
  s2: {bridges: [br0]}
  a: {addresses: {e: 10.0.0.1/24}, neighbours: {e: {10.0.0.2: '02:00:00:00:00:0b'}}}
  b: {addresses: {e: 10.0.0.2/24}}
  c: {addresses: {e: 10.0.0.3/24}}
links:
  - [a:e, s1:p1@br0]
  - [c:e, s1:p3@br0]
  - [{end: s1:up@br0, flood: false}, s2:up@br0]
  - {ends: [b:e, s2:p2@br0], mac: {b:e: '02:00:00:00:00:0b'}}
story:
  - ping: {from: a, to: b, timeout: 0.3}
"""
_VXLAN_BRIDGED = """
name: vxlan-bridged
nodes:
  r:
    addresses: {{x: 192.0.2.1/24, y: 192.0.3.1/24, z: 192.0.4.1/24}}
    sysctls: {{net.ipv4.ip_forward: 1}}
    iptables: [-A FORWARD -d 192.0.3.2 -p udp --dport 4789 -j DROP]
  t1:
    bridges: [br0]
    addresses: {{u: 192.0.2.2/24}}
    routes: [default via 192.0.2.1]
    devices:
      vx: {{kind: vxlan, id: 7, local: 192.0.2.2, bridge: br0, fdb: {{"00:00:00:00:00:00": {}}}}}
  t2:
    bridges: [br0]
    addresses: {{u: 192.0.3.2/24}}
    routes: [default via 192.0.3.1]
    devices: {{vx: {{kind: vxlan, id: 7, local: 192.0.3.2, remote: 192.0.2.2, bridge: br0}}}}
  t3:
    bridges: [br0]
    addresses: {{u: 192.0.4.2/24}}
    routes: [default via 192.0.4.1]
    devices: {{vx: {{kind: vxlan, id: 7, local: 192.0.4.2, remote: 192.0.2.2, bridge: br0}}}}
  a: {{addresses: {{e: 10.1.0.2/24}}}}
  b: {{addresses: {{e: 10.1.0.3/24}}}}
  c: {{addresses: {{e: 10.1.0.4/24}}}}
links:
  - [t1:u, r:x]
  - [t2:u, r:y]
  - [t3:u, r:z]
  - [a:e, t1:p@br0]
  - [b:e, t2:p@br0]
  - [c:e, t3:p@br0]
story: [ping: {{from: a, to: b, timeout: 0.3}}]
"""
_FILTER = """
name: filters
nodes:
  sw: {{bridges: [br0]{}}}
  a: {{addresses: {{e: 10.0.0.1/24}}}}
  b: {{addresses: {{e: 10.0.0.2/24}}{}}}
links: [[a:e, sw:p1@br0], [b:e, sw:p2@br0]]
story: [ping: {{from: a, to: b, timeout: 0.3}}]
"""


def _filters(*commands: str) -> str:
    """What makes them; `_DROP` is a program, since not every kernel has an action that drops."""
    script = "; ".join(f"tc {one}" for one in commands)
    run = f'command: [sh, -ec, "{script}; echo ready; sleep 99"], ready: {{log: ready}}'
    return f", run: [{{{run}}}]"


_DROP = "bpf da bytecode '1,6 0 0 2,'"
_TO_LO = "u32 match ip protocol 1 0xff action mirred egress redirect dev lo"
_LARGE = "{from: ns1, to: ns2, size: 1000, timeout: 0.3}"
_TTL = "-t mangle -A PREROUTING -i left -j TTL --ttl-set 1"
_NO_ERRORS = "-A {} -p icmp --icmp-type {} -j DROP"


def _unheard(rule: str, *, gw: str = "", ns1: str = "", **more: str | bool) -> str:
    """A router that has an error to send, with a rule in gw, and one in ns1."""
    rules = ", ".join(f'"{one}"' for one in (rule, gw) if one)
    text = routed(gw=f"iptables: [{rules}]", **more)  # type: ignore[arg-type]
    mine = f', iptables: ["{ns1}"]' if ns1 else ""
    return text.replace("routes: [default via 10.1.0.1]", f"routes: [default via 10.1.0.1]{mine}")


_EXPIRED = """
name: expired
nodes:
  ns1: {addresses: {eth0: 10.1.0.2/24}, routes: [default via 10.1.0.1]}
  r1:
    addresses: {left: 10.1.0.1/24, right: 10.2.0.1/24}
    sysctls: {net.ipv4.ip_forward: 1}
    routes: [10.3.0.0/24 via 10.2.0.2]
  r2:
    addresses: {left: 10.2.0.2/24, right: 10.3.0.1/24}
    sysctls: {net.ipv4.ip_forward: 1}
    iptables: [-t mangle -A PREROUTING -i left -j TTL --ttl-set 1]
  ns2: {addresses: {eth0: 10.3.0.2/24}}
links: [[ns1:eth0, r1:left], [r1:right, r2:left], [r2:right, ns2:eth0]]
story: [ping: {from: ns1, to: ns2, timeout: 0.3}]
"""
_OF_A_DEVICE = "table netdev g {{ chain c {{ type filter hook {} device {} priority 0; {}; }}; }}"
_ARP_FILTER = """
name: arp-filter
nodes:
  sw: {bridges: {br0: {}}}
  a: {addresses: {e: 10.0.0.1/24}, routes: [10.7.0.0/24 dev e]}
  b:
    addresses: {f: 10.7.0.2/24}
    routes: [10.0.0.0/24 dev f]
    sysctls: {net.ipv4.conf.all.arp_filter: 1}
  x: {addresses: {e: 10.7.0.9/24}}
links: [[a:e, sw:p1@br0], [b:e, sw:p2@br0], [b:f, x:e]]
story: [ping: {from: a, to: 10.7.0.2, timeout: 0.3}]
"""
_QUEUE = "-A OUTPUT -p icmp -j NFQUEUE --queue-num 3 --queue-bypass"

JOURNEY_LABS = {
    "carried": _CARRIED,
    "astray": _ASTRAY,
    "black-hole": _BLACK_HOLE,
    "bridge-filter": _BRIDGES_FILTER,
    "hairpin": _HAIRPIN,
    "unbridged": _UNBRIDGED,
    "six-off": _SIX_OFF,
    "six-drop-question": _SIX_DROP % "INPUT",
    "six-drop-answer": _SIX_DROP % "OUTPUT",
    "vni": _TUNNEL % (43, "ACCEPT"),
    "vxlan-no-entry": _overlay('{"02:00:00:00:00:0c": 192.0.2.3}', _KNOWN),
    "vxlan-wrong-remote": _overlay('{"02:00:00:00:00:0b": 192.0.2.3}', _KNOWN),
    "vxlan-no-remote": _overlay("{ALL: 192.0.2.3}"),
    "vxlan-nowhere": _overlay("{}"),
    "vxlan-dropped": _overlay(_BOTH, rule="DROP"),
    "vxlan-id": _overlay(_BOTH, net=6),
    "vxlan-below-down": _overlay(_BOTH, "down: [eth0]"),
    "vxlan-output": _overlay(_BOTH, "iptables: [-A OUTPUT -p udp --dport 4789 -j DROP]"),
    "vxlan-nobody": _overlay('{"02:00:00:00:00:0b": 192.0.2.9}', _KNOWN),
    "tunnel-dropped": _TUNNEL % (42, "DROP"),
    "macvlans": _MACVLANS,
    "short-lived": _SHORT_LIVED,
    "wrong-port": _WRONG_PORT % "p3",
    "wrong-port-back": _WRONG_PORT % "p1",
    "mute": _MUTE,
    "isolated": _ISOLATED,
    "six-isolated": _SIX_BRIDGED.format("", *[", isolated: true"] * 2),
    "six-drop-asked": _SIX_BRIDGED.format(_DROPPED % ("OUTPUT", 135), "", ""),
    "six-drop-heard": _SIX_BRIDGED.format(_DROPPED % ("INPUT", 136), "", ""),
    "unflooded": _UNFLOODED,
    "slow": _SLOW,
    "nft-policy": bridged(host=scripted(_BEFORE_AND_BEHIND)),
    "policy-rule": routed(gw="policy: [to 10.2.0.0/24 iif left prohibit]"),
    "policy-bridge": _BRIDGES_RULE,
    "passed-queue": bridged(
        host=firewalled(_QUEUE, more=_WRONG_NEIGHBOUR),
        ping="{from: host, to: ns2, timeout: 0.3}",
    ),
    "dnat-too-big": routed(
        gw=f'iptables: ["{_FORWARDED_PORT.format("10.2.0.2")}"]',
        link="{ends: [ns2:eth0, gw:right], mtu: 1300}",
        to="{from: ns1, to: 10.1.0.1, size: 1400, timeout: 0.3}",
    ),
    "dnat-not-forwarded": _rewritten("10.2.0.2", forward=0),
    "dnat-blackhole": _rewritten("10.2.0.2", "routes: [blackhole 10.2.0.2/32]"),
    "dnat-no-route": _rewritten("10.99.0.1"),
    "dnat-nobody": _rewritten("10.2.0.250"),
    "dnat-range": _rewritten("10.2.0.8-10.2.0.9", forward=0),
    "mark-next-hop": routed(gw=_MARKED + _OTHER_TABLE.format("fwmark 9")),
    "mark-blackhole": routed(
        gw=_MARKED
        + """
    policy: [fwmark 9 lookup 99]
    routes: [{type: blackhole, to: default, table: 99}]"""
    ),
    "device-next-hop": routed(gw=_OTHER_TABLE.format("iif left").lstrip()),
    "dnat-output": _FROM_ITSELF,
    "next-hops": _NEXT_HOPS,
    "back-blackhole": routed(
        back=False,
        gw="""iptables: ["-t nat -A POSTROUTING -o right -j MASQUERADE"]
    routes: [blackhole 10.1.0.2/32]""",
    ),
    "led-back": _LED_BACK,
    "by-another-table": _BY_ANOTHER_TABLE % 0,
    "filtered-by-table": (_BY_ANOTHER_TABLE % 1).partition("  - set")[0],
    "rule-back": _RULE_BACK,
    "unflooded-uplink": _UPLINK,
    "vxlan-bridged": _VXLAN_BRIDGED.format("[192.0.3.2, 192.0.4.2]"),
    "vxlan-bridged-elsewhere": _VXLAN_BRIDGED.format("192.0.4.2"),
    "filter-drops": _FILTER.format(
        "",
        _filters("qdisc add dev e clsact", f"filter add dev e ingress protocol ip pref 5 {_DROP}"),
    ),
    "filter-of-arp": _FILTER.format(
        "",
        _filters(
            "qdisc add dev e ingress", f"filter add dev e ingress protocol arp pref 5 {_DROP}"
        ),
    ),
    "filter-redirects": _FILTER.format(
        _filters(
            "qdisc add dev p2 clsact", f"filter add dev p2 egress protocol ip pref 5 {_TO_LO}"
        ),
        "",
    ),
    "filter-untold": _FILTER.format(
        "",
        _filters(
            "qdisc add dev e clsact",
            f"filter add dev e egress protocol ip pref 5 {_DROP}",
            f"filter add dev e egress protocol all pref 6 {_DROP}",
            f"filter add dev e egress protocol arp pref 7 {_DROP}",
        ),
    ),
    "route-mtu": routed(gw=_ROUTE_MTU.format(""), to=_LARGE),
    "route-mtu-untold": routed(
        gw=_ROUTE_MTU.format(f'iptables: ["{_RULE}"]\n    '),
        to=_LARGE,
    ),
    "bridged-dnat": _BRIDGED_DNAT,
    "ingress-counted": bridged(
        ns2=scripted(_OF_A_DEVICE.format("ingress", "veth2a", "ip protocol icmp counter drop"))
    ),
    "ingress-question": bridged(
        host=scripted(_OF_A_DEVICE.format("ingress", "veth1b", "ether type arp drop"))
    ),
    "egress-question": bridged(
        ns1=scripted(_OF_A_DEVICE.format("egress", "veth1a", "ether type arp drop"))
    ),
    "egress-flood": bridged(
        host=scripted(_OF_A_DEVICE.format("egress", "veth2b", "ether type arp drop"))
    ),
    "arp-filter": _ARP_FILTER,
    "policy-back": routed(ns2=", policy: [to 10.1.0.0/24 prohibit]"),
    "dnat-loopback": _rewritten("127.0.0.1"),
    "expired-unheard": _unheard(_TTL, ns1=_NO_ERRORS.format("INPUT", "time-exceeded")),
    "expired-kept": _unheard(_TTL, gw=_NO_ERRORS.format("OUTPUT", "time-exceeded")),
    "too-big-unheard": _unheard(
        "",
        ns1=_NO_ERRORS.format("INPUT", "fragmentation-needed"),
        link="{ends: [ns2:eth0, gw:right], mtu: 1300}",
        to="{from: ns1, to: ns2, size: 1400, timeout: 0.3}",
    ),
    "reject-unheard": _unheard(
        _NO_ERRORS.format("FORWARD", "destination-unreachable"),
        ns2=', iptables: ["-A INPUT -p icmp --icmp-type echo-request -j REJECT"]',
    ),
    "expired-no-way-back": _EXPIRED,
    "to-all": routed(to="255.255.255.255"),
    "twice": _TWICE,
    "untracked": bridged(host=firewalled("-t nat -A PREROUTING -p icmp -j LOG")),
}
"""By name."""
