"""The rtnetlink socket of one namespace: batches out, acknowledgements matched by number."""

import socket
from collections.abc import Iterator, Sequence
from errno import EINTR
from threading import Lock
from typing import Final

from hopscope.errors import KernelError, NotReadyError
from hopscope.kernel.waiting import wait_until
from hopscope.wire.netlink import (
    NETLINK_CAP_ACK,
    NETLINK_EXT_ACK,
    NETLINK_GET_STRICT_CHK,
    NLM_F_ACK,
    NLM_F_DUMP_INTR,
    NLM_F_MULTI,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    SOL_NETLINK,
    Message,
    ack,
    ended,
    pack,
    unpack,
)

__all__ = ["Route"]

BATCH: Final = 64  # acknowledgements must fit the default receive buffer
_LARGEST: Final = 1 << 16  # bytes of a batch: it must fit the send buffer, 208 KiB by default
_ANSWER: Final = 1 << 18
_READING: Final = "reading its network"
_CALM: Final = 5.0  # seconds; a burst of changes, as when containers start, is over sooner
_UNREST: Final = (
    f"something changes it without a pause: no listing was whole for {_CALM:g} s; "
    "try again when that has ended"
)


def _batches(messages: Sequence[Message]) -> Iterator[tuple[int, Sequence[Message]]]:
    """Each with the number of its first."""
    start, size = 0, 0
    for number, message in enumerate(messages):
        size += len(message.payload)
        if number - start == BATCH or (size > _LARGEST and number > start):
            yield start, messages[start:number]
            start, size = number, len(message.payload)
    if start < len(messages):
        yield start, messages[start:]


class Route:
    """A NETLINK_ROUTE socket; *node* is for messages only. Owns the socket."""

    def __init__(self, made: socket.socket, node: str) -> None:
        self._socket = made
        self._node = node
        self._seq = 0
        self._alone = Lock()  # a thread is not to take another's answers
        for option in (NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK):
            made.setsockopt(SOL_NETLINK, option, 1)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def send(self, messages: Sequence[Message]) -> None:
        """Send changes in order; the first refusal raises KernelError with its ``index``.

        The kernel goes on with the rest of a batch after a refusal, so a batch holds
        only what may be undone as a whole.
        """
        with self._alone:
            for start, batch in _batches(messages):
                self._send_batch(batch, start)

    def _send_batch(self, messages: Sequence[Message], start: int) -> None:
        """Only the last message asks for an answer: the kernel answers a refusal anyhow."""
        first = self._seq + 1
        self._seq += len(messages)
        *others, last = messages
        batch = [pack(one, NLM_F_REQUEST, first + number) for number, one in enumerate(others)]
        self._socket.send(b"".join([*batch, pack(last, NLM_F_REQUEST | NLM_F_ACK, self._seq)]))
        refused: KernelError | None = None
        seq = 0
        while seq != self._seq:
            for message in unpack(self._socket.recv(_ANSWER)):
                answer = ack(message)
                if answer is None or not first <= answer.seq <= self._seq:
                    continue
                seq = answer.seq
                if answer.code and refused is None:
                    refused = KernelError(answer.code, str(self._node), answer.said)
                    refused.index = start + answer.seq - first
        if refused is not None:
            raise refused

    def ask(self, request: Message) -> list[Message]:
        """The answers to a get or dump; one that a change interrupted is asked again, for a while.

        It may lack what was there all the time, so it is of no use: KernelError (EINTR).
        """
        answers: list[Message] = []

        def whole() -> bool:
            with self._alone:
                answers[:], interrupted = self._ask_once(request)
            return not interrupted

        try:
            wait_until(whole, "a listing that nothing interrupts", within=_CALM)
        except NotReadyError as error:
            raise KernelError(EINTR, f"{self._node}: {_READING}", _UNREST) from error
        return answers

    def _ask_once(self, request: Message) -> tuple[list[Message], bool]:
        self._seq += 1
        try:
            self._socket.send(pack(request, NLM_F_REQUEST, self._seq))
            return self._answers()
        except BaseException:  # an interruption: the kernel refuses a dump during another
            self._drain()
            raise

    def _drain(self) -> None:
        """Take the rest of a dump that nobody waits for."""
        self._socket.setblocking(False)
        try:
            while self._socket.recv(_ANSWER):
                pass
        except BlockingIOError:
            pass
        finally:
            self._socket.setblocking(True)

    def _answers(self) -> tuple[list[Message], bool]:
        answers: list[Message] = []
        interrupted = False
        while True:
            for message in unpack(self._socket.recv(_ANSWER)):
                if message.seq != self._seq:
                    continue
                interrupted = interrupted or bool(message.flags & NLM_F_DUMP_INTR)
                if message.type in (NLMSG_DONE, NLMSG_ERROR):
                    answer = ended(message) or ack(message)
                    if answer is not None and answer.code:  # what came so far is not all
                        raise KernelError(answer.code, f"{self._node}: {_READING}", answer.said)
                    return answers, interrupted
                answers.append(message)
                if not message.flags & NLM_F_MULTI:
                    return answers, interrupted
