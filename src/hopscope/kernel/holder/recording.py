"""What LOG rules of a lab do, recorded as the kernel tells it. Standard library, for the holder."""

import contextlib
import errno
import os
import select
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from hopscope.kernel.holder.logfile import LogFile
from hopscope.kernel.holder.recorder import Recorder

__all__ = ["Recording"]

_DONE: Final = bytes(4)  # the errno of an acknowledgement


class Recording:
    """The sockets that are read, each of a node, and what owns the tables that make them speak.

    *kept* are the descriptors of both, which live as long as the lab.
    """

    def __init__(self, log: int) -> None:
        self.kept: set[int] = set()
        self._log = LogFile(log)
        self._read: dict[int, tuple[int, Recorder]] = {}  # descriptor → its node's number
        self._owners: dict[int, int] = {}  # node's number → descriptor
        self._tables: dict[int, bytes] = {}  # of nodes that are not watched yet

    def __contains__(self, fd: int) -> bool:
        """Whether reports come there."""
        return fd in self._read

    def add(
        self,
        nodes: Sequence[int],
        fds: Sequence[int],
        table: bytes,
        watched: Collection[int],
        poller: select.epoll,
    ) -> None:
        """Two descriptors for each node's number: reports come by the first, the second owns.

        *table* is what the second is to send, but of nodes that are *watched* already.
        """
        pairs = list(zip(nodes, fds[::2], fds[1::2], strict=True))
        self.kept.update(fds)
        for node, fd, _owner in pairs:
            os.set_blocking(fd, False)
            self._read[fd] = (node, Recorder())
            poller.register(fd, select.EPOLLIN)
        self._owners |= {node: owner for node, _fd, owner in pairs}
        self._tables |= {node: table for node in nodes if node not in watched}

    def watch(self, node: int) -> bytes:
        """Have the kernel trace what passes a node from now on; what it said if it refuses.

        Until it does not, and only of a node whose reports come here.
        """
        table, owner = self._tables.pop(node, b""), self._owners.get(node, -1)
        if not table:
            return b""
        answers = _committed(owner, table)
        refusals = [answer for answer in answers if answer[16:20] != _DONE]
        if refusals or not answers:
            self._log.append(node, b"")  # lines will be missing
            self._tables[node] = table  # to be tried again
        return b"".join(refusals)

    def forget(self, nodes: Collection[int], poller: select.epoll) -> None:
        """Let go of nodes that go away, once what has arrived is recorded: sockets keep them."""
        for fd in [fd for fd, (node, _recorder) in self._read.items() if node in nodes]:
            self.drain(fd)
            poller.unregister(fd)
            self._close(fd)
            del self._read[fd]
        for node in nodes:
            self._tables.pop(node, None)
            if (owner := self._owners.pop(node, -1)) >= 0:
                self._close(owner)

    def _close(self, fd: int) -> None:
        self.kept.discard(fd)
        os.close(fd)

    def own(self, node: int, fds: Sequence[int]) -> bool:
        """Let a node's owner go, and its table with it; keep another. Whether it is recorded."""
        if (old := self._owners.pop(node, -1)) >= 0:
            self._close(old)
        self.kept.update(fds)
        self._owners.update((node, fd) for fd in fds)
        return any(one == node for one, _recorder in self._read.values())

    def flush(self) -> Mapping[str, int]:
        """Record all that has arrived by now; the log's size."""
        for fd in self._read:
            self.drain(fd)
        return {"size": self._log.size}

    def drain(self, fd: int) -> None:
        """Append what is to be kept of a node's reports. A full disk loses lines, not the lab."""
        node, recorder = self._read[fd]
        while True:
            try:
                data = os.read(fd, 1 << 17)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    return
                self._log.append(node, b"")  # an overrun is recorded as an empty message
                continue
            for message in recorder.keep(data):
                self._log.append(node, message)
                self.watch(node)


def _committed(owner: int, table: bytes) -> list[bytes]:
    """What the kernel answers to a batch, all of it when writing returns; nothing: not taken."""
    answers: list[bytes] = []
    with contextlib.suppress(OSError):
        os.set_blocking(owner, False)
        os.write(owner, table)
        while True:
            answers.append(os.read(owner, 1 << 16))
    return answers
