"""rtnetlink answers and notifications → plain parts, still by interface index; no socket.

What is too short, or no address where one should be, gives None: it never raises.
"""

import struct
import sys
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Final

from msgspec import Struct, field

from hopscope.model.vocab import Family, Mac, NeighbourState
from hopscope.wire.neighbours import NDA_PROTOCOL, OURS
from hopscope.wire.netlink import Message, attributes
from hopscope.wire.rtnl_link_read import LinkPart, as_int, as_mac, as_text, link, not_yet_running
from hopscope.wire.rtnl_metrics import metrics

__all__ = [
    "AddressPart",
    "FdbPart",
    "HopPart",
    "LinkPart",
    "NeighbourPart",
    "PolicyRulePart",
    "RoutePart",
    "address",
    "fdb_event",
    "link",
    "neighbour_event",
    "not_yet_running",
    "nsid",
    "policy_rule",
    "route",
]

RTM_NEWADDR, RTM_NEWROUTE, RTM_NEWNEIGH, RTM_DELNEIGH = 20, 24, 28, 29
RTM_NEWRULE, RTM_NEWNSID = 32, 88
AF_INET, AF_INET6, AF_BRIDGE = 2, 10, 7

_FAMILIES: Final = {AF_INET: Family.IP, AF_INET6: Family.IP6}
_SIZES: Final = {AF_INET: 4, AF_INET6: 16}  # of an address
_STATES: Final = {
    0x01: NeighbourState.INCOMPLETE,
    0x02: NeighbourState.REACHABLE,
    0x04: NeighbourState.STALE,
    0x08: NeighbourState.DELAY,
    0x10: NeighbourState.PROBE,
    0x20: NeighbourState.FAILED,
    0x40: NeighbourState.NOARP,
    0x80: NeighbourState.PERMANENT,
}
_NUD_NOARP, _NUD_PERMANENT = 0x40, 0x80
_ROUTE_TYPES: Final = (
    *("unspecified", "unicast", "local", "broadcast", "anycast", "multicast", "blackhole"),
    *("unreachable", "prohibit", "throw", "nat"),
)
_SCOPES: Final = {0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere"}
_PROTOCOLS: Final = {1: "redirect", 2: "kernel", 3: "boot", 4: "static", 9: "ra", 16: "dhcp"}
_IFADDR: Final = struct.Struct("=BBBBI")
_RTMSG: Final = struct.Struct("=BBBBBBBBI")  # struct fib_rule_hdr has the same layout
_NDMSG: Final = struct.Struct("=B3xiHBB")
_RTNEXTHOP: Final = struct.Struct("=HBBi")
_ONLINK: Final = 0x4  # RTNH_F_ONLINK
_CONDITIONS: Final = {
    3: "iif",
    10: "fwmark",
    12: "tun_id",
    13: "suppress_ifgroup",
    17: "oif",
    19: "l3mdev",
    20: "uidrange",
    22: "ipproto",
    23: "sport",
    24: "dport",
}
"""FRA_*: what a policy rule may ask beside source and destination, as ``ip rule`` names it."""
_ACTIONS: Final = {
    1: "lookup",
    2: "goto",
    3: "nop",
    6: "blackhole",
    7: "unreachable",
    8: "prohibit",
}
"""FR_ACT_* of linux/fib_rules.h."""
_IFA_F_NODAD, _IFA_F_TENTATIVE = 0x02, 0x40
_FRA_SUPPRESS_PREFIXLEN, _FIB_RULE_INVERT = 14, 2


class AddressPart(Struct, frozen=True, kw_only=True):
    """An address of the device *index*."""

    index: int
    ip: str
    prefix: int
    nodad: bool = False
    tentative: bool = False  # nobody may use it before duplicates were looked for


class HopPart(Struct, frozen=True, kw_only=True):
    """One of the several next hops of a route."""

    dev: int
    via: str | None
    weight: int
    onlink: bool = False


class RoutePart(Struct, frozen=True, kw_only=True):
    """A route; *destination* is CIDR. Of several next hops, *dev* and *via* are of the first."""

    family: Family
    destination: str
    table: int
    type: str
    dev: int | None
    via: str | None
    source: str | None
    metric: int
    scope: str
    metrics: tuple[str, ...] = ()
    protocol: str
    tos: int = 0
    nhid: int | None = None
    hops: tuple[HopPart, ...] = ()
    onlink: bool = False


class PolicyRulePart(Struct, frozen=True, kw_only=True):
    """A policy rule: which table is asked, for which packets."""

    family: Family
    priority: int
    table: int
    source: str | None
    destination: str | None
    conditions: tuple[str, ...]
    action: str = "lookup"
    values: dict[str, str] = field(default_factory=dict)


class NeighbourPart(Struct, frozen=True, kw_only=True):
    """An ARP or ND entry, or its removal."""

    index: int
    ip: str
    mac: Mac | None
    state: NeighbourState
    removed: bool
    ours: bool = False  # it carries the mark of what probing gives for a while


class FdbPart(Struct, frozen=True, kw_only=True):
    """A bridge's forwarding entry, or its removal; *index* is the port, *master* the bridge."""

    index: int
    master: int | None
    mac: Mac
    local: bool
    static: bool
    removed: bool


def address(message: Message) -> AddressPart | None:
    """An address (inet_fill_ifaddr); the local end of a point-to-point one."""
    if message.type != RTM_NEWADDR or len(message.payload) < _IFADDR.size:
        return None
    family, prefix, _flags, _scope, index = _IFADDR.unpack_from(message.payload)
    found = attributes(message.payload[_IFADDR.size :])
    ip = _ip(family, found.get(2) or found.get(1))
    if ip is None or prefix > 8 * _SIZES[family]:
        return None
    bits = as_int(found.get(8)) or 0
    return AddressPart(
        index=index,
        ip=ip,
        prefix=prefix,
        nodad=bool(bits & _IFA_F_NODAD),
        tentative=bool(bits & _IFA_F_TENTATIVE),
    )


def route(message: Message) -> RoutePart | None:
    """A route (fib_dump_info)."""
    if message.type != RTM_NEWROUTE or len(message.payload) < _RTMSG.size:
        return None
    family, length, _src, tos, table, protocol, scope, kind, flags = _RTMSG.unpack_from(
        message.payload
    )
    found = attributes(message.payload[_RTMSG.size :])
    destination = _network(family, found.get(1), length)
    if destination is None:
        return None
    hops = tuple(_hops(family, found.get(9, b"")))
    return RoutePart(
        family=_FAMILIES[family],
        destination=destination,
        table=as_int(found.get(15)) or table,
        type=_ROUTE_TYPES[kind] if kind < len(_ROUTE_TYPES) else f"type {kind}",
        dev=hops[0].dev if hops else as_int(found.get(4)),
        via=hops[0].via if hops else _gateway(family, found),
        source=_ip(family, found.get(7)),
        metric=as_int(found.get(6)) or 0,
        scope=_SCOPES.get(scope, str(scope)),
        metrics=metrics(found.get(8, b"")),
        protocol=_PROTOCOLS.get(protocol, str(protocol)),
        tos=tos,
        nhid=as_int(found.get(30)),
        hops=hops,
        onlink=bool(flags & _ONLINK),
    )


def _hops(family: int, hops: bytes) -> Iterator[HopPart]:
    """Several next hops (RTA_MULTIPATH); what is cut short is left out."""
    while len(hops) >= _RTNEXTHOP.size:
        length, flags, weight, dev = _RTNEXTHOP.unpack_from(hops)
        via = _gateway(family, attributes(hops[_RTNEXTHOP.size : length]))
        yield HopPart(dev=dev, via=via, weight=weight + 1, onlink=bool(flags & _ONLINK))
        hops = hops[max(length, _RTNEXTHOP.size) :]


def _gateway(family: int, found: Mapping[int, bytes]) -> str | None:
    """RTA_GATEWAY; or RTA_VIA, of an IPv4 route whose gateway has an IPv6 address."""
    other = found.get(18, b"")
    if len(other) < 2:
        return _ip(family, found.get(5))
    return _ip(int.from_bytes(other[:2], sys.byteorder), other[2:])


def policy_rule(message: Message) -> PolicyRulePart | None:
    """A policy rule (fib_nl_fill_rule)."""
    if message.type != RTM_NEWRULE or len(message.payload) < _RTMSG.size:
        return None
    family, to_length, from_length, tos, table, _, _, action, flags = _RTMSG.unpack_from(
        message.payload
    )
    if family not in _FAMILIES:
        return None
    found = attributes(message.payload[_RTMSG.size :])
    asked = [word for kind, word in _CONDITIONS.items() if kind in found]
    asked += ["fwmark"] if 16 in found and 10 not in found else []  # a mark of 0
    asked += ["tos"] if tos else []
    asked += ["not"] if flags & _FIB_RULE_INVERT else []
    if as_int(found.get(_FRA_SUPPRESS_PREFIXLEN, b"\xff" * 4)) != 0xFFFFFFFF:
        asked.append("suppress_prefixlength")
    return PolicyRulePart(
        family=_FAMILIES[family],
        priority=as_int(found.get(6)) or 0,
        table=as_int(found.get(15)) or table,
        source=_network(family, found.get(2), from_length) if 2 in found else None,
        destination=_network(family, found.get(1), to_length) if 1 in found else None,
        conditions=tuple(asked),
        action=_ACTIONS.get(action, f"action {action}"),
        values=dict(_asked_for(found)),
    )


def _asked_for(found: Mapping[int, bytes]) -> Iterator[tuple[str, str]]:
    """The values of those conditions that a lab can declare."""
    for kind, word in ((3, "iif"), (17, "oif")):
        if kind in found:
            yield word, as_text(found[kind])
    if 10 in found or 16 in found:
        mark = as_int(found.get(10)) or 0
        mask = as_int(found.get(16, b"\xff" * 4))
        yield "fwmark", f"{mark:#x}" if mask == 0xFFFFFFFF else f"{mark:#x}/{mask:#x}"


def neighbour_event(message: Message) -> NeighbourPart | None:
    """An ARP or ND entry, from a dump or a notification (neigh_fill_info)."""
    told = _ndmsg(message)
    if told is None:
        return None
    family, index, state, found = told
    ip = _ip(family, found.get(1))
    if ip is None:
        return None
    return NeighbourPart(
        index=index,
        ip=ip,
        mac=as_mac(found.get(2)),
        state=_STATES.get(state, NeighbourState.NONE),
        removed=message.type == RTM_DELNEIGH,
        ours=found.get(NDA_PROTOCOL) == bytes([OURS]),
    )


def fdb_event(message: Message) -> FdbPart | None:
    """A bridge's entry (fdb_fill_info, net/bridge/br_fdb.c); a device's own filter is none."""
    told = _ndmsg(message)
    if told is None:
        return None
    family, index, state, found = told
    mac = as_mac(found.get(2))
    if family != AF_BRIDGE or mac is None or 9 not in found:
        return None
    return FdbPart(
        index=index,
        master=as_int(found[9]),
        mac=mac,
        local=bool(state & _NUD_PERMANENT),
        static=bool(state & _NUD_NOARP),
        removed=message.type == RTM_DELNEIGH,
    )


def nsid(message: Message) -> int | None:
    """The answer to `rtnl.get_nsid`; None when this namespace has no number for that one."""
    if message.type != RTM_NEWNSID:
        return None
    number = attributes(message.payload[4:]).get(1, b"")
    if len(number) != 4:
        return None
    signed = int.from_bytes(number, sys.byteorder, signed=True)
    return None if signed < 0 else signed


def _ndmsg(message: Message) -> tuple[int, int, int, dict[int, bytes]] | None:
    if message.type not in (RTM_NEWNEIGH, RTM_DELNEIGH) or len(message.payload) < _NDMSG.size:
        return None
    family, index, state, _flags, _type = _NDMSG.unpack_from(message.payload)
    return family, index, state, attributes(message.payload[_NDMSG.size :])


def _ip(family: int, data: bytes | None) -> str | None:
    """None where there is no address of that family."""
    if data is None or len(data) != _SIZES.get(family):
        return None
    return str(ip_address(data))


def _network(family: int, data: bytes | None, length: int) -> str | None:
    """CIDR; without *data*, that of all addresses. None for what is no network."""
    size = _SIZES.get(family, 0)
    ip = _ip(family, bytes(size) if data is None else data)
    return None if ip is None or length > 8 * size else f"{ip}/{length}"
