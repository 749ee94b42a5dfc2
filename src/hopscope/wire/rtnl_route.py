"""rtnetlink requests about routes and policy rules, as bytes; no socket.

Layouts are those of linux/rtnetlink.h and linux/fib_rules.h.
"""

import struct
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from hopscope.model.lab import MAIN_TABLE, PolicySpec
from hopscope.wire.netlink import NLM_F_CREATE, NLM_F_EXCL, Message, attr, text, u32
from hopscope.wire.rtnl_read import HopPart

__all__ = [
    "ROUTE_TYPES",
    "add_policy_rule",
    "add_route",
    "get_route",
    "remove_policy_rule",
    "remove_route",
]

AF_INET, AF_INET6 = 2, 10
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE, RTM_NEWRULE, RTM_DELRULE = 24, 25, 26, 32, 33
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC, RTA_TABLE = 1, 4, 5, 6, 7, 15
RTA_MULTIPATH, RTA_VIA, RTA_NH_ID = 9, 18, 30
RTPROT_STATIC: Final = 4
RT_SCOPE_UNIVERSE, RT_SCOPE_LINK, RT_SCOPE_NOWHERE = 0, 253, 255
RT_TABLE_UNSPEC: Final = 0
RTNH_F_ONLINK: Final = 4
FRA_DST, FRA_SRC, FRA_IIFNAME, FRA_PRIORITY, FRA_FWMARK, FRA_TABLE = 1, 2, 3, 6, 10, 15
FRA_FWMASK, FRA_OIFNAME = 16, 17

ROUTE_TYPES: Final = {"unicast": 1, "blackhole": 6, "unreachable": 7, "prohibit": 8, "throw": 9}
"""RTN_*, as ``ip route`` names them: those that a lab may declare."""
_TYPES: Final = ROUTE_TYPES | {"local": 2, "broadcast": 3, "anycast": 4, "multicast": 5}
_ACTIONS: Final = {"lookup": 1, "blackhole": 6, "unreachable": 7, "prohibit": 8}  # FR_ACT_*
_NEW: Final = NLM_F_CREATE | NLM_F_EXCL


def add_route(
    to: str,
    *,
    type: str = "unicast",  # noqa: A002 - ip route's word
    via: str | None = None,
    dev: int | None = None,
    onlink: bool = False,
    hops: Sequence[HopPart] = (),
    source: str | None = None,
    metric: int | None = None,
    table: int = MAIN_TABLE,
) -> Message:
    """A route; *to* is CIDR. The device 0 of one of several *hops* is whichever leads there."""
    network = ip_network(to)
    near = network.version == 4 and via is None and not hops and type == "unicast"
    scope = RT_SCOPE_LINK if near else RT_SCOPE_UNIVERSE
    body = _route(network, type, 0, table, RTPROT_STATIC, scope, onlink=onlink)
    body += _way(network, via, dev) + _hops(network, hops)
    if source is not None:
        body += attr(RTA_PREFSRC, ip_address(source).packed)
    return Message(RTM_NEWROUTE, _NEW, body + _number(RTA_PRIORITY, metric))


def remove_route(
    to: str,
    *,
    type: str = "unicast",  # noqa: A002 - ip route's word
    via: str | None = None,
    dev: int | None = None,
    metric: int | None = None,
    table: int = MAIN_TABLE,
    tos: int = 0,
    nhid: int | None = None,
    hops: Sequence[HopPart] = (),
) -> Message:
    """Remove a route, whoever added it, and of whatever scope."""
    network = ip_network(to)
    body = _route(network, type, tos, table, 0, RT_SCOPE_NOWHERE) + _way(network, via, dev)
    body += _number(RTA_PRIORITY, metric) + _number(RTA_NH_ID, nhid)
    return Message(RTM_DELROUTE, 0, body + _hops(network, hops))


