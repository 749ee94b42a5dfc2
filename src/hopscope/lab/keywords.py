"""Which labs ``-k`` selects: words with ``and``, ``or``, ``not``, as pytest reads them."""

import re
from collections.abc import Callable
from typing import Final

from hopscope.errors import UsageError

__all__ = ["Selects", "keywords"]

Selects = Callable[[str], bool]
"""Whether a text is selected: a word is, when it is part of it, in capitals or not."""

_TOKEN: Final = re.compile(r"[()]|[^\s()]+")
_OPERATORS: Final = ("and", "or", "not", "(", ")")


def keywords(expression: str) -> Selects:
    """What the expression selects. UsageError when it is none."""
    return _Reader(expression).whole()


class _Reader:
    """Reads an expression from left to right; ``not`` binds closest, then ``and``."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens = list(_TOKEN.finditer(expression))
        self._at = 0

    def whole(self) -> Selects:
        found = self._either()
        if self._at < len(self._tokens):
            raise self._mistake("and, or, or the end")
        return found

    def _next(self, word: str) -> bool:
        """Whether *word* comes next; if so, it is passed."""
        there = self._at < len(self._tokens) and self._tokens[self._at][0].lower() == word
        self._at += there
        return there

    def _either(self) -> Selects:
        found = self._both()
        while self._next("or"):
            found = _any(found, self._both())
        return found

    def _both(self) -> Selects:
        found = self._single()
        while self._next("and"):
            found = _all(found, self._single())
        return found

    def _single(self) -> Selects:
        if self._next("not"):
            inner = self._single()
            return lambda text: not inner(text)
        if self._next("("):
            inner = self._either()
            if not self._next(")"):
                raise self._mistake("and, or, or a closing parenthesis")
            return inner
        if self._at == len(self._tokens) or self._tokens[self._at][0].lower() in _OPERATORS:
            raise self._mistake("a word, not, or an opening parenthesis")
        word = self._tokens[self._at][0].lower()
        self._at += 1
        return lambda text: word in text.lower()

    def _mistake(self, wanted: str) -> UsageError:
        ended = self._at == len(self._tokens)
        place = len(self._expression) + 1 if ended else self._tokens[self._at].start() + 1
        message = f"-k {self._expression!r}: column {place} should have {wanted}"
        return UsageError(message)


def _any(one: Selects, other: Selects) -> Selects:
    return lambda text: one(text) or other(text)


def _all(one: Selects, other: Selects) -> Selects:
    return lambda text: one(text) and other(text)
