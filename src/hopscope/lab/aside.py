"""A process beside the run, that does for it what would hold it up; the two share a socket.

It is a fork, and so has all that is loaded by then; it ends when the run's end of the socket
closes, for whatever reason.
"""

import os
import signal
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["beside", "receive", "send"]

_STDERR: Final = 2
_NICE: Final = 5  # the run goes first: it is what is waited for
_LENGTH: Final = struct.Struct("=Q")


def beside(serve: Callable[[socket.socket], int]) -> tuple[int, socket.socket]:
    """Start the process; its PID, and our end. It ends with what *serve* returns as its status."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid:
        theirs.close()
        return pid, ours
    ours.close()
    _let_go(theirs.fileno())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the run is told, and closes its end
    os.nice(_NICE)
    status = 1
    try:
        status = serve(theirs)
    finally:
        os._exit(status)


def _let_go(ours: int) -> None:
    """Close what was inherited: the lab ends when the last descriptor of its control is closed."""
    for descriptor in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if descriptor > _STDERR and descriptor != ours:
            with suppress(OSError):  # the one by which the folder was listed
                os.close(descriptor)


def send(channel: socket.socket, data: bytes) -> None:
    """One message; OSError when the other end is gone."""
    channel.sendall(_LENGTH.pack(len(data)) + data)


def receive(channel: socket.socket) -> bytes:
    """One message, whole; EOFError when the other end is gone."""
    (length,) = _LENGTH.unpack(_exactly(channel, _LENGTH.size))
    return _exactly(channel, length)


def _exactly(channel: socket.socket, length: int) -> bytes:
    found = bytearray()
    while len(found) < length:
        part = channel.recv(length - len(found))
        if not part:
            raise EOFError
        found += part
    return bytes(found)
