"""What a broken rule says: its name, a sentence, a hint. Knows neither files nor positions."""

from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice
from typing import Final

from msgspec import Struct

from hopscope.model.naming import cut

__all__ = ["Fault", "near", "nearest", "shortened"]

_LONGEST_GUESS: Final = 64  # difflib is quadratic: nobody mistypes a longer word
_MOST_KNOWN: Final = 200
_LISTED: Final = 10


class Fault(Struct, frozen=True, kw_only=True):
    """A broken rule, wherever it was broken; see `Problem` for the fields."""

    rule: str
    message: str
    text: str = ""
    hint: str = ""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The one of *known* that *word* was probably meant to be, or None."""
    if len(word) > _LONGEST_GUESS:
        return None
    return _nearest(word, tuple(islice(known, _MOST_KNOWN)))


@lru_cache(256)  # a word that is wrong is often wrong in each of a thousand lines
def _nearest(word: str, candidates: tuple[str, ...]) -> str | None:
    found = get_close_matches(word, candidates, n=1)
    if found:
        return found[0]
    lower = {candidate.lower(): candidate for candidate in candidates}
    return lower.get(word.lower())


def near(word: str, known: Iterable[str]) -> str:
    """A hint: the probable meaning, else what there is."""
    names = list(known)
    meant = nearest(word, names)
    if meant is not None:
        return f"did you mean {meant!r}?"
    if not names:
        return ""
    more = ", …" if len(names) > _LISTED else ""
    return f"known: {', '.join(map(cut, names[:_LISTED]))}{more}"


def shortened(text: str) -> str:
    """*text* for a message: quoted, on one line, never long."""
    return repr(cut(text))
