"""A holder is started: what it needs beforehand, and what it says first."""

import errno
import os
import resource
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hopscope.errors import CannotError
from hopscope.kernel import letters

__all__ = ["START", "first_letters", "listen", "make_room"]

START: Final = 60.0
"""Seconds that a holder may take to start; it takes 30 ms."""


def first_letters(control: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """What the holder and its parent tell at the start, in whichever order."""
    told: dict[str, Any] = {}
    lives: list[int] = []
    control.settimeout(START)
    try:
        while not {"pid", "ready"} <= told.keys():
            letter, fds = letters.receive(control)
            lives += fds
            if "error" in letter:
                raise _forbidden(letter)
            if not letter:
                what = "the sandbox ended while it was being set up"
                raise CannotError(what, mend="hopscope doctor")
            told |= letter
    except BaseException as error:
        for fd in lives:
            os.close(fd)
        if isinstance(error, TimeoutError):
            what = f"the sandbox was not ready within {START:g} seconds"
            raise CannotError(what, mend="hopscope doctor") from error
        raise
    control.settimeout(None)
    return told, lives


def make_room() -> None:
    """A lab of many nodes takes many descriptors, more than is usual and less than is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def listen(folder: Path) -> socket.socket:
    """The socket in a lab's folder by which others reach the holder."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    path = folder / "control"
    path.unlink(missing_ok=True)
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        listener.bind(f"/proc/self/fd/{descriptor}/control")
    finally:
        os.close(descriptor)
    listener.listen(16)
    return listener


def _forbidden(answer: Mapping[str, Any]) -> CannotError:
    if answer["error"] not in (errno.EPERM, errno.EACCES, errno.ENOSPC, errno.EUSERS):
        what = f"the sandbox could not be set up: {answer['doing']}"
        return CannotError(what, mend="hopscope doctor")
    what = (
        f"this machine does not let us make namespaces: {answer['doing']}. "
        "Unprivileged user namespaces may be switched off"
    )
    return CannotError(what, mend="hopscope doctor   (names the knob; or run as root)")
