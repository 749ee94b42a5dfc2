"""A lock that is waited for without end; when that takes long, who has it is told."""

import fcntl
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from hopscope.errors import NotReadyError
from hopscope.kernel.lingering import is_stopped
from hopscope.kernel.waiting import wait_until

__all__ = ["take_turn", "try_turn"]

_LONG: Final = 1.0  # seconds; most have it for some milliseconds


def try_turn(lock: int) -> bool:
    """Have the file of that descriptor for ourselves, until that is closed; whether we could."""
    with suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def take_turn(lock: int, doing: str) -> None:
    """Have it as soon as whoever has it lets go; after a second, say who that is.

    *doing*: what they do with it, as in "changes lab 'x'".
    """
    try:
        wait_until(lambda: try_turn(lock), doing, within=_LONG)
    except NotReadyError:
        if sys.stderr is not None:  # closed, as some services have it
            sys.stderr.write(f"hopscope: waiting for {_whoever_has(lock)}, which {doing}\n")
            sys.stderr.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)


def _whoever_has(lock: int) -> str:
    """That process in words, with what keeps it, if it was stopped."""
    file = os.fstat(lock)
    device = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    for line in Path("/proc/locks").read_text().splitlines():
        match line.split():  # a line of one that waits has an arrow
            case [_number, "FLOCK", _kind, _how, pid, where, *_range] if where == device:
                if is_stopped(int(pid)):
                    return f"process {pid} (stopped; kill -CONT {pid} lets it go on)"
                return f"process {pid}"
    return "another process"  # of a container beside, or it has let go just now
