"""The lab's folder, by which others find it: whether they still can. Standard library only.

A user may remove it by hand, and cleaners of /tmp what has not been touched for days. Nobody could
end such a lab, so it ends.
"""

import contextlib
import fcntl
import os

from hopscope.kernel.noticing import notice

__all__ = ["Place"]

_NEEDED = ("lab.json", "control")  # and the lock


class Place:
    """A lab's folder. Whatever is removed there wakes the holder."""

    def __init__(self, folder: str, lock: int) -> None:
        self._lock: int = lock
        self._folder: int = notice(folder, lambda: None)  # -1 for one who may not open it
        if self._folder >= 0:
            with contextlib.suppress(OSError):  # systemd-tmpfiles passes by what someone locks
                fcntl.flock(self._folder, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def lost(self) -> bool:
        """Whether one of the files is missing by which the lab is found."""
        if self._folder < 0:
            return False
        try:
            for name in _NEEDED:
                os.stat(name, dir_fd=self._folder)
            there = os.stat("lock", dir_fd=self._folder)
        except FileNotFoundError:
            return True
        except OSError:  # a file system that does not tell
            return False
        return not os.path.samestat(there, os.fstat(self._lock))
