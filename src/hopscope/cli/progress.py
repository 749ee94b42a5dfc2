"""A bar for what takes longer than a moment, on a terminal: how much is done, and how long yet."""

import sys
import time
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["Bar"]

_MOMENT: Final = 1.0  # seconds


class Bar:
    """Call it with how much is done, and of how much; as a context manager it goes at the end."""

    def __init__(self, what: str, *, quiet: bool = False) -> None:
        self._what = what
        self._wanted = sys.stderr.isatty() and not quiet
        self._begun = time.monotonic()
        self._shown: tuple[Progress, TaskID] | None = None

    def __call__(self, done: int, total: int) -> None:
        """Show it, if that is worth a bar."""
        if self._shown is not None:
            progress, task = self._shown
            progress.update(task, completed=done, total=total)
        elif self._wanted and time.monotonic() > self._begun + _MOMENT:
            self._shown = self._start(done, total)

    def _start(self, done: int, total: int) -> "tuple[Progress, TaskID]":
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        progress = Progress(*columns, console=Console(stderr=True), transient=True)
        progress.start()
        return progress, progress.add_task(self._what, completed=done, total=total)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown is not None:
            self._shown[0].stop()
