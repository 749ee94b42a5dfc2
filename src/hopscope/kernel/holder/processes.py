"""The processes that a lab declares: started, listened to, and started again. Standard library.

The holder loads this only for a lab that has some. What they print goes through a pipe
of their own into a file of the lab's folder; whether they are ready is judged by whoever
asked for them. A lab that is taken down asks them to end before; whoever does not, and all of
them when the holder is killed, are ended by the kernel, which ends its PID namespace.
"""

import contextlib
import errno
import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

__all__ = ["KEPT", "Processes", "log_name"]

KEPT: Final = 512 << 10
"""Bytes of a process's output in a file, after which that is set aside for a fresh one."""

_FIRST, _LONGEST = 0.1, 60.0  # seconds before a restart; doubled each time, as docker does
_SETTLED: Final = 10.0  # seconds after which a process counts as one that runs
_PIECE: Final = 1 << 16

Launch = Callable[[dict[str, Any], list[int]], int]
"""Starts a program with these descriptors as its input, output and errors; its PID."""


def log_name(node: str, name: str) -> str:
    """The file of its output; what was set aside ends with ``.1``."""
    return f"{node}:{name}.log"


class _Process:
    """One that was asked for: what is to run, and how it fares."""

    def __init__(self, wish: dict[str, Any]) -> None:
        self.wish = wish
        self.key = wish["node"], wish["name"]
        self.argv = wish["argv"]
        self.restart = wish["restart"]
        self.stop = float(wish["stop"])
        self.pipe = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.pipe[0], False)
        self.log = -1
        self.exec = -1  # it ends when the child has become the program; before, it may fail
        self.pid = 0
        self.group = 0  # of it and what it has started; 0 once nobody is in it
        self.code: int | None = None  # how it ended last; of a signal its negative
        self.restarts = 0
        self.since = time.time_ns()
        self.begun = 0.0
        self.pause = _FIRST
        self.due: float | None = None  # when it is to be started again

    def signal(self, number: int) -> bool:
        """Send it, and what it started, a signal, or none (0); False when nothing is left."""
        for send, whom in ((os.killpg, self.group), (os.kill, self.pid)):
            with contextlib.suppress(ProcessLookupError):  # it has no group yet, or none any more
                if whom:
                    send(whom, number)
                    return True
        return False

    def quit(self) -> bool:
        """Ask it to end, and do not start it again; False when nothing is left of it."""
        self.restart, self.due = "never", None
        return self.signal(signal.SIGTERM if self.stop else signal.SIGKILL)

    def forget(self) -> None:
        """Forget the group if nobody is in it: its number may come to be someone else's."""
        if not self.signal(0):
            self.group = 0

    def drop(self) -> None:
        """Of its becoming the program nothing more is to be heard."""
        if self.exec >= 0:
            os.close(self.exec)
            self.exec = -1

    def told(self) -> dict[str, Any]:
        """How it fares."""
        phase = "exited" if self.due is None else "restarting"
        if self.pid:
            phase = "starting" if self.exec >= 0 else "running"
        return {
            "node": self.key[0],
            "name": self.key[1],
            "argv": self.argv,
            "restart": self.restart,
            "phase": phase,
            "pid": self.pid,
            "code": self.code,
            "restarts": self.restarts,
            "since": self.since,
            "left": self.signal(0),
        }


