"""Questions that a snapshot answers, by the kernel's own rules; pure, no judgement."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from typing import Final

from hopscope.model.policy import rules_for
from hopscope.model.snapshot import (
    FdbEntry,
    LinkState,
    Neighbour,
    NextHop,
    NodeState,
    PolicyRule,
    Route,
    Snapshot,
)
from hopscope.model.vocab import DevName, DevRef, Family, Mac

__all__ = [
    "addresses_of",
    "fdb_entry",
    "in_subnet",
    "is_group",
    "is_local",
    "leads_to",
    "local_device",
    "looked_up",
    "neighbour",
    "next_hop",
    "owner_of",
    "owner_of_mac",
    "owners_of",
    "ports",
    "route_text",
    "route_to",
    "silent_nat",
    "solicited_group",
    "sysctl_int",
    "uses_conntrack",
    "ways_text",
    "without_words",
]

_FORBIDDING: Final = ("blackhole", "unreachable", "prohibit")
_TO_ALL: Final = "255.255.255.255"
_USUAL: Final = {0: 255, 32766: 254, 32767: 253}  # the default rules: local, main, default


@cache
def _parsed(ip: str) -> IPv4Address | IPv6Address | None:
    """None for what is no address; a zone (``%eth0``) is left out."""
    try:
        return ip_address(ip.split("%", maxsplit=1)[0])
    except ValueError:
        return None


@cache
def _network(cidr: str) -> IPv4Network | IPv6Network:
    return ip_network(cidr, strict=False)


def is_group(mac: Mac | None) -> bool:
    """Whether it is a broadcast or multicast address (is_multicast_ether_addr)."""
    return mac is not None and bool(int(mac[:2], 16) & 1)


def solicited_group(ip: str) -> str | None:
    """The group where neighbour solicitations for an IPv6 address go (RFC 4291); of no other."""
    address = _parsed(ip)
    if address is None or address.version == 4:
        return None
    return str(IPv6Address(int(IPv6Address("ff02::1:ff00:0")) | int(address) & 0xFFFFFF))


def owner_of(snapshot: Snapshot, ip: str) -> DevRef | None:
    """The device that has this address, anywhere in the lab."""
    return next(owners_of(snapshot, ip), None)


def owners_of(snapshot: Snapshot, ip: str) -> Iterator[DevRef]:
    """All that have it, a device of each node; more than one by mistake, or as an anycast."""
    for node in snapshot.nodes:
        if (dev := local_device(node, ip)) is not None:
            yield DevRef(node.name, dev)


def owner_of_mac(snapshot: Snapshot, mac: Mac) -> DevRef | None:
    """The device that has this MAC address; an end before a bridge that borrowed it."""
    found = [
        (link.kind == "bridge", DevRef(node.name, link.name))
        for node in snapshot.nodes
        for link in node.links
        if link.mac == mac
    ]
    return min(found)[1] if found else None


def local_device(node: NodeState, ip: str) -> DevName | None:
    """The node's device that has this address."""
    wanted = _parsed(ip)
    for link in node.links:
        if any(_parsed(address.ip) == wanted for address in link.addresses):
            return link.name
    return None


def addresses_of(node: NodeState) -> list[str]:
    """The addresses by which others may know the node."""
    return [one.ip for link in node.links for one in link.addresses if link.kind != "loopback"]


def is_local(node: NodeState, ip: str) -> bool:
    """Whether the node's own stack takes packets for this address: its own, or for all."""
    route = route_to(node, ip)
    if route is not None and route.type in ("local", "broadcast", "multicast", "anycast"):
        return True
    wanted = _parsed(ip)
    return local_device(node, ip) is not None or (wanted is not None and wanted.is_multicast)


def route_to(
    node: NodeState,
    ip: str,
    *,
    out: DevName | None = None,
    source: str | None = None,
    came_in: DevName | None = None,
    mark: int | None = None,
) -> Route | None:
    """The route for a destination; see `looked_up`."""
    found = looked_up(node, ip, out=out, source=source, came_in=came_in, mark=mark)
    return found[0] if found is not None else None


