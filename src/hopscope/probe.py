"""Send stamped echo requests from inside a node, and tell what came back.

Two sockets do what ping's one does: the kernel routes and resolves as for any sender,
and reports the errors of others (a router's *unreachable*) and its own (no route) alike.
"""

import errno
import os
import socket
import struct
import time
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Final

from msgspec import Struct

from hopscope.errors import UsageError
from hopscope.kernel.sandbox import Sandbox
from hopscope.model.flow import Headers, Icmp, Ip
from hopscope.model.record import Reply
from hopscope.model.vocab import NodeName
from hopscope.observe.session import Session
from hopscope.wire.echo import STAMP_SIZE
from hopscope.wire.packet import decode_packet, echo_request, title

__all__ = ["Prober", "Sent"]

_IP_RECVERR: Final = 11
_IPV6_RECVERR: Final = 25
_ICMP_FILTER: Final = 1
_SOL_RAW: Final = 255
"""Ask for echo replies only (bit set: filtered); errors come through the error queue."""
_EXTENDED: Final = struct.Struct("=IBBBxII")
"""struct sock_extended_err of linux/errqueue.h; the offender's address follows it."""
_ORIGINS_ICMP: Final = (2, 3)
_SENDING: Final = {
    errno.ENETUNREACH: "no route to that network",
    errno.EHOSTUNREACH: "a route says that the host cannot be reached",
    errno.EACCES: "a route prohibits it",
    errno.EPERM: "a local firewall rule dropped it",
    errno.EINVAL: "the kernel takes no such destination: a blackhole route, or an address that "
    "needs a device",
    errno.EMSGSIZE: "it is longer than the way to there allows",
    errno.EADDRNOTAVAIL: "this node has no address of that family to send from",
}
"""What errors of sendto() mean."""


class Sent(Struct, frozen=True, kw_only=True):
    """One echo request as it was handed to the kernel."""

    seq: int
    at: float  # time.monotonic_ns
    error: str | None


