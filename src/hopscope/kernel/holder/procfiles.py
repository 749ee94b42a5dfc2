"""The files of /proc as one network namespace after the other sees them; for the holder.

Theory of operation. The kernel keeps what a path led to. Below /proc/sys every namespace has names
of its own, yet in one place: each finds those of all others first, and asks of each whose it is
(proc_sys_compare(), fs/proc/proc_sysctl.c). With 4,000 namespaces one write takes a millisecond.
A procfs that is mounted anew knows no names. So it is mounted, in a tenth of that, for every few
namespaces. Standard library only, as the holder.
"""

import errno
import os
from contextlib import suppress

from hopscope.kernel.syscalls import new_proc

__all__ = ["ProcFiles"]

_PROC = "/proc/"
_USES = 32  # namespaces that may share one
_PATH = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class ProcFiles:
    """Reads and writes, in whichever network namespace this process is."""

    def __init__(self) -> None:
        self._root = os.open(_PROC, _PATH)
        self._uses = _USES

    def enter(self) -> None:
        """Whatever follows is about another namespace."""
        self._uses -= 1
        if self._uses:
            return
        self._uses = _USES
        with suppress(OSError):  # a container may forbid it: the old one stays
            fresh = new_proc()
            os.close(self._root)
            self._root = fresh

    def read(self, path: str) -> str | None:
        """All of a file of /proc; None for what is absent."""
        try:
            file = os.open(path.removeprefix(_PROC), os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._root)
            with os.fdopen(file, "rb", buffering=0) as whole:
                return whole.readall().decode()
        except OSError:
            return None

    def write(self, path: str, text: str) -> int:
        """Write a file of /proc; the errno, 0 when it went well.

        EMSGSIZE, which the kernel has for no such file, when it took a part of the text only.
        """
        data = text.encode() or b"\n"  # a write of nothing is none
        try:
            file = os.open(path.removeprefix(_PROC), os.O_WRONLY | os.O_CLOEXEC, dir_fd=self._root)
            try:
                taken = os.write(file, data)
            finally:
                with suppress(OSError):
                    os.close(file)
        except OSError as error:
            return error.errno or 1
        return 0 if taken == len(data) else errno.EMSGSIZE
