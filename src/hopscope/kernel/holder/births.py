"""Network namespaces are made: each with a name by which it is found, and what is set in it first.

Standard library only, as the holder.
"""

import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from hopscope.kernel.holder.procfiles import ProcFiles
from hopscope.kernel.syscalls import CLONE_NEWNET, MS_BIND, mount, setns, umount, unshare

__all__ = ["all_or_none", "make"]


def all_or_none(opened: Iterable[int]) -> list[int]:
    """The descriptors, which are opened one by one; when one cannot be, none is left."""
    fds: list[int] = []
    try:
        for fd in opened:
            fds.append(fd)  # noqa: PERF402 - those before one that cannot be are wanted, too
    except BaseException:
        for fd in fds:
            os.close(fd)
        raise
    return fds


def make(
    folder: str,
    names: Sequence[str],
    values: Mapping[str, Sequence[tuple[str, str]]],
    *,
    home: str | None,
    ours: int,
    proc: ProcFiles,
) -> tuple[dict[str, list[int]], list[int]]:
    """A namespace for each of *names*, which files in *folder* are bound to.

    *home*, if it is among them, gets no new one: it is the caller's own, *ours*.
    *values*: what to write where in each, files of /proc. Returns an errno for each of
    these, 0 when it went well; and two descriptors for each name, of its namespace and of an
    rtnetlink socket in it. On an error none of them is left.
    """
    codes: dict[str, list[int]] = {}
    fds: list[int] = []
    made: list[str] = []
    try:
        for name in names:
            target = f"{folder}/{name}"
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444))
            made.append(target)
            if name == home:
                setns(ours)
            else:
                unshare(CLONE_NEWNET)
            mount("/proc/self/ns/net", target, "none", MS_BIND)
            proc.enter()
            codes[name] = [proc.write(path, text) for path, text in values.get(name, ())]
            fds.append(os.open(target, os.O_RDONLY | os.O_CLOEXEC))
            fds.append(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).detach())
    except BaseException:
        for fd in fds:
            os.close(fd)
        for target in made:
            with suppress(OSError):  # the last one may not have been bound
                umount(target)
            os.unlink(target)  # noqa: PTH108 - the holder does without pathlib
        raise
    finally:
        setns(ours)
    return codes, fds
