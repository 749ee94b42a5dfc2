"""Rules as they are declared, with the mark that tells ours from others': words only."""

import shlex
from collections.abc import Sequence
from typing import Final

from hopscope.errors import UsageError

__all__ = ["deletions", "is_behind", "put_first", "with_mark"]

_FLAGS: Final = ("-A", "--append", "-I", "--insert")
_JUMPS: Final = ("-j", "--jump", "-g", "--goto")


def with_mark(lines: Sequence[str], mark: str) -> list[str]:
    """Rules as they are declared, each with the mark as a comment; those that have it stay.

    Raises UsageError for what is no single rule that is added.
    """
    from hopscope.kernel.apply.firewall import arguments  # noqa: PLC0415 - no end of a lab needs it

    marked: list[str] = []
    for line in lines:
        first = arguments(line)[1][:1]  # refused here, nothing of it is on record
        words = shlex.split(line)
        sets_policy = any(word.startswith(":") for word in first)
        if sets_policy or not any(word in _FLAGS for word in words):
            message = f"with --on-host only -A and -I are allowed in the node 'host': {line!r}"
            raise UsageError(message)
        targets = [words.index(word) for word in _JUMPS if word in words]
        at = min(targets, default=len(words))
        if mark not in words:
            words[at:at] = ["-m", "comment", "--comment", mark]
        marked.append(shlex.join(words))
    return marked


def deletions(tool: str, marked: Sequence[str]) -> list[list[str]]:
    """The commands that delete these rules."""
    return [[tool, "-w", "5", *_with_flag(line, "-D")[0]] for line in marked]


def _with_flag(line: str, flag: str) -> tuple[list[str], int]:
    """The rule's words with another flag, and without a number, which is returned; 1 for none."""
    words = shlex.split(line)
    where = next(at for at, word in enumerate(words) if word in _FLAGS)
    words[where] = flag
    if where + 2 < len(words) and words[where + 2].isdigit():  # -I CHAIN NUMBER
        return words, int(words.pop(where + 2))
    return words, 1


def is_behind(line: str) -> bool:
    """Whether a rule is inserted at a place that others' rules must lead to."""
    return _with_flag(line, "-I")[1] > 1


def put_first(line: str) -> str:
    """The rule, inserted before all others of its chain."""
    return shlex.join(_with_flag(line, "-I")[0])
