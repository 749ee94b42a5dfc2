"""What a script's commands said, each with its line: read from bash's trace and from its output.

Each line of the trace is headed by the process that wrote it, its line in the script, and how much
standard output held then, which /proc/self/fdinfo tells of a descriptor that is kept open. Pure.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

__all__ = ["FOLDER", "HEAD", "PRELUDE", "Said", "ending", "heard"]

FOLDER: Final = "/run/hopscope/"
"""Where the script lies."""

_OUTPUT: Final = 250
HEAD: Final = "+hopscope ${BASHPID:-0} ${LINENO:-0}: "
"""Of any shell's trace. The first character is repeated by bash in what runs within words."""

PRELUDE: Final = f"""exec {_OUTPUT}>&1
shopt -s expand_aliases
alias trap=': trap'
PS4='+hopscope $BASHPID ${{LINENO:-0}} $(</proc/self/fdinfo/{_OUTPUT}): '
set -x
. "$0"
"""
"""What bash does first. No trap is set: what one would take down at the end is to be read."""

_FDINFO: Final = re.compile(
    r"^(\++hopscope \d+ \d+) pos:\t(\d+)\n(?:[a-z_]+:.*\n)*?[a-z_]+:\t\d+: ", re.MULTILINE
)
_HEADED: Final = re.compile(rb"^\++hopscope \d+ \d+(?: pos:\t|: )", re.MULTILINE)
_UNFINISHED: Final = re.compile(
    r"^\++hopscope (?!\d+ \d+(?: at \d+)?: )\S.*\n?(?:[a-z_]+:\t.*\n?)*\Z", re.MULTILINE
)
"""A head that bash was killed while it wrote: it writes each line by itself."""
_TRACED: Final = re.compile(r"\++hopscope (\d+) (\d+)(?: at (\d+))?: (.*)")
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # which a lab file takes none of
_MOST_READ: Final = 1 << 20
_MOST_KEPT: Final = 1 << 16
_BESIDE: Final = re.compile(r"(?<![&>|\\])&(?![&>])")
"""What leaves a command running beside the next."""
_COMPLAINT: Final = re.compile(rf"{FOLDER}\S+: line (\d+): ")


class Said(Struct):
    """A command of the script, and what it wrote: to standard error, and to standard output.

    *beside*: it was left running when the next began.
    """

    line: int
    command: str
    process: str = ""
    beside: bool = False
    at: int | None = None  # bytes that had been printed when it began, if known
    quote: str = ""  # the mark of a quotation in it that has not ended
    words: list[str] = []
    printed: list[str] = []

    @property
    def in_a_line(self) -> str:
        """The command, without what follows its first line."""
        first, newline, _ = self.command.partition("\n")
        return first + (" …" if newline else "")


def heard(errors: bytes, output: bytes, script: str) -> list[Said]:
    """The commands in the order in which they were run, but for ours that begins it all.

    Of what they wrote, the last `_MOST_READ` bytes; of each, the last `_MOST_KEPT`.
    """
    found: list[Said] = []
    main, lines = "", script.splitlines()
    for each in _trace(errors).splitlines():
        if (match := _TRACED.fullmatch(each)) is None:
            _hear(found, each)
            continue
        process, line, at, command = match.groups()
        if command.startswith(f". {FOLDER}"):
            main, found = process, []
            continue
        source = lines[int(line) - 1] if 0 < int(line) <= len(lines) else ""
        found.append(
            Said(
                line=int(line),
                command=command,
                process=process,
                beside=main not in ("", process) and _BESIDE.search(source) is not None,
                at=None if at is None else int(at),
                quote=_quoted(command),
            )
        )
    _share_out(found, output)
    return found


def _trace(errors: bytes) -> str:
    """The last of it, each command's head in a line; nothing of a head that is not whole."""
    read = errors[-_MOST_READ:]
    if len(read) < len(errors) and (first := _HEADED.search(read, read.find(b"\n") + 1)):
        read = read[first.start() :]
    return _UNFINISHED.sub("", _FDINFO.sub(r"\1 at \2: ", _read(read)))


def ending(said: Sequence[Said]) -> Said:
    """The command with which it ended."""
    return next((one for one in reversed(said) if not one.beside), Said(line=0, command=""))


def _hear(found: list[Said], each: str) -> None:
    """A line that is no trace: of a command's last word, or of what it complained of."""
    if found and found[-1].quote:
        found[-1].quote = _quoted(each, found[-1].quote)
        if len(found[-1].command) < _MOST_KEPT:
            found[-1].command += f"\n{each}"
    elif each.strip():
        if not found:
            found.append(Said(line=0, command=""))
        _speaker(found, each).words.append(each)


def _speaker(found: Sequence[Said], each: str) -> Said:
    """Who said it: the last command, unless one that runs beside it is named by more words."""
    last = next((one for one in reversed(found) if not one.beside), found[-1])
    beside = [one for one in found if one.beside]
    if (match := _COMPLAINT.match(each)) is not None:
        return next((one for one in beside if one.line == int(match[1])), last)
    words = _words(each)
    return max([last, *beside], key=lambda one: len(words & _words(one.command)))


def _words(text: str) -> set[str]:
    return set(re.findall(r"[\w.-]{2,}", text))


def _quoted(text: str, quote: str = "") -> str:
    """The mark of the quotation that has not ended, or ""; *text* begins within *quote*."""
    escaped = False
    for each in text:
        if escaped:
            escaped = False
        elif each == "\\" and quote != "'":
            escaped = True
        elif each == quote:
            quote = ""
        elif not quote and each in "'\"":
            quote = each
    return quote


def _share_out(found: Sequence[Said], output: bytes) -> None:
    """Give each command what was printed from its beginning to that of the next."""
    known = [one for one in found if one.at is not None and not one.beside]
    if not known:
        ending(found).printed = _lines(output)
        return
    for one, part in zip(known, _parts(output, [one.at or 0 for one in known]), strict=True):
        one.printed = _lines(part)


def _parts(output: bytes, starts: Sequence[int]) -> Iterator[bytes]:
    for start, end in zip(starts, [*starts[1:], len(output)], strict=True):
        yield output[start:end]


def _lines(output: bytes) -> list[str]:
    return list(filter(None, _read(output[-_MOST_KEPT:]).splitlines()))


def _read(output: bytes) -> str:
    return _CONTROLS.sub("", output.decode(errors="replace"))
