"""Strategies for lab files that nobody would write: words in any order, labs with mistakes."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from hypothesis import strategies as st

__all__ = ["SPICE", "changed_tree", "nearly", "pieces", "swollen", "swollen_tree", "words"]

SPICE: Final = [
    *"\t:-?&*!|>'\"%@`#,[]{}~\\\n\r\x85\u2028\ufeffé",
    *("- ", ": ", " -> ", "->", "''", '"\\x00"', "null", "true", ".nan", "1e999", "0x", "-0"),
    *("<<: ", "&a ", "*a", "*a ", "!!str ", "--- ", "\n---\n", "...\n", "%YAML 1.1\n", "  ", "\n"),
    *("10.0.0.1/33", "::/0", "02:00", "lo", "all", "none", "x" * 70, "9" * 30, "/", "@", "..", "%"),
]
"""What means something in YAML or in a lab, and is wrong nearly everywhere."""

_CHANGES: Final[Sequence[Callable[[list[str], int, str], None]]] = [
    lambda pieces, at, _: pieces.__delitem__(at),
    lambda pieces, at, word: pieces.insert(at, word),
    lambda pieces, at, word: pieces.__setitem__(at, word),
    lambda pieces, at, _: pieces.insert(at, pieces[at]),
    lambda pieces, at, _: pieces.__setitem__(at, pieces[at][::-1]),
]


def pieces(text: str) -> list[str]:
    """The words of a lab file, its spaces and its signs."""
    return re.findall(r"[\w.-]+|\s+|[^\w\s]", text)


def words(known: Sequence[str]) -> st.SearchStrategy[str]:
    """Any words of labs in any order."""
    return st.lists(st.sampled_from([*known, *SPICE]), max_size=60).map("".join)


@st.composite
def nearly(draw: st.DrawFn, texts: Sequence[str], most: int = 4) -> str:
    """One of *texts* with a few words taken out, put in, doubled or replaced."""
    made = pieces(draw(st.sampled_from(texts)))
    known = list(made)
    for _ in range(draw(st.integers(1, most))):
        change = draw(st.sampled_from(_CHANGES))
        at = draw(st.integers(0, len(made) - 1))
        change(made, at, draw(st.sampled_from([*SPICE, *known])))
        if not made:
            break
    return "".join(made)


@st.composite
def changed_tree(draw: st.DrawFn, tree: object) -> object:
    """*tree* with some of its parts replaced by others of another kind."""
    return _leaves(draw, tree)


@st.composite
def swollen_tree(draw: st.DrawFn, tree: object) -> object:
    """*tree* with one of its lists very long: its items again and again."""
    places = list(_lists(tree))
    place = draw(st.sampled_from(places)) if places else ()
    return swollen(tree, place, draw(st.sampled_from([100, 1_001, 5_000])))


def _lists(value: object, *place: object) -> Iterator[tuple[object, ...]]:
    match value:
        case dict():
            for key, below in value.items():
                yield from _lists(below, *place, key)
        case list() if value:
            yield place
            for number, item in enumerate(value):
                yield from _lists(item, *place, number)


def swollen(value: object, place: Sequence[object], times: int) -> object:
    """*value* with so many items in the list at that place."""
    match value, place:
        case dict(), (at, *below):
            return {key: swollen(v, below, times) if key == at else v for key, v in value.items()}
        case list(), (at, *below):
            return [swollen(v, below, times) if n == at else v for n, v in enumerate(value)]
        case list(), _:
            return (value * times)[:times]
        case _:
            return value


def _leaves(draw: st.DrawFn, value: object) -> object:
    if draw(st.integers(0, 30)) == 0:
        return draw(st.sampled_from([None, True, 5, 1.5, "x", "ns1", [], {}, ["x"], {"x": 1}]))
    match value:
        case dict():
            return {str(key): _leaves(draw, below) for key, below in value.items()}
        case list():
            return [_leaves(draw, item) for item in value]
        case _:
            return value
