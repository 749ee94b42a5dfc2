"""What a device can be set to that no lab file declares: read from its answer, and set; no socket.

Names are those of ``ip link``; ``port.…`` is how a bridge treats a port, ``bridge.…`` what a bridge
itself does. Layouts are those of linux/if.h, linux/if_link.h.
"""

import struct
import sys
from collections.abc import Iterator, Mapping
from typing import Final

from hopscope.wire.netlink import Message, attr, nest, text
from hopscope.wire.rtnl_parts import linkinfo

__all__ = ["USUAL", "set_settings", "setting_text", "settings"]

RTM_NEWLINK: Final = 16
IFLA_LINKINFO, IFLA_INFO_SLAVE_KIND, IFLA_INFO_SLAVE_DATA = 18, 4, 5

Attributes = Mapping[int, bytes]
Kinds = Mapping[str, tuple[int, int, int]]
"""Name → the attribute's number, its bytes, and what the kernel has by itself."""

_FLAGS: Final[Mapping[str, int]] = {
    "arp": 0x80,  # IFF_NOARP: it says the contrary
    "promisc": 0x100,
    "allmulticast": 0x200,
    "multicast": 0x1000,
}
"""Name → IFF_*. The kernel tells those of *promisc* and *allmulticast* that a user asked for."""
_MULTICAST: Final = _FLAGS["multicast"]
_ALL_FLAGS: Final = sum(_FLAGS.values())
_DEVICE: Final[Kinds] = {"group": (27, 4, 0), "protodown": (39, 1, 0)}
_PORT: Final[Kinds] = {
    "port.priority": (2, 2, 32),
    "port.guard": (5, 1, 0),
    "port.root_block": (6, 1, 0),
    "port.fastleave": (7, 1, 0),
    "port.proxy_arp": (10, 1, 0),
    "port.learning_sync": (11, 1, 0),
    "port.proxy_arp_wifi": (12, 1, 0),
    "port.mcast_router": (25, 1, 1),
    "port.mcast_flood": (27, 1, 1),
    "port.mcast_to_unicast": (28, 1, 0),
    "port.vlan_tunnel": (29, 1, 0),
    "port.bcast_flood": (30, 1, 1),
    "port.group_fwd_mask": (31, 2, 0),
    "port.neigh_suppress": (32, 1, 0),
    "port.backup_port": (34, 4, 0),
    "port.locked": (39, 1, 0),
    "port.mab": (40, 1, 0),
    "port.neigh_vlan_suppress": (43, 1, 0),
}
_BRIDGE: Final[Kinds] = {
    "bridge.group_fwd_mask": (9, 2, 0),
    "bridge.mcast_router": (22, 1, 1),
    "bridge.mcast_snooping": (23, 1, 1),
    "bridge.mcast_query_use_ifaddr": (24, 1, 0),
    "bridge.mcast_querier": (25, 1, 0),
    "bridge.nf_call_ip6tables": (37, 1, 0),
    "bridge.nf_call_arptables": (38, 1, 0),
}
_NUMBERS: Final = ("port.mcast_router", "bridge.mcast_router")
"""Of one byte, and more than on and off."""

_KINDS: Final[Kinds] = {**_DEVICE, **_PORT, **_BRIDGE}

USUAL: Final[Mapping[str, int]] = {
    "arp": 1,
    "promisc": 0,
    "allmulticast": 0,
    "multicast": 1,
    **{name: usual for name, (_kind, _size, usual) in _KINDS.items()},
}
"""All of them, and what each is when nobody has set it."""

_Raw = tuple[tuple[str, int, bytes], ...]


def _raw(kinds: Kinds) -> _Raw:
    """As bytes, which are compared for every device that is read."""
    return tuple(
        (name, kind, usual.to_bytes(size, sys.byteorder))
        for name, (kind, size, usual) in kinds.items()
    )


_RAW_DEVICE, _RAW_PORT, _RAW_BRIDGE = _raw(_DEVICE), _raw(_PORT), _raw(_BRIDGE)


def settings(
    kind: str, flags: int, device: Attributes, port: Attributes, data: Attributes
) -> dict[str, int]:
    """Those that are not as usual; *port* is {} of what is none, *data* what its *kind* tells."""
    found: dict[str, int] = {}
    if odd := (flags ^ (0 if kind == "loopback" else _MULTICAST)) & _ALL_FLAGS:
        found |= {name: 1 - USUAL[name] for name, bit in _FLAGS.items() if odd & bit}
    found.update(_unusual(device, _RAW_DEVICE))
    if port:
        found.update(_unusual(port, _RAW_PORT))
    if kind == "bridge":
        found.update(_unusual(data, _RAW_BRIDGE))
    return found


def _unusual(values: Attributes, raw: _Raw) -> Iterator[tuple[str, int]]:
    """What a kernel does not tell, it does not have."""
    for name, kind, usual in raw:
        if (value := values.get(kind, usual)) != usual:
            yield name, int.from_bytes(value[:4], sys.byteorder)


def set_settings(index: int, values: Mapping[str, int]) -> Message:
    """Set some of one device; all others stay as they are."""
    flags, change = 0, 0
    for name, bit in _FLAGS.items():
        if name in values:
            change |= bit
            flags |= bit if bool(values[name]) == (name != "arp") else 0
    body = struct.pack("=BBHiII", 0, 0, 0, index, flags, change) + _packed(values, _DEVICE)
    if port := _packed(values, _PORT):
        info = text(IFLA_INFO_SLAVE_KIND, "bridge") + nest(IFLA_INFO_SLAVE_DATA, port)
        body += nest(IFLA_LINKINFO, info)
    if bridge := _packed(values, _BRIDGE):
        body += linkinfo("bridge", bridge)
    return Message(RTM_NEWLINK, 0, body)


def _packed(values: Mapping[str, int], kinds: Kinds) -> bytes:
    return b"".join(
        attr(kind, values[name].to_bytes(size, sys.byteorder))
        for name, (kind, size, _usual) in kinds.items()
        if name in values
    )


def setting_text(name: str, value: int) -> str:
    """As a person reads it: switches are on or off."""
    size = 1 if name in _FLAGS else _KINDS[name][1]
    if size > 1 or name in _NUMBERS:
        return str(value)
    return "on" if value else "off"
