"""Starting processes in their order, and what is said of one that does not get ready."""

import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from hopscope.errors import NotReadyError
from hopscope.kernel.holder.processes import log_name
from hopscope.kernel.sandbox import Sandbox
from hopscope.kernel.waiting import wait_until
from hopscope.model.lab import ProcessSpec, ReadySpec
from hopscope.model.process import ProcessPhase, ProcessState, Restart, ending
from hopscope.model.vocab import NodeName
from hopscope.plan.processes import Key

__all__ = ["listens", "output", "start_all"]

_LISTEN: Final = "0A"  # TCP_LISTEN
_TABLES: Final = ("/proc/net/tcp", "/proc/net/tcp6")
_LAST: Final = 10  # lines that an error shows


Start = Callable[[Mapping[Key, ProcessSpec]], None]


def start_all(
    sandbox: Sandbox, wanted: Mapping[Key, ProcessSpec], logs: Path, start: Start
) -> None:
    """Return when all of *wanted* are ready; NotReadyError for one that ends, or is too slow.

    Each is *start*ed once those before it in its node are ready.
    """
    rounds = _Rounds(sandbox, wanted, logs, start)
    longest = sum(_timeout(process) for process in wanted.values())
    wait_until(rounds.done, "processes are ready", within=longest + 60)  # each has its own time


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


class _Rounds:
    """In each node those whose turn has not come, and the one that is to be ready first."""

    def __init__(
        self, sandbox: Sandbox, wanted: Mapping[Key, ProcessSpec], logs: Path, start: Start
    ) -> None:
        self._sandbox, self._logs, self._start = sandbox, logs, start
        self._wanted = wanted
        self._later: dict[NodeName, deque[Key]] = {}
        for key in wanted:
            self._later.setdefault(key[0], deque()).append(key)
        self._awaited: dict[Key, float] = {}  # and since when
        self._start_next(self._later)

    def done(self) -> bool:
        """Whether none is left. Raises NotReadyError."""
        states = {(state.node, state.name): state for state in self._sandbox.processes()}
        ready = [key for key in self._awaited if self._checked(key, states[key])]
        for key in ready:
            del self._awaited[key]
        self._start_next([node for node, _name in ready])
        return not self._awaited

    def _start_next(self, nodes: Iterable[NodeName]) -> None:
        keys = [self._later[node].popleft() for node in nodes if self._later[node]]
        if keys:
            self._start({key: self._wanted[key] for key in keys})
            self._awaited |= dict.fromkeys(keys, time.monotonic())

    def _checked(self, key: Key, state: ProcessState) -> bool:
        """Whether it is ready; NotReadyError when it will not be."""
        process, begun = self._wanted[key], self._awaited[key]
        if self._is_ready(process, state, begun):
            return True
        late = time.monotonic() - begun >= _timeout(process)
        if late or _failed(process, state):
            raise NotReadyError("\n".join(self._told(process, state, late=late)))
        return False

    def _is_ready(self, process: ProcessSpec, state: ProcessState, begun: float) -> bool:
        ready = process.ready
        if ready is None:
            return state.phase is ProcessPhase.RUNNING or state.code == 0
        if ready.tcp is not None:
            tables = self._sandbox.read_files(state.node, _TABLES)
            return any(listens(table or "", ready.tcp) for table in tables.values())
        if ready.log is not None:
            lines = output(self._logs, (state.node, state.name)).splitlines()
            return any(re.search(ready.log, line) for line in lines)
        return self._answers(state, ready, begun)

    def _answers(self, state: ProcessState, ready: ReadySpec, begun: float) -> bool:
        left = max(0.1, begun + ready.timeout - time.monotonic())
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
