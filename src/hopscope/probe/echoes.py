"""Echo requests from many nodes to many: one raw socket in each, sent as fast as replies come.

Over veth and bridge the kernel has the reply ready when sending returns, so the reply is read
before the next request is sent, and no buffer ever holds more than the stragglers.
"""

import os
import select
import socket
import struct
import time
from array import array
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Final

from hopscope.kernel.sandbox import Sandbox
from hopscope.model.reachability import Outcome
from hopscope.probe.answers import Answer, Answers, Ask, Goal
from hopscope.probe.late import collect
from hopscope.probe.shares import shared
from hopscope.probe.words import SENDING, only_replies, queued, report_errors, words
from hopscope.wire.echo import STAMP_SIZE, SWEEP, echo_request

__all__ = ["echo"]

_SO_TIMESTAMPNS: Final = 35
_TIMESPEC: Final = struct.Struct("=qq")
_MANY: Final = 1000  # requests that take longer than a second process takes to make
_ROOM: Final = 1000  # milliseconds to wait for room in a send buffer

Told = tuple[Sequence[int], Sequence[int], dict[int, Answer]]
"""Of a node: the numbers that answered, the nanoseconds that each took, and what failed."""


def echo(sandbox: Sandbox, asks: Sequence[Ask], *, timeout: float) -> list[Answers]:
    """Send each node's requests; wait *timeout* seconds for what is late. In the order of *asks*.

    If they are many, as many nodes send at the same time as this process has processors.
    """
    stamp = int.from_bytes(os.urandom(8), "big")
    parts = [
        (number, bool(six), ask._replace(goals=goals))
        for number, ask in enumerate(asks)
        for six, goals in enumerate(_by_family(ask.goals))
        if goals
    ]
    wanted = [
        (ask.node, socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        if six
        else (ask.node, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        for _number, six, ask in parts
    ]
    requests = _Requests(stamp)
    many = len(parts) > 1 and sum(len(ask.goals) for ask in asks) >= _MANY
    found: list[Answers] = [{} for _ in asks]
    with ExitStack() as stack:
        made = [stack.enter_context(one) for one in sandbox.open_sockets(wanted)]
        nodes = [
            _Echoes(one, ask, requests, six=six)
            for one, (_number, six, ask) in zip(made, parts, strict=True)
        ]
        count = len(os.sched_getaffinity(0)) if many else 1
        told = stack.enter_context(shared(nodes, partial(_probe, timeout=timeout), count=count))
        for (number, _six, _ask), (numbers, rtts, failed) in zip(parts, told, strict=True):
            found[number].update(zip(numbers, rtts, strict=True))
            found[number].update(failed)
    return found


def _by_family(goals: Sequence[Goal]) -> tuple[Sequence[Goal], Sequence[Goal]]:
    """Those of IPv4, and those of IPv6."""
    sixes = [goal for goal in goals if ":" in goal[1]]
    return (goals if not sixes else [goal for goal in goals if ":" not in goal[1]]), sixes


def _probe(nodes: Sequence["_Echoes"], timeout: float) -> list[Told]:
    for node in nodes:
        node.send()
    collect(nodes, time.monotonic() + timeout)
    return [(node.numbers, node.rtts, node.failed) for node in nodes]


_Request = tuple[int, bytes, tuple[str, int], bytes]
"""A goal's number, the message, the address, and how the reply ends: identifier, number, stamp."""


class _Requests(dict[Goal, _Request]):
    """What is sent to a goal, whoever sends it: the kernel sums up ICMPv6 itself."""

    def __init__(self, stamp: int) -> None:
        super().__init__()
        self._stamp = stamp

    def __missing__(self, goal: Goal) -> _Request:
        number, ip = goal
        message = echo_request(
            "::", ip, ident=SWEEP, seq=number, stamp=self._stamp, size=STAMP_SIZE
        )
        made = self[goal] = number, message, (ip, 0), message[4:]
        return made


class _Echoes:
    """The requests of one node, of one family."""

    def __init__(
        self,
        made: socket.socket,
        ask: Ask,
        requests: _Requests,
        *,
        six: bool,
    ) -> None:
        self.socket = made
        self.sent: dict[int, int] = {}  # number → when; those that have no answer yet
        self._goals = ask.goals
        self._requests = requests
        self.numbers = array("H")
        self.rtts = array("q")
        self.failed: dict[int, Answer] = {}
        self._six = six
        self._mark = requests[ask.goals[0]][1][8:]
        self._own = ask.own
        self._prepare()

    def _prepare(self) -> None:
        made = self.socket
        made.setblocking(False)
        report_errors(made, six=self._six)
        only_replies(made, six=self._six)

    def send(self) -> None:
        """Each request, and what has come meanwhile: as a rule, its reply and nothing else."""
        sendto, recv, clock, sent = self.socket.sendto, self.socket.recv, time.time_ns, self.sent
        numbers, rtts, requests = self.numbers, self.rtts, self._requests
        for goal in self._goals:
            number, message, address, answer = requests[goal]
            begun = clock()
            try:
                sendto(message, address)
            except OSError as error:
                sent[number] = begun
                self._refused(number, message, address, error)
                continue
            try:
                data = recv(128)
            except BlockingIOError:
                self._wait_for(number, begun)
            except OSError:
                self._wait_for(number, begun)
                self._errors()
            else:
                if data.endswith(answer):
                    numbers.append(number)
                    rtts.append(clock() - begun)
                else:
                    self._wait_for(number, begun)
                    self._take(data, clock())
                    self.read()

    def _wait_for(self, number: int, begun: int) -> None:
        """The reply comes late: have the kernel note when, since nobody reads it then."""
        if not self.sent:
            self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.sent[number] = begun

    def read(self) -> None:
        """All that can be read now, each with the time at which the kernel got it."""
        try:
            while True:
                data, extra, _flags, _sender = self.socket.recvmsg(128, 64)
                at = _stamped(extra)
                self._take(data, at if at is not None else time.time_ns())
        except OSError:  # nothing is there, or nothing but an error
            self._errors()

    def _take(self, data: bytes, at: int) -> None:
        """Count a reply of ours; a raw IPv4 socket shows the IP header, an IPv6 one does not."""
        head = 0 if self._six else (data[0] & 15) << 2
        if data[head + 8 : head + 8 + STAMP_SIZE] != self._mark:
            return
        number = data[head + 6] << 8 | data[head + 7]
        begun = self.sent.pop(number, None)
        if begun is not None:
            self.numbers.append(number)
            self.rtts.append(at - begun)

    def _refused(
        self, number: int, message: bytes, address: tuple[str, int], error: OSError
    ) -> None:
        """Sending failed: because of an earlier packet, for want of room, or for good."""
        for _again in range(3):
            if isinstance(error, BlockingIOError):
                poller = select.poll()
                poller.register(self.socket, select.POLLOUT)
                poller.poll(_ROOM)
            elif not self._errors():
                break
            try:
                self.socket.sendto(message, address)
            except OSError as another:
                error = another
            else:
                return
        if self.sent.pop(number, None) is not None:
            self.failed[number] = Answer(Outcome.FAILED, None, words(error, SENDING))

    def _errors(self) -> bool:
        """Read the error queue; whether it held anything."""
        read = False
        while True:
            try:
                data, extra, _flags, _sender = self.socket.recvmsg(128, 512, socket.MSG_ERRQUEUE)
            except OSError:
                return read
            read = True
            found = queued(extra)
            ident, number = struct.unpack(">HH", data[4:8]) if len(data) >= 8 else (0, 0)
            if found is None or ident != SWEEP or self.sent.pop(number, None) is None:
                continue
            own = found.sender if found.sender in self._own else None
            self.failed[number] = Answer(Outcome.FAILED, None, found.told(own))


def _stamped(extra: Sequence[tuple[int, int, bytes]]) -> int | None:
    """The kernel's own time of a packet, in nanoseconds since 1970."""
    for level, kind, data in extra:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS) and len(data) >= _TIMESPEC.size:
            seconds, rest = _TIMESPEC.unpack_from(data)
            return int(seconds * 1_000_000_000 + rest)
    return None