def get_route(ip: str) -> Message:
    """The route that a packet to this address would take."""
    address = ip_address(ip)
    family, length = (AF_INET, 32) if address.version == 4 else (AF_INET6, 128)
    body = _header(family, length, 0, 0, RT_TABLE_UNSPEC, 0, RT_SCOPE_UNIVERSE, 0)
    return Message(RTM_GETROUTE, 0, body + attr(RTA_DST, address.packed))


def _route(
    network: IPv4Network | IPv6Network,
    kind: str,
    tos: int,
    table: int,
    protocol: int,
    scope: int,
    *,
    onlink: bool = False,
) -> bytes:
    """All that every route has; a type that has no name is not asked."""
    family, length = AF_INET if network.version == 4 else AF_INET6, network.prefixlen
    flags = RTNH_F_ONLINK if onlink else 0
    body = _header(family, length, 0, tos, table, protocol, scope, _TYPES.get(kind, 0), flags)
    if length:
        body += attr(RTA_DST, network.network_address.packed)
    return body + _large(RTA_TABLE, table)


def _way(network: IPv4Network | IPv6Network, via: str | None, dev: int | None) -> bytes:
    """The gateway, whose address an IPv4 route may have of the other family, and the device."""
    if via is None:
        return _number(RTA_OIF, dev)
    gateway = ip_address(via)
    if gateway.version == network.version:
        return attr(RTA_GATEWAY, gateway.packed) + _number(RTA_OIF, dev)
    return attr(RTA_VIA, struct.pack("=H", AF_INET6) + gateway.packed) + _number(RTA_OIF, dev)


def _hops(network: IPv4Network | IPv6Network, hops: Sequence[HopPart]) -> bytes:
    """Each a struct rtnexthop, and its gateway."""
    told = b""
    for hop in hops:
        gateway, flags = _way(network, hop.via, None), RTNH_F_ONLINK if hop.onlink else 0
        told += struct.pack("=HBBi", 8 + len(gateway), flags, hop.weight - 1, hop.dev) + gateway
    return attr(RTA_MULTIPATH, told) if hops else b""


def add_policy_rule(rule: PolicySpec) -> Message:
    """A policy rule, of the family of its networks."""
    source, destination = (
        None if one is None else ip_network(one) for one in (rule.source, rule.destination)
    )
    to, by = (0 if one is None else one.prefixlen for one in (destination, source))
    family = AF_INET6 if rule.six else AF_INET
    body = _header(family, to, by, 0, rule.table, 0, 0, _ACTIONS[rule.action])
    for kind, network in ((FRA_DST, destination), (FRA_SRC, source)):
        if network is not None:
            body += attr(kind, network.network_address.packed)
    for kind, dev in ((FRA_IIFNAME, rule.iif), (FRA_OIFNAME, rule.oif)):
        if dev is not None:
            body += text(kind, dev)
    body += _number(FRA_PRIORITY, rule.priority) + _number(FRA_FWMARK, rule.fwmark)
    body += _number(FRA_FWMASK, rule.fwmask)
    return Message(RTM_NEWRULE, _NEW, body + _large(FRA_TABLE, rule.table))


def remove_policy_rule(priority: int, *, six: bool) -> Message:
    """Remove the first policy rule of a priority."""
    body = _header(AF_INET6 if six else AF_INET, *[0] * 7)
    return Message(RTM_DELRULE, 0, body + u32(FRA_PRIORITY, priority))


def _header(
    family: int,
    to: int,
    source: int,
    tos: int,
    table: int,
    protocol: int,
    scope: int,
    kind: int,
    flags: int = 0,
) -> bytes:
    """The struct rtmsg, and struct fib_rule_hdr, whose layout is the same."""
    table = table if table < 256 else RT_TABLE_UNSPEC
    return struct.pack("=BBBBBBBBI", family, to, source, tos, table, protocol, scope, kind, flags)


def _number(kind: int, number: int | None) -> bytes:
    return b"" if number is None else u32(kind, number)


def _large(kind: int, table: int) -> bytes:
    """A table's number that has no room in the header."""
    return u32(kind, table) if table >= 256 else b""
