"""How a word, or a line of rules, is written for a POSIX shell."""

import re
import shlex
from collections.abc import Sequence
from typing import Final

__all__ = ["Expanded", "command", "comment", "rule_words"]

_AS_WRITTEN: Final = re.compile(r"[A-Za-z0-9_.,:/=+@%!\" \t-]*")
"""What a shell leaves alone, also within double quotes; such lines stay as they were written."""


class Expanded(str):
    """A word that the shell is to read more into, as ``$$``."""

    __slots__ = ()


def command(words: Sequence[str]) -> str:
    """A command line; words are quoted where a shell would read more into them."""
    return " ".join(word if isinstance(word, Expanded) else shlex.quote(word) for word in words)


def rule_words(line: str) -> str:
    """A line of iptables arguments, as its writer wrote it if a shell reads it the same way."""
    line = line.strip()
    if _AS_WRITTEN.fullmatch(line):
        return line
    return command(shlex.split(line))


def comment(text: str) -> list[str]:
    """A text of any lines as lines of comment."""
    return [f"# {line}".rstrip() for line in text.splitlines()]
