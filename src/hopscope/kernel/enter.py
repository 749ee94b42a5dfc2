"""Enter a node: run a command in it on the caller's own terminal, and see it to its end.

The command is a child of this process and stays in its session and process group, so that
the terminal treats both as one job. It is also a process of the lab's PID namespace, so
that it ends with the lab. The way in is handed over by the lab's holder as descriptors:
no PID is looked up that could meanwhile belong to someone else.

This module is imported before every command that `hopscope exec` runs, and so imports
little.
"""

import contextlib
import errno
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Final, NoReturn, Self

from hopscope.errors import CannotError, UsageError
from hopscope.kernel import children, letters, syscalls
from hopscope.kernel.reaching import ANSWERS, reached, unanswered
from hopscope.kernel.scarcity import scarce
from hopscope.kernel.state import LabFile, find
from hopscope.kernel.tools import own_folder

__all__ = ["Doors"]

_SI_KERNEL: Final = 0x80
_LISTED: Final = 10  # nodes; a lab may have thousands
_GUESSED: Final = 200
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
_FORWARDED: Final = {
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGWINCH,
    signal.SIGTSTP,
    signal.SIGCONT,
    signal.SIGUSR1,
    signal.SIGUSR2,
}
_AWAITED: Final = _FORWARDED | {signal.SIGCHLD}


class Doors:
    """The namespaces of one node of a running lab, as descriptors; use as a context manager."""

    def __init__(self, name: str, node: str | None) -> None:
        """*node* None: the lab's home, or its first node.

        Raises NoSuchLabError, UsageError for an unknown node, CannotError when the lab is
        not ready, or ended meanwhile.
        """
        self.lab: LabFile = find(name)
        self.node: str = _chosen(self.lab, node)
        self._holder = reached(self.lab)
        try:
            self._fds = self._handed_over()
        except BaseException:
            self._holder.close()
            raise

    def _handed_over(self) -> dict[str, int]:
        try:
            letters.send(self._holder, {"do": "doors", "id": 1, "node": self.node})
            answer, fds = letters.receive(self._holder)
        except TimeoutError:
            why = f"its holder has said nothing for {ANSWERS:g} seconds"
            raise unanswered(self.lab, why) from None
        except ConnectionError:
            answer, fds = {}, []
        if not answer:
            find(self.lab.name)  # raises NoSuchLabError once it has ended
            raise CannotError(f"lab {self.lab.name!r} is ending")
        if "error" in answer:
            what = f"{self.node} is not there: is lab {self.lab.name!r} still being built?"
            raise CannotError(what, mend="try again")
        return dict(zip((*letters.DOORS, "net"), fds, strict=True))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self._fds.values():
            os.close(fd)
        self._holder.close()

    @property
    def ended(self) -> bool:
        """Whether the lab's holder has let go of us, which it does only by ending."""
        self._holder.settimeout(0)
        try:
            return self._holder.recv(1) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def run(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        prepare: Callable[[], Mapping[str, str]] = dict,
    ) -> int:
        """Run *argv* in the node to its end; its exit status, 128 + N for a signal N.

        *prepare* runs inside, just before; the variables that it returns are added. This
        process is left in the lab's user namespace, and can run nothing else afterwards.
        """
        here = own_folder()
        children.heed()  # one that is ignored never comes
        self._come_near()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
        try:
            child = os.fork()
        except OSError as error:
            limit = scarce(error.errno or 0, "starting the command")
            if limit is None or error.errno == errno.ENOMEM:  # so says a PID namespace that is dead
                limit = CannotError(f"lab {self.lab.name!r} has ended")
            raise limit from error
        if child == 0:
            self._go_in(here, argv, environment, prepare, before)
        return _Command(child).see_to_its_end()

    def _come_near(self) -> None:
        """What concerns only children, or must be done before them."""
        if not _same(self._fds["user"], "/proc/self/ns/user"):
            syscalls.setns(self._fds["user"], syscalls.CLONE_NEWUSER)
        syscalls.setns(self._fds["pid"], syscalls.CLONE_NEWPID)

    def _go_in(
        self,
        here: str,
        argv: Sequence[str],
        environment: Mapping[str, str],
        prepare: Callable[[], Mapping[str, str]],
        mask: set[int],
    ) -> NoReturn:
        """In the child: enter, and become the command."""
        code = _NOT_EXECUTABLE
        try:
            syscalls.end_with_parent(signal.SIGKILL)
            syscalls.setns(self._fds["uts"], syscalls.CLONE_NEWUTS)
            syscalls.setns(self._fds["net"], syscalls.CLONE_NEWNET)
            syscalls.setns(self._fds["mnt"], syscalls.CLONE_NEWNS)
            if self.node != self.lab.home:  # the lab's own /sys is that of its home
                syscalls.own_sys()
            _go_to(here)
            environment = {**environment, **prepare()}
            for number in syscalls.IGNORED_BY_PYTHON:
                signal.signal(number, signal.SIG_DFL)
            children.unheed()
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            os.execvpe(argv[0], list(argv), environment)  # noqa: S606 - no shell is the point
        except OSError as error:
            code, why = _refusal(argv[0], error)
            os.write(2, f"hopscope: {self.node}: {why}\n".encode())
        finally:
            os._exit(code)


