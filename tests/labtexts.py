"""Labs as text, with a mark where something is wrong."""

from collections.abc import Mapping, Sequence
from typing import Final

from hopscope import spec
from hopscope.errors import Problem, SpecError
from hopscope.model.lab import LabSpec

FILE: Final = "lab.yaml"
MARK: Final = "▸"
"""Stands before the text of which a problem speaks."""

ON_HOST: Final = """\
name: lab
nodes:
  host:
    bridges: {hs0br: {}}
    addresses: {hs0br: 10.244.73.1/24}
    routes: [10.244.74.0/24 via 10.244.73.2]
    neighbours: {hs0br: {10.244.73.9: "02:00:00:00:00:09"}}
    sysctls: {net.bridge.bridge-nf-call-iptables: 0, net.ipv4.ip_forward: 1}
    iptables: [-A FORWARD -p icmp -j ACCEPT, -t nat -A POSTROUTING -s 10.244.73.0/24 -j ACCEPT]
    ip6tables: [-A FORWARD -j ACCEPT]
  hs1: {addresses: {hs1a: 10.244.73.2/24}}
  hs2: {addresses: {hs2a: 10.244.75.1/30}}
links:
  - [hs1:hs1a, host:hs1b@hs0br]
  - [host:hs2b, hs2:hs2a]
"""
"""Some of each thing that a lab may have on the real host."""

PAIR: Final = """\
name: pair
nodes:
  host:
    bridges: {br0: {}}
  ns1:
    addresses: {veth1a: 10.244.1.2/24}
  ns2:
    addresses: {veth2a: 10.244.1.4/24}
links:
  - [ns1:veth1a, host:veth1b@br0]
  - [ns2:veth2a, host:veth2b@br0]
story:
  - ping: ns1 -> ns2
"""

SYSCTLS: Final[Mapping[str, Sequence[str]]] = {
    "net": ("bridge", "core", "ipv4", "ipv6"),
    "net/bridge": ("bridge-nf-call-arptables", "bridge-nf-call-iptables"),
    "net/core": ("rmem_max", "somaxconn"),
    "net/ipv4": ("conf", "neigh", "ip_forward", "ping_group_range"),
    "net/ipv4/conf": ("all", "default", "lo", "eth0"),
    "net/ipv4/conf/all": ("forwarding", "rp_filter"),
    "net/ipv4/conf/default": ("forwarding", "rp_filter"),
    "net/ipv4/neigh": ("lo",),
    "net/ipv4/neigh/lo": ("gc_stale_time", "proxy_delay"),
    "net/ipv6": (),
}
"""What a kernel without IPv6 but with br_netfilter would list below /proc/sys."""


def changed(old: str, new: str, text: str = PAIR) -> str:
    """*text* with one piece replaced; the piece must be there once."""
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the lab"
    return text.replace(old, new)


def parsed(text: str | bytes) -> LabSpec:
    """The lab that *text* declares, by the sysctls above."""
    return spec.parse(text, FILE, listing=SYSCTLS.get)


def problems(text: str | bytes) -> tuple[Problem, ...]:
    """What is wrong with *text*; nothing when it is right."""
    try:
        parsed(text)
    except SpecError as error:
        return error.problems
    return ()


def wrong(text: str, *rules: str) -> tuple[Problem, ...]:
    """The problems of *text*: exactly these *rules*, in this order, exactly at the marks."""
    plain, places = unmarked(text)
    found = problems(plain)
    seen = [(p.rule, p.place.line, p.place.column) for p in found]
    wanted = [(rule, *place) for rule, place in zip(rules, places, strict=True)]
    assert seen == wanted, "\n".join(map(str, found)) or "nothing is wrong with it"
    assert all(problem.place.file == FILE for problem in found)
    return found


def unmarked(text: str) -> tuple[str, list[tuple[int, int]]]:
    """*text* without its marks, and the line and column of each."""
    before, *pieces = text.split(MARK)
    places = []
    for piece in pieces:
        places.append((before.count("\n") + 1, len(before) - before.rfind("\n")))
        before += piece
    return before, places
