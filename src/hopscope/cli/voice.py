"""What a run has told by the process beside it, and the telling."""

import errno
import os
import socket
from typing import TYPE_CHECKING

from msgspec import Struct, msgpack
from msgspec.structs import replace

from hopscope.lab.aside import receive
from hopscope.model.record import Record, ShowResult, StepResult

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

__all__ = ["Begun", "Concluded", "Said", "Written", "tell"]


class Begun(Struct, frozen=True, tag_field="kind", tag="begun"):
    """The lab stands."""

    name: str
    how: str


class Concluded(Struct, frozen=True, tag_field="kind", tag="concluded"):
    """The story is over; the record is without its steps, which were told."""

    record: Record


class Written(Struct, frozen=True, tag_field="kind", tag="written"):
    """The folder is written: the paths of its files."""

    paths: tuple[bytes, ...]


Said = Begun | Concluded | Written | StepResult


def tell(theirs: socket.socket, *, verbose: bool) -> int:
    """Tell all that comes, until the run closes its end; the errno of what could not be written."""
    from hopscope.cli import printing
    from hopscope.cli.command import output_lost
    from hopscope.render import text  # noqa: F401 - while nothing has come yet

    decoder = msgpack.Decoder(Said)
    voice = _Voice(printing.lasting(), verbose=verbose)
    try:
        while True:
            voice.tell(decoder.decode(receive(theirs)))
    except EOFError:
        voice.stop()
    except OSError as error:  # a terminal that is gone
        return error.errno or errno.EIO
    lost = output_lost()
    return 0 if lost is None else lost.errno or errno.EIO


class _Voice:
    def __init__(self, console: "Console", *, verbose: bool) -> None:
        self._console = console
        self._verbose = verbose
        self._steps: list[StepResult] = []
        self._status: Status | None = None

    def tell(self, said: Said) -> None:
        """One thing after the other."""
        match said:
            case Begun(name=name, how=how):
                self._console.print(f"[bold]{name}[/]  {how}")
                if self._console.is_terminal:  # elsewhere it would not show, and takes loading
                    self._status = self._console.status("performing the story …")
                    self._status.start()
            case Concluded(record=record):
                self.stop()
                self._conclude(replace(record, steps=tuple(self._steps)))
            case Written(paths=paths):
                self._console.print("[bold]written[/]")
                for path in paths:
                    self._console.print(f"  {os.fsdecode(path)}", soft_wrap=True, markup=False)
            case _:
                self._steps.append(said)
                self._step(said)

    def stop(self) -> None:
        """Nothing is performed any more."""
        if self._status is not None:
            self._status.stop()

    def _step(self, result: StepResult) -> None:
        from hopscope.cli import printing
        from hopscope.render import text

        if isinstance(result, ShowResult):
            printing.show(text.result(result), self._console)
        else:
            self._console.print(text.result(result, verbose=self._verbose), crop=False)

    def _conclude(self, record: Record) -> None:
        from hopscope.render import text

        self._console.print(text.conclusion(record.conclusion))
        if (silent := text.unasked(record)) is not None:
            self._console.print(silent)
