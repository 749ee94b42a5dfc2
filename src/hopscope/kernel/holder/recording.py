"""What LOG rules of a lab do, recorded as the kernel tells it. Standard library, for the holder."""

import errno
import os
import select
from collections.abc import Mapping, Sequence

from hopscope.kernel.holder.logfile import LogFile
from hopscope.kernel.holder.recorder import Recorder

__all__ = ["Recording"]


class Recording:
    """The sockets that are read, each of a node, and what owns the tables that make them speak.

    *kept* are the descriptors of both, which live as long as the lab.
    """

    def __init__(self, log: int) -> None:
        self.kept: set[int] = set()
        self._log = LogFile(log)
        self._read: dict[int, tuple[int, Recorder]] = {}  # descriptor → its node's number
        self._owners: dict[int, int] = {}  # node's number → descriptor

    def __contains__(self, fd: int) -> bool:
        """Whether reports come there."""
        return fd in self._read

    def add(self, nodes: Sequence[int], fds: Sequence[int], poller: select.epoll) -> None:
        """Two descriptors for each node's number: reports come by the first, the second owns."""
        pairs = list(zip(nodes, fds[::2], fds[1::2], strict=True))
        self.kept.update(fds)
        for node, fd, _owner in pairs:
            os.set_blocking(fd, False)
            self._read[fd] = (node, Recorder())
            poller.register(fd, select.EPOLLIN)
        self._owners |= {node: owner for node, _fd, owner in pairs}

    def own(self, node: int, fds: Sequence[int]) -> bool:
        """Let a node's owner go, and its table with it; keep another. Whether it is recorded."""
        if (old := self._owners.pop(node, -1)) >= 0:
            self.kept.discard(old)
            os.close(old)
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
