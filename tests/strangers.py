"""Labs as strangers change the bridge exercise, and what is true of each: one table for all tests.

Each is ns1 ── br0 ── ns2 with one thing other, or a topology of its own; *ends* holds, for
each ping of its story, how the request ended and the code of the reason that nothing came
back (None: a reply came).
"""

from dataclasses import dataclass, field

from labshapes import (
    ALONE,
    GATEWAY,
    ISLAND,
    JUMPS,
    PAIR,
    REVERSE_PATH,
    ROUTING_LOOP,
    SIX,
    STICK,
    THREE,
    TWO_BRIDGES,
    bridged,
    firewalled,
    routed,
    scripted,
)

__all__ = ["STRANGERS", "Stranger"]

DELIVERED, DROPPED, UNSEEN = "delivered", "dropped", "unseen"
Ends = tuple[tuple[str, str | None], ...]
REPLY: Ends = ((DELIVERED, None),)
WAITS: Ends = ((UNSEEN, "unresolved"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """A lab as YAML, and how its pings end."""

    text: str
    ends: Ends
    says: tuple[str, ...] = field(default=())  # parts of the first reason's sentence or mend


STRANGERS: dict[str, Stranger] = {
    # what works
    "bridge": Stranger(text=bridged(host=firewalled("-A FORWARD -j DROP", switch=0)), ends=REPLY),
    "queue": Stranger(
        text=bridged(host=firewalled("-A FORWARD -p icmp -j NFQUEUE --queue-num 3")),
        ends=((UNSEEN, "rule-queue"),),
    ),
    "own-switch": Stranger(
        text=bridged(
            br0="{nf_call_iptables: true}", host=firewalled("-A FORWARD -j DROP", switch=0)
        ),
        ends=((DROPPED, "rule-drop"),),
    ),
    "three": Stranger(text=THREE, ends=REPLY * 2),
    "two-bridges": Stranger(text=TWO_BRIDGES, ends=REPLY),
    "pair": Stranger(
        text=PAIR,
        ends=(
            *REPLY,
            *REPLY,
            *REPLY,
            *REPLY,
            (DELIVERED, "echo-ignored"),
            (DROPPED, "no-route"),
            (DROPPED, "no-route"),
        ),
    ),
    "alone": Stranger(text=ALONE, ends=(*REPLY, (DROPPED, "no-route"))),
    "gateway": Stranger(text=GATEWAY, ends=REPLY * 3),
    "stick": Stranger(text=STICK, ends=REPLY),
    "six": Stranger(
        text=SIX, ends=(*REPLY, *WAITS, (DROPPED, "no-route"), (DELIVERED, "rule-drop"))
    ),
    "fragments": Stranger(text=bridged(ping="{from: ns1, to: ns2, size: 8000}"), ends=REPLY),
    # devices, ports, bridges
    "missing-address": Stranger(
        text=bridged(address="", ping="{from: ns1, to: 10.244.1.4, timeout: 0.3}"),
        ends=WAITS,
        says=("no device in this lab has that address",),
    ),
    "ns2-down": Stranger(
        text=bridged(ns2=", down: [veth2a]"),
        ends=WAITS,
        says=("ns2/veth2a is down", "ns2 -- ip link set dev veth2a up"),
    ),
    "ns1-down": Stranger(
        text=bridged(ns1=", down: [veth1a]"),
        ends=((DROPPED, "device-down"),),
        says=("ns1/veth1a", "is down"),
    ),
    "port-down": Stranger(
        text=bridged(host=", down: [veth2b]"), ends=WAITS, says=("host/veth2b is down",)
    ),
    "first-port-down": Stranger(
        text=bridged(host=", down: [veth1b]"),
        ends=((DROPPED, "device-down"),),
        says=("no carrier: host/veth1b is down",),
    ),
    "bridge-down": Stranger(
        text=bridged(br0="{up: false}"), ends=WAITS, says=("the bridge host/br0 is down",)
    ),
    "stp": Stranger(text=bridged(br0="{stp: true}"), ends=WAITS, says=("is listening",)),
    "no-port": Stranger(
        text=bridged(link="[ns2:veth2a, host:veth2b]"),
        ends=WAITS,
        says=("no layer-2 path", "ip link set dev veth2b master br0"),
    ),
    "island": Stranger(text=ISLAND, ends=WAITS, says=("no layer-2 path",)),
    "mtu": Stranger(
        text=bridged(
            link="{ends: [ns2:veth2a, host:veth2b@br0], mtu: 1200}",
            ping="{from: ns1, to: ns2, size: 1400, timeout: 0.3}",
        ),
        ends=((DROPPED, "too-long"),),
        says=("1428 bytes", "1200"),
    ),
    # addresses and neighbours
    "wrong-subnet": Stranger(
        text=bridged(address="10.244.2.4/24"),
        ends=((DROPPED, "no-route"),),
        says=("it has 10.244.1.2/24",),
    ),
    "narrow-mask": Stranger(
        text=bridged(address="10.244.1.132/25"), ends=((DELIVERED, "no-route-back"),)
    ),
    "wrong-neighbour": Stranger(
        text=bridged(ns1=', neighbours: {veth1a: {10.244.1.4: "02:00:00:00:00:99"}}'),
        ends=((DROPPED, "wrong-neighbour"),),
        says=("permanent", "ip neighbour del 10.244.1.4 dev veth1a"),
    ),
    "wrong-neighbour-back": Stranger(
        text=bridged(ns2=', neighbours: {veth2a: {10.244.1.2: "02:00:00:00:00:99"}}'),
        ends=((DELIVERED, "wrong-neighbour"),),
    ),
    "arp-ignore": Stranger(
        text=bridged(ns2=", sysctls: {net.ipv4.conf.all.arp_ignore: 8}"),
        ends=WAITS,
        says=("arp_ignore = 8",),
    ),
    "echo-ignore": Stranger(
        text=bridged(ns2=", sysctls: {net.ipv4.icmp_echo_ignore_all: 1}"),
        ends=((DELIVERED, "echo-ignored"),),
    ),
    "asked-again": Stranger(
        text=bridged(ping="{from: ns1, to: 10.244.1.77, count: 3, timeout: 1.1}"), ends=WAITS
    ),
    # firewalls
    "drop-forward": Stranger(
        text=bridged(host=firewalled("-A FORWARD -p icmp -j DROP")),
        ends=((DROPPED, "rule-drop"),),
        says=("-A FORWARD -p icmp -j DROP", "iptables -t filter -D FORWARD -p icmp -j DROP"),
    ),
    "drop-policy": Stranger(
        text=bridged(host=firewalled("-P FORWARD DROP")), ends=((DROPPED, "policy-drop"),)
    ),
    "drop-jump": Stranger(
        text=bridged(host=JUMPS), ends=((DROPPED, "rule-drop"),), says=("filter DEEP",)
    ),
    "drop-prerouting": Stranger(
        text=bridged(host=firewalled("-t raw -A PREROUTING -p icmp -j DROP")),
        ends=((DROPPED, "rule-drop"),),
    ),
    "drop-postrouting": Stranger(
        text=bridged(host=firewalled("-t mangle -A POSTROUTING -p icmp -j DROP")),
        ends=((DROPPED, "rule-drop"),),
    ),
    "drop-input": Stranger(
        text=bridged(ns2=', iptables: ["-A INPUT -p icmp -j DROP"]'),
        ends=((DROPPED, "rule-drop"),),
    ),
    "drop-output": Stranger(
        text=bridged(ns1=', iptables: ["-A OUTPUT -p icmp -j DROP"]'),
        ends=((DROPPED, "rule-drop"),),
    ),
    "drop-reply": Stranger(
        text=bridged(ns2=', iptables: ["-A OUTPUT -p icmp -j DROP"]'),
        ends=((DELIVERED, "rule-drop"),),
    ),
    "reject-input": Stranger(
        text=bridged(ns2=', iptables: ["-A INPUT -p icmp -j REJECT"]'),
        ends=((DROPPED, "rule-reject"),),
        says=("told its sender: destination unreachable (port)",),
    ),
    "nft-drop": Stranger(
        text=bridged(
            host=scripted(
                "table inet g { chain c { type filter hook forward priority 0; "
                "icmp type echo-request drop; }; }"
            )
        ),
        ends=((DROPPED, "rule-drop"),),
    ),
    "nft-bridge": Stranger(
        text=bridged(
            host=scripted(
                "table bridge g { chain c { type filter hook forward priority 0; "
                "ether type arp drop; }; }",
                switch=0,
            )
        ),
        ends=WAITS,
        says=("ether type arp drop",),
    ),
    "nft-device": Stranger(
        text=bridged(
            ns2=', nft: "table netdev g { chain c { type filter hook ingress device veth2a '
            'priority 0; ip protocol icmp drop; }; }"'
        ),
        ends=((UNSEEN, "device-chain"),),
        says=("netdev g c",),
    ),
    "nft-egress": Stranger(
        text=bridged(
            host=scripted(
                "table netdev g { chain c { type filter hook egress device veth2b priority 0; "
                "ip protocol icmp drop; }; }"
            )
        ),
        ends=((UNSEEN, "device-chain"),),
        says=("passed the last hook of host",),
    ),
    # routers
    "router": Stranger(text=routed(), ends=REPLY),
    "not-forwarding": Stranger(
        text=routed(forward=0),
        ends=((DROPPED, "not-forwarding"),),
        says=("net.ipv4.ip_forward = 0", "gw net.ipv4.ip_forward=1"),
    ),
    "no-way-back": Stranger(text=routed(back=False), ends=((DELIVERED, "no-route-back"),)),
    "masquerade": Stranger(
        text=routed(back=False, gw='iptables: ["-t nat -A POSTROUTING -o right -j MASQUERADE"]'),
        ends=REPLY,
    ),
    "dnat": Stranger(
        text=routed(
            gw='iptables: ["-t nat -A PREROUTING -d 10.9.9.9 -j DNAT --to-destination 10.2.0.2"]',
            to="10.9.9.9",
        ),
        ends=REPLY,
    ),
    "no-route": Stranger(
        text=routed(to="10.99.0.1"), ends=((DROPPED, "no-route"),), says=("gw has no route",)
    ),
    "no-neighbour": Stranger(
        text=routed(to="10.2.0.77"), ends=WAITS, says=("gw holds it back", "10.2.0.77")
    ),
    "far-device-down": Stranger(
        text=routed(back=False, gw="down: [right]"),
        ends=((DROPPED, "device-down"),),
        says=("gw/right", "is down"),
    ),
    "too-big": Stranger(
        text=routed(
            link="{ends: [ns2:eth0, gw:right], mtu: 1200}",
            to="{from: ns1, to: ns2, size: 1400}",
        ),
        ends=((DROPPED, "too-big"),),
        says=("1428 bytes", "1200"),
    ),
    "reject": Stranger(
        text=routed(
            gw='iptables: ["-A FORWARD -d 10.2.0.2 -j REJECT --reject-with icmp-admin-prohibited"]'
        ),
        ends=((DROPPED, "rule-reject"),),
    ),
    "time-exceeded": Stranger(
        text=routed(gw="").replace(
            "routes: [default via 10.1.0.1]}",
            "routes: [default via 10.1.0.1], sysctls: {net.ipv4.ip_default_ttl: 1}}",
        ),
        ends=((DROPPED, "time-exceeded"),),
        says=("it began with 1",),
    ),
    "routing-loop": Stranger(text=ROUTING_LOOP, ends=((DROPPED, "routing-loop"),)),
    "reverse-path": Stranger(text=REVERSE_PATH, ends=((DELIVERED, "reverse-path"),)),
}
"""By name."""
