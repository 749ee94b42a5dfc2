"""rtnetlink requests about queueing disciplines, as bytes, and the answers; no socket.

Layouts are those of linux/pkt_sched.h and linux/rtnetlink.h. Rates are bits a second here
and bytes a second in the kernel; its ticks are 64 ns.
"""

import struct
import sys
from collections.abc import Mapping
from typing import Final, assert_never

from msgspec import Struct

from hopscope.model.traffic import Htb, Netem, Shaping, Tbf
from hopscope.wire.netlink import (
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    Message,
    attr,
    attributes,
    nest,
    text,
    u32,
    u64,
)

__all__ = [
    "QdiscPart",
    "add_qdisc",
    "dump_classes",
    "dump_qdiscs",
    "htb_class",
    "kept_burst",
    "qdisc",
    "remove_qdisc",
]

RTM_NEWQDISC, RTM_DELQDISC, RTM_GETQDISC, RTM_NEWTCLASS, RTM_GETTCLASS = 36, 37, 38, 40, 42
TC_H_ROOT: Final = 0xFFFFFFFF
TCA_KIND, TCA_OPTIONS, TCA_STATS2 = 1, 2, 7
TCA_TBF_PARMS, TCA_TBF_RATE64, TCA_TBF_BURST = 1, 4, 6
TCA_HTB_PARMS, TCA_HTB_INIT, TCA_HTB_RATE64, TCA_HTB_CEIL64 = 1, 2, 6, 7
TCA_NETEM_REORDER, TCA_NETEM_CORRUPT, TCA_NETEM_LATENCY64, TCA_NETEM_JITTER64 = 3, 4, 10, 11
TC_LINKLAYER_ETHERNET: Final = 1

_TCMSG: Final = struct.Struct("=BxxxiIII")
_RATESPEC: Final = struct.Struct("=BBHhHI")
_TBF: Final = struct.Struct("=12s12sIII")
_HTB: Final = struct.Struct("=12s12sIIIII")
_NETEM: Final = struct.Struct("=IIIIII")
_TICK: Final = 64  # nanoseconds: PSCHED_SHIFT
_WHOLE: Final = 0xFFFFFFFF  # of a share
_NEW: Final = NLM_F_CREATE | NLM_F_EXCL


class QdiscPart(Struct, frozen=True, kw_only=True):
    """A queueing discipline of the device *index*; of htb, the class tells the *options*."""

    index: int
    kind: str
    handle: str
    parent: str
    options: Shaping | None
    sent: int
    dropped: int
    backlog: int


def add_qdisc(index: int, *, parent: str, handle: str, options: Shaping) -> list[Message]:
    """A queueing discipline, and for htb its one class."""
    where = _TCMSG.pack(0, index, _number(handle), _number(parent), 0)
    kind = text(TCA_KIND, options.kind)
    match options:
        case Tbf():
            return [Message(RTM_NEWQDISC, _NEW, where + kind + _tbf(options))]
        case Netem():
            return [Message(RTM_NEWQDISC, _NEW, where + kind + _netem(options))]
        case Htb():
            glob = struct.pack("=IIIII", 3, 10, 1, 0, 0)  # version, r2q, the default class
            made = where + kind + nest(TCA_OPTIONS, attr(TCA_HTB_INIT, glob))
            one = _TCMSG.pack(0, index, _number(handle) | 1, _number(handle), 0)
            return [
                Message(RTM_NEWQDISC, _NEW, made),
                Message(RTM_NEWTCLASS, _NEW, one + kind + _htb(options)),
            ]
        case _:
            assert_never(options)


def remove_qdisc(index: int, parent: str) -> Message:
    """Remove the queueing discipline at *parent*, and all below it."""
    return Message(RTM_DELQDISC, 0, _TCMSG.pack(0, index, 0, _number(parent), 0))


