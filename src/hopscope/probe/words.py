"""What a probe's socket is to hear; errors of sending, and of others, in words."""

import errno
import os
import socket
import struct
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Final, NamedTuple

from hopscope.model.flow import Headers, Icmp, Ip
from hopscope.wire.packet import title

__all__ = [
    "FULL",
    "IPV6_RECVERR",
    "IP_RECVERR",
    "QUEUE",
    "SENDING",
    "QueuedError",
    "only_replies",
    "queued",
    "refusal",
    "report_errors",
    "words",
]

IP_RECVERR: Final = 11
IPV6_RECVERR: Final = 25
_SOL_RAW, _ICMP_FILTER, _ICMPV6_FILTER = 255, 1, 1
_EXTENDED: Final = struct.Struct("=IBBBxII")
"""struct sock_extended_err of linux/errqueue.h; the offender's address follows it."""
_ORIGINS_ICMP: Final = (2, 3)
_UNREACHABLE_PORT: Final = {False: (3, 3), True: (1, 4)}
QUEUE: Final = "a device's queue dropped it"
FULL: Final = "the neighbour table, which all namespaces share, is full"
SENDING: Final = {
    errno.ENETUNREACH: "no route to that network",
    errno.EHOSTUNREACH: "a route says that the host cannot be reached",
    errno.EACCES: "a route prohibits it",
    errno.EPERM: "a local firewall rule dropped it",
    errno.EINVAL: "the kernel takes no such destination: a blackhole route, or an address that "
    "needs a device",
    errno.EMSGSIZE: "it is longer than the way to there allows",
    errno.EADDRNOTAVAIL: "this node has no address of that family to send from",
    errno.ENOBUFS: f"{QUEUE}, or {FULL}",
}
"""What errors of sendto() mean."""


class QueuedError(NamedTuple):
    """An ICMP error that someone sent, or one of this kernel's own; *six*: of ICMPv6."""

    code: int
    sender: str  # empty: this kernel
    type: int
    icmp_code: int
    six: bool

    @property
    def names_port(self) -> bool:
        """Whether it says that nothing listens on the port."""
        return (self.type, self.icmp_code) == _UNREACHABLE_PORT[self.six]

    def told(self, own: str | None) -> str:
        """In words; *own* is the address of whoever asked."""
        if not self.sender:
            return words(OSError(self.code, ""), {})
        name = errno.errorcode.get(self.code, str(self.code))
        if self.sender == own and self.code == errno.EHOSTUNREACH:
            return f"host unreachable: its link-layer address did not resolve ({name})"
        icmp = Icmp(type=self.type, code=self.icmp_code)
        ip = Ip(version=6 if self.six else 4, src="", dst="", proto=0, ttl=0, length=0)
        return f"{self.sender} says: {title(Headers(ip=ip, icmp=icmp))} ({name})"


def report_errors(made: socket.socket, *, six: bool) -> None:
    """Have ICMP errors, and this kernel's own, reported to a socket with their causes."""
    level = socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP
    made.setsockopt(level, IPV6_RECVERR if six else IP_RECVERR, 1)


def only_replies(made: socket.socket, *, six: bool) -> None:
    """Have a raw ICMP socket told of echo replies, and of nothing else."""
    if six:
        blocked = bytearray(b"\xff" * 32)  # a bit for each type; replies are 129
        blocked[16] &= ~2 & 0xFF
        made.setsockopt(socket.IPPROTO_ICMPV6, _ICMPV6_FILTER, bytes(blocked))
    else:
        made.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", 0xFFFFFFFF & ~1))


def queued(extra: Iterable[tuple[int, int, bytes]]) -> QueuedError | None:
    """The error of an entry of the error queue; None when it holds something else."""
    for _level, kind, data in extra:
        if kind not in (IP_RECVERR, IPV6_RECVERR) or len(data) < _EXTENDED.size:
            continue
        code, origin, icmp_type, icmp_code, _info, _data = _EXTENDED.unpack_from(data)
        if origin not in _ORIGINS_ICMP:
            return QueuedError(code, "", 0, 0, six=False)
        six = origin == _ORIGINS_ICMP[1]
        sender = _address(data[_EXTENDED.size :], six=six)
        return QueuedError(code, sender, icmp_type, icmp_code, six)
    return None


def _address(sockaddr: bytes, *, six: bool) -> str:
    """The address in a sockaddr_in or sockaddr_in6."""
    packed = sockaddr[8:24] if six else sockaddr[4:8]
    return str(ip_address(packed)) if len(packed) in (4, 16) else "?"


def refusal(error: OSError, *, overflows: tuple[int | None, int | None]) -> str:
    """What a refusal to send means; *overflows* of the neighbour table, before and now."""
    before, now = overflows
    if before is None or now is None:
        return words(error, SENDING)
    return words(error, {**SENDING, errno.ENOBUFS: FULL if now > before else QUEUE})


def words(error: OSError, meanings: Mapping[int, str]) -> str:
    """What *error* means, else what the C library calls it; and its name."""
    code = error.errno or 0
    name = errno.errorcode.get(code, str(code))
    return f"{meanings.get(code, os.strerror(code))} ({name})"
