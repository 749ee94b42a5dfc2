"""Send stamped echo requests from inside a node, and tell what came back.

Two sockets do what ping's one does: the kernel routes and resolves as for any sender,
and reports the errors of others (a router's *unreachable*) and its own (no route) alike.
"""

import os
import socket
import struct
import time
from ipaddress import ip_address

from msgspec import Struct

from hopscope.errors import UsageError
from hopscope.kernel.neighbours import overflows
from hopscope.kernel.sandbox import Sandbox
from hopscope.model.record import Reply
from hopscope.model.vocab import NodeName
from hopscope.observe.session import Session
from hopscope.probe.words import only_replies, queued, refusal, report_errors, words
from hopscope.wire.echo import STAMP_SIZE, SWEEP
from hopscope.wire.packet import decode_packet, echo_request

__all__ = ["Prober", "Sent"]


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
        self.six: bool = ip_address(address).version == 6
        # a random identifier: two probers in one node do not take each other's replies
        ident = int.from_bytes(os.urandom(2), "big")
        self.ident: int = ident + 1 if ident == SWEEP else ident
        family = socket.AF_INET6 if self.six else socket.AF_INET
        protocol = socket.IPPROTO_ICMPV6 if self.six else socket.IPPROTO_ICMP
        udp = (node, family, socket.SOCK_DGRAM, 0)
        self.socket: socket.socket
        self.socket, finder = sandbox.open_sockets([(node, family, socket.SOCK_RAW, protocol), udp])
        self.source: str | None = _chosen_source(finder, address)
        self._overflows = overflows(six=self.six)
        self.socket.setblocking(False)
        self.late: dict[int, str] = {}  # errors that came after their request was given up
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)  # as ping -b
        report_errors(self.socket, six=self.six)
        only_replies(self.socket, six=self.six)

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
            counts = (self._overflows, overflows(six=self.six))
            return Sent(seq=seq, at=at, error=refusal(error, overflows=counts))
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
                return own if read else words(error, {})
            read = True
            found = queued(extra)
            told = found.told(self.source) if found is not None else words(error, {})
            about = struct.unpack(">HH", data[4:8]) if len(data) >= 8 else (self.ident, seq)
            if about == (self.ident, seq):
                own = told
            elif about[0] == self.ident:
                self.late[about[1]] = told

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
