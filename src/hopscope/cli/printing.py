"""Where text goes: onto a terminal in its width and colours, anywhere else as wide as it is."""

import errno
import os
import sys
from contextlib import suppress
from typing import IO, Any, Final, TextIO, cast

from rich.console import Console, RenderableType
from rich.measure import Measurement

__all__ = ["console", "lasting", "show"]

_WIDE: Final = 4000
"""No table is cut or folded for the sake of a window that is not there."""


class _Console(Console):
    """One that leaves a reader who left to the command's main."""

    def on_broken_pipe(self) -> None:
        """As Python raised it."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def console(*, quiet: bool = False) -> Console:
    """One for standard output."""
    made = _Console(quiet=quiet, highlight=False)
    return made if made.is_terminal else _plain(_Trimmed(sys.stdout), quiet=quiet)


def lasting(*, quiet: bool = False) -> Console:
    """The same, for work that is to be finished also when nobody reads any more of it.

    The command's main says what became of standard output.
    """
    made = console(quiet=quiet)
    return made if made.is_terminal else _plain(_Lasting(sys.stdout), quiet=quiet)


def _plain(file: "_Trimmed", *, quiet: bool) -> Console:
    return _Console(quiet=quiet, highlight=False, width=_WIDE, file=cast("IO[str]", file))


def show(tables: RenderableType, made: Console | None = None) -> None:
    """Print *tables* whole: a window that is too narrow breaks lines, and no cell is folded."""
    made = made or console()
    width = made.width
    if made.is_terminal:
        room = made.options.update(width=_WIDE, max_width=_WIDE)
        made.width = max(width, Measurement.get(made, room, tables).maximum)
    made.print(tables)
    made.width = width


class _Trimmed:
    """A file without the blanks with which lines are filled up; rich writes whole lines."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """All lines, trimmed."""
        return self._file.write("\n".join(line.rstrip(" ") for line in text.split("\n")))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class _Lasting(_Trimmed):
    """One that takes what cannot be written, and drops it."""

    def write(self, text: str) -> int:
        """All lines, or none."""
        with suppress(OSError):
            return super().write(text)
        return 0

    def flush(self) -> None:
        """If it can be."""
        with suppress(OSError):
            self._file.flush()
