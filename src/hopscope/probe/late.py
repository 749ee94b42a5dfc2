"""Answers that come late, read as they come."""

import select
import socket
import time
from collections.abc import Sequence, Sized
from typing import Protocol

__all__ = ["Asker", "collect"]


class Asker(Protocol):
    """One that has asked: what it has sent and not heard of yet, and how it reads answers."""

    @property
    def socket(self) -> socket.socket:
        """Where answers come."""
        ...

    @property
    def sent(self) -> Sized:
        """What is missing."""
        ...

    def read(self) -> object:
        """Take what is there; what it answers is missing no more."""
        ...


def collect(askers: Sequence[Asker], deadline: float) -> None:
    """Read until nothing is missing, or *deadline* (on time.monotonic()) has come."""
    waiting = {asker.socket.fileno(): asker for asker in askers if asker.sent}
    poller = select.poll()
    for fd in waiting:
        poller.register(fd, select.POLLIN)
    while waiting and (left := deadline - time.monotonic()) > 0:
        for fd, _events in poller.poll(left * 1000):
            asker = waiting[fd]
            asker.read()
            if not asker.sent:
                poller.unregister(fd)
                del waiting[fd]
