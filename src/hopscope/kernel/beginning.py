"""What a holder and its parent tell when a sandbox begins, or why it cannot."""

import errno
import os
import socket
from collections.abc import Mapping
from typing import Any

from hopscope.errors import CannotError
from hopscope.kernel import letters

__all__ = ["first_letters"]


def first_letters(control: socket.socket, within: float) -> tuple[dict[str, Any], list[int]]:
    """What the holder and its parent tell at the start, in whichever order.

    Raises CannotError for what went wrong there, or when *within* seconds were not enough.
    """
    told: dict[str, Any] = {}
    lives: list[int] = []
    control.settimeout(within)
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
            what = f"the sandbox was not ready within {within:g} seconds"
            raise CannotError(what, mend="hopscope doctor") from error
        raise
    control.settimeout(None)
    return told, lives


def _forbidden(answer: Mapping[str, Any]) -> CannotError:
    if answer["error"] not in (errno.EPERM, errno.EACCES, errno.ENOSPC, errno.EUSERS):
        what = f"the sandbox could not be set up: {answer['doing']}"
        return CannotError(what, mend="hopscope doctor")
    what = (
        f"this machine does not let us make namespaces: {answer['doing']}. "
        "Unprivileged user namespaces may be switched off"
    )
    return CannotError(what, mend="hopscope doctor   (names the knob; or run as root)")
