"""rtnetlink requests as bytes: the dozen messages that build and read a network; no socket.

Layouts are those of linux/rtnetlink.h, linux/if_link.h and linux/neighbour.h. Indexes are
interface indexes, as `int`, always of the namespace that the message is sent to.
"""

import struct
from ipaddress import ip_address, ip_interface, ip_network
from typing import Final

from msgspec import Struct

from hopscope.model.vocab import DevName, Mac
from hopscope.wire.netlink import (
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    Message,
    attr,
    nest,
    text,
    u8,
    u32,
)

__all__ = [
    "VethPeer",
    "add_address",
    "add_bridge",
    "add_neighbour",
    "add_route",
    "add_veth",
    "change_bridge",
    "delete_link",
    "dump_addresses",
    "dump_fdb",
    "dump_links",
    "dump_neighbours",
    "dump_policy_rules",
    "dump_routes",
    "get_nsid",
    "remove_address",
    "remove_neighbour",
    "remove_route",
    "set_link",
]

AF_INET: Final = 2
AF_INET6: Final = 10
AF_BRIDGE: Final = 7

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH = 28, 29, 30
RTM_GETRULE: Final = 34
RTM_GETNSID: Final = 90

IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_MASTER = 1, 3, 4, 10
IFLA_LINKINFO, IFLA_IFALIAS, IFLA_NET_NS_FD = 18, 20, 28
IFLA_NUM_TX_QUEUES, IFLA_NUM_RX_QUEUES = 31, 32
IFLA_INFO_KIND, IFLA_INFO_DATA = 1, 2
IFLA_BR_STP_STATE, IFLA_BR_NF_CALL_IPTABLES = 5, 36
VETH_INFO_PEER: Final = 1
IFF_UP: Final = 1

IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_FLAGS = 1, 2, 4, 8
IFA_F_NODAD: Final = 0x02
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY = 1, 4, 5, 6
RT_TABLE_MAIN, RTPROT_STATIC, RTN_UNICAST = 254, 4, 1
RT_SCOPE_UNIVERSE, RT_SCOPE_LINK = 0, 253
NDA_DST, NDA_LLADDR = 1, 2
NUD_PERMANENT: Final = 0x80
NETNSA_FD: Final = 3

_NEW: Final = NLM_F_CREATE | NLM_F_EXCL


class VethPeer(Struct, frozen=True, kw_only=True):
    """The far end of a veth pair, to be born in the namespace of *ns_fd*."""

    name: DevName
    index: int
    ns_fd: int
    mac: Mac
    mtu: int | None


def add_veth(
    name: DevName,
    *,
    index: int,
    master: int | None,
    mac: Mac,
    mtu: int | None,
    up: bool,
    peer: VethPeer,
) -> Message:
    """A veth pair; the near end joins its bridge and comes up in the same message.

    The far end cannot: veth_open(), drivers/net/veth.c, wants the near one to exist.
    """
    far = (
        _ifinfo(index=peer.index)
        + text(IFLA_IFNAME, peer.name)
        + u32(IFLA_NET_NS_FD, peer.ns_fd)
        + _common(peer.mac, peer.mtu)
        + _one_queue()
    )
    near = _ifinfo(index=index, up=up) + text(IFLA_IFNAME, name) + _common(mac, mtu) + _one_queue()
    if master is not None:
        near += u32(IFLA_MASTER, master)
    return Message(RTM_NEWLINK, _NEW, near + _linkinfo("veth", attr(VETH_INFO_PEER | 0x8000, far)))


def add_bridge(
    name: DevName,
    *,
    index: int,
    mac: Mac | None,
    mtu: int | None,
    stp: bool,
    nf_call_iptables: bool,
) -> Message:
    """A bridge, still down."""
    options = u32(IFLA_BR_STP_STATE, int(stp))
    if nf_call_iptables:
        options += u8(IFLA_BR_NF_CALL_IPTABLES, 1)
    body = _ifinfo(index=index) + text(IFLA_IFNAME, name) + _common(mac, mtu)
    return Message(RTM_NEWLINK, _NEW, body + _linkinfo("bridge", options))


def set_link(
    index: int,
    *,
    up: bool | None = None,
    master: int | None = None,
    alias: str | None = None,
    mac: Mac | None = None,
    mtu: int | None = None,
) -> Message:
    """Change a device; what is None stays as it is, and a *master* of 0 frees it of its bridge."""
    body = _ifinfo(index=index, up=up)
    if mac is not None:
        body += attr(IFLA_ADDRESS, _octets(mac))
    if master is not None:
        body += u32(IFLA_MASTER, master)
    if alias is not None:
        body += text(IFLA_IFALIAS, alias)
    if mtu is not None:
        body += u32(IFLA_MTU, mtu)
    return Message(RTM_NEWLINK, 0, body)


def change_bridge(
    index: int, *, stp: bool | None = None, nf_call_iptables: bool | None = None
) -> Message:
    """Change a bridge's options; what is None stays as it is."""
    options = b"" if stp is None else u32(IFLA_BR_STP_STATE, int(stp))
    if nf_call_iptables is not None:
        options += u8(IFLA_BR_NF_CALL_IPTABLES, int(nf_call_iptables))
    return Message(RTM_NEWLINK, 0, _ifinfo(index=index) + _linkinfo("bridge", options))


def delete_link(index: int) -> Message:
    """Remove a device; of a veth pair, both ends."""
    return Message(RTM_DELLINK, 0, _ifinfo(index=index))


