"""Many names, or a long text, in one sentence."""

from collections.abc import Sequence
from typing import Final

__all__ = ["cut", "some_of"]

_MOST: Final = 8
_LONG: Final = 60


def some_of(names: Sequence[str]) -> str:
    """All of a few names; of many the first, and how many more there are."""
    shown = names if len(names) <= _MOST else names[: _MOST // 2]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def cut(text: str) -> str:
    """A text that is not too long for a sentence; of one that is, how it begins."""
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"
