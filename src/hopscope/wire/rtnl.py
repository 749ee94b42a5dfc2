"""rtnetlink requests as bytes: the dozen messages that build and read a network; no socket.

Layouts are those of linux/rtnetlink.h, linux/if_link.h and linux/neighbour.h. Indexes are
interface indexes, as `int`, always of the namespace that the message is sent to.
"""

import struct
from ipaddress import ip_address
from typing import Final

from msgspec import Struct

from hopscope.model.vocab import DevName, Mac
from hopscope.wire.netlink import (
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    Message,
    attr,
    text,
    u32,
)
from hopscope.wire.rtnl_parts import common, ifinfo, linkinfo, octets, queue_counts

__all__ = [
    "VethPeer",
    "add_address",
    "add_neighbour",
    "add_veth",
    "delete_link",
    "dump_addresses",
    "dump_fdb",
    "dump_link_flags",
    "dump_links",
    "dump_neighbours",
    "dump_policy_rules",
    "dump_routes",
    "get_link",
    "get_nsid",
    "remove_address",
    "remove_neighbour",
    "set_link",
]

AF_INET: Final = 2
AF_INET6: Final = 10
AF_BRIDGE: Final = 7

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_GETROUTE: Final = 26
RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH = 28, 29, 30
RTM_GETRULE: Final = 34
RTM_GETNSID: Final = 90

IFLA_IFNAME, IFLA_MASTER, IFLA_IFALIAS, IFLA_NET_NS_FD, IFLA_EXT_MASK = 3, 10, 20, 28, 29
RTEXT_FILTER_SKIP_STATS: Final = 8
VETH_INFO_PEER: Final = 1

IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_FLAGS = 1, 2, 4, 8
IFA_F_NODAD: Final = 0x02
RT_SCOPE_UNIVERSE, RT_SCOPE_HOST = 0, 254
_LOOPBACK: Final = 127
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
    queues: int = 1


def add_veth(
    name: DevName,
    *,
    index: int,
    master: int | None,
    mac: Mac,
    mtu: int | None,
    peer: VethPeer,
    queues: int = 1,
) -> Message:
    """A veth pair, both ends down; the near end joins its bridge in the same message."""
    far = (
        ifinfo(index=peer.index)
        + text(IFLA_IFNAME, peer.name)
        + u32(IFLA_NET_NS_FD, peer.ns_fd)
        + common(peer.mac, peer.mtu)
        + queue_counts(peer.queues)
    )
    near = ifinfo(index=index) + text(IFLA_IFNAME, name)
    near += common(mac, mtu) + queue_counts(queues)
    if master is not None:
        near += u32(IFLA_MASTER, master)
    return Message(RTM_NEWLINK, _NEW, near + linkinfo("veth", attr(VETH_INFO_PEER | 0x8000, far)))


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
    body = ifinfo(index=index, up=up)
    if master is not None:
        body += u32(IFLA_MASTER, master)
    if alias is not None:
        body += text(IFLA_IFALIAS, alias)
    return Message(RTM_NEWLINK, 0, body + common(mac, mtu))


def delete_link(index: int) -> Message:
    """Remove a device; of a veth pair, both ends."""
    return Message(RTM_DELLINK, 0, ifinfo(index=index))


def add_address(index: int, cidr: str, *, nodad: bool = True) -> Message:
    """An address; *nodad*: an IPv6 one is usable at once (IFA_F_NODAD).

    One of 127.0.0.0/8 is for the host alone, as it is of ``ip address`` and of the kernel itself.
    """
    family, packed, length = _interface(cidr)
    scope = RT_SCOPE_HOST if family == AF_INET and packed[0] == _LOOPBACK else RT_SCOPE_UNIVERSE
    body = struct.pack("=BBBBI", family, length, 0, scope, index)
    body += attr(IFA_LOCAL, packed) + attr(IFA_ADDRESS, packed)
    if family == AF_INET and length < 31:
        hosts = (1 << (32 - length)) - 1
        broadcast = int.from_bytes(packed) | hosts
        body += attr(IFA_BROADCAST, broadcast.to_bytes(4))
    elif nodad and family == AF_INET6:
        body += u32(IFA_FLAGS, IFA_F_NODAD)
    return Message(RTM_NEWADDR, _NEW, body)


def remove_address(index: int, cidr: str) -> Message:
    """Take an address from a device."""
    family, packed, length = _interface(cidr)
    body = struct.pack("=BBBBI", family, length, 0, 0, index)
    return Message(RTM_DELADDR, 0, body + attr(IFA_LOCAL, packed))


def _interface(cidr: str) -> tuple[int, bytes, int]:
    """The family, the address, and the prefix length; a lab may have thousands."""
    ip, _, length = cidr.partition("/")
    address = ip_address(ip)
    return AF_INET if address.version == 4 else AF_INET6, address.packed, int(length)


def add_neighbour(index: int, ip: str, mac: Mac) -> Message:
    """A permanent ARP or ND entry, also where the kernel has made one by itself meanwhile."""
    address = ip_address(ip)
    family = AF_INET if address.version == 4 else AF_INET6
    body = struct.pack("=BBHiHBB", family, 0, 0, index, NUD_PERMANENT, 0, 0)
    body += attr(NDA_DST, address.packed) + attr(NDA_LLADDR, octets(mac))
    return Message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, body)


def remove_neighbour(index: int, ip: str) -> Message:
    """Remove an ARP or ND entry."""
    address = ip_address(ip)
    family = AF_INET if address.version == 4 else AF_INET6
    body = struct.pack("=BBHiHBB", family, 0, 0, index, 0, 0, 0)
    return Message(RTM_DELNEIGH, 0, body + attr(NDA_DST, address.packed))


def dump_links() -> Message:
    """All devices of the namespace."""
    return Message(RTM_GETLINK, NLM_F_DUMP, ifinfo(index=0))


def get_link(index: int) -> Message:
    """One device. Asked for it, the kernel ends what it has to do about the device's carrier.

    Since Linux 6.9 rtnl_getlink() calls linkwatch_sync_dev().
    """
    body = ifinfo(index=index) + u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)
    return Message(RTM_GETLINK, 0, body)


def dump_link_flags() -> Message:
    """All devices, without their counters."""
    body = ifinfo(index=0) + u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)
    return Message(RTM_GETLINK, NLM_F_DUMP, body)


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
