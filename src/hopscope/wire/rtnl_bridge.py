"""rtnetlink requests about bridges, their ports, VLANs and entries, as bytes; no socket.

Layouts are those of linux/if_link.h and linux/if_bridge.h.
"""

import struct
from typing import Final

from hopscope.model.devices import PortOptions, Vlan
from hopscope.model.vocab import DevName, Mac
from hopscope.wire.netlink import (
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    Message,
    attr,
    nest,
    text,
    u8,
    u16,
    u32,
)
from hopscope.wire.rtnl_parts import common, ifinfo, linkinfo, octets

__all__ = [
    "add_bridge",
    "add_fdb",
    "add_vlan",
    "change_bridge",
    "dump_vlans",
    "open_port",
    "remove_fdb",
    "remove_vlan",
    "set_port",
]

RTM_NEWLINK, RTM_GETLINK, RTM_SETLINK, RTM_DELLINK = 16, 18, 19, 17
RTM_NEWNEIGH, RTM_DELNEIGH = 28, 29
AF_BRIDGE: Final = 7
IFLA_IFNAME, IFLA_PROTINFO, IFLA_LINKINFO, IFLA_AF_SPEC, IFLA_EXT_MASK = 3, 12, 18, 26, 29
IFLA_INFO_SLAVE_KIND, IFLA_INFO_SLAVE_DATA = 4, 5
IFLA_BR_FORWARD_DELAY, IFLA_BR_AGEING_TIME, IFLA_BR_STP_STATE, IFLA_BR_PRIORITY = 1, 4, 5, 6
IFLA_BR_VLAN_FILTERING, IFLA_BR_NF_CALL_IPTABLES = 7, 36
IFLA_BRPORT_STATE, IFLA_BRPORT_COST, IFLA_BRPORT_MODE, IFLA_BRPORT_LEARNING = 1, 3, 4, 8
_DISABLED, _FORWARDING = 0, 3  # BR_STATE_…
IFLA_BRPORT_UNICAST_FLOOD, IFLA_BRPORT_ISOLATED = 9, 33
IFLA_BRIDGE_FLAGS, IFLA_BRIDGE_VLAN_INFO = 0, 2
BRIDGE_FLAGS_SELF: Final = 2
BRIDGE_VLAN_INFO_PVID, BRIDGE_VLAN_INFO_UNTAGGED = 2, 4
RTEXT_FILTER_BRVLAN: Final = 2
NDA_LLADDR: Final = 2
NUD_NOARP: Final = 0x40
NTF_MASTER: Final = 4

_NEW: Final = NLM_F_CREATE | NLM_F_EXCL
_USER_HZ: Final = 100  # the kernel's times for bridges are in hundredths of a second


def add_bridge(
    name: DevName,
    *,
    index: int,
    mac: Mac | None = None,
    mtu: int | None = None,
    stp: bool = False,
    nf_call_iptables: bool = False,
    ageing: float | None = None,
    forward_delay: float | None = None,
    priority: int | None = None,
    vlan_filtering: bool = False,
) -> Message:
    """A bridge, still down. A switch that a kernel may lack is sent only to turn it on."""
    options = u32(IFLA_BR_STP_STATE, int(stp)) + _chosen(ageing, forward_delay, priority)
    if vlan_filtering:
        options += u8(IFLA_BR_VLAN_FILTERING, 1)
    if nf_call_iptables:
        options += u8(IFLA_BR_NF_CALL_IPTABLES, 1)
    body = ifinfo(index=index) + text(IFLA_IFNAME, name) + common(mac, mtu)
    return Message(RTM_NEWLINK, _NEW, body + linkinfo("bridge", options))


def _chosen(ageing: float | None, forward_delay: float | None, priority: int | None) -> bytes:
    options = b""
    if forward_delay is not None:
        options += u32(IFLA_BR_FORWARD_DELAY, round(forward_delay * _USER_HZ))
    if ageing is not None:
        options += u32(IFLA_BR_AGEING_TIME, round(ageing * _USER_HZ))
    if priority is not None:
        options += u16(IFLA_BR_PRIORITY, priority)
    return options


