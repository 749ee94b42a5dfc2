"""Where text goes: onto a terminal in its width and colours, anywhere else as wide as it is."""

import sys
from typing import IO, Any, Final, TextIO, cast

from rich.console import Console, RenderableType
from rich.measure import Measurement

__all__ = ["console", "show"]

_WIDE: Final = 4000
"""No table is cut or folded for the sake of a window that is not there."""


def console(*, quiet: bool = False) -> Console:
    """One for standard output."""
    made = Console(quiet=quiet, highlight=False)
    if made.is_terminal:
        return made
    trimmed = cast("IO[str]", _Trimmed(sys.stdout))
    return Console(quiet=quiet, highlight=False, width=_WIDE, file=trimmed)


def show(tables: RenderableType) -> None:
    """Print *tables* whole: a window that is too narrow breaks lines, and no cell is folded."""
    made = console()
    if made.is_terminal:
        room = made.options.update(width=_WIDE, max_width=_WIDE)
        needed = Measurement.get(made, room, tables).maximum
        made = Console(highlight=False, width=max(made.width, needed))
    made.print(tables)


class _Trimmed:
    """A file without the blanks with which lines are filled up; rich writes whole lines."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """All lines, trimmed."""
        return self._file.write("\n".join(line.rstrip(" ") for line in text.split("\n")))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
