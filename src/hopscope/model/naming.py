"""Many names in one sentence."""

from collections.abc import Sequence
from typing import Final

__all__ = ["some_of"]

_MOST: Final = 8


def some_of(names: Sequence[str]) -> str:
    """All of a few names; of many the first, and how many more there are."""
    shown = names if len(names) <= _MOST else names[: _MOST // 2]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
