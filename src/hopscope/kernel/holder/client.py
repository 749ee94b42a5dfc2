"""One who asks the holder: heard, and told, while the holder never waits for it.

Standard library only, as the holder. A client may ask much and be slow to read, or never read. What
it is told then waits here, and it is not heard again until that is gone. So nobody waits for it but
itself, and one that is only slow loses nothing, however large. What waits is bounded by what was
asked: the answer to its last request, and the ends of programs that it had started before. To close
its connection instead, a bound would have to be guessed, and a client that asks ahead could meet it
by being stopped a while.
"""

import os
import select
import socket
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from hopscope.kernel import letters

__all__ = ["Client"]


class Client:
    """A connection, in *poller* to be read from; or, while something waits, to be written to."""

    def __init__(self, channel: socket.socket, poller: select.epoll) -> None:
        channel.setblocking(False)
        self.channel = channel
        self._poller = poller
        self._waiting: deque[tuple[Mapping[str, Any], Sequence[int]]] = deque()
        self._events = select.EPOLLIN
        poller.register(channel, self._events)

    @property
    def full(self) -> bool:
        """Whether something waits, so that it is not to be heard."""
        return bool(self._waiting)

    def tell(self, letter: Mapping[str, Any], fds: Sequence[int] = ()) -> None:
        """Send it, after what waits; the descriptors are ours to close."""
        self._waiting.append((letter, fds))
        if len(self._waiting) == 1:
            self.go_on()

    def go_on(self) -> None:
        """Send what waits, as far as there is room."""
        while self._waiting:
            letter, fds = self._waiting[0]
            refused = None
            try:
                letters.send(self.channel, letter, fds)
            except BlockingIOError:
                break
            except OSError as error:  # most often it left meanwhile, which is none of ours
                refused = error
            self._drop()
            if refused is not None and "error" not in letter:
                failure = {"error": refused.errno, "doing": str(refused)}
                self._waiting.appendleft(({"id": letter.get("id", 0), **failure}, ()))
        self._listen(select.EPOLLOUT if self._waiting else select.EPOLLIN)

    def _listen(self, events: int) -> None:
        if events != self._events:
            self._poller.modify(self.channel, events)
            self._events = events

    def _drop(self) -> None:
        for fd in self._waiting.popleft()[1]:
            os.close(fd)

    def close(self) -> None:
        """Let go of it, and of what waits."""
        while self._waiting:
            self._drop()
        self._poller.unregister(self.channel)
        self.channel.close()
