"""The command: thin functions that parse, call `hopscope.lab`, and print.

Modules are imported inside the functions that use them, so that ``--help`` and the
entering of a node stay fast.
"""

import gc
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Final

__all__ = ["main"]

_STDERR: Final = 2
_PATIENCE: Final = 1.0  # seconds that ending may take before being told again means something
_told: list[float] = []
"""When we were told to end; what a library swallowed may be said again."""
_LEAVE_NOTHING: Final = ("run", "up")
_SIGNALLED: Final = 128  # and the signal's number: the exit status of what a signal ended


def main() -> None:
    """Run the command; errors a user can mend are printed without a traceback."""
    from hopscope.errors import HopscopeError
    from hopscope.kernel.interrupts import ENDING, too_late

    _open_standard_streams()
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup leaves it
            signal.signal(number, _end)
    try:
        _dispatch(sys.argv[1:])
    except HopscopeError as error:
        sys.stderr.write(f"hopscope: {error}\n")
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, SystemExit) as error:
        _leave(error)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"hopscope: {where}{error.strerror or error}\n")
        sys.exit(3)
    finally:
        too_late()  # what is still to be ended, is ended while the interpreter shuts down


def _leave(error: KeyboardInterrupt | SystemExit) -> None:
    """Say that it was Ctrl-C; typer passes it on as a status."""
    interrupted = _SIGNALLED + signal.SIGINT
    status = interrupted if isinstance(error, KeyboardInterrupt) else error.code
    if status == interrupted and sys.argv[1:2] and sys.argv[1] in _LEAVE_NOTHING:
        sys.stderr.write("hopscope: interrupted; nothing is left behind\n")
    sys.exit(status)


def _open_standard_streams() -> None:
    """Where one was closed, a descriptor of ours must not be taken for it."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        pass
    os.close(descriptor)
    nowhere = Path(os.devnull)
    sys.stdin = sys.stdin or nowhere.open()
    sys.stdout = sys.stdout or nowhere.open("w")
    sys.stderr = sys.stderr or nowhere.open("w")


def _dispatch(arguments: list[str]) -> None:
    if arguments[:1] == ["exec"]:
        from hopscope.cli.entering import plain

        if plain(arguments):
            return
    from hopscope.cli.app import app

    gc.set_threshold(50_000)  # loading makes many objects and no garbage
    app(prog_name="hopscope", standalone_mode=True)


def _end(number: int, _frame: FrameType | None) -> None:
    """Let cleanup run when we are told to end; who is told again and again need not begin anew."""
    if _told and time.monotonic() < _told[-1] + _PATIENCE:
        return
    _told.append(time.monotonic())
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(_SIGNALLED + number)