def dump_qdiscs() -> Message:
    """All queueing disciplines of the namespace."""
    return Message(RTM_GETQDISC, NLM_F_DUMP, _TCMSG.pack(0, 0, 0, 0, 0))


def dump_classes(index: int) -> Message:
    """The classes of one device."""
    return Message(RTM_GETTCLASS, NLM_F_DUMP, _TCMSG.pack(0, index, 0, 0, 0))


def qdisc(message: Message) -> QdiscPart | None:
    """A queueing discipline (tc_fill_qdisc); None for any other message."""
    found = _read(message, RTM_NEWQDISC)
    if found is None:
        return None
    index, handle, parent, parts = found
    kind = parts.get(TCA_KIND, b"").rstrip(b"\0").decode(errors="replace")
    data = parts.get(TCA_OPTIONS, b"")
    stats = attributes(parts.get(TCA_STATS2, b""))
    queue = stats.get(3, b"")
    options: Shaping | None = None
    if kind == "tbf":
        options = _tbf_read(attributes(data))
    elif kind == "netem":
        options = _netem_read(data)
    return QdiscPart(
        index=index,
        kind=kind,
        handle=_text(handle),
        parent="root" if parent == TC_H_ROOT else _text(parent),
        options=options,
        sent=_field(stats.get(1, b""), "=QI", 1),
        dropped=_field(queue, "=IIIII", 2),
        backlog=_field(queue, "=IIIII", 0),
    )


def htb_class(message: Message) -> tuple[str, Htb] | None:
    """The handle of the htb qdisc that a class of whatever number is of, and what it is set to."""
    found = _read(message, RTM_NEWTCLASS)
    if found is None or found[3].get(TCA_KIND) != b"htb\0":
        return None
    _index, handle, _parent, parts = found
    data = attributes(parts.get(TCA_OPTIONS, b""))
    if len(data.get(TCA_HTB_PARMS, b"")) < _HTB.size:
        return None
    rate, ceil, buffer, *_rest = _HTB.unpack_from(data[TCA_HTB_PARMS])
    speed = _speed(rate, data.get(TCA_HTB_RATE64))
    most = _speed(ceil, data.get(TCA_HTB_CEIL64))
    return _text(handle & ~0xFFFF), Htb(rate=speed, ceil=most, burst=_bytes(buffer, speed))


def kept_burst(burst: int, rate: int) -> int:
    """What is read of a *burst*, in bytes, that was set."""
    return _bytes(_ticks_of(burst, rate), rate)


def _tbf(options: Tbf) -> bytes:
    ticks = _ticks_of(options.burst, options.rate)
    parms = _TBF.pack(_ratespec(options.rate), bytes(12), options.limit, ticks, 0)
    data = attr(TCA_TBF_PARMS, parms) + u32(TCA_TBF_BURST, options.burst)
    return nest(TCA_OPTIONS, data + _large(TCA_TBF_RATE64, options.rate))


def _tbf_read(data: Mapping[int, bytes]) -> Tbf | None:
    if len(data.get(TCA_TBF_PARMS, b"")) < _TBF.size:
        return None
    rate, _peak, limit, ticks, _mtu = _TBF.unpack_from(data[TCA_TBF_PARMS])
    speed = _speed(rate, data.get(TCA_TBF_RATE64))
    return Tbf(rate=speed, burst=_bytes(ticks, speed), limit=limit)


