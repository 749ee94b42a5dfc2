"""ps, logs: the processes that a running lab declares, and what they print."""

import contextlib
import json as jsonlib
import os
import select
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from hopscope.errors import UsageError
from hopscope.kernel.growth import Growth
from hopscope.kernel.holder.processes import log_name
from hopscope.lab.processes import folder
from hopscope.lab.readiness import output
from hopscope.lab.standing import StandingLab
from hopscope.model.process import ProcessPhase, ProcessState, ending

__all__ = ["logs", "ps"]


def ps(lab: str, *, json: bool) -> None:
    """How each process fares."""
    running = StandingLab.named(lab)
    with running.sandbox:
        found = running.processes()
    if json:
        sys.stdout.write(jsonlib.dumps([to_builtins(one) for one in found], indent=2) + "\n")
        return
    if not found:
        sys.stdout.write(f"lab {lab!r} declares no processes\n")
        return
    width = max(7, *(len(str(one)) for one in found))
    sys.stdout.write(f"{'PROCESS':<{width}}  {'PID':>7}  {'AGE':>6}  STATE\n")
    for one in found:
        age = _age((time.time_ns() - one.since) // 1_000_000_000)
        pid = one.pid or "-"
        command = shlex.join(one.argv)
        sys.stdout.write(f"{one!s:<{width}}  {pid:>7}  {age:>6}  {_state(one)}: {command}\n")


def _age(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds}s"
    return f"{seconds // 60}m" if seconds < 7200 else f"{seconds // 3600}h"


def _state(one: ProcessState) -> str:
    again = f", restarted {one.restarts} times" if one.restarts else ""
    if one.phase in (ProcessPhase.EXITED, ProcessPhase.RESTARTING):
        return f"{one.phase} ({ending(one.code)}{again})"
    return f"{one.phase}{again}"


def logs(lab: str, process: str | None, *, follow: bool, tail: int | None) -> None:
    """What processes print, of several with their names in front; then what they go on to."""
    running = StandingLab.named(lab)
    with running.sandbox:
        chosen = _chosen(running.processes(), process, lab)
        width = max((len(str(one)) for one in chosen), default=0)
        tails = [_Tail(folder(lab), one, width if len(chosen) > 1 else 0) for one in chosen]
        try:
            for one in tails:
                one.print_all(tail)
            if follow:
                _follow(tails, running.sandbox.life, folder(lab))
                sys.stderr.write(f"hopscope: lab {lab!r} has ended\n")
        except KeyboardInterrupt:
            # a flush that was interrupted has written its line, and would write it again
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(130)


def _chosen(found: Sequence[ProcessState], process: str | None, lab: str) -> Sequence[ProcessState]:
    """Those of a node, the one of a node, or all."""
    if process is None:
        return found
    node, slash, name = process.partition("/")
    chosen = [one for one in found if one.node == node and (not slash or one.name == name)]
    if not chosen:
        known = ", ".join(str(one) for one in found[:10]) + (", …" if len(found) > 10 else "")
        message = f"lab {lab!r} has no process {process!r}; it has {known or 'none'}"
        raise UsageError(message)
    return chosen


def _follow(tails: Sequence["_Tail"], life: int, logs: Path) -> None:
    """Until the lab ends, which removes the files: what is open can still be read to its end."""
    with Growth(logs) if logs.exists() else contextlib.nullcontext() as growth:
        watched: list[Any] = [life, *([growth] if growth is not None else [])]
        ended = False
        while not ended:
            for one in tails:
                one.print_more()
            ready, _, _ = select.select(watched, [], [])
            ended = life in ready
            if growth is not None:
                growth.clear()
        for one in tails:
            one.print_more()


class _Tail:
    """The output of one process, as far as it was printed."""

    def __init__(self, logs: Path, process: ProcessState, width: int) -> None:
        self._key = (process.node, process.name)
        self._logs = logs
        self._path = logs / log_name(*self._key)
        self._file = self._path.open("rb")
        self._prefix = f"{process!s:<{width}} | ".encode() if width else b""
        self._begun = False  # a line, whose end is still to come

    def print_all(self, most: int | None) -> None:
        """What there is, or the last *most* lines of it."""
        text = output(self._logs, self._key).encode()
        self._file.seek(0, os.SEEK_END)
        if most is not None:
            text = b"".join(text.splitlines(keepends=True)[-most:] if most else [])
        self._print(text)

    def print_more(self) -> None:
        """What came since, also when the file was set aside for a fresh one."""
        for file in self._files():
            self._print(file.read())

    def _files(self) -> Iterator[Any]:
        yield self._file
        with contextlib.suppress(FileNotFoundError):
            if not os.path.samestat(os.fstat(self._file.fileno()), self._path.stat()):
                yield self._file  # what was written until then
                self._file.close()
                self._file = self._path.open("rb")
                yield self._file

    def _print(self, data: bytes) -> None:
        for line in data.splitlines(keepends=True):
            sys.stdout.buffer.write((b"" if self._begun else self._prefix) + line)
            self._begun = not line.endswith(b"\n")
        sys.stdout.buffer.flush()
