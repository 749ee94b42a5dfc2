"""What a node's kernel tells of itself over netlink, as it arrives; knows not what it means."""

import errno
import socket
import time
from collections.abc import Iterator

from hopscope.model.vocab import Nanos
from hopscope.observe.capture import grow
from hopscope.wire.netlink import NETLINK_ADD_MEMBERSHIP, SOL_NETLINK

__all__ = ["Listener", "join"]


class Listener:
    """A socket that hears what *groups* are told, and counts what it did not hear."""

    def __init__(self, listener: socket.socket, *groups: int) -> None:
        self.socket: socket.socket = listener
        self._lost = 0
        grow(listener)
        join(listener, *groups)
        listener.setblocking(False)

    def arrived(self) -> Iterator[tuple[bytes, Nanos]]:
        """All that has arrived, and when it was read."""
        while True:
            try:
                data = self.socket.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._lost += 1
            else:
                yield data, Nanos(time.time_ns())

    def lost(self) -> int:
        """How often the kernel had to let messages go, since the last call."""
        lost, self._lost = self._lost, 0
        return lost

    def close(self) -> None:
        """Stop listening."""
        self.socket.close()


def join(listener: socket.socket, *groups: int) -> None:
    """Have the kernel send a netlink socket what it tells these groups."""
    listener.bind((0, 0))  # a port of 0 is the kernel's own: it is sent nothing
    for group in groups:
        listener.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
