"""How much the proofs try: a sample in `make test`, all of it in `make proofs`."""

import os
import random
from collections.abc import Callable
from typing import Final

__all__ = ["FULL", "SEED", "Tell", "size"]

FULL: Final = os.environ.get("HOPSCOPE_PROOFS") == "full"
_ANY: Final = random.SystemRandom().randrange(1, 1 << 31) if FULL else 1
SEED: Final = int(os.environ.get("HOPSCOPE_SEED", _ANY))
"""Told by each failure, so that it can be had again. A sample is the same each time."""

Tell = Callable[[str], None]
"""Says what was tried, at the end of the run."""


def size(small: int, full: int) -> int:
    """The number for this run."""
    return full if FULL else small
