"""A device, out of rtnetlink's answer: a plain part, still by index; no socket.

What is too short gives None: it never raises.
"""

import struct
import sys
from typing import Final

from msgspec import Struct, field

from hopscope.model.devices import BridgeState, PortOptions, Vxlan
from hopscope.model.vocab import Mac
from hopscope.wire.netlink import Message, attributes
from hopscope.wire.rtnl_options import bridge_state, macvlan_mode, port_options, vxlan, vxlan_link
from hopscope.wire.rtnl_settings import settings

__all__ = ["LinkPart", "as_int", "as_mac", "as_text", "link", "not_yet_running"]

RTM_NEWLINK: Final = 16
IFF_UP, IFF_RUNNING, IFF_NOARP, IFF_LOWER_UP = 0x1, 0x40, 0x80, 0x10000
ARPHRD_LOOPBACK: Final = 772
_IFF_TAP: Final = 2

_IFINFO: Final = struct.Struct("=BxHiII")
_PORT_STATES: Final = ("disabled", "listening", "learning", "forwarding", "blocking")
_COUNTERS: Final = (
    *("rx_packets", "tx_packets", "rx_bytes", "tx_bytes"),
    *("rx_errors", "tx_errors", "rx_dropped", "tx_dropped"),
)
"""The first fields of struct rtnl_link_stats64, in its order."""


class LinkPart(Struct, frozen=True, kw_only=True):
    """A device.

    *peer* is IFLA_LINK, or what a vxlan is bound to: an index in the namespace that
    *peer_nsid* stands for.
    """

    index: int
    name: str
    kind: str
    mac: Mac | None
    mtu: int
    up: bool
    carrier: bool
    promiscuity: int
    master: int | None
    port_state: str | None
    peer: int | None
    peer_nsid: int | None
    nf_call: bool
    nf_call6: bool
    queues: int = 1
    bcast_flood: bool = True
    mcast_flood: bool = True
    noarp: bool = False
    running: bool = True
    alias: str = ""
    settings: dict[str, int] = field(default_factory=dict)
    qdisc: str = ""  # the kind of the one at the root
    bridge: BridgeState | None = None
    port: PortOptions | None = None
    macvlan: str | None = None
    vxlan: Vxlan | None = None
    counters: dict[str, int] = field(default_factory=dict)


def not_yet_running(message: Message) -> int | None:
    """The index of a device that has a carrier and no queue yet, nor a bridge that knows of it.

    See dev_get_flags(), net/core/dev.c. None for any other device, and any other message.
    """
    if message.type != RTM_NEWLINK or len(message.payload) < _IFINFO.size:
        return None
    _family, _hardware, index, flags, _change = _IFINFO.unpack_from(message.payload)
    return index if flags & (IFF_LOWER_UP | IFF_RUNNING) == IFF_LOWER_UP else None


def link(message: Message) -> LinkPart | None:
    """A device (rtnl_fill_ifinfo, net/core/rtnetlink.c); None for any other message."""
    if message.type != RTM_NEWLINK or len(message.payload) < _IFINFO.size:
        return None
    _family, hardware, index, flags, _change = _IFINFO.unpack_from(message.payload)
    found = attributes(message.payload[_IFINFO.size :])
    info = attributes(found.get(18, b""))
    data = attributes(info.get(2, b""))
    kind = "loopback" if hardware == ARPHRD_LOOPBACK else as_text(info.get(1))
    if kind == "tun" and as_int(data.get(3)) == _IFF_TAP:
        kind = "tap"
    port = attributes(info.get(5, b"")) if as_text(info.get(4)) == "bridge" else {}
    return LinkPart(
        index=index,
        name=as_text(found.get(3)),
        kind=kind,
        mac=as_mac(found.get(1)),
        mtu=as_int(found.get(4)) or 0,
        up=bool(flags & IFF_UP),
        carrier=bool(flags & IFF_LOWER_UP),
        promiscuity=as_int(found.get(30)) or 0,
        master=as_int(found.get(10)),
        port_state=_port_state(port),
        peer=vxlan_link(data) if kind == "vxlan" else as_int(found.get(5)),
        peer_nsid=as_int(found.get(37)),
        nf_call=kind == "bridge" and bool(as_int(data.get(36))),
        nf_call6=kind == "bridge" and bool(as_int(data.get(37))),
        queues=as_int(found.get(31)) or 1,
        qdisc=as_text(found.get(6)),
        bridge=bridge_state(data) if kind == "bridge" else None,
        port=port_options(port) if port else None,
        bcast_flood=as_int(port.get(30)) != 0,
        mcast_flood=as_int(port.get(27)) != 0,
        noarp=bool(flags & IFF_NOARP),
        running=bool(flags & IFF_RUNNING),
        alias=as_text(found.get(20)),
        settings=settings(kind, flags, found, port, data),
        macvlan=macvlan_mode(data) if kind == "macvlan" else None,
        vxlan=vxlan(data) if kind == "vxlan" else None,
        counters=_counters(found.get(23, b"")),
    )


def as_int(data: bytes | None) -> int | None:
    """A number of up to four bytes; None where there is none."""
    return None if data is None else int.from_bytes(data[:4], sys.byteorder)


def as_mac(data: bytes | None) -> Mac | None:
    """None for what is no MAC address."""
    return Mac(data.hex(":")) if data is not None and len(data) == 6 else None


def as_text(data: bytes | None) -> str:
    """Without its final NUL; "" where there is none."""
    return (data or b"").rstrip(b"\0").decode(errors="replace")


def _port_state(port: dict[int, bytes]) -> str | None:
    number = as_int(port.get(1))
    if number is None:
        return None
    return _PORT_STATES[number] if number < len(_PORT_STATES) else f"state {number}"


def _counters(data: bytes) -> dict[str, int]:
    if len(data) < 8 * len(_COUNTERS):
        return {}
    return dict(zip(_COUNTERS, struct.unpack_from(f"={len(_COUNTERS)}Q", data), strict=True))
