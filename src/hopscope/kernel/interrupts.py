"""When the signals that end us are acted on: never between a thing's making and its being known.

Ctrl-C raises an exception wherever Python happens to be, even between the return of a
function and the assignment of what it made. Where that would lose something, the signal
waits a moment.
"""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType
from typing import Any, Final

__all__ = ["ENDING", "too_late", "undisturbed"]

ENDING: Final[tuple[int, ...]] = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def undisturbed() -> Iterator[Sequence[int]]:
    """Signals that would end us wait; the first that came is acted on at the block's end.

    Not if they are ignored by then. What is yielded has those that came so far: a wait can be cut
    short. Only the main thread is ever disturbed by signals, so elsewhere this does nothing.
    """
    if current_thread() is not main_thread():
        yield ()
        return
    came: list[int] = []
    before: dict[int, Callable[[int, FrameType | None], Any]] = {}
    over = False

    def keep(number: int, frame: FrameType | None) -> None:
        if over:  # another that came while handlers were put back left this one in its place
            before[number](number, frame)
        else:
            came.append(number)

    try:
        for number in ENDING:
            handler = signal.getsignal(number)
            if callable(handler):
                before[number] = handler
                signal.signal(number, keep)
        yield came
    finally:
        ours = [number for number in before if signal.getsignal(number) is keep]
        over = True
        try:
            for number in ours:
                signal.signal(number, before[number])
        finally:
            if came and came[0] in ours:
                before[came[0]](came[0], None)


def too_late() -> None:
    """From now on such signals are ignored: all is done, and what they would undo is promised."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # none comes between two of these
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