def add_address(index: int, cidr: str, *, nodad: bool = True) -> Message:
    """An address; *nodad*: an IPv6 one is usable at once (IFA_F_NODAD)."""
    interface = ip_interface(cidr)
    packed = interface.ip.packed
    four = interface.version == 4
    length = interface.network.prefixlen
    body = struct.pack("=BBBBI", AF_INET if four else AF_INET6, length, 0, 0, index)
    body += attr(IFA_LOCAL, packed) + attr(IFA_ADDRESS, packed)
    if four and length < 31:
        body += attr(IFA_BROADCAST, interface.network.broadcast_address.packed)
    elif nodad and not four:
        body += u32(IFA_FLAGS, IFA_F_NODAD)
    return Message(RTM_NEWADDR, _NEW, body)


def remove_address(index: int, cidr: str) -> Message:
    """Take an address from a device."""
    interface = ip_interface(cidr)
    family = AF_INET if interface.version == 4 else AF_INET6
    body = struct.pack("=BBBBI", family, interface.network.prefixlen, 0, 0, index)
    return Message(RTM_DELADDR, 0, body + attr(IFA_LOCAL, interface.ip.packed))


def add_route(
    to: str, *, via: str | None = None, dev: int | None = None, metric: int | None = None
) -> Message:
    """A unicast route in the main table; *to* is CIDR."""
    return Message(RTM_NEWROUTE, _NEW, _route(to, via, dev, metric, protocol=RTPROT_STATIC))


def remove_route(
    to: str, *, via: str | None = None, dev: int | None = None, metric: int | None = None
) -> Message:
    """Remove a unicast route of the main table, whoever added it."""
    return Message(RTM_DELROUTE, 0, _route(to, via, dev, metric, protocol=0))


def _route(
    to: str, via: str | None, dev: int | None, metric: int | None, *, protocol: int
) -> bytes:
    network = ip_network(to)
    four = network.version == 4
    scope = RT_SCOPE_LINK if four and via is None else RT_SCOPE_UNIVERSE
    body = struct.pack(
        "=BBBBBBBBI",
        AF_INET if four else AF_INET6,
        network.prefixlen,
        0,
        0,
        RT_TABLE_MAIN,
        protocol,
        scope,
        RTN_UNICAST,
        0,
    )
    if network.prefixlen:
        body += attr(RTA_DST, network.network_address.packed)
    if via is not None:
        body += attr(RTA_GATEWAY, ip_address(via).packed)
    if dev is not None:
        body += u32(RTA_OIF, dev)
    if metric is not None:
        body += u32(RTA_PRIORITY, metric)
    return body


def add_neighbour(index: int, ip: str, mac: Mac) -> Message:
    """A permanent ARP or ND entry."""
    address = ip_address(ip)
    family = AF_INET if address.version == 4 else AF_INET6
    body = struct.pack("=BBHiHBB", family, 0, 0, index, NUD_PERMANENT, 0, 0)
    body += attr(NDA_DST, address.packed) + attr(NDA_LLADDR, _octets(mac))
    return Message(RTM_NEWNEIGH, _NEW, body)


def remove_neighbour(index: int, ip: str) -> Message:
    """Remove an ARP or ND entry."""
    address = ip_address(ip)
    family = AF_INET if address.version == 4 else AF_INET6
    body = struct.pack("=BBHiHBB", family, 0, 0, index, 0, 0, 0)
    return Message(RTM_DELNEIGH, 0, body + attr(NDA_DST, address.packed))


def dump_links() -> Message:
    """All devices of the namespace."""
    return Message(RTM_GETLINK, NLM_F_DUMP, _ifinfo(index=0))


def dump_addresses() -> Message:
    """All addresses, IPv4 and IPv6."""
    return Message(RTM_GETADDR, NLM_F_DUMP, struct.pack("=BBBBI", 0, 0, 0, 0, 0))


def dump_routes(family: int) -> Message:
    """All routes of AF_INET or AF_INET6, in every table."""
    return Message(RTM_GETROUTE, NLM_F_DUMP, struct.pack("=BBBBBBBBI", family, *[0] * 8))


def dump_policy_rules(family: int) -> Message:
    """All policy rules of AF_INET or AF_INET6."""
    return Message(RTM_GETRULE, NLM_F_DUMP, struct.pack("=BBBBBBBBI", family, *[0] * 8))


def dump_neighbours(family: int) -> Message:
    """All neighbours of AF_INET or AF_INET6."""
    return Message(RTM_GETNEIGH, NLM_F_DUMP, struct.pack("=BBHiHBB", family, *[0] * 6))


def dump_fdb() -> Message:
    """The forwarding entries of all bridges, and the devices' own filters."""
    return dump_neighbours(AF_BRIDGE)


def get_nsid(ns_fd: int) -> Message:
    """The number by which this namespace knows another (IFLA_LINK_NETNSID speaks in these)."""
    return Message(RTM_GETNSID, 0, struct.pack("=B3x", 0) + u32(NETNSA_FD, ns_fd))


def _ifinfo(*, index: int, up: bool | None = None) -> bytes:
    """The struct ifinfomsg; *up* None leaves the state alone."""
    flags = IFF_UP if up else 0
    change = 0 if up is None else IFF_UP
    return struct.pack("=BBHiII", 0, 0, 0, index, flags, change)


def _common(mac: Mac | None, mtu: int | None) -> bytes:
    body = b"" if mac is None else attr(IFLA_ADDRESS, _octets(mac))
    return body if mtu is None else body + u32(IFLA_MTU, mtu)


def _one_queue() -> bytes:
    """More queues, one per core by default, cost memory and bring a lab nothing."""
    return u32(IFLA_NUM_TX_QUEUES, 1) + u32(IFLA_NUM_RX_QUEUES, 1)


def _linkinfo(kind: str, data: bytes) -> bytes:
    return nest(IFLA_LINKINFO, text(IFLA_INFO_KIND, kind) + nest(IFLA_INFO_DATA, data))


def _octets(mac: Mac) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))
