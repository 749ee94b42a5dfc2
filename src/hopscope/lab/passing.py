"""A sandbox of this process's own, in which something is tried; it ends with what is tried."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from hopscope.kernel import state
from hopscope.kernel.sandbox import Sandbox

__all__ = ["passing"]


@contextmanager
def passing(purpose: str, *, confined: bool = False) -> Iterator[Sandbox]:
    """One without nodes yet; *confined*: see `Sandbox.start`.

    Raises CannotError when this machine forbids it.
    """
    claimed = state.claim(f"{purpose}-{os.getpid()}")
    try:
        sandbox = Sandbox.start(claimed, confined=confined)
        try:
            yield sandbox
        finally:
            sandbox.stop()
    finally:
        claimed.clear()
