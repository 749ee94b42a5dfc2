"""A process beside the run, that does for it what would hold it up; the two share a socket.

It is a fork, and so has all that is loaded by then. It ends when the run's end of the socket
closes, or is killed if it is held up itself.
"""

import os
import signal
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from hopscope.kernel.children import Child
from hopscope.kernel.interrupts import ENDING
from hopscope.kernel.scarcity import scarce

__all__ = ["BROKEN", "beside", "receive", "send", "status_of"]

BROKEN: Final = 255
"""The status of one in which a mistake of ours came up; it has told."""

_STDERR: Final = 2
_NICE: Final = 5  # the run goes first: it is what is waited for
_LENGTH: Final = struct.Struct("=Q")


def beside(serve: Callable[[socket.socket], int]) -> tuple[Child, socket.socket]:
    """Start the process; it, and our end. It ends with what *serve* returns as its status.

    CannotError when no more may run.
    """
    ours, theirs = socket.socketpair()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        pid = os.fork()
        if pid == 0:
            _be(serve, theirs)
        child = Child(pid)
    except OSError as error:
        ours.close()
        theirs.close()
        raise scarce(error.errno or 0, "starting another process") or error from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    theirs.close()
    return child, ours


def _be(serve: Callable[[socket.socket], int], theirs: socket.socket) -> NoReturn:
    """The process: nothing of the run's own is to be unwound in it, whatever happens."""
    status = BROKEN
    try:
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)  # the run is told, and closes its end
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        _let_go(theirs.fileno())
        os.nice(_NICE)
        status = serve(theirs)
    except ConnectionError:  # the run is gone, and wants nothing more
        status = 0
    except BaseException:  # noqa: BLE001 - a mistake of ours, to be told
        import traceback  # noqa: PLC0415 - wanted by none

        os.write(_STDERR, traceback.format_exc().encode(errors="replace"))
    finally:
        os._exit(status)


def _let_go(ours: int) -> None:
    """Close what was inherited: the lab ends when the last descriptor of its control is closed."""
    for descriptor in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if descriptor > _STDERR and descriptor != ours:
            with suppress(OSError):  # the one by which the folder was listed
                os.close(descriptor)


def status_of(child: Child, within: float | None = None) -> int:
    """Wait for its end, or kill it after so many seconds: its status, minus N for a signal N.

    However this is left, the process has ended.
    """
    try:
        if within is not None and not child.ends(within):
            child.kill()
        return child.wait()
    except BaseException:
        child.kill()
        child.wait()
        raise


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
