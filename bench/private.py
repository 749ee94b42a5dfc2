"""The namespaces of our own in which everything is measured, and how one sees that they are free.

A user namespace among them: it needs no root, and it counts network namespaces. The kernel gives
the number of one back when it has freed the namespace with all that was in it, and so tells when
that is.
"""

import ctypes
import os
import sys
import threading
import time
from pathlib import Path
from typing import Final

__all__ = ["enter", "inside", "until_free"]

INSIDE: Final = "HOPSCOPE_BENCH_INSIDE"
MOST: Final = Path("/proc/sys/user/max_net_namespaces")
PLENTY: Final = 100_000
CLONE_NEWNET: Final = 0x40000000
PATIENCE: Final = 120.0  # seconds in which the kernel frees what it was given back

_UNSHARE: Final = ("--user", "--map-root-user", "--net", "--mount", "--pid", "--fork")
_SCRIPT: Final = """
mount -t tmpfs tmpfs /run && mkdir /run/netns && mount -t sysfs sysfs /sys
echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
ip link set lo up
"$@"
exit $?"""
"""Of PID 1 there, a shell, since that also takes care of orphans."""

_libc: Final = ctypes.CDLL(None, use_errno=True)


def inside() -> bool:
    """Whether this process is in them."""
    return INSIDE in os.environ


def enter() -> None:
    """Start this program again in there, in place of this process."""
    argv = ["unshare", *_UNSHARE, "--mount-proc", "--kill-child", "sh", "-euc", _SCRIPT, "sh"]
    program = [sys.executable, *sys.orig_argv[1:]]
    os.execvpe(argv[0], [*argv, *program], {**os.environ, INSIDE: "1"})  # noqa: S606


def until_free() -> None:
    """Wait until the kernel has freed every network namespace but ours."""
    deadline = time.monotonic() + PATIENCE
    MOST.write_text("2")  # ours, and one that is tried
    try:
        while not _one_more():
            if time.monotonic() > deadline:
                message = f"network namespaces are left after {PATIENCE:g} seconds"
                raise TimeoutError(message)
            time.sleep(0.001)
    finally:
        MOST.write_text(str(PLENTY))


def _one_more() -> bool:
    """Whether one more may be made; it ends with the thread that is in it."""
    done: list[int] = []
    thread = threading.Thread(target=lambda: done.append(_libc.unshare(CLONE_NEWNET)))
    thread.start()
    thread.join()
    return done == [0]
