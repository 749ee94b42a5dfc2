"""What devices are set to, out of the attributes that rtnetlink answers with; no socket.

Never raises: what is absent is as the kernel has it by itself.
"""

import struct
import sys
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Final

from msgspec import Struct

from hopscope.model.devices import BridgeState, PortOptions, Vlan, Vxlan
from hopscope.model.vocab import Mac
from hopscope.wire.netlink import Message, attribute_list, attributes
from hopscope.wire.rtnl_links import MACVLAN_MODES

__all__ = [
    "RemotePart",
    "bridge_state",
    "macvlan_mode",
    "port_options",
    "remote",
    "vlans",
    "vxlan",
    "vxlan_link",
]

_USER_HZ: Final = 100
_IFINFO: Final = struct.Struct("=BxHiII")
_PVID, _UNTAGGED, _RANGE_BEGIN, _RANGE_END = 2, 4, 8, 16

_NDMSG: Final = struct.Struct("=B3xiHBB")
_LASTING: Final = 0x40 | 0x80  # NUD_NOARP, NUD_PERMANENT

Attributes = Mapping[int, bytes]


class RemotePart(Struct, frozen=True, kw_only=True):
    """Where the vxlan device *index* sends frames for *mac*."""

    index: int
    mac: Mac
    remote: str
    static: bool


def bridge_state(data: Attributes) -> BridgeState:
    """IFLA_BR_* of linux/if_link.h (br_fill_info)."""
    usual = BridgeState()
    return BridgeState(
        stp=bool(_int(data, 5, 0)),
        ageing=_int(data, 4, round(usual.ageing * _USER_HZ)) / _USER_HZ,
        forward_delay=_int(data, 1, round(usual.forward_delay * _USER_HZ)) / _USER_HZ,
        priority=_int(data, 6, usual.priority),
        vlan_filtering=bool(_int(data, 7, 0)),
    )


def port_options(data: Attributes) -> PortOptions:
    """IFLA_BRPORT_* of linux/if_link.h (br_port_fill_attrs)."""
    return PortOptions(
        hairpin=bool(_int(data, 4, 0)),
        isolated=bool(_int(data, 33, 0)),
        learning=bool(_int(data, 8, 1)),
        flood=bool(_int(data, 9, 1)),
        cost=_int(data, 3, 0) or None,
    )


def macvlan_mode(data: Attributes) -> str:
    """IFLA_MACVLAN_MODE, as ``ip link`` names it."""
    number = _int(data, 1, 0)
    return next((word for word, one in MACVLAN_MODES.items() if one == number), str(number))


def vxlan(data: Attributes) -> Vxlan:
    """IFLA_VXLAN_* of linux/if_link.h (vxlan_fill_info)."""
    return Vxlan(
        id=_int(data, 1, 0),
        local=_ip(data.get(4)) or _ip(data.get(17)),
        remote=_ip(data.get(2)) or _ip(data.get(16)),
        port=int.from_bytes(data.get(15, b"")[:2], "big"),
        learning=bool(_int(data, 7, 0)),
    )


def vxlan_link(data: Attributes) -> int | None:
    """The index of the device that a vxlan is bound to."""
    return _int(data, 3, 0) or None


def remote(message: Message) -> RemotePart | None:
    """A vxlan device's entry (vxlan_fdb_info); None for any other."""
    if message.type != 28 or len(message.payload) < _NDMSG.size:  # RTM_NEWNEIGH
        return None
    family, index, state, _flags, _type = _NDMSG.unpack_from(message.payload)
    found = attributes(message.payload[_NDMSG.size :])
    mac, ip = found.get(2, b""), _ip(found.get(1))
    if family != 7 or len(mac) != 6 or ip is None:  # AF_BRIDGE
        return None
    static = bool(state & _LASTING)
    return RemotePart(index=index, mac=Mac(mac.hex(":")), remote=ip, static=static)


def vlans(message: Message) -> tuple[int, tuple[Vlan, ...]] | None:
    """The index of a bridge or port, and its VLANs (br_fill_ifvlaninfo); None without any."""
    if message.type != 16 or len(message.payload) < _IFINFO.size:  # RTM_NEWLINK
        return None
    index = _IFINFO.unpack_from(message.payload)[2]
    spec = attributes(message.payload[_IFINFO.size :]).get(26, b"")  # IFLA_AF_SPEC
    found = tuple(_members(spec))
    return (index, found) if found else None


def _members(spec: bytes) -> Iterator[Vlan]:
    begin = 0
    for kind, data in attribute_list(spec):
        if kind != 2 or len(data) < 4:  # IFLA_BRIDGE_VLAN_INFO
            continue
        flags, vid = struct.unpack_from("=HH", data)
        if flags & _RANGE_BEGIN:
            begin = vid
            continue
        first = begin if flags & _RANGE_END and 0 < begin <= vid else vid
        for one in range(first, vid + 1):
            yield Vlan(vid=one, pvid=bool(flags & _PVID), untagged=bool(flags & _UNTAGGED))


def _ip(data: bytes | None) -> str | None:
    return str(ip_address(data)) if data is not None and len(data) in (4, 16) else None


def _int(data: Attributes, kind: int, usual: int) -> int:
    found = data.get(kind)
    return usual if found is None else int.from_bytes(found[:4], sys.byteorder)
