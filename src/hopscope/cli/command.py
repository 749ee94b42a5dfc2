"""A call of the command from its first moment to its exit status.

Modules are imported inside the functions that use them, so that ``--help`` and the
entering of a node stay fast.
"""

import gc
import os
import signal
import sys
import time
from io import BufferedWriter, FileIO, TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, ClassVar, Final, NoReturn, TextIO

from hopscope.cli import INTERRUPTED, LEAVE_NOTHING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["lose_output", "output_lost", "run"]

_STDERR: Final = 2
_PATIENCE: Final = 1.0  # seconds that ending may take before being told again means something
_told: list[float] = []
"""When we were told to end; what a library swallowed may be said again."""
_TELL_AT_THE_END: Final = ("ping", "reachability")
_ODD: Final = "backslashreplace"  # what ASCII lacks is written oddly, not with a traceback
_CANNOT: Final = 3  # as ExitCode has it
_SIGNALLED: Final = 128  # and the signal's number: the exit status of what a signal ended


def run() -> None:
    """Run the command; errors a user can mend are printed without a traceback."""
    from hopscope.errors import HopscopeError, NoSuchLabError
    from hopscope.kernel.children import heed
    from hopscope.kernel.interrupts import ENDING, too_late

    _open_standard_streams()
    heed()
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup leaves it
            signal.signal(number, _end)
    try:
        _dispatch(sys.argv[1:])
        _finish(0)
    except HopscopeError as error:
        hint = ""
        if isinstance(error, NoSuchLabError):
            from hopscope.cli.hints import not_up

            hint = not_up(error.name)
        sys.stderr.write(f"hopscope: {error}{hint}\n")
        _finish(error.exit_code)
    except (KeyboardInterrupt, SystemExit) as error:
        _leave(error)
    except OSError as error:
        if (lost := output_lost()) is not None:
            _cut_off(lost)
        where = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"hopscope: {where}{error.strerror or error}\n")
        sys.exit(_CANNOT)
    finally:
        too_late()  # what is still to be ended, is ended while the interpreter shuts down
        gc.freeze()  # which looks for garbage in vain otherwise, for 40 ms


def _finish(status: str | int | None) -> NoReturn:
    """Exit with *status*, unless what was printed did not get out."""
    lost = output_lost()
    if lost is not None and not status:
        _cut_off(lost)
    sys.exit(status)


def _cut_off(lost: OSError) -> NoReturn:
    """Exit: silently when the reader left, as ``head`` does."""
    if isinstance(lost, BrokenPipeError):
        sys.exit(_SIGNALLED + signal.SIGPIPE)
    sys.stderr.write(f"hopscope: standard output cannot be written: {lost.strerror}\n")
    sys.exit(_CANNOT)


def lose_output(code: int) -> None:
    """A process of ours could not write to standard output: *code* is the errno."""
    _Written.lost = OSError(code, os.strerror(code))


def output_lost() -> OSError | None:
    """What keeps standard output from being written; what is unwritten then stays so."""
    lost = _Written.lost
    try:
        sys.stdout.flush()
    except OSError as error:
        lost = error
    if lost is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return lost


def _leave(error: KeyboardInterrupt | SystemExit) -> NoReturn:
    """Say that it was Ctrl-C."""
    interrupted = _SIGNALLED + signal.SIGINT
    status = interrupted if isinstance(error, KeyboardInterrupt) else error.code
    command = sys.argv[1] if sys.argv[1:2] else ""
    if status == interrupted and command in LEAVE_NOTHING:
        sys.stderr.write(INTERRUPTED)
    if status == interrupted and command in _TELL_AT_THE_END:
        known = getattr(error, "__notes__", ["before there was an answer to tell of"])
        sys.stderr.write(f"hopscope: interrupted, {known[0]}\n")
    _finish(status)


def _open_standard_streams() -> None:
    """Where one was closed, a descriptor of ours must not be taken for it."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        pass
    os.close(descriptor)
    nowhere = Path(os.devnull)
    sys.stdin = sys.stdin or nowhere.open()
    sys.stdout = _watched(sys.stdout) if sys.stdout else nowhere.open("w")
    sys.stderr = sys.stderr or nowhere.open("w")
    if isinstance(sys.stderr, TextIOWrapper):
        sys.stderr.reconfigure(errors=_ODD)


def _watched(stream: TextIO) -> TextIO:
    """The same, remembering what went wrong."""
    return TextIOWrapper(
        BufferedWriter(_Written(stream.fileno(), "w", closefd=False)),
        encoding=stream.encoding,
        errors=_ODD,
        line_buffering=stream.isatty(),
    )


class _Written(FileIO):
    """Standard output; what once kept it from being written is remembered."""

    lost: ClassVar[OSError | None] = None

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            _Written.lost = error
            raise


def _dispatch(arguments: list[str]) -> None:
    if arguments[:1] == ["exec"]:
        from hopscope.cli.entering import plain

        if plain(arguments):
            return
    from hopscope.cli.usage import call

    gc.set_threshold(250_000)  # loading, and large labs, make many objects and no garbage
    call(arguments)


def _end(number: int, _frame: FrameType | None) -> None:
    """Let cleanup run when we are told to end; who is told again and again need not begin anew."""
    if _told and time.monotonic() < _told[-1] + _PATIENCE:
        return
    _told.append(time.monotonic())
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(_SIGNALLED + number)
