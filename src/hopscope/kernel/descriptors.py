"""How many descriptors this process may have: more while a large lab needs them, and no longer.

Programs inherit the limit, also those that whoever uses the library starts, and some serve no more
than 1,024 (select()). So it is raised only when most of it is used, which takes a lab of more than
a hundred nodes, and set back when a sandbox is let go of; programs in labs get what it was before.
"""

import contextlib
import errno
import os
import resource
from typing import Final

__all__ = ["as_before", "make_room", "set_back"]

_SPARE: Final = 512  # twice what one letter brings

_raised: list[tuple[int, int]] = []
"""The limits that were there before ours, while ours are."""


def make_room(known: int) -> None:
    """Have room for what a letter brings, as far as is allowed; *known* is an open descriptor."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard and _lowest_free(known) + _SPARE > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        _raised[:] = [(soft, hard)]


def _lowest_free(known: int) -> float:
    """The number that the next descriptor gets: so many are open, or nearly."""
    try:
        free = os.dup(known)
    except OSError as error:
        return float("inf") if error.errno == errno.EMFILE else 0  # none is left; it was closed
    os.close(free)
    return free


def set_back() -> None:
    """Undo what `make_room` did, unless somebody has changed the limit since."""
    try:
        before = _raised.pop()
    except IndexError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard == before[1]:
        with contextlib.suppress(OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, before)


def as_before() -> int:
    """The soft limit without what `make_room` did."""
    return _raised[0][0] if _raised else resource.getrlimit(resource.RLIMIT_NOFILE)[0]