def change_bridge(
    index: int,
    *,
    stp: bool | None = None,
    nf_call_iptables: bool | None = None,
    ageing: float | None = None,
    forward_delay: float | None = None,
    priority: int | None = None,
    vlan_filtering: bool | None = None,
) -> Message:
    """Change a bridge's options; what is None stays as it is."""
    options = b"" if stp is None else u32(IFLA_BR_STP_STATE, int(stp))
    options += _chosen(ageing, forward_delay, priority)
    if vlan_filtering is not None:
        options += u8(IFLA_BR_VLAN_FILTERING, int(vlan_filtering))
    if nf_call_iptables is not None:
        options += u8(IFLA_BR_NF_CALL_IPTABLES, int(nf_call_iptables))
    return Message(RTM_NEWLINK, 0, ifinfo(index=index) + linkinfo("bridge", options))


def set_port(index: int, options: PortOptions) -> Message:
    """Set all that can be set of a bridge port; without a cost, that stays as it is."""
    data = (
        u8(IFLA_BRPORT_MODE, int(options.hairpin))
        + u8(IFLA_BRPORT_ISOLATED, int(options.isolated))
        + u8(IFLA_BRPORT_LEARNING, int(options.learning))
        + u8(IFLA_BRPORT_UNICAST_FLOOD, int(options.flood))
    )
    if options.cost is not None:
        data += u32(IFLA_BRPORT_COST, options.cost)
    info = text(IFLA_INFO_SLAVE_KIND, "bridge") + nest(IFLA_INFO_SLAVE_DATA, data)
    return Message(RTM_NEWLINK, 0, ifinfo(index=index) + nest(IFLA_LINKINFO, info))


def open_port(index: int, *, shut: bool = False) -> Message:
    """Have a port forward, or pass nothing; the kernel refuses it with a spanning tree.

    Asked as of any device, it would tell of a change, at which the bridge opens a port that is shut
    (br_port_carrier_check(), net/bridge/br_if.c).
    """
    data = u8(IFLA_BRPORT_STATE, _DISABLED if shut else _FORWARDING)
    body = ifinfo(index=index, family=AF_BRIDGE) + nest(IFLA_PROTINFO, data)
    return Message(RTM_SETLINK, 0, body)


def add_vlan(index: int, vlan: Vlan, *, itself: bool = False) -> Message:
    """Make a port, or with *itself* the bridge's own stack, a member of a VLAN."""
    return _vlan(RTM_SETLINK, index, vlan, itself=itself)


def remove_vlan(index: int, vid: int, *, itself: bool = False) -> Message:
    """Take a port, or with *itself* the bridge's own stack, out of a VLAN."""
    return _vlan(RTM_DELLINK, index, Vlan(vid=vid), itself=itself)


def _vlan(kind: int, index: int, vlan: Vlan, *, itself: bool) -> Message:
    flags = BRIDGE_VLAN_INFO_PVID if vlan.pvid else 0
    flags |= BRIDGE_VLAN_INFO_UNTAGGED if vlan.untagged else 0
    spec = u16(IFLA_BRIDGE_FLAGS, BRIDGE_FLAGS_SELF) if itself else b""
    spec += attr(IFLA_BRIDGE_VLAN_INFO, struct.pack("=HH", flags, vlan.vid))
    return Message(kind, 0, ifinfo(index=index, family=AF_BRIDGE) + nest(IFLA_AF_SPEC, spec))


def dump_vlans() -> Message:
    """The VLANs of all bridges and ports of the namespace."""
    body = ifinfo(index=0, family=AF_BRIDGE) + u32(IFLA_EXT_MASK, RTEXT_FILTER_BRVLAN)
    return Message(RTM_GETLINK, NLM_F_DUMP, body)


def add_fdb(index: int, mac: Mac, *, replaces: bool = False) -> Message:
    """A static entry of the bridge that the device *index* is a port of.

    With *replaces*, one that was learnt may be in its place.
    """
    flags = NLM_F_CREATE | NLM_F_REPLACE if replaces else _NEW
    return Message(RTM_NEWNEIGH, flags, _entry(index, mac, NUD_NOARP))


def remove_fdb(index: int, mac: Mac) -> Message:
    """Remove an entry of the bridge that the device *index* is a port of."""
    return Message(RTM_DELNEIGH, 0, _entry(index, mac, 0))


def _entry(index: int, mac: Mac, state: int) -> bytes:
    body = struct.pack("=BBHiHBB", AF_BRIDGE, 0, 0, index, state, NTF_MASTER, 0)
    return body + attr(NDA_LLADDR, octets(mac))
