"""The command: thin functions that parse, call `hopscope.lab`, and print.

Modules are imported inside the functions that use them, so that ``--help`` and the
entering of a node stay fast.
"""

import signal
import sys
from types import FrameType

__all__ = ["main"]


def main() -> None:
    """Run the command; errors a user can mend are printed without a traceback."""
    from hopscope.errors import HopscopeError

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup leaves it
            signal.signal(number, _end)
    try:
        _dispatch(sys.argv[1:])
    except HopscopeError as error:
        sys.stderr.write(f"hopscope: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("hopscope: interrupted; nothing is left behind\n")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"hopscope: {where}{error.strerror}\n")
        sys.exit(3)


def _dispatch(arguments: list[str]) -> None:
    if arguments[:1] == ["exec"]:
        from hopscope.cli.entering import plain

        if plain(arguments):
            return
    from hopscope.cli.app import app

    app(prog_name="hopscope", standalone_mode=True)


def _end(number: int, _frame: FrameType | None) -> None:
    """Let cleanup run when we are told to end."""
    sys.exit(128 + number)
