"""The command: thin functions that parse, call `hopscope.lab`, and print.

This file imports nothing, for Python prints a traceback when Ctrl-C comes before `main`.
"""

__all__ = ["INTERRUPTED", "LEAVE_NOTHING", "main"]

LEAVE_NOTHING = ("import", "run", "test", "up")
"""Commands that take back what they began."""

INTERRUPTED = "hopscope: interrupted; all is as it was before\n"
"""What they say then."""


def main() -> None:
    """Run the command; Ctrl-C while it is being loaded, too, ends it without a traceback."""
    import _signal  # type: ignore[import-not-found] # what `signal` is made of: that loads enum

    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _leave)
    from hopscope.cli.command import run

    run()


def _leave(number: int, _frame: object) -> None:
    """Nothing has begun, so nothing is to be taken back."""
    import os
    import sys

    if sys.argv[1:2] and sys.argv[1] in LEAVE_NOTHING:
        os.write(2, INTERRUPTED.encode())
    os._exit(128 + number)
