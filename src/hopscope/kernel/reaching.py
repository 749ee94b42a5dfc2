"""A lab's holder is reached by whoever did not start it; what to do about one that is silent."""

import socket
from typing import Final

from hopscope.errors import CannotError
from hopscope.kernel.control import reach
from hopscope.kernel.scarcity import scarce
from hopscope.kernel.state import LabFile, find, state_home

__all__ = ["ANSWERS", "end_it", "reached", "unanswered"]

ANSWERS: Final = 5.0
"""Seconds in which a holder that one comes to answers; it takes far less than one."""


def reached(lab: LabFile) -> socket.socket:
    """A socket to its holder, which waits so long for each answer.

    Raises NoSuchLabError when it has ended meanwhile, CannotError when it cannot be reached.
    """
    try:
        return reach(state_home() / lab.name, ANSWERS)
    except OSError as error:
        find(lab.name)
        limit = scarce(error.errno or 0, f"reaching lab {lab.name!r}")
        raise limit or unanswered(lab, error.strerror or str(error)) from error


def unanswered(lab: LabFile, why: str) -> CannotError:
    """What to raise when a lab stands, and its holder does not answer."""
    return CannotError(f"lab {lab.name!r} does not answer: {why}", mend=end_it(lab.pid))


def end_it(pid: int) -> str:
    """What ends a silent holder, and with it the lab; `hopscope down` would only ask it to end."""
    return f"kill -9 {pid}   (the holder)"
