"""How a run is told: as it goes, by a process beside it; or not at all, which loads nothing."""

import os
import socket
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from hopscope.cli.voice import Said
    from hopscope.lab.running import RunningLab
    from hopscope.model.record import Record, StepResult

__all__ = ["Silent", "Teller"]

_PATIENCE: Final = 1.0  # seconds


class Silent:
    """Has a story performed, and tells nothing. A context manager."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None:
        """What was told is out."""

    def load(self) -> None:
        """What is needed as soon as the lab stands, for the writer too."""
        from hopscope.lab import story  # noqa: F401

    def performed(
        self, running: "RunningLab", *, promiscuous: bool, finished: "Callable[[Record], None]"
    ) -> "Record":
        """The whole story."""
        from hopscope.lab.story import perform

        return perform(running, told=self.told, finished=finished, promiscuous=promiscuous)

    def told(self, result: "StepResult") -> None:
        """A step that was done."""

    def conclude(self, record: "Record") -> None:
        """What follows from it all."""

    def written(self, paths: "Sequence[Path]") -> None:
        """The files that are left."""


class Teller(Silent):
    """Has it told as it goes; *since* is when, on time.perf_counter(), it began.

    Loading what makes tables of it, and making them, takes about as long as the story itself.
    """

    def __init__(self, *, verbose: bool, since: float) -> None:
        self._verbose = verbose
        self._since = since
        self._said = False
        self._folder: Path | None = None  # once it is written

    def __enter__(self) -> Self:
        from hopscope.lab.aside import beside

        sys.stdout.flush()  # else both would write it
        self._child, self._ours = beside(self._tell)
        return self

    def _tell(self, theirs: socket.socket) -> int:
        from hopscope.cli.voice import tell

        return tell(theirs, verbose=self._verbose)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None:
        """What was told is out, or is known to be lost; CannotError when that is not known.

        Of a run that failed nobody is waited for long: its reader may not read.
        """
        from hopscope.cli.command import lose_output
        from hopscope.errors import CannotError
        from hopscope.lab.aside import BROKEN, status_of

        self._ours.close()
        patience = _PATIENCE if self._said else 0.0
        code = status_of(self._child, None if error is None else patience)
        if code < 0 and sys.stdout.isatty():
            sys.stdout.write("\x1b[?25h")  # it may have hidden the cursor
        if 0 < code < BROKEN:
            lose_output(code)
        elif code and error is None:
            how = "has failed" if code == BROKEN else f"was ended (signal {-code})"
            what = f"the process that tells the run {how}"
            if self._folder is None:
                raise CannotError(what, mend="run it again")
            what = f"{what}; all that it would have told is in {self._folder}"
            raise CannotError(what, mend=f"open {self._folder}/report.html, or run it again")

    def performed(
        self, running: "RunningLab", *, promiscuous: bool, finished: "Callable[[Record], None]"
    ) -> "Record":
        """The whole story, told."""
        from hopscope.cli.voice import Begun

        took = (time.perf_counter() - self._since) * 1000
        where = "on this host" if running.on_host else "in a sandbox"
        how = f"{where}, {len(running.nodes)} nodes, built in {took:.0f} ms"
        self._say(Begun(running.name, how))
        return super().performed(running, promiscuous=promiscuous, finished=finished)

    def told(self, result: "StepResult") -> None:
        """A step that was done, and what it showed."""
        self._say(result)

    def conclude(self, record: "Record") -> None:
        """The conclusion, in sentences."""
        from msgspec.structs import replace

        from hopscope.cli.voice import Concluded

        self._say(Concluded(replace(record, steps=())))

    def written(self, paths: "Sequence[Path]") -> None:
        """Their paths."""
        from hopscope.cli.voice import Written

        self._folder = paths[0].parent
        self._say(Written(tuple(map(os.fsencode, paths))))

    def _say(self, said: "Said") -> None:
        from msgspec import msgpack

        from hopscope.lab.aside import send

        self._said = True
        with suppress(OSError):  # it was ended: the run goes on
            send(self._ours, msgpack.encode(said))
