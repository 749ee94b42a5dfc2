"""Network namespaces are made, and bound to names by which they are found.

Standard library only, as the holder.
"""

import os
from collections.abc import Sequence

from hopscope.kernel.syscalls import CLONE_NEWNET, MS_BIND, mount, setns, unshare

__all__ = ["make"]

_MANY = 64  # from so many on, a second thread makes up for what it costs to load threading


def make(targets: Sequence[str], home: int) -> None:
    """A namespace for each path of *targets*; the caller's own is, and stays, that of *home*."""
    if len(targets) >= _MANY:
        _side_by_side(targets)
        return
    try:
        _make(targets)
    finally:
        setns(home)


def _make(targets: Sequence[str]) -> None:
    """Moves this thread through all of them."""
    for target in targets:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444))
        unshare(CLONE_NEWNET)
        mount("/proc/thread-self/ns/net", target, "none", MS_BIND)


def _side_by_side(targets: Sequence[str]) -> None:
    from threading import Thread  # noqa: PLC0415 - wanted by few

    failed: list[OSError] = []

    def half(some: Sequence[str]) -> None:
        try:
            _make(some)
        except OSError as error:
            failed.append(error)

    threads = [Thread(target=half, args=(targets[which::2],)) for which in (0, 1)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    if failed:
        raise failed[0]
