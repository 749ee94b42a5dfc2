"""The lock by which a lab's name is held, and what it tells others. Standard library only.

It is an open-file-description lock on a file: all who have a copy of the descriptor hold it, and it
goes with the last of them. One that is held for writing is that of a lab that is made, or stands;
its holder keeps it for reading from when the lab is to end.
"""

import fcntl
import os
import struct
from enum import Enum
from pathlib import Path
from typing import Final

__all__ = ["Hold", "held", "hold", "hold_to_the_end", "holds"]

_FLOCK: Final = struct.Struct("hhqqi4x")  # struct flock


class Hold(Enum):
    """How a lock is held."""

    NOT = fcntl.F_UNLCK
    STANDS = fcntl.F_WRLCK
    ENDS = fcntl.F_RDLCK


def hold(lock: int) -> None:
    """Hold the file of that descriptor; BlockingIOError or PermissionError when another does."""
    _set(lock, Hold.STANDS)


def hold_to_the_end(lock: int) -> None:
    """Let others know that what is held is about to end; it is held on until then."""
    _set(lock, Hold.ENDS)


def held(file: Path) -> Hold:
    """How a file's lock is held; not at all if there is no such file.

    Raises OSError when it cannot be opened; for reading will do, where nothing can be written.
    """
    try:
        lock = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return Hold.NOT
    try:
        answer = fcntl.fcntl(lock, fcntl.F_OFD_GETLK, _flock(Hold.STANDS))
        return Hold(_FLOCK.unpack(answer)[0])
    finally:
        os.close(lock)


def holds(pid: int, file: Path) -> bool:
    """Whether that process has the file open; a number of another PID namespace is not its.

    Where that must not be seen, the number is believed.
    """
    try:
        wanted = file.stat()
        opened = list(Path(f"/proc/{pid}/fd").iterdir())
    except FileNotFoundError:
        return False
    except PermissionError:
        return True
    return any(_is(one, wanted) for one in opened)


def _is(opened: Path, wanted: os.stat_result) -> bool:
    try:
        found = opened.stat()
    except OSError:  # it is closed just now
        return False
    return (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino)


def _set(lock: int, how: Hold) -> None:
    fcntl.fcntl(lock, fcntl.F_OFD_SETLK, _flock(how))


def _flock(how: Hold) -> bytes:
    return _FLOCK.pack(how.value, 0, 0, 0, 0)
