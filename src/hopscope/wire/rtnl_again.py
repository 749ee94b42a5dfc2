"""An address or a route as a dump told it → what makes the very same, or removes it; no socket.

What only time changes, and what the kernel refuses in a request, is left out. Layouts are those
of linux/if_addr.h and linux/rtnetlink.h.
"""

import struct
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from hopscope.wire.netlink import (
    NLM_F_APPEND,
    NLM_F_CREATE,
    NLM_F_EXCL,
    Message,
    attr,
    attribute_list,
    u32,
)
from hopscope.wire.rtnl_link_read import as_int

__all__ = ["Told", "told"]

AF_INET, AF_INET6 = 2, 10
RTM_NEWADDR, RTM_DELADDR, RTM_NEWROUTE, RTM_DELROUTE = 20, 21, 24, 25

_IFADDR: Final = struct.Struct("=BBBBI")
_RTMSG: Final = struct.Struct("=BBBBBBBBI")
_RTNEXTHOP: Final = struct.Struct("=HBBi")
_LIFETIMES: Final = struct.Struct("=IIII")  # preferred, valid, and when it was made and changed
_CACHEINFO: Final = struct.Struct("=IIiIIII")
_USER_HZ: Final = 100
_FOREVER: Final = 0xFFFFFFFF

_IFA_ADDRESS, _IFA_CACHEINFO, _IFA_FLAGS, _IFA_PROTO = 1, 6, 8, 11
_RTA_OIF, _RTA_GATEWAY, _RTA_MULTIPATH, _RTA_CACHEINFO, _RTA_VIA = 4, 5, 9, 12, 18
_RTA_MFC_STATS, _RTA_ENCAP_TYPE, _RTA_ENCAP, _RTA_EXPIRES, _RTA_PAD = 17, 21, 22, 23, 24
_RTA_NH_ID: Final = 30
_OF_TIME: Final = (_RTA_CACHEINFO, _RTA_MFC_STATS, _RTA_EXPIRES, _RTA_PAD)
_OF_NEXT_HOP: Final = (
    *(_RTA_OIF, _RTA_GATEWAY, _RTA_MULTIPATH, _RTA_VIA, _RTA_ENCAP_TYPE, _RTA_ENCAP),
)
"""What a route by a next hop object is told with, and may not be asked for with."""

_SECONDARY: Final = 0x01  # of IPv4; a temporary one of IPv6
_ASKED: Final = {AF_INET: 0x602, AF_INET6: 0x712}
"""IFA_F_*: what a request may say, beside what follows from lifetimes and the addresses before."""
_KERNELS: Final = (b"\x01", b"\x02", b"\x03")  # IFAPROT_KERNEL_*
_REDIRECT, _KERNEL, _RA = 1, 2, 9  # RTPROT_*
_ONLINK, _CLONED = 0x4, 0x200

Attributes = list[tuple[int, bytes]]


class Told(Struct, frozen=True, kw_only=True):
    """One of them. Two that are *alike* are the same, but for what time does to them."""

    again: Message
    away: Message
    alike: tuple[object, ...]
    devices: frozenset[int]
    kernels: bool  # it comes and goes by itself, perhaps a moment later
    stays: bool  # … or may: where it came meanwhile, it is no trace of anything


def told(message: Message) -> Told | None:
    """Of an address or a route of IPv4 or IPv6; None of anything else."""
    size = {RTM_NEWADDR: _IFADDR.size, RTM_NEWROUTE: _RTMSG.size}.get(message.type)
    if size is None or len(message.payload) < size or message.payload[0] not in _ASKED:
        return None
    found = attribute_list(message.payload[size:])
    if message.type == RTM_NEWADDR:
        return _address(message.payload, found)
    return _route(message.payload, found)


