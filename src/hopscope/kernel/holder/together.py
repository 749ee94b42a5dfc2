"""Waits of the kernel that are waited for side by side; standard library only, as the holder.

Closing a packet socket, or one that owns a table, waits until every processor has let go of
it (an RCU grace period, some ten milliseconds): many that are closed at once wait no longer
than one.
"""

from collections.abc import Callable, Sequence
from threading import Thread

__all__ = ["together"]

_MOST = 64  # threads


def together(tasks: Sequence[Callable[[], object]]) -> None:
    """Do all of *tasks*, each of which may wait; returns when they are done."""

    def do(some: Sequence[Callable[[], object]]) -> None:
        for task in some:
            task()

    threads = [Thread(target=do, args=(tasks[start::_MOST],)) for start in range(_MOST)]
    threads = threads[: len(tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
