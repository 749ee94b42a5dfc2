"""What devices are set to, out of the attributes that rtnetlink answers with; no socket.

Never raises: what is absent is as the kernel has it by itself.
"""

import struct
import sys
from collections.abc import Iterator, Mapping
from typing import Final

from hopscope.model.devices import BridgeState, PortOptions, Vlan
from hopscope.wire.netlink import Message, attribute_list, attributes

__all__ = ["bridge_state", "port_options", "vlans"]

_USER_HZ: Final = 100
_IFINFO: Final = struct.Struct("=BxHiII")
_PVID, _UNTAGGED, _RANGE_BEGIN, _RANGE_END = 2, 4, 8, 16

Attributes = Mapping[int, bytes]


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


def _int(data: Attributes, kind: int, usual: int) -> int:
    found = data.get(kind)
    return usual if found is None else int.from_bytes(found[:4], sys.byteorder)
