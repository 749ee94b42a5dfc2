"""UDP datagrams from many nodes to one port of many: an answer, an ICMP error, or silence.

A node that has no listener says so once in a while only (net.ipv4.icmp_msgs_per_sec), so the
datagrams go round the targets, and what is not answered is sent again.
"""

import itertools
import socket
import time
from collections.abc import Iterator, Sequence
from typing import Final

from hopscope.kernel.sandbox import Sandbox
from hopscope.model.reachability import Outcome
from hopscope.probe.answers import Answer, Answers, Ask, Goal
from hopscope.probe.late import collect
from hopscope.probe.words import SENDING, queued, report_errors, words
from hopscope.wire.packet import stamped

__all__ = ["datagrams"]

_TRIES: Final = 3
_NUMBERS: Final = itertools.count(1)
"""Each datagram is stamped with another, so that it is known again wherever it is seen."""


def datagrams(sandbox: Sandbox, asks: Sequence[Ask], *, port: int, timeout: float) -> list[Answers]:
    """Send to each goal, up to three times in *timeout* seconds. In the order of *asks*."""
    found: list[Answers] = [{} for _ in asks]
    parts = [
        (ask._replace(goals=goals), six, answers)
        for ask, answers in zip(asks, found, strict=True)
        for six in (False, True)
        if (goals := [goal for goal in ask.goals if (":" in goal[1]) is six])
    ]
    wanted = [
        (ask.node, socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM, 0)
        for ask, six, _answers in parts
    ]
    made = sandbox.open_sockets(wanted)
    try:
        nodes = [
            _Datagrams(one, ask, answers, port, six=six)
            for one, (ask, six, answers) in zip(made, parts, strict=True)
        ]
        for _try in range(_TRIES):
            _round(nodes)
            collect(nodes, time.monotonic() + timeout / _TRIES)
    finally:
        for one in made:
            one.close()
    return found


def _round(nodes: Sequence["_Datagrams"]) -> None:
    """Each node sends to one target after the other, and no target hears all of them at once."""
    going = [node.sending(first) for first, node in enumerate(nodes)]
    while going:
        going = [one for one in going if next(one, None) is not None]


class _Datagrams:
    """What one node sends, of one family."""

    def __init__(
        self, made: socket.socket, ask: Ask, answers: Answers, port: int, *, six: bool
    ) -> None:
        self.socket = made
        self.sent: dict[str, tuple[int, int | None]] = {}  # address → number, and when; see `_rtt`
        self._goals: list[Goal] = list(ask.goals)
        self._own = ask.own
        self._answers = answers
        self._port = port
        made.setblocking(False)
        report_errors(made, six=six)

    def sending(self, first: int) -> Iterator[bool]:
        """Send to what has not answered, one at a time, beginning with the goal of that place."""
        turn = first % len(self._goals)
        for number, address in self._goals[turn:] + self._goals[:turn]:
            if number not in self._answers:
                self._send(number, address)
                yield True

    def _send(self, number: int, address: str) -> None:
        self.sent[address] = (number, None if address in self.sent else time.time_ns())
        for _again in range(2):
            try:
                self.socket.sendto(stamped(next(_NUMBERS)), (address, self._port))
            except BlockingIOError:
                return  # there is another try
            except OSError as error:
                if not self.read():  # it was no error of an earlier one
                    self._known(address, Answer(Outcome.FAILED, None, words(error, SENDING)))
                    return
            else:
                break
        self.read()

    def read(self) -> bool:
        """All answers and errors that can be read now; whether there was one."""
        some = False
        while True:
            try:
                _data, (address, *_rest) = self.socket.recvfrom(64)
                now = time.time_ns()
            except BlockingIOError:
                return self._errors() or some
            except OSError:
                if not self._errors():
                    return some
            else:
                self._known(address, Answer(Outcome.ANSWERED, self._rtt(address, now)))
            some = True

    def _errors(self) -> bool:
        """Read the error queue, which names the address that was sent to."""
        read = False
        while True:
            try:
                _data, extra, _flags, to = self.socket.recvmsg(64, 512, socket.MSG_ERRQUEUE)
            except OSError:
                return read
            read = True
            found = queued(extra)
            if found is None or not to or to[0] not in self.sent:
                continue
            if found.names_port and found.sender == to[0]:
                rtt = self._rtt(to[0], time.time_ns())
                self._known(to[0], Answer(Outcome.REFUSED, rtt))
            else:
                own = found.sender if found.sender in self._own else None
                self._known(to[0], Answer(Outcome.FAILED, None, found.told(own)))

    def _rtt(self, address: str, now: int) -> int | None:
        """None if it was sent to more than once: which of them is answered does not show (Karn)."""
        begun = self.sent.get(address, (0, None))[1]
        return None if begun is None else now - begun

    def _known(self, address: str, answer: Answer) -> None:
        number, _begun = self.sent.pop(address, (None, 0))
        if number is not None:
            self._answers[number] = answer
