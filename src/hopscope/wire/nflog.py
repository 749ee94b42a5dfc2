"""nfnetlink_log: the messages that bind a group, and its reports → Logged; no socket, no clock."""

import struct
from collections.abc import Callable, Iterator
from typing import Final

from hopscope.model.events import Logged
from hopscope.model.vocab import DevName, Family, Nanos, NodeName
from hopscope.wire.netlink import NLM_F_REQUEST, Message, attr, attributes, pack, unpack

__all__ = ["bind_messages", "logged"]

_SUBSYSTEM: Final = 4 << 8  # NFNL_SUBSYS_ULOG
_PACKET: Final = _SUBSYSTEM | 0
_CONFIG: Final = _SUBSYSTEM | 1
_HEADER: Final = struct.Struct(">BBH")  # family, version, group

_CFG_CMD, _CFG_MODE, _CFG_TIMEOUT, _CFG_QTHRESH = 1, 2, 4, 5
_BIND: Final = b"\x01"
_COPY_PACKET: Final = 2
_WHOLE: Final = 0xFFFF

_MARK, _INDEV, _OUTDEV, _PHYSINDEV, _PHYSOUTDEV = 2, 4, 5, 6, 7
_PAYLOAD, _PREFIX, _HWHEADER, _L2HDR = 9, 10, 16, 21

_FAMILIES: Final = {
    2: Family.IP,
    3: Family.ARP,
    5: Family.NETDEV,
    7: Family.BRIDGE,
    10: Family.IP6,
}


def bind_messages(group: int) -> list[bytes]:
    """Requests that make a socket the receiver of *group*: whole packets, each at once."""
    body = (
        attr(_CFG_CMD, _BIND)
        + attr(_CFG_MODE, struct.pack(">IBx", _WHOLE, _COPY_PACKET))
        + attr(_CFG_TIMEOUT, struct.pack(">I", 1))  # hundredths of a second
        + attr(_CFG_QTHRESH, struct.pack(">I", 1))
    )
    payload = _HEADER.pack(0, 0, group) + body
    return [pack(Message(_CONFIG, NLM_F_REQUEST, payload))]


def logged(
    datagram: bytes,
    *,
    at: Nanos,
    node: NodeName,
    dev_name: Callable[[int], DevName | None],
) -> Iterator[Logged]:
    """The reports in a datagram.

    *at* is when it was read: the kernel's own stamp is absent at some hooks, and where
    present is the packet's birth, not the rule's moment.
    """
    for message in unpack(datagram):
        if message.type != _PACKET or len(message.payload) < _HEADER.size:
            continue
        family = _FAMILIES.get(message.payload[0])
        if family is None:
            continue
        found = attributes(message.payload[_HEADER.size :])

        def name(kind: int, found: dict[int, bytes] = found) -> DevName | None:
            return dev_name(_be32(found[kind])) if kind in found else None

        yield Logged(
            at=at,
            node=node,
            family=family,
            prefix=found.get(_PREFIX, b"").split(b"\0", 1)[0].decode(errors="replace"),
            iif=name(_INDEV),
            oif=name(_OUTDEV),
            physin=name(_PHYSINDEV),
            physout=name(_PHYSOUTDEV),
            # at some bridge hooks only the second is reported; they say the same
            link_header=found.get(_HWHEADER) or found.get(_L2HDR, b""),
            packet=found.get(_PAYLOAD, b""),
            mark=_be32(found[_MARK]) if _MARK in found else 0,
        )


def _be32(data: bytes) -> int:
    return int.from_bytes(data[:4], "big")
