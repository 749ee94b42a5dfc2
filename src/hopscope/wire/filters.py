"""rtnetlink requests about the filters of devices (tc), as bytes, and the answers; no socket.

Layouts are those of linux/pkt_cls.h and linux/tc_act/; of actions, only what ends a packet's way
is told by name.
"""

import struct
import sys
from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

from hopscope.wire.netlink import NLM_F_DUMP, Message, attributes
from hopscope.wire.rtnl_link_read import as_int, as_text

__all__ = ["EGRESS", "INGRESS", "FilterPart", "dump_filters", "filter_part"]

RTM_NEWTFILTER, RTM_GETTFILTER = 44, 46
INGRESS: Final = 0xFFFFFFF2
EGRESS: Final = 0xFFFFFFF3
"""Below clsact: TC_H_MIN_INGRESS and TC_H_MIN_EGRESS; ingress, the discipline, has the first."""

TCA_KIND, TCA_OPTIONS, TCA_CHAIN = 1, 2, 11
TCA_ACT_KIND, TCA_ACT_OPTIONS, TCA_ACT_STATS, TCA_STATS_BASIC = 1, 2, 4, 1
TCA_GACT_PARMS = TCA_MIRRED_PARMS = 2
TCA_BPF_FLAGS = 8
TC_ACT_SHOT = 2
_ACTIONS: Final = {
    **dict.fromkeys(("bpf", "cgroup"), 1),
    **dict.fromkeys(("flower", "basic"), 3),
    "matchall": 2,
    "fw": 4,
    "route": 6,
    "u32": 7,
    "flow": 9,
}
"""TCA_*_ACT: where each kind of filter has its actions."""
_REDIRECTS: Final = (1, 3)  # TCA_EGRESS_REDIR, TCA_INGRESS_REDIR: what is mirrored goes on

_TCMSG: Final = struct.Struct("=BxxxiIII")
_GEN: Final = struct.Struct("=IIiii")  # tc_gen: index, capab, action, refcnt, bindcnt
_MIRRED: Final = struct.Struct("=20siI")
_BASIC: Final = struct.Struct("=QI")
_PROTOCOLS: Final = {3: "all", 0x800: "ip", 0x806: "arp", 0x86DD: "ipv6", 0x8100: "802.1Q"}


class FilterPart(Struct, frozen=True, kw_only=True):
    """A filter of the device *index*; *text* says which, as ``tc filter`` takes it.

    *ends*: how its actions end a packet's way: "dropped it", "redirected it to lo". "" of those
    that do not, None where only its program knows. *taken*: how many packets its actions had.
    """

    index: int
    text: str
    ends: str | None
    taken: int


def dump_filters(index: int, parent: int) -> Message:
    """The filters of one device, for what comes in or goes out."""
    return Message(RTM_GETTFILTER, NLM_F_DUMP, _TCMSG.pack(0, index, 0, parent, 0))


def filter_part(message: Message, name: Callable[[int], str]) -> FilterPart | None:
    """A filter (tcf_fill_node), with devices by *name*; None for any other message.

    What stands before the filters of one preference is none: it has no handle. Nor is a hash
    table of u32, whose node is 0.
    """
    if message.type != RTM_NEWTFILTER or len(message.payload) < _TCMSG.size:
        return None
    _family, index, handle, _parent, info = _TCMSG.unpack_from(message.payload)
    parts = attributes(message.payload[_TCMSG.size :])
    kind = as_text(parts.get(TCA_KIND, b""))
    if not handle or (kind == "u32" and not handle & 0xFFF):
        return None
    options = attributes(parts.get(TCA_OPTIONS, b""))
    actions = [*_actions(options.get(_ACTIONS.get(kind, 0), b""))]
    known = [end for action in actions if (end := _end(action, name))]
    direct = kind == "bpf" and (as_int(options.get(TCA_BPF_FLAGS)) or 0) & 1
    return FilterPart(
        index=index,
        text=_which(info, as_int(parts.get(TCA_CHAIN)) or 0, handle, kind),
        ends=None if direct else next(iter(known), ""),
        taken=max((_taken(action) for action in actions), default=0),
    )


def _which(info: int, chain: int, handle: int, kind: str) -> str:
    """Its protocol is in network byte order."""
    number = int.from_bytes((info & 0xFFFF).to_bytes(2, sys.byteorder), "big")
    protocol = _PROTOCOLS.get(number, f"{number:#x}")
    named = f"{handle:#x}"
    if kind == "u32":  # a hash table, a bucket and a node
        bucket = handle >> 12 & 0xFF
        named = f"{handle >> 20:x}:{f'{bucket:x}' if bucket else ''}:{handle & 0xFFF:x}"
    of = f" chain {chain}" if chain else ""
    return f"protocol {protocol} pref {info >> 16}{of} handle {named} {kind}"


def _actions(data: bytes) -> Iterator[dict[int, bytes]]:
    yield from (attributes(one) for one in attributes(data).values())


def _end(action: dict[int, bytes], name: Callable[[int], str]) -> str:
    kind = as_text(action.get(TCA_ACT_KIND, b""))
    parms = attributes(action.get(TCA_ACT_OPTIONS, b"")).get(TCA_GACT_PARMS, b"")
    if kind == "gact" and len(parms) >= _GEN.size and _GEN.unpack_from(parms)[2] == TC_ACT_SHOT:
        return "dropped it"
    if kind == "mirred" and len(parms) >= _MIRRED.size:
        _gen, does, index = _MIRRED.unpack_from(parms)
        return f"redirected it to {name(index)}" if does in _REDIRECTS else ""
    return ""


def _taken(action: dict[int, bytes]) -> int:
    basic = attributes(action.get(TCA_ACT_STATS, b"")).get(TCA_STATS_BASIC, b"")
    packets: int = _BASIC.unpack_from(basic)[1] if len(basic) >= _BASIC.size else 0
    return packets
