"""Waiting until processes are ready, and what is said of one that will not be."""

import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from hopscope.errors import NotReadyError
from hopscope.kernel.processes import log_name
from hopscope.kernel.sandbox import Sandbox
from hopscope.kernel.waiting import wait_until
from hopscope.model.lab import ProcessSpec, ReadySpec
from hopscope.model.process import ProcessPhase, ProcessState, Restart, ending
from hopscope.plan.processes import Key

__all__ = ["listens", "output", "wait_ready"]

_LISTEN: Final = "0A"  # TCP_LISTEN
_TABLES: Final = ("/proc/net/tcp", "/proc/net/tcp6")
_LAST: Final = 10  # lines that an error shows


def wait_ready(sandbox: Sandbox, wanted: Mapping[Key, ProcessSpec], logs: Path) -> None:
    """Return when all of *wanted* are ready; NotReadyError for one that ends, or is too slow."""
    round_ = _Round(sandbox, wanted, logs)
    longest = max((_timeout(process) for process in wanted.values()), default=0.0)
    wait_until(round_.done, "processes are ready", within=longest + 60)  # each has its own time


def output(logs: Path, key: Key) -> str:
    """What a process printed, as far as it is kept."""
    path = logs / log_name(*key)
    parts = (path.with_name(f"{path.name}.1"), path)
    return "".join(part.read_text(errors="replace") for part in parts if part.exists())


def listens(table: str, port: int) -> bool:
    """Whether a table of the kernel's, /proc/net/tcp, has a socket that listens on *port*."""
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 3 and fields[3] == _LISTEN and fields[1].endswith(f":{port:04X}"):
            return True
    return False


class _Round:
    """Those that are not ready yet, looked at again and again."""

    def __init__(self, sandbox: Sandbox, wanted: Mapping[Key, ProcessSpec], logs: Path) -> None:
        self._sandbox, self._logs = sandbox, logs
        self._left = dict(wanted)
        self._begun = time.monotonic()

    def done(self) -> bool:
        """Whether none is left. Raises NotReadyError."""
        states = {(state.node, state.name): state for state in self._sandbox.processes()}
        for key, process in list(self._left.items()):
            state = states[key]
            if self._is_ready(process, state):
                del self._left[key]
                continue
            late = time.monotonic() - self._begun >= _timeout(process)
            if late or _failed(process, state):
                raise NotReadyError("\n".join(self._told(process, state, late=late)))
        return not self._left

    def _is_ready(self, process: ProcessSpec, state: ProcessState) -> bool:
        ready = process.ready
        if ready is None:
            return state.phase is ProcessPhase.RUNNING or state.code == 0
        if ready.tcp is not None:
            tables = self._sandbox.read_files(state.node, _TABLES)
            return any(listens(table or "", ready.tcp) for table in tables.values())
        if ready.log is not None:
            lines = output(self._logs, (state.node, state.name)).splitlines()
            return any(re.search(ready.log, line) for line in lines)
        return self._answers(state, ready)

    def _answers(self, state: ProcessState, ready: ReadySpec) -> bool:
        left = max(0.1, self._begun + ready.timeout - time.monotonic())
        argv = ["timeout", "--kill-after=1", f"{left:.3f}", *ready.command]
        return self._sandbox.run(state.node, argv).code == 0

    def _told(self, process: ProcessSpec, state: ProcessState, *, late: bool) -> Iterator[str]:
        """What is wrong, and the last lines that it printed."""
        where = f"{process.place}: " if process.place else ""
        if late:
            how = "it is running" if state.pid else ending(state.code)
            again = f", restarted {state.restarts} times" if state.restarts else ""
            yield (
                f"{where}{state} was not ready within {_timeout(process):g} s: "
                f"{_lacking(process)} ({how}{again})"
            )
        else:
            yield f"{where}{state} ended before it was ready: {ending(state.code)}"
        lines = output(self._logs, (state.node, state.name)).splitlines()[-_LAST:]
        yield "  the last lines that it printed:" if lines else "  it printed nothing"
        yield from (f"    {line}" for line in lines)


def _timeout(process: ProcessSpec) -> float:
    return (process.ready or ReadySpec()).timeout


def _failed(process: ProcessSpec, state: ProcessState) -> bool:
    """Whether it never will be. What ends with status 0 may have left a daemon behind."""
    return process.restart is Restart.NEVER and state.code not in (None, 0)


def _lacking(process: ProcessSpec) -> str:
    ready = process.ready or ReadySpec()
    if ready.tcp is not None:
        return f"nothing listens on TCP port {ready.tcp}"
    if ready.log is not None:
        return f"no line of its output holds {ready.log!r}"
    return f"{ready.command[0]} does not succeed" if ready.command else "its program does not run"
