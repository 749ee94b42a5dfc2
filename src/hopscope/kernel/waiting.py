"""Wait for a named condition; this module holds the only sleep."""

import time
from collections.abc import Callable

from hopscope.errors import NotReadyError

__all__ = ["wait_until"]


def wait_until(holds: Callable[[], bool], what: str, *, within: float) -> None:
    """Return when *holds* is true; NotReadyError naming *what* after *within* seconds."""
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() >= deadline:
            message = f"{what}: not within {within:g} s"
            raise NotReadyError(message)
        time.sleep(0.005)
