"""The folder of evidence written by a process beside the run, which gets ready while the lab runs.

Loading what draws the report takes longer than the reference lab itself; in another
process it takes no time from the run.
"""

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from msgspec import Struct, msgpack

from hopscope.errors import CannotError
from hopscope.lab.aside import beside, receive, send, status_of

if TYPE_CHECKING:
    from hopscope.model.record import Record

__all__ = ["Writer"]


class _Answer(Struct, frozen=True):
    """The files that were written, or what went wrong and how to mend it."""

    paths: tuple[bytes, ...] = ()
    what: str = ""
    mend: str = ""


class Writer:
    """Make it before the lab, as a context manager; `begin` when there is a record, then `end`."""

    def __enter__(self) -> Self:
        self._child, self._ours = beside(_serve)
        return self

    def begin(self, record: "Record", folder: Path) -> None:
        """Have every file written, while the lab is taken down."""
        data = msgpack.encode((os.fsencode(folder), record))
        with suppress(OSError):  # `end` tells why
            send(self._ours, data)

    def end(self) -> list[Path]:
        """The paths of the files; CannotError when the folder could not be written."""
        try:
            answer = msgpack.decode(receive(self._ours), type=_Answer)
        except (EOFError, OSError):
            what = "the process that writes the folder was ended"
            raise CannotError(what, mend="run it again") from None
        if answer.what:
            raise CannotError(answer.what, mend=answer.mend)
        return [Path(os.fsdecode(path)) for path in answer.paths]

    def __exit__(self, *_: object) -> None:
        self._ours.close()
        status_of(self._child)


def _serve(theirs: socket.socket) -> int:
    """In the child: load, wait for a record, write it, answer, end."""
    from hopscope.lab.outputs import prepare  # noqa: PLC0415
    from hopscope.model.record import Record  # noqa: PLC0415

    prepare()
    decoder = msgpack.Decoder(tuple[bytes, Record])
    try:
        folder, record = decoder.decode(receive(theirs))
    except EOFError:  # the run ended without a record
        return 0
    send(theirs, msgpack.encode(_written(record, Path(os.fsdecode(folder)))))
    return 0


def _written(record: "Record", folder: Path) -> _Answer:
    from hopscope.lab.outputs import write_folder  # noqa: PLC0415

    try:
        return _Answer(paths=tuple(os.fsencode(path) for path in write_folder(record, folder)))
    except CannotError as error:
        return _Answer(what=error.what, mend=error.mend)
    except Exception:  # noqa: BLE001 - a mistake of ours, to be told by the one who asked
        import traceback  # noqa: PLC0415 - wanted by none

        return _Answer(what=f"writing the folder failed:\n{traceback.format_exc()}")