def looked_up(
    node: NodeState,
    ip: str,
    *,
    out: DevName | None = None,
    source: str | None = None,
    came_in: DevName | None = None,
    mark: int | None = None,
) -> tuple[Route, PolicyRule | None] | None:
    """The route for a destination, and the policy rule that asked for its table.

    Longest prefix, lowest metric, table by table.
    *out* is the device that a sender chose, which decides for multicast and link-local
    destinations: every device has such a route. Policy rules that select by *source*, by
    the device it *came_in* by (lo: the node made it) or by its *mark* hold only when that is
    known.

    Mirrors fib_lookup(), include/net/ip_fib.h, and fib_rules_lookup(), net/core/fib_rules.c.
    """
    wanted = _parsed(ip)
    if wanted is None:
        return None
    family = Family.IP if wanted.version == 4 else Family.IP6
    addresses = [str(one) for one in (wanted, _parsed(source) if source else None) if one]
    asked = rules_for(
        node.policy_rules,
        family,
        addresses[0],
        source=addresses[1] if len(addresses) > 1 else None,
        came_in=came_in,
        mark=mark,
    )
    usual = [PolicyRule(family=family, priority=at, table=table) for at, table in _USUAL.items()]
    for rule in asked if node.policy_rules else usual:
        if rule.action in _FORBIDDING:
            return _forbidden_by(rule), rule
        best = _best(node, family, rule.table, wanted, out)
        if best is not None and best.type != "throw":
            return (best if str(wanted) != _TO_ALL else _to_all(best)), rule
    return (_to_all(), None) if str(wanted) == _TO_ALL else None


def _to_all(found: Route | None = None) -> Route:
    """For 255.255.255.255 a route gives no more than its device (__mkroute_output())."""
    if found is not None and found.type in _FORBIDDING:
        return found
    dev = found.dev if found is not None else None
    destination = f"{_TO_ALL}/32"
    return Route(family=Family.IP, destination=destination, table=255, type="broadcast", dev=dev)


def _best(
    node: NodeState,
    family: Family,
    table: int,
    wanted: IPv4Address | IPv6Address,
    out: DevName | None,
) -> Route | None:
    matching = [
        route
        for route in node.routes
        if route.family is family
        and route.table == table
        and not route.tos  # as the packets that are asked about
        and wanted in _network(route.destination)
    ]
    if out is not None and (wanted.is_multicast or wanted.is_link_local):
        matching = [route for route in matching if route.dev == out]
    return max(
        matching,
        key=lambda route: (_network(route.destination).prefixlen, -route.metric),
        default=None,
    )


def _forbidden_by(rule: PolicyRule) -> Route:
    """A rule's own verdict, as the route that it stands for."""
    everything = "0.0.0.0/0" if rule.family is Family.IP else "::/0"
    destination = rule.destination or everything
    return Route(family=rule.family, destination=destination, table=0, type=rule.action)


def next_hop(node: NodeState, ip: str, *, source: str | None = None) -> tuple[DevName, str] | None:
    """The device and the address to resolve for a destination; None without a route."""
    return leads_to(route_to(node, ip, source=source), ip)


def leads_to(route: Route | None, ip: str) -> tuple[DevName, str] | None:
    """The device and the address to resolve for a destination that has this route."""
    if route is None or route.dev is None or route.type not in ("unicast", "local"):
        return None
    return route.dev, route.via or ip


def route_text(route: Route) -> str:
    """As ``ip route`` writes it."""
    kind = "" if route.type == "unicast" else f"{route.type} "
    destination = "default" if route.destination in ("0.0.0.0/0", "::/0") else route.destination
    tos = f" tos {route.tos:#04x}" if route.tos else ""
    nhid = f" nhid {route.nhid}" if route.nhid else ""
    way = ways_text(route.dev, route.via, route.hops, onlink=route.onlink)
    return f"{kind}{destination}{tos}{nhid}{way}"