class Processes:
    """All of a lab; *folder* is a descriptor of where their output goes."""

    def __init__(self, folder: int, launch: Launch, poller: select.epoll) -> None:
        self._folder, self._launch, self._poller = folder, launch, poller
        self._all: dict[tuple[str, str], _Process] = {}
        self._pipes: dict[int, _Process] = {}
        self._pids: dict[int, _Process] = {}
        self._until: dict[_Process, float] | None = None  # when those that are to end are killed
        self._nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def start(self, wishes: Sequence[dict[str, Any]]) -> None:
        """Start each; OSError when one cannot be, for want of room or of its node."""
        if self._until is not None:
            raise OSError(errno.ESHUTDOWN, "the lab is being taken down")
        for wish in wishes:
            process = _Process(wish)
            self.stop([process.key])
            self._all[process.key] = process
            self._pipes[process.pipe[0]] = process
            self._poller.register(process.pipe[0], select.EPOLLIN)
            for name in (log_name(*process.key), f"{log_name(*process.key)}.1"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=self._folder)
            self._open(process)
            self._run(process)

    def stop(self, keys: Sequence[Sequence[str]]) -> None:
        """End each and what it started in its session, at once; they are known no longer."""
        for node, name in keys:
            process = self._all.pop((node, name), None)
            if process is None:
                continue
            process.signal(signal.SIGKILL)
            self._pids.pop(process.pid, None)
            self.heard(process.pipe[0])
            self._poller.unregister(process.pipe[0])
            del self._pipes[process.pipe[0]]
            process.drop()
            for fd in (*process.pipe, process.log):
                if fd >= 0:
                    os.close(fd)

    def quit(self, keys: Sequence[Sequence[str]]) -> None:
        """Ask each of these to end; `stop` is to follow."""
        for node, name in keys:
            if process := self._all.get((node, name)):
                process.quit()

    def end(self) -> float:
        """Ask all to end, and start none again; the seconds until the last is killed, or 0."""
        now = time.monotonic()
        if self._until is None:
            self._until = {
                process: now + process.stop for process in self._all.values() if process.quit()
            }
        return max((until - now for until in self._until.values()), default=0.0)

    def over(self) -> bool:
        """Whether all that were asked to end have; whose time is over is killed."""
        if self._until is None:
            return False
        now = time.monotonic()
        self._until = {one: until for one, until in self._until.items() if one.signal(0)}
        for process, until in self._until.items():
            if until <= now:
                process.signal(signal.SIGKILL)
        return all(until <= now for until in self._until.values())

    def forget(self, nodes: Sequence[str]) -> None:
        """Stop those of nodes that are let go."""
        self.stop([key for key in self._all if key[0] in nodes])

    def told(self) -> list[dict[str, Any]]:
        """How each fares, once all that they printed by now is written."""
        for fd, process in self._pipes.items():
            self.heard(fd)
            _look(process)
        return [process.told() for process in self._all.values()]

    def ended(self, pid: int, status: int) -> None:
        """A child ended; if it is one of these, it may be due again.

        Then what it has started ends first, as in a container: that is not to run twice.
        """
        process = self._pids.pop(pid, None)
        if process is None:
            for one in self._all.values():
                if one.group and not one.pid:  # it may have been the last of what that started
                    one.forget()
            return
        now = time.monotonic()
        process.drop()
        process.pid, process.since = 0, time.time_ns()
        process.forget()
        process.code = os.waitstatus_to_exitcode(status)
        if now - process.begun >= _SETTLED:
            process.pause = _FIRST
        if process.restart == "always" or (process.restart == "on-failure" and status != 0):
            process.signal(signal.SIGKILL)
            process.due = now + process.pause
            process.pause = min(process.pause * 2, _LONGEST)

    def due(self) -> float | None:
        """Start those whose time has come; the seconds until the next, None without one.

        Of those that are to end, the seconds until the first is killed.
        """
        now = time.monotonic()
        if self._until is not None:
            return min((until - now for until in self._until.values() if until > now), default=0.0)
        for process in self._all.values():
            if process.due is not None and process.due <= now:
                process.restarts += 1
                try:
                    self._run(process)
                except OSError:  # no room for one more: later
                    process.due = now + process.pause
        times = [process.due for process in self._all.values() if process.due is not None]
        return max(0.0, min(times) - now) if times else None

    def heard(self, fd: int) -> None:
        """Write down what a process printed, as far as there is something."""
        process = self._pipes.get(fd)
        if process is None:
            return
        with contextlib.suppress(BlockingIOError):
            for _ in range(16):  # others are to be heard too
                self._keep(process, os.read(fd, _PIECE))

    def _run(self, process: _Process) -> None:
        fds = [self._nothing, process.pipe[1], process.pipe[1]]
        process.drop()
        process.exec, becoming = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            process.pid = self._launch({**process.wish, "failing": becoming}, fds)
        finally:
            os.close(becoming)
        process.group = process.pid
        process.begun, process.since, process.due = time.monotonic(), time.time_ns(), None
        self._pids[process.pid] = process

    def _open(self, process: _Process) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        process.log = os.open(log_name(*process.key), flags, 0o600, dir_fd=self._folder)

    def _keep(self, process: _Process, data: bytes) -> None:
        """A full disk loses output, not the lab."""
        name = log_name(*process.key)
        with contextlib.suppress(OSError):
            if os.fstat(process.log).st_size + len(data) > KEPT:
                os.rename(name, f"{name}.1", src_dir_fd=self._folder, dst_dir_fd=self._folder)
                full = process.log
                self._open(process)
                os.close(full)
            os.write(process.log, data)


def _look(process: _Process) -> None:
    """Whether the child is the program by now. One that could not be it is about to end."""
    if process.exec >= 0:
        with contextlib.suppress(BlockingIOError):
            if os.read(process.exec, 1) == b"":
                process.drop()
