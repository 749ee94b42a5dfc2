"""The folder of evidence written by a process of its own, which gets ready while the lab runs.

Loading what draws the report takes longer than the reference lab itself; in another
process it takes no time from the run. The two share a socket: when the run's end of it
closes, for whatever reason, the writer ends.
"""

import os
import signal
import socket
import struct
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from msgspec import Struct, msgpack

from hopscope.errors import CannotError

if TYPE_CHECKING:
    from hopscope.model.record import Record

__all__ = ["Writer"]

_STDERR: Final = 2
_LENGTH: Final = struct.Struct("=Q")


class _Answer(Struct, frozen=True):
    """The files that were written, or what went wrong and how to mend it."""

    paths: tuple[bytes, ...] = ()
    what: str = ""
    mend: str = ""


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
        data = msgpack.encode((os.fsencode(folder), record))
        with suppress(OSError):  # `end` tells why
            self._ours.sendall(_LENGTH.pack(len(data)) + data)

    def end(self) -> list[Path]:
        """The paths of the files; CannotError when the folder could not be written."""
        try:
            answer = msgpack.decode(_received(self._ours), type=_Answer)
        except (EOFError, OSError):
            what = "the process that writes the folder was ended"
            raise CannotError(what, mend="run it again") from None
        if answer.what:
            raise CannotError(answer.what, mend=answer.mend)
        return [Path(os.fsdecode(path)) for path in answer.paths]

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


def _received(channel: socket.socket) -> bytes:
    """What the other end sent, whole; EOFError when it is gone."""
    with channel.makefile("rb") as stream:
        head = stream.read(_LENGTH.size)
        data = stream.read(*_LENGTH.unpack(head)) if len(head) == _LENGTH.size else b""
    if not data or len(data) != _LENGTH.unpack(head)[0]:
        raise EOFError
    return data


def _serve(theirs: socket.socket) -> None:
    """In the child: load, wait for a record, write it, answer, end."""
    _let_go(theirs.fileno())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the run is told, and closes its end
    status = 1
    try:
        from hopscope.lab.outputs import prepare  # noqa: PLC0415
        from hopscope.model.record import Record  # noqa: PLC0415

        prepare()
        decoder = msgpack.Decoder(tuple[bytes, Record])
        folder, record = decoder.decode(_received(theirs))
        data = msgpack.encode(_written(record, Path(os.fsdecode(folder))))
        theirs.sendall(_LENGTH.pack(len(data)) + data)
        status = 0
    except EOFError:  # the run ended without a record
        status = 0
    finally:
        os._exit(status)


def _written(record: "Record", folder: Path) -> _Answer:
    from hopscope.lab.outputs import write_folder  # noqa: PLC0415

    try:
        return _Answer(paths=tuple(os.fsencode(path) for path in write_folder(record, folder)))
    except CannotError as error:
        return _Answer(what=error.what, mend=error.mend)
    except Exception:  # noqa: BLE001 - a mistake of ours, to be told by the one who asked
        import traceback  # noqa: PLC0415 - wanted by none

        return _Answer(what=f"writing the folder failed:\n{traceback.format_exc()}")