def _htb(options: Htb) -> bytes:
    parms = _HTB.pack(
        _ratespec(options.rate),
        _ratespec(options.ceil),
        _ticks_of(options.burst, options.rate),
        _ticks_of(options.burst, options.ceil),
        min(max(options.rate // 80, 1000), 200_000),  # bytes in a turn: what r2q 10 comes to
        0,
        0,
    )
    data = attr(TCA_HTB_PARMS, parms) + _large(TCA_HTB_RATE64, options.rate)
    return nest(TCA_OPTIONS, data + _large(TCA_HTB_CEIL64, options.ceil))


def _netem(options: Netem) -> bytes:
    ticks = (min(time // _TICK, 0xFFFFFFFF) for time in (options.delay, options.jitter))
    loss, duplicate = _share(options.loss), _share(options.duplicate)
    gap = 1 if options.reorder else 0
    late, spread = ticks
    data = _NETEM.pack(late, options.limit, loss, gap, duplicate, spread)
    data += u64(TCA_NETEM_LATENCY64, options.delay) + u64(TCA_NETEM_JITTER64, options.jitter)
    for kind, percent in (
        (TCA_NETEM_REORDER, options.reorder),
        (TCA_NETEM_CORRUPT, options.corrupt),
    ):
        if percent:
            data += attr(kind, struct.pack("=II", _share(percent), 0))
    return attr(TCA_OPTIONS, data)


def _netem_read(data: bytes) -> Netem | None:
    if len(data) < _NETEM.size:
        return None
    late, limit, loss, _gap, duplicate, spread = _NETEM.unpack_from(data)
    more = attributes(data[_NETEM.size :])
    return Netem(
        delay=_number64(more.get(TCA_NETEM_LATENCY64), late * _TICK),
        jitter=_number64(more.get(TCA_NETEM_JITTER64), spread * _TICK),
        loss=_percent(loss),
        duplicate=_percent(duplicate),
        corrupt=_percent(_field(more.get(TCA_NETEM_CORRUPT, b""), "=II", 0)),
        reorder=_percent(_field(more.get(TCA_NETEM_REORDER, b""), "=II", 0)),
        limit=limit,
    )


def _ratespec(rate: int) -> bytes:
    return _RATESPEC.pack(0, TC_LINKLAYER_ETHERNET, 0, -1, 0, min(rate // 8, 0xFFFFFFFF))


def _large(kind: int, rate: int) -> bytes:
    """A rate that has no room in a struct tc_ratespec."""
    return u64(kind, rate // 8) if rate // 8 > 0xFFFFFFFF else b""


def _speed(spec: bytes, large: bytes | None) -> int:
    """Bits a second."""
    small: int = _RATESPEC.unpack(spec)[5]
    return 8 * _number64(large, small)


def _ticks_of(size: int, rate: int) -> int:
    """The time that so many bytes take."""
    return min(size * 8 * 1_000_000_000 // (max(rate, 1) * _TICK), 0xFFFFFFFF)


def _bytes(ticks: int, rate: int) -> int:
    return round(ticks * _TICK * rate / 8 / 1_000_000_000)


def _share(percent: float) -> int:
    return round(percent / 100 * _WHOLE)


def _percent(share: int) -> float:
    return round(share / _WHOLE * 100, 6)


def _number64(data: bytes | None, usual: int) -> int:
    return usual if data is None else int.from_bytes(data[:8], sys.byteorder)


def _field(data: bytes, layout: str, at: int) -> int:
    """One of the numbers of a struct; 0 when there is none."""
    if len(data) < struct.calcsize(layout):
        return 0
    number: int = struct.unpack_from(layout, data)[at]
    return number


def _read(message: Message, kind: int) -> tuple[int, int, int, dict[int, bytes]] | None:
    if message.type != kind or len(message.payload) < _TCMSG.size:
        return None
    _family, index, handle, parent, _info = _TCMSG.unpack_from(message.payload)
    return index, handle, parent, attributes(message.payload[_TCMSG.size :])


def _number(handle: str) -> int:
    """``1:`` or ``1:1``, which are hexadecimal; ``root``."""
    if handle == "root":
        return TC_H_ROOT
    major, _, minor = handle.partition(":")
    return int(major, 16) << 16 | int(minor or "0", 16)


def _text(handle: int) -> str:
    minor = handle & 0xFFFF
    return f"{handle >> 16:x}:{minor:x}" if minor else f"{handle >> 16:x}:"
