"""Processes that outlive who started them: they become this process's, so that none is missed."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["adopted", "adopting"]

_SUBREAPER: Final = 36  # PR_SET_CHILD_SUBREAPER, include/uapi/linux/prctl.h


@contextmanager
def adopting() -> Iterator[None]:
    """Inside, descendants whose parent ends become children of this process."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")
    try:
        yield
    finally:
        libc.prctl(_SUBREAPER, 0, 0, 0, 0)


def adopted(but: frozenset[int] = frozenset()) -> dict[int, str]:
    """The children of this process that live, but for some: number → command line.

    Those that have ended are reaped, so nobody may wait for a child of its own meanwhile.
    """
    found = {}
    for task in Path("/proc/self/task").iterdir():
        for word in (task / "children").read_text().split():
            pid = int(word)
            if pid in but:
                continue
            try:
                argv = Path(f"/proc/{pid}/cmdline").read_bytes()
                if os.waitpid(pid, os.WNOHANG) == (0, 0):
                    found[pid] = argv.replace(b"\0", b" ").decode(errors="replace")
            except (ChildProcessError, FileNotFoundError):
                continue
    return found