class _Command:
    """The command as its parent sees it: signals passed on, stops followed."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._group = os.getpgrp()
        self._terminal = _terminal()

    def see_to_its_end(self) -> int:
        """Its exit status."""
        while True:
            status = self._changed()
            if status is None:
                self._pass_on(signal.sigwaitinfo(_AWAITED))
            elif os.WIFSTOPPED(status):
                self._stop_too()
            else:
                self._take_terminal()
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code

    def _changed(self) -> int | None:
        try:
            pid, status = os.waitpid(self._pid, os.WNOHANG | os.WUNTRACED)
        except ChildProcessError:  # it ended while we were stopped, and it was: by SIGKILL
            return int(signal.SIGKILL)
        return status if pid else None

    def _pass_on(self, info: signal.struct_siginfo) -> None:
        """What the terminal sends to our process group has reached the command already."""
        if info.si_signo == signal.SIGCHLD:
            return
        with contextlib.suppress(ProcessLookupError):
            ours = os.getpgid(self._pid) == self._group
            if info.si_code != _SI_KERNEL or not ours:
                os.kill(self._pid, info.si_signo)

    def _stop_too(self) -> None:
        """Let the caller's shell see the job stopped; return when it is continued.

        A stopped parent would keep the lab from ending, since it cannot collect its
        child: meanwhile the kernel is told to collect it.
        """
        if self._terminal is None:
            return
        group = os.getpgid(self._pid)
        self._take_terminal()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        os.kill(os.getpid(), signal.SIGSTOP)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if group != self._group and os.tcgetpgrp(self._terminal) == self._group:
            self._give_terminal(group)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGCONT)

    def _take_terminal(self) -> None:
        """The terminal back from a process group that the command made, or that is gone."""
        if self._terminal is None:
            return
        with contextlib.suppress(OSError):
            front = os.tcgetpgrp(self._terminal)
            if front != self._group and (not _lives(front) or front == os.getpgid(self._pid)):
                self._give_terminal(self._group)

    def _give_terminal(self, group: int) -> None:
        if self._terminal is None:
            return
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        with contextlib.suppress(OSError):
            os.tcsetpgrp(self._terminal, group)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _chosen(lab: LabFile, node: str | None) -> str:
    if node is None:
        return lab.home if lab.home in lab.nodes else lab.nodes[0]
    if node in lab.nodes:
        return node
    first = f"{node}1"  # of those that were counted under the name
    near = [first] if first in lab.nodes else get_close_matches(node, lab.nodes[:_GUESSED], n=1)
    more = ", …" if len(lab.nodes) > _LISTED else ""
    hint = f"it has: {', '.join(lab.nodes[:_LISTED])}{more}"
    hint = f"did you mean {near[0]!r}?" if near else hint
    message = f"lab {lab.name!r} has no node {node!r}; {hint}"
    raise UsageError(message)


def _same(fd: int, path: str) -> bool:
    return os.path.samestat(os.fstat(fd), os.stat(path))  # noqa: PTH116 - a magic link


def _go_to(folder: str) -> None:
    """To the caller's folder; a lab has a /run of its own, where it may be missing."""
    try:
        os.chdir(folder)
    except OSError:
        os.chdir("/")


def _refusal(program: str, error: OSError) -> tuple[int, str]:
    """The exit status and the words for a command that could not be started."""
    if error.errno == errno.ENOENT:
        if "/" not in program:
            return _NOT_FOUND, f"no program {program!r} on the PATH"
        if Path(program).exists():
            return _NOT_FOUND, f"{program}: its interpreter is not there"
        return _NOT_FOUND, f"there is no {program}"
    return _NOT_EXECUTABLE, f"cannot run {program}: {error.strerror}"


def _terminal() -> int | None:
    """The controlling terminal, whatever the standard streams are."""
    try:
        return os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError:
        return None


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
