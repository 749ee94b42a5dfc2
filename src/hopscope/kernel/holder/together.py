"""Waits of the kernel that are waited for side by side; standard library only, as the holder.

Closing a packet socket, or one that owns a table, waits until every processor has let go of
it (an RCU grace period, some ten milliseconds): many that are closed at once wait no longer
than one, where threads can be had.
"""

from collections.abc import Callable, Sequence
from threading import Thread

__all__ = ["together"]

_MOST = 64  # threads


def together(tasks: Sequence[Callable[[], object]]) -> None:
    """Do all of *tasks*, each of which may wait; returns when they are done.

    What no thread can be had for, is done by this one.
    """

    def do(some: Sequence[Callable[[], object]]) -> None:
        for task in some:
            task()

    threads: list[Thread] = []
    left: list[Callable[[], object]] = []
    for start in range(min(_MOST, len(tasks))):
        thread = Thread(target=do, args=(tasks[start::_MOST],))
        try:
            thread.start()
        except RuntimeError:  # no more may run: ulimit -u, or pids.max of a cgroup
            left += tasks[start::_MOST]
        else:
            threads.append(thread)
    do(left)
    for thread in threads:
        thread.join()
