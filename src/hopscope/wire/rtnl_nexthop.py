"""Nexthop objects: asked for, told in the words of ip, made again and removed; no socket.

Layouts are those of linux/nexthop.h.
"""

import struct
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final

from msgspec import Struct

from hopscope.wire.netlink import (
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    Message,
    attr,
    attributes,
    nest,
    u32,
)
from hopscope.wire.rtnl_again import Told
from hopscope.wire.rtnl_link_read import as_int

__all__ = ["NextHopObject", "dump_nexthops", "nexthop", "nexthop_told", "remove_nexthop"]

RTM_NEWNEXTHOP, RTM_DELNEXTHOP, RTM_GETNEXTHOP = 104, 105, 106

_NHMSG: Final = struct.Struct("=BBBBI")
_MEMBER: Final = struct.Struct("=IBBH")  # struct nexthop_grp: id, weight less one, …
_ID, _GROUP, _GROUP_TYPE, _BLACKHOLE, _OIF, _GATEWAY = range(1, 7)
_ENCAP_TYPE, _ENCAP, _FDB, _RESILIENT = 7, 8, 11, 12
_ASKED: Final = (_ID, _GROUP, _GROUP_TYPE, _BLACKHOLE, _OIF, _GATEWAY, _ENCAP_TYPE, _FDB)
_UNBALANCED_TIME: Final = 4  # in what is said of a resilient group: what only time changes
_ONLINK: Final = 0x4
_BY_HAND: Final = (0, 3, 4)
"""RTPROT_UNSPEC, _BOOT and _STATIC: someone added it; a daemon says so."""


class NextHopObject(Struct, frozen=True, kw_only=True):
    """One of them; *words* are those of ``ip nexthop``, but for the device's name."""

    id: int
    words: str
    dev: int | None = None  # its index
    group: bool = False
    by_hand: bool = True


def dump_nexthops() -> Message:
    """All of a namespace; none where the kernel has none."""
    return Message(RTM_GETNEXTHOP, NLM_F_DUMP, _NHMSG.pack(0, 0, 0, 0, 0))


def remove_nexthop(number: int) -> Message:
    """Remove one, and with it the routes that lead there."""
    return Message(RTM_DELNEXTHOP, 0, _NHMSG.pack(0, 0, 0, 0, 0) + u32(_ID, number))


def nexthop(message: Message) -> NextHopObject | None:
    """One that a dump tells of; None of anything else."""
    if (found := _attributes(message)) is None:
        return None
    values, protocol = found[1], found[0][1]
    return NextHopObject(
        id=as_int(values[_ID]) or 0,
        words=_words(values),
        dev=as_int(values.get(_OIF)),
        group=_GROUP in values,
        by_hand=protocol in _BY_HAND,
    )


def nexthop_told(message: Message) -> Told | None:
    """What makes the very same, or removes it; None of anything else."""
    if (found := _attributes(message)) is None:
        return None
    (family, protocol, flags), values = found
    header = _NHMSG.pack(family, 0, protocol, 0, flags & _ONLINK)
    body = header + b"".join(attr(kind, values[kind]) for kind in _ASKED if kind in values)
    if _ENCAP in values:
        body += nest(_ENCAP, values[_ENCAP])
    if _RESILIENT in values:
        body += nest(_RESILIENT, _timers(values[_RESILIENT]))
    index = as_int(values.get(_OIF))
    return Told(
        again=Message(RTM_NEWNEXTHOP, NLM_F_CREATE | NLM_F_EXCL, body),
        away=remove_nexthop(as_int(values[_ID]) or 0),
        alike=(body,),
        devices=frozenset([index] if index else []),
        kernels=False,
        stays=False,
    )


def _attributes(message: Message) -> tuple[tuple[int, int, int], Mapping[int, bytes]] | None:
    """The family, protocol and flags, and the rest."""
    if message.type != RTM_NEWNEXTHOP or len(message.payload) < _NHMSG.size:
        return None
    family, _scope, protocol, _reserved, flags = _NHMSG.unpack_from(message.payload)
    values = attributes(message.payload[_NHMSG.size :])
    return ((family, protocol, flags), values) if _ID in values else None


def _words(values: Mapping[int, bytes]) -> str:
    if _GROUP in values:
        members = values[_GROUP][: len(values[_GROUP]) // _MEMBER.size * _MEMBER.size]
        return "group " + ",".join(str(one[0]) for one in _MEMBER.iter_unpack(members))
    if _BLACKHOLE in values:
        return "blackhole"
    way = values.get(_GATEWAY, b"")
    via = f"via {ip_address(way)}" if len(way) in (4, 16) else ""
    return " ".join(filter(None, (via, "fdb" if _FDB in values else "")))


def _timers(data: bytes) -> bytes:
    found = attributes(data)
    return b"".join(attr(kind, found[kind]) for kind in found if kind != _UNBALANCED_TIME and kind)
