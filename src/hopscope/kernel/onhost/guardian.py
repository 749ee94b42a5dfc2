"""The guardian: with --on-host, the process that outlives the holder and restores the machine.

Whoever made the lab may be killed at any moment, and the holder with it. This process
waits for the holder's end, takes back what the lab's record says was done to the real
network namespace, and removes the record. Should it be killed too, the record stays, and
the next `up`, `run` or `down` does the same from it. Should someone remove the record by hand, this
process knows it still.

It runs where the holder was started, but that it is shown where msgspec is, of which the
record of what was done to the host is made.
"""

import contextlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from hopscope.errors import HopscopeError
from hopscope.kernel.noticing import notice
from hopscope.kernel.onhost.changes import HostChanges
from hopscope.kernel.state import Claim, LabFile, after_changes

__all__ = ["guard"]


def guard(pid: int, folder: str, lock: int, kept: Sequence[int]) -> None:
    """Wait for the child *pid*, the holder, to end; then restore the host, and clear *folder*.

    Before the name is free we let go of what else was *kept*: its next owner wants the host, too.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    claimed = Claim(Path(folder), lock)
    kept_record: list[LabFile] = []

    def look() -> None:
        with contextlib.suppress(HopscopeError):
            if (found := claimed.left()) is not None and found.pid:  # before, nothing was changed
                kept_record[:] = [found]

    _place = notice(folder, look)  # someone may remove it, and all that tells what to undo
    look()
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
    with contextlib.suppress(HopscopeError, OSError):  # the record stays for the next to try
        # one who is at it would go on behind us; where the folder is gone, another cannot be
        with contextlib.nullcontext() if claimed.gone else after_changes(claimed.folder):
            left = (None if claimed.gone else claimed.left()) or next(iter(kept_record), None)
            host = HostChanges.of(left, claimed.folder) if left is not None else None
            if host is not None:
                host.undo()
        for fd in kept:
            os.close(fd)
        claimed.clear()