class Prober:
    """Echo requests from one node to one address."""

    def __init__(self, sandbox: Sandbox, node: NodeName, address: str, *, size: int = 56) -> None:
        """*size* is the payload in bytes; UsageError when our stamp does not fit in it."""
        if size < STAMP_SIZE:
            raise UsageError(f"a ping of {size} bytes is too small: {STAMP_SIZE} hold our stamp")
        self.address = address
        self.size = size
        self.six = ip_address(address).version == 6
        # a random identifier: two probers in one node do not take each other's replies
        self.ident = int.from_bytes(os.urandom(2), "big")
        family = socket.AF_INET6 if self.six else socket.AF_INET
        protocol = socket.IPPROTO_ICMPV6 if self.six else socket.IPPROTO_ICMP
        udp = (node, family, socket.SOCK_DGRAM, 0)
        self.socket, finder = sandbox.open_sockets([(node, family, socket.SOCK_RAW, protocol), udp])
        self.source = _chosen_source(finder, address)
        self.socket.setblocking(False)
        self.late: dict[int, str] = {}  # errors that came after their request was given up
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)  # as ping -b
        level = socket.IPPROTO_IPV6 if self.six else socket.IPPROTO_IP
        self.socket.setsockopt(level, _IPV6_RECVERR if self.six else _IP_RECVERR, 1)
        if not self.six:
            only_replies = struct.pack("=I", 0xFFFFFFFF & ~1)
            self.socket.setsockopt(_SOL_RAW, _ICMP_FILTER, only_replies)

    def send(self, seq: int) -> Sent:
        """Send one request; a refusal of this kernel is told in words, not raised."""
        source = self.source or ("::" if self.six else "0.0.0.0")  # noqa: S104 - not bound
        stamp = self.ident << 32 | seq
        message = echo_request(
            source, self.address, ident=self.ident, seq=seq, stamp=stamp, size=self.size
        )
        at = time.monotonic_ns()
        try:
            self.socket.sendto(message, (self.address, 0))
        except OSError as error:
            return Sent(seq=seq, at=at, error=_words(error, _SENDING))
        return Sent(seq=seq, at=at, error=None)

    def ping(self, session: Session, seq: int, *, timeout: float) -> Reply:
        """Send one request and wait at most *timeout* seconds for its reply."""
        sent = self.send(seq)
        if sent.error is not None:
            return Reply(seq=seq, rtt=None, error=sent.error)
        got: list[Reply] = []

        def answered() -> bool:
            reply = self._receive(sent)
            if reply is not None:
                got.append(reply)
            return bool(got)

        session.until(answered, [self.socket], time.monotonic() + timeout)
        return got[0] if got else Reply(seq=seq, rtt=None)

    def _receive(self, sent: Sent) -> Reply | None:
        while True:
            try:
                data = self.socket.recv(1 << 16)
            except BlockingIOError:
                return None
            except OSError as error:  # an ICMP error; the queue says whose
                told = self._told(sent.seq, error)
                if told is not None:
                    return Reply(seq=sent.seq, rtt=None, error=told)
                continue
            now = time.monotonic_ns()
            # a raw IPv4 socket shows the IP header, an IPv6 one does not
            reply = self._seq_of(data)
            if reply == sent.seq:
                return Reply(seq=sent.seq, rtt=int(now - sent.at))

    def _seq_of(self, data: bytes) -> int | None:
        if self.six:
            if len(data) < 8 or data[0] != 129:
                return None
            ident, seq = struct.unpack(">HH", data[4:8])
        else:
            icmp = decode_packet(data, ethertype=0x0800).icmp
            if icmp is None or icmp.type != 0:
                return None
            ident, seq = icmp.ident, icmp.seq
        return seq if ident == self.ident else None

    def _told(self, seq: int, error: OSError) -> str | None:
        """Read the error queue: what it says of this request; the rest is kept as late."""
        own: str | None = None
        read = False
        while True:
            try:
                data, extra, _flags, _sender = self.socket.recvmsg(
                    1 << 16, 512, socket.MSG_ERRQUEUE
                )
            except BlockingIOError:
                return own if read else _words(error, {})
            read = True
            words = _from_queue(extra, self.source) or _words(error, {})
            about = struct.unpack(">HH", data[4:8]) if len(data) >= 8 else (self.ident, seq)
            if about == (self.ident, seq):
                own = words
            elif about[0] == self.ident:
                self.late[about[1]] = words

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()


def _chosen_source(finder: socket.socket, address: str) -> str | None:
    """The source address that the kernel picks for *address*; None without a route."""
    with finder:
        try:
            finder.connect((address, 9))
        except OSError:
            return None
        name: str = finder.getsockname()[0]
        return name.split("%", maxsplit=1)[0]


def _from_queue(extra: Iterable[tuple[int, int, bytes]], own: str | None) -> str | None:
    """An error of the queue in words: who sent it, and what it says."""
    for _level, kind, data in extra:
        if kind not in (_IP_RECVERR, _IPV6_RECVERR) or len(data) < _EXTENDED.size:
            continue
        code, origin, icmp_type, icmp_code, _info, _data = _EXTENDED.unpack_from(data)
        if origin not in _ORIGINS_ICMP:
            return None
        six = origin == _ORIGINS_ICMP[1]
        sender = _address(data[_EXTENDED.size :], six=six)
        name = errno.errorcode.get(code, str(code))
        if sender == own and code == errno.EHOSTUNREACH:
            return f"host unreachable: its link-layer address did not resolve ({name})"
        icmp = Icmp(type=icmp_type, code=icmp_code)
        ip = Ip(version=6 if six else 4, src="", dst="", proto=0, ttl=0, length=0)
        return f"{sender} says: {title(Headers(ip=ip, icmp=icmp))} ({name})"
    return None


def _address(sockaddr: bytes, *, six: bool) -> str:
    """The address in a sockaddr_in or sockaddr_in6."""
    packed = sockaddr[8:24] if six else sockaddr[4:8]
    return str(ip_address(packed)) if len(packed) in (4, 16) else "?"


def _words(error: OSError, meanings: Mapping[int, str]) -> str:
    code = error.errno or 0
    name = errno.errorcode.get(code, str(code))
    return f"{meanings.get(code, os.strerror(code))} ({name})"