def ways_text(
    dev: DevName | None, via: str | None, hops: Sequence[NextHop], *, onlink: bool
) -> str:
    """Where a route leads, as ``ip route`` writes it; with a blank before it."""
    if hops:
        return "".join(f" nexthop{_hop_text(hop)}" for hop in hops)
    return _way(via, dev) + (" onlink" if onlink else "")


def _hop_text(hop: NextHop) -> str:
    weight = f" weight {hop.weight}" if hop.weight > 1 else ""
    return _way(hop.via, hop.dev) + weight + (" onlink" if hop.onlink else "")


def _way(via: str | None, dev: DevName | None) -> str:
    return (f" via {via}" if via else "") + (f" dev {dev}" if dev else "")


def neighbour(node: NodeState, dev: DevName, ip: str) -> Neighbour | None:
    """The node's ARP or ND entry for an address on a device."""
    wanted = _parsed(ip)
    for entry in node.neighbours:
        if entry.dev == dev and _parsed(entry.ip) == wanted:
            return entry
    return None


def fdb_entry(node: NodeState, bridge: DevName, mac: Mac) -> FdbEntry | None:
    """The bridge's entry for a MAC address (br_fdb_find_rcu, net/bridge/br_fdb.c)."""
    for entry in node.fdb:
        if entry.bridge == bridge and entry.mac == mac:
            return entry
    link = node.link(bridge)
    if link is not None and link.mac == mac:
        return FdbEntry(bridge=bridge, mac=mac, port=bridge, local=True)
    return None


def ports(node: NodeState, bridge: DevName) -> tuple[LinkState, ...]:
    """The bridge's ports."""
    return tuple(link for link in node.links if link.master == bridge)


def sysctl_int(node: NodeState, key: str) -> int | None:
    """A sysctl as a number; None when it was not read."""
    text = node.sysctls.get(key)
    return int(text) if text is not None and text.lstrip("-").isdigit() else None


_IN_WORDS: Final = (
    r"""(--log-prefix|--comment|(?<!-)\bprefix|(?<!-m )(?<!-)\bcomment)\s+("(\\.|[^"\\])*"|\S+)"""
)
"""What a person named, in a rule's text."""

_CONNTRACK: Final = (  # compiled when there are rules to be searched: that takes 2 ms
    r"(?<![-\w])(ct (?!zone)\w+|masquerade|[sd]nat|redirect|flow add|SYNPROXY|NETMAP|CONNMARK"
    r"|CONNSECMARK|MASQUERADE|[SD]NAT|REDIRECT|-m (conntrack|state|conn\w+|helper)|--state|-j CT)\b"
)


def without_words(text: str) -> str:
    """A rule's text without comments and log prefixes: nothing but what it does."""
    return re.sub(_IN_WORDS, "", text)


def uses_conntrack(node: NodeState, family: Family | None = None) -> bool:
    """Whether connections are tracked in this namespace: by a rule, or as a count shows.

    With *family* (ip or ip6), whether those of that family are. Without tracking, nat
    chains are registered and never asked (nf_ct_netns_get, net/netfilter/nf_conntrack_proto.c).
    """
    if sysctl_int(node, "net.netfilter.nf_conntrack_count"):
        return True
    speaking = (family, Family.INET) if family else (Family.IP, Family.IP6, Family.INET)
    return any(
        re.search(_CONNTRACK, without_words(rule.text))
        for chain in node.chains
        if not chain.ours and chain.family in speaking
        for rule in chain.rules
    )


def silent_nat(node: NodeState) -> bool:
    """Whether LOG rules in nat chains print nothing because nothing tracks connections."""
    logging = {
        chain.family
        for chain in node.chains
        if chain.type == "nat"
        for rule in chain.rules
        if rule.log_prefix is not None
    }
    return any(
        not uses_conntrack(node, None if family is Family.INET else family) for family in logging
    )


def in_subnet(cidr: str, ip: str) -> bool:
    """Whether *ip* lies in the subnet of an interface address."""
    wanted = _parsed(ip)
    return wanted is not None and wanted in ip_interface(cidr).network
