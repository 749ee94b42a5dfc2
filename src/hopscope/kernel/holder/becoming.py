"""A child of the holder turns into a program, inside a node. Standard library only."""

import contextlib
import os
import resource
import signal
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from hopscope.kernel.syscalls import IGNORED_BY_PYTHON, own_sys

__all__ = ["become"]


def become(
    request: dict[str, Any],
    fds: list[int],
    enter: Callable[[], object],
    *,
    own: bool,
    limits: Mapping[int, tuple[int, int]],
) -> NoReturn:
    """In the child: *enter* the node and turn into the program, or say why not.

    *fds* are its input, output and errors; *own*: it is shown the node's devices in /sys; *limits*:
    see setrlimit(2).
    """
    try:
        signal.set_wakeup_fd(-1)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for kind, limit in limits.items():
            resource.setrlimit(kind, limit)
        for number in (*IGNORED_BY_PYTHON, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        if resource.RLIMIT_FSIZE in limits:  # a bound of ours is to be told, not to kill
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        for target, fd in enumerate(fds):
            os.dup2(fd, target)
        if "folder" in request:  # it is kept, and a job of its own
            os.setsid()
            with contextlib.suppress(OSError):  # one that is hidden inside: the root
                os.chdir(request["folder"])
        enter()
        if own:
            own_sys()
        os.execvpe(request["argv"][0], request["argv"], request["env"])  # noqa: S606
    except (FileNotFoundError, NotADirectoryError):  # the latter: of a PATH that names a file
        _fail(request, f"no such program: {request['argv'][0]}\n", 127)
    except BaseException as error:  # noqa: BLE001 - nothing may return from this child
        _fail(request, str(error), 126)


def _fail(request: dict[str, Any], why: str, code: int) -> NoReturn:
    try:
        os.write(2, why.encode())
        if "failing" in request:  # whoever waits for this descriptor's end is told first
            os.write(request["failing"], b"!")
    finally:
        os._exit(code)