def _address(payload: bytes, found: Attributes) -> Told:
    family, prefix, low, scope, index = _IFADDR.unpack_from(payload)
    values = dict(found)
    flags = as_int(values.get(_IFA_FLAGS)) or low
    asked = flags & _ASKED[family]
    preferred, valid = _lifetimes(values.get(_IFA_CACHEINFO, b""))
    plain = [(kind, data) for kind, data in found if kind not in (_IFA_CACHEINFO, _IFA_FLAGS)]
    body = _IFADDR.pack(family, prefix, asked & 0xFF, scope, index) + _packed(plain)
    body += attr(_IFA_CACHEINFO, _LIFETIMES.pack(preferred, valid, 0, 0)) + u32(_IFA_FLAGS, asked)
    temporary = family == AF_INET6 and bool(flags & _SECONDARY)
    known = asked if family == AF_INET6 else asked | flags & _SECONDARY
    ends = (preferred == _FOREVER, valid == _FOREVER)
    kernels = temporary or values.get(_IFA_PROTO) in _KERNELS
    near = family == AF_INET6 and values.get(_IFA_ADDRESS, b"")[:2] == b"\xfe\x80"
    return Told(
        again=Message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, body),
        away=Message(RTM_DELADDR, 0, body),
        alike=(family, prefix, scope, index, known, ends, *sorted(plain)),
        devices=frozenset([index]),
        kernels=kernels,
        stays=kernels or near,  # before Linux 5.18 none says whose it is
    )


def _lifetimes(cacheinfo: bytes) -> tuple[int, int]:
    if len(cacheinfo) < _LIFETIMES.size:
        return _FOREVER, _FOREVER
    preferred, valid, _made, _changed = _LIFETIMES.unpack_from(cacheinfo)
    return preferred, valid


def _route(payload: bytes, found: Attributes) -> Told | None:
    family, to, source, tos, table, protocol, scope, kind, flags = _RTMSG.unpack_from(payload)
    if flags & _CLONED:
        return None
    values = dict(found)
    hops = list(_hops(values.get(_RTA_MULTIPATH, b"")))
    plain = [
        (kind, b"".join(hop for _index, hop in hops) if kind == _RTA_MULTIPATH else data)
        for kind, data in found
        if kind not in _OF_TIME and not (kind in _OF_NEXT_HOP and _RTA_NH_ID in values)
    ]
    header = (family, to, source, tos, table, protocol, scope, kind, flags & _ONLINK)
    body = _RTMSG.pack(*header) + _packed(plain)
    if seconds := _seconds_left(values.get(_RTA_CACHEINFO, b"")):
        body += u32(_RTA_EXPIRES, seconds)
    own = (_REDIRECT, _KERNEL, _RA) if family == AF_INET6 else (_REDIRECT,)
    oif = as_int(values.get(_RTA_OIF))
    return Told(
        again=Message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND, body),
        away=Message(RTM_DELROUTE, 0, body),
        alike=(*header, bool(seconds), *sorted(plain)),
        devices=frozenset(index for index in (oif, *(index for index, _hop in hops)) if index),
        kernels=protocol in own,
        stays=protocol in own,
    )


def _hops(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each next hop's device, and the hop without how it fares: dead, or without a carrier."""
    while len(data) >= _RTNEXTHOP.size:
        length, flags, weight, index = _RTNEXTHOP.unpack_from(data)
        if length < _RTNEXTHOP.size:
            return
        header = _RTNEXTHOP.pack(length, flags & _ONLINK, weight, index)
        yield index, header + data[_RTNEXTHOP.size : length]
        data = data[(length + 3) & ~3 :]


def _seconds_left(cacheinfo: bytes) -> int:
    """Of a route that ends by itself; 0 of one that does not."""
    if len(cacheinfo) < _CACHEINFO.size:
        return 0
    ticks = _CACHEINFO.unpack_from(cacheinfo)[2]
    return max(1, ticks // _USER_HZ) if ticks > 0 else 0


def _packed(found: Attributes) -> bytes:
    return b"".join(attr(kind, data) for kind, data in found)
