"""A holder is started: its process first, then what it needs, and what it says first."""

import contextlib
import errno
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from hopscope.errors import CannotError
from hopscope.kernel import letters
from hopscope.kernel.children import Child
from hopscope.kernel.scarcity import scarce
from hopscope.kernel.state import state_home

__all__ = ["START", "Starter"]

_HOLDER: Final = (
    f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r}); "
    "from hopscope.kernel.holder.main import main; main()"
)

START: Final = 60.0
"""Seconds that a holder may take to start; it takes 30 ms."""


class Starter:
    """A process that will be the holder of whichever lab it is told of; meanwhile it loads.

    It changes nothing before. One that has not become a holder is to be closed; at the latest it
    ends with this process.
    """

    def __init__(self) -> None:
        self.control: socket.socket
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, _spawning(), contextlib.ExitStack() as undo:
            undo.callback(self.control.close)
            number = theirs.fileno()
            argv = [sys.executable, "-I", "-S", "-c", _HOLDER]
            pid = os.posix_spawn(
                sys.executable,
                [*argv, str(number), str(state_home())],  # the latter for those who list processes
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, number, number),  # to be inherited
                ],
                setsid=True,
            )
            self._child: Child | None = Child(pid)
            undo.pop_all()

    def become(
        self,
        config: Mapping[str, object],
        descriptors: Sequence[int],
        meanwhile: Callable[[], None],
    ) -> tuple[dict[str, Any], list[int]]:
        """Be the holder of the lab of *config*; what it tells when it is.

        *descriptors*: see `holder.main`; *meanwhile* is called while it gets there.
        """
        try:
            with contextlib.suppress(OSError):  # it ended: told below
                letters.send(self.control, config, descriptors)
            meanwhile()
            told = _first_letters(self.control)
        except BaseException:
            self.close()
            raise
        self._wait()
        return told

    def close(self) -> None:
        """End it, unless it has become a holder."""
        if self._child is not None:
            self.control.close()
            self._child.kill()  # a stuck one would be waited for without end
            self._wait()

    def _wait(self) -> None:
        if self._child is not None:
            self._child.wait()
            self._child = None


@contextlib.contextmanager
def _spawning() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise scarce(error.errno or 0, "starting the lab's holder") or error from error


def _first_letters(control: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """What the holder tells at the start: that it is ready, or what is forbidden."""
    lives: list[int] = []
    control.settimeout(START)
    try:
        told, lives = letters.receive(control)
        if "error" in told:
            raise _forbidden(told)
        if not told:
            raise _ended()
        told["pid"] = _pid(lives[0])
    except BaseException as error:
        for fd in lives:
            os.close(fd)
        if isinstance(error, TimeoutError):
            what = f"the sandbox was not ready within {START:g} seconds"
            raise CannotError(what, mend="hopscope doctor") from error
        if isinstance(error, ConnectionError):
            raise _ended() from error
        raise
    control.settimeout(None)
    return told, lives


def _pid(process: int) -> int:
    """Which process a descriptor is of, as we number them: the holder knows itself as PID 1.

    Its parent could tell, and could be killed before it has.
    """
    lines = Path(f"/proc/self/fdinfo/{process}").read_text().splitlines()
    pid = next(int(line.split()[1]) for line in lines if line.startswith("Pid:"))
    if pid <= 0:
        raise _ended()
    return pid


def _ended() -> CannotError:
    what = "the sandbox ended while it was being set up"
    return CannotError(what, mend="hopscope doctor")


def _forbidden(answer: Mapping[str, Any]) -> CannotError:
    code, doing = answer["error"], answer["doing"]
    said = f"{doing}: {os.strerror(code)}".removeprefix(": ")
    if code not in (errno.EPERM, errno.EACCES, errno.ENOSPC, errno.EUSERS):
        what = "the sandbox could not be set up"
        limit = scarce(code, f"{what}: {doing}".removesuffix(": "), answer.get("files"))
        return limit or CannotError(f"{what}: {said}", mend="hopscope doctor")
    what = (
        f"this machine does not let us make namespaces: {said}. "
        "Unprivileged user namespaces may be switched off"
    )
    return CannotError(what, mend="hopscope doctor   (names the knob; or run as root)")
