"""TCP connections from many nodes to one port of many: made, refused, or no answer.

The kernel makes each as it does any, so a probe costs a socket; one that is made is reset.
"""

import errno
import resource
import select
import socket
import struct
import time
from collections.abc import Sequence
from typing import Final

from hopscope.kernel.sandbox import Sandbox
from hopscope.model.reachability import Outcome
from hopscope.model.vocab import NodeName
from hopscope.probe.answers import Answer, Answers, Ask
from hopscope.probe.words import SENDING, queued, report_errors, words

__all__ = ["connections"]

_AT_ONCE: Final = 250  # sockets of one request to the holder
_RESET: Final = struct.pack("=ii", 1, 0)
"""struct linger: close at once, and leave nothing behind that waits."""


def connections(
    sandbox: Sandbox, asks: Sequence[Ask], *, port: int, timeout: float
) -> list[Answers]:
    """Connect to each goal, and wait *timeout* seconds at most for each. In the order of *asks*."""
    found: list[Answers] = [{} for _ in asks]
    most = max(resource.getrlimit(resource.RLIMIT_NOFILE)[1] // 4, 1)
    waiting = _Waiting(min(most, 4096), timeout)
    try:
        for ask, answers in zip(asks, found, strict=True):
            for start in range(0, len(ask.goals), _AT_ONCE):
                goals = ask.goals[start : start + _AT_ONCE]
                waiting.make_room(len(goals))
                made = sandbox.open_sockets([_socket(ask, address) for _, address in goals])
                for one, (number, address) in zip(made, goals, strict=True):
                    waiting.add(_Connection(one, number, address, answers, ask.own), port)
        waiting.make_room(waiting.most)
    finally:
        waiting.close()
    return found


def _socket(ask: Ask, address: str) -> tuple[NodeName, int, int, int]:
    return ask.node, socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 0


class _Connection:
    """One connection, as long as nothing is known of it."""

    def __init__(
        self, made: socket.socket, number: int, address: str, answers: Answers, own: frozenset[str]
    ) -> None:
        self.socket = made
        self.begun = 0
        self.deadline = 0.0
        self.address = address
        self._number = number
        self._answers = answers
        self._own = own

    def begin(self, port: int) -> int:
        """Connect; the errno, EALREADY while nothing is known."""
        made = self.socket
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        report_errors(made, six=":" in self.address)
        self.begun = time.time_ns()
        code = made.connect_ex((self.address, port))
        # over veth the answer is there already, and a second call tells it
        return made.connect_ex((self.address, port)) if code == errno.EINPROGRESS else code

    def known(self, code: int) -> None:
        """What connecting ended with."""
        rtt = time.time_ns() - self.begun
        if code in (0, errno.EISCONN):
            self._answers[self._number] = rtt
            return
        told = self._queued()
        if code == errno.ECONNREFUSED and told is None:  # a reset, of which no queue tells
            self._answers[self._number] = Answer(Outcome.REFUSED, rtt)
        elif code != errno.ETIMEDOUT or told is not None:
            text = told or words(OSError(code, ""), SENDING)
            self._answers[self._number] = Answer(Outcome.FAILED, None, text)

    def _queued(self) -> str | None:
        """The ICMP error that ended it."""
        try:
            _data, extra, _flags, _to = self.socket.recvmsg(64, 512, socket.MSG_ERRQUEUE)
        except OSError:
            return None
        found = queued(extra)
        if found is None:
            return None
        return found.told(found.sender if found.sender in self._own else None)


class _Waiting:
    """Connections of which nothing is known yet; of so many at most, and each for so long."""

    def __init__(self, most: int, timeout: float) -> None:
        self.most = most
        self._timeout = timeout
        self._poller = select.poll()
        self._by_fd: dict[int, _Connection] = {}

    def add(self, one: _Connection, port: int) -> None:
        """Begin it, and keep it if its answer is not there."""
        self._by_fd[one.socket.fileno()] = one
        code = one.begin(port)
        one.deadline = time.monotonic() + self._timeout
        if code == errno.EALREADY:
            self._poller.register(one.socket, select.POLLOUT)
        else:
            one.known(code)
            self._drop(one)

    def make_room(self, count: int) -> None:
        """Wait for the oldest until there is room for *count* more; for all, when it is `most`."""
        while self._by_fd and len(self._by_fd) + count > self.most:
            oldest = next(iter(self._by_fd.values()))
            left = max(oldest.deadline - time.monotonic(), 0)
            for fd, _events in self._poller.poll(left * 1000):
                one = self._by_fd[fd]
                one.known(one.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
                self._forget(one)
            if time.monotonic() >= oldest.deadline and oldest.socket.fileno() in self._by_fd:
                self._forget(oldest)

    def _forget(self, one: _Connection) -> None:
        self._poller.unregister(one.socket)
        self._drop(one)

    def _drop(self, one: _Connection) -> None:
        del self._by_fd[one.socket.fileno()]
        one.socket.close()

    def close(self) -> None:
        """Close all that are left."""
        for one in self._by_fd.values():
            one.socket.close()
        self._by_fd.clear()
