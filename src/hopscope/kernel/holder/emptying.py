"""A network namespace is let go: what runs in it is ended, and its name removed.

Standard library only, as the holder.
"""

import os
import signal
from collections.abc import Iterator

from hopscope.kernel.syscalls import umount

__all__ = ["empty"]


def empty(path: str) -> None:
    """End every process in the namespace that is bound at *path*, and unbind it.

    One that has left it for a namespace of its own is not known to have been there.
    """
    inside = os.stat(path).st_ino  # noqa: PTH116 - the holder does without pathlib
    while found := list(_inside(inside)):  # one may have forked meanwhile
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
    umount(path)
    os.unlink(path)  # noqa: PTH108


def _inside(namespace: int) -> Iterator[int]:
    """The processes whose network namespace has that inode number; not the dead that linger."""
    for entry in os.listdir("/proc"):  # noqa: PTH208
        if entry.isdigit() and entry != "1":
            try:
                if os.stat(f"/proc/{entry}/ns/net").st_ino == namespace:  # noqa: PTH116
                    yield int(entry)
            except OSError:  # it ended
                continue
