"""Send stamped echo requests from inside a node, and tell what came back.

Two sockets do what ping's one does: the kernel routes and resolves as for any sender,
and reports the errors of others (a router's *unreachable*) and its own (no route) alike.
"""

import errno
import os
import socket
import struct
import time
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from hopscope.kernel.sandbox import Sandbox
from hopscope.model.record import Reply
from hopscope.model.vocab import NodeName
from hopscope.observe.session import Session
from hopscope.wire.packet import decode_packet, echo_request

__all__ = ["Prober"]

_IP_RECVERR: Final = 11
_IPV6_RECVERR: Final = 25
_ICMP_FILTER: Final = 1
_SOL_RAW: Final = 255
"""Ask for echo replies only (bit set: filtered); errors come through the error queue."""
_ERRNO_WORDS: Final = {
    errno.ENETUNREACH: "no route to that network",
    errno.EHOSTUNREACH: "host unreachable (its link-layer address did not resolve)",
    errno.EACCES: "prohibited",
    errno.EPERM: "a local firewall rule dropped it",
    errno.EINVAL: "a route forbids it (blackhole)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One echo request as it was handed to the kernel."""

    seq: int
    at: float  # time.monotonic_ns
    error: str | None


class Prober:
    """Echo requests from one node to one address."""

    def __init__(self, sandbox: Sandbox, node: NodeName, address: str, *, size: int = 56) -> None:
        """*size* is the payload in bytes, 12 at least, which our stamp needs."""
        self.address = address
        self.size = max(size, 12)
        self.six = ip_address(address).version == 6
        # a random identifier: two probers in one node do not take each other's replies
        self.ident = int.from_bytes(os.urandom(2), "big")
        family = socket.AF_INET6 if self.six else socket.AF_INET
        protocol = socket.IPPROTO_ICMPV6 if self.six else socket.IPPROTO_ICMP
        udp = (node, family, socket.SOCK_DGRAM, 0)
        self.socket, finder = sandbox.open_sockets([(node, family, socket.SOCK_RAW, protocol), udp])
        self.source = _chosen_source(finder, address)
        self.socket.setblocking(False)
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
            return Sent(seq=seq, at=at, error=_words(error))
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
            except OSError as error:  # from the error queue: an ICMP error, or ARP gave up
                while self._error_queue():
                    pass
                return Reply(seq=sent.seq, rtt=None, error=_words(error))
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

    def _error_queue(self) -> bool:
        try:
            self.socket.recvmsg(1, 512, socket.MSG_ERRQUEUE)
        except BlockingIOError:
            return False
        return True

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


def _words(error: OSError) -> str:
    code = error.errno or 0
    name = errno.errorcode.get(code, str(code))
    return f"{_ERRNO_WORDS.get(code, os.strerror(code))} ({name})"
