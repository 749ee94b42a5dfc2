"""Processes that this one has started: how they end, and that nobody else is meant by their number.

Whoever started us may have left SIGCHLD ignored, which a program inherits. Then the kernel collects
children itself, and tells of none how it ended. The command heeds it again, and gives a program
that takes the place of one of its processes what it was given; a program that uses us as a library
keeps what it chose.
"""

import os
import select
import signal
from contextlib import suppress
from typing import Any

__all__ = ["Child", "heed", "unheed"]

_ignored: list[Any] = []
"""How SIGCHLD was ignored when we began to heed it; nothing if it was not."""


def heed() -> None:
    """From now on have the kernel tell how children end; in the main thread."""
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        _ignored.append(signal.signal(signal.SIGCHLD, signal.SIG_DFL))


def unheed() -> None:
    """Before this process turns into another program: let that have what we were given."""
    if _ignored:
        signal.signal(signal.SIGCHLD, _ignored[-1])


class Child:
    """A process by a descriptor, which never comes to be another's, as a number does."""

    def __init__(self, pid: int) -> None:
        """Of a process that was forked just now, and that nobody has waited for."""
        self.pid = pid
        self._status = 0
        try:
            self._process = os.pidfd_open(pid)
        except ProcessLookupError:  # SIGCHLD is ignored, and it has ended already
            self._process = -1

    def ends(self, within: float) -> bool:
        """Whether it does, in so many seconds."""
        if self._process < 0:
            return True
        poller = select.poll()
        poller.register(self._process, select.POLLIN)
        return bool(poller.poll(within * 1000))

    def kill(self) -> None:
        """End it, if it has not ended."""
        if self._process >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._process, signal.SIGKILL)

    def wait(self) -> int:
        """Wait for its end: its status, minus N for a signal N.

        It is 0 when nobody can tell: SIGCHLD is ignored, or somebody waited for any child.
        """
        if self._process < 0:
            return self._status
        with suppress(ChildProcessError):
            ended = os.waitid(os.P_PIDFD, self._process, os.WEXITED)
            if ended is not None:
                code = ended.si_status
                self._status = code if ended.si_code == os.CLD_EXITED else -code
        process, self._process = self._process, -1
        os.close(process)
        return self._status
