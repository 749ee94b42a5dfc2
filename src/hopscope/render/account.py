"""An account as plain text, for where no terminal is: a test's report, JUnit's XML."""

from io import StringIO
from typing import Final

from rich.console import Console, RenderableType

__all__ = ["plain"]

_WIDTH: Final = 100


def plain(told: RenderableType, *, width: int = _WIDTH) -> str:
    """Without colours; lines end where their words do."""
    page = StringIO()
    console = Console(
        file=page, width=width, color_system=None, highlight=False, legacy_windows=False
    )
    console.print(told, crop=False)
    return "\n".join(line.rstrip() for line in page.getvalue().rstrip("\n").split("\n"))
