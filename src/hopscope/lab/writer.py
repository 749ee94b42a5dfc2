"""The folder of evidence written by a process of its own, which gets ready while the lab runs.

Loading what draws the report takes longer than the reference lab itself; in another
process it takes no time from the run. The two share a socket: when the run's end of it
closes, for whatever reason, the writer ends.
"""

import os
import pickle
import signal
import socket
import traceback
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from hopscope.errors import CannotError

if TYPE_CHECKING:
    from hopscope.model.record import Record

__all__ = ["Writer"]

_STDERR: Final = 2


class Writer:
    """Make it before the lab, as a context manager; `begin` when there is a record, then `end`."""

    def __enter__(self) -> Self:
        self._ours, theirs = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            self._ours.close()
            _serve(theirs)
        theirs.close()
        return self

    def begin(self, record: "Record", folder: Path) -> None:
        """Have every file written, while the lab is taken down."""
        with suppress(OSError), self._ours.makefile("wb") as stream:  # `end` tells why
            pickle.dump((record, folder), stream)

    def end(self) -> list[Path]:
        """The paths of the files; CannotError when the folder could not be written."""
        try:
            with self._ours.makefile("rb") as stream:
                answer = pickle.load(stream)  # noqa: S301 - our own child's
        except (EOFError, OSError):
            answer = ("the process that writes the folder was ended", "run it again")
        if isinstance(answer, tuple):
            raise CannotError(answer[0], mend=answer[1])
        paths: list[Path] = answer
        return paths

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ours.close()
        os.waitpid(self._pid, 0)


def _let_go(ours: int) -> None:
    """Close what was inherited: the lab ends when the last descriptor of its control is closed."""
    for descriptor in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if descriptor > _STDERR and descriptor != ours:
            with suppress(OSError):  # the one by which the folder was listed
                os.close(descriptor)


def _serve(theirs: socket.socket) -> None:
    """In the child: load, wait for a record, write it, answer, end."""
    _let_go(theirs.fileno())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the run is told, and closes its end
    status = 1
    try:
        with theirs.makefile("rwb") as stream:
            from hopscope.lab.outputs import prepare, write_folder  # noqa: PLC0415

            prepare()
            record, folder = pickle.load(stream)  # noqa: S301 - our own parent's
            try:
                answer: object = write_folder(record, folder)
            except CannotError as error:
                answer = (error.what, error.mend)
            except Exception:  # noqa: BLE001 - a mistake of ours, to be told by the one who asked
                answer = (f"writing the folder failed:\n{traceback.format_exc()}", "")
            pickle.dump(answer, stream)
            stream.flush()
        status = 0
    except EOFError:  # the run ended without a record
        status = 0
    finally:
        os._exit(status)
