"""rtnetlink requests about macvlan and vxlan devices, as bytes; no socket.

Layouts are those of linux/if_link.h. A tap comes of no such message: it takes an ioctl.
"""

import struct
from ipaddress import ip_address
from typing import Final

from hopscope.model.devices import Vxlan
from hopscope.model.vocab import DevName, Mac
from hopscope.wire.netlink import (
    NLM_F_APPEND,
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    Message,
    attr,
    text,
    u8,
    u32,
)
from hopscope.wire.rtnl_parts import common, ifinfo, linkinfo, octets, queue_counts

__all__ = ["MACVLAN_MODES", "add_macvlan", "add_remote", "add_vxlan", "remove_remotes"]

RTM_NEWLINK, RTM_NEWNEIGH, RTM_DELNEIGH = 16, 28, 29
AF_BRIDGE: Final = 7
IFLA_IFNAME, IFLA_LINK, IFLA_NET_NS_FD = 3, 5, 28
IFLA_MACVLAN_MODE: Final = 1
IFLA_VXLAN_ID, IFLA_VXLAN_GROUP, IFLA_VXLAN_LINK, IFLA_VXLAN_LOCAL = 1, 2, 3, 4
IFLA_VXLAN_LEARNING, IFLA_VXLAN_PORT, IFLA_VXLAN_GROUP6, IFLA_VXLAN_LOCAL6 = 7, 15, 16, 17
NDA_DST, NDA_LLADDR, NDA_IFINDEX = 1, 2, 8
NUD_NOARP, NUD_PERMANENT = 0x40, 0x80
NTF_SELF: Final = 2

MACVLAN_MODES: Final = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8, "source": 16}
"""MACVLAN_MODE_*, as ``ip link`` names them."""
_NEW: Final = NLM_F_CREATE | NLM_F_EXCL


def add_macvlan(
    name: DevName,
    *,
    index: int,
    over: int,
    ns_fd: int | None = None,
    mode: str = "bridge",
    mac: Mac | None = None,
    mtu: int | None = None,
    queues: int = 1,
) -> Message:
    """A macvlan over the device *over* of the socket's namespace, born in that of *ns_fd*."""
    body = ifinfo(index=index) + text(IFLA_IFNAME, name) + u32(IFLA_LINK, over)
    if ns_fd is not None:
        body += u32(IFLA_NET_NS_FD, ns_fd)
    body += common(mac, mtu) + queue_counts(queues)
    data = u32(IFLA_MACVLAN_MODE, MACVLAN_MODES[mode])
    return Message(RTM_NEWLINK, _NEW, body + linkinfo("macvlan", data))


def add_vxlan(
    name: DevName,
    *,
    index: int,
    vxlan: Vxlan,
    over: int | None = None,
    mac: Mac | None = None,
    mtu: int | None = None,
    queues: int = 1,
) -> Message:
    """A vxlan device; *over* is the device that its packets must leave by."""
    data = u32(IFLA_VXLAN_ID, vxlan.id)
    for four, six, address in (
        (IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6, vxlan.remote),
        (IFLA_VXLAN_LOCAL, IFLA_VXLAN_LOCAL6, vxlan.local),
    ):
        if address is not None:
            ip = ip_address(address)
            data += attr(four if ip.version == 4 else six, ip.packed)
    if over is not None:
        data += u32(IFLA_VXLAN_LINK, over)
    data += u8(IFLA_VXLAN_LEARNING, int(vxlan.learning))
    data += attr(IFLA_VXLAN_PORT, struct.pack("!H", vxlan.port))
    body = ifinfo(index=index) + text(IFLA_IFNAME, name)
    body += common(mac, mtu) + queue_counts(queues)
    return Message(RTM_NEWLINK, _NEW, body + linkinfo("vxlan", data))


def add_remote(
    index: int, mac: Mac, remote: str, *, via: int | None = None, replaces: bool = False
) -> Message:
    """A static entry of a vxlan device: frames for *mac* go to *remote*, beside others there.

    With *replaces*, an entry that was learnt may be in its place.
    """
    # only of all zeros and of groups there may be several (vxlan_fdb_update_existing)
    several = int(mac[:2], 16) & 1 or not mac.strip("0:")
    alone = NLM_F_REPLACE if replaces else NLM_F_EXCL
    body = _entry(index, mac, NUD_NOARP | NUD_PERMANENT)
    body += attr(NDA_DST, ip_address(remote).packed)
    if via is not None:
        body += u32(NDA_IFINDEX, via)
    return Message(RTM_NEWNEIGH, NLM_F_CREATE | (NLM_F_APPEND if several else alone), body)


def remove_remotes(index: int, mac: Mac) -> Message:
    """Remove all remotes of *mac*."""
    return Message(RTM_DELNEIGH, 0, _entry(index, mac, 0))


def _entry(index: int, mac: Mac, state: int) -> bytes:
    body = struct.pack("=BBHiHBB", AF_BRIDGE, 0, 0, index, state, NTF_SELF, 0)
    return body + attr(NDA_LLADDR, octets(mac))
