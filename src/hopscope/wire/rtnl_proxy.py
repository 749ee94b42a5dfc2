"""Proxy entries, for whose addresses a node answers: asked for, told, made again; no socket.

Layouts are those of linux/neighbour.h.
"""

import struct
from ipaddress import ip_address
from typing import Final

from msgspec import Struct

from hopscope.wire.netlink import NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, Message, attr, attributes
from hopscope.wire.rtnl_again import Told

__all__ = ["ProxyEntry", "dump_proxies", "proxy", "proxy_told", "remove_proxy"]

RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH = 28, 29, 30
NTF_PROXY: Final = 8
NDA_DST: Final = 1

_NDMSG: Final = struct.Struct("=BxxxiHBB")
_SIZES: Final = {2: 4, 10: 16}  # AF_INET, AF_INET6


class ProxyEntry(Struct, frozen=True, kw_only=True):
    """The node answers for *ip* where the device of that *index* is asked."""

    index: int
    ip: str


def dump_proxies() -> Message:
    """Those of IPv4 and IPv6."""
    return Message(RTM_GETNEIGH, NLM_F_DUMP, _NDMSG.pack(0, 0, 0, NTF_PROXY, 0))


def proxy(message: Message) -> ProxyEntry | None:
    """One that a dump tells of (pneigh_fill_info); None of anything else."""
    if message.type != RTM_NEWNEIGH or len(message.payload) < _NDMSG.size:
        return None
    family, index, _state, flags, _type = _NDMSG.unpack_from(message.payload)
    ip = attributes(message.payload[_NDMSG.size :]).get(NDA_DST, b"")
    if not flags & NTF_PROXY or len(ip) != _SIZES.get(family):
        return None
    return ProxyEntry(index=index, ip=str(ip_address(ip)))


def proxy_told(message: Message) -> Told | None:
    """What makes the very same, or removes it; None of anything else."""
    if (found := proxy(message)) is None:
        return None
    return Told(
        again=Message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, message.payload),
        away=Message(RTM_DELNEIGH, 0, message.payload),
        alike=(message.payload,),
        devices=frozenset([found.index] if found.index else []),
        kernels=False,
        stays=False,
    )


def remove_proxy(index: int, ip: str) -> Message:
    """Remove one."""
    address = ip_address(ip)
    family = 2 if address.version == 4 else 10
    body = _NDMSG.pack(family, index, 0, NTF_PROXY, 0) + attr(NDA_DST, address.packed)
    return Message(RTM_DELNEIGH, 0, body)
