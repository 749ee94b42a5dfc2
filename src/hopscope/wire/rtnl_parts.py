"""Parts that rtnetlink requests about devices have in common, as bytes."""

import struct
from typing import Final

from hopscope.model.vocab import Mac
from hopscope.wire.netlink import attr, nest, text, u32

__all__ = ["common", "ifinfo", "linkinfo", "octets", "queue_counts"]

IFLA_ADDRESS, IFLA_MTU, IFLA_LINKINFO = 1, 4, 18
IFLA_NUM_TX_QUEUES, IFLA_NUM_RX_QUEUES = 31, 32
IFLA_INFO_KIND, IFLA_INFO_DATA = 1, 2
IFF_UP: Final = 1


def ifinfo(*, index: int, up: bool | None = None, family: int = 0) -> bytes:
    """The struct ifinfomsg; *up* None leaves the state alone."""
    flags = IFF_UP if up else 0
    change = 0 if up is None else IFF_UP
    return struct.pack("=BBHiII", family, 0, 0, index, flags, change)


def common(mac: Mac | None, mtu: int | None) -> bytes:
    """Address and MTU; what is None is left out."""
    body = b"" if mac is None else attr(IFLA_ADDRESS, octets(mac))
    return body if mtu is None else body + u32(IFLA_MTU, mtu)


def queue_counts(count: int) -> bytes:
    """More than one, one per core by default, cost memory and bring most labs nothing."""
    return u32(IFLA_NUM_TX_QUEUES, count) + u32(IFLA_NUM_RX_QUEUES, count)


def linkinfo(kind: str, data: bytes) -> bytes:
    """The kind of a device to be made, and its own options."""
    return nest(IFLA_LINKINFO, text(IFLA_INFO_KIND, kind) + nest(IFLA_INFO_DATA, data))


def octets(mac: Mac) -> bytes:
    """The six bytes of a MAC address."""
    return bytes.fromhex(mac.replace(":", ""))
