"""A process becomes the holder: it lets go of whoever started it, and moves to new namespaces.

Standard library only, as the holder.
"""

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hopscope.kernel import letters
from hopscope.kernel.holder.confine import open_to_all
from hopscope.kernel.syscalls import (
    CLONE_NEWPID,
    CLONE_NEWUSER,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_REC,
    MS_SHARED,
    mount,
    set_dumpable,
    set_host_name,
    unshare,
)

__all__ = ["called", "isolate", "mount_all", "settle", "told"]

_HOSTS = Path("/etc/hosts")
_NOBODY = 65534  # the kernel's own overflow user and group


def settle(kept: int) -> None:
    """Keep nothing of whoever started us: its terminal, its pipes, its folder, its signals.

    Of its descriptors only *kept* stays, and that is not for the programs that we start.
    """
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.set_inheritable(kept, False)
    for descriptor in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if descriptor > 2 and descriptor != kept:
            with contextlib.suppress(OSError):  # the one by which they were listed
                os.close(descriptor)
    os.chdir("/")
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("0")
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGQUIT):
        signal.signal(ignored, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, our children would end unseen
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def called(control: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The first letter; ends this process when whoever started it has no lab to hold."""
    with contextlib.suppress(OSError):
        config, descriptors = letters.receive(control)
        if config:
            return config, descriptors
    os._exit(0)


@contextlib.contextmanager
def told(control: socket.socket) -> Iterator[None]:
    """Whatever goes wrong is told to whoever started us, and ends this process."""
    try:
        yield
    except BaseException as error:  # noqa: BLE001 - there is nobody else to tell
        with contextlib.suppress(OSError):
            letters.send(control, letters.refusal(error))
        os._exit(1)


def isolate(*, user: bool, nobody: bool = False) -> None:
    """New namespaces that only a child will be in, or that it needs in order to make more.

    *nobody*: root becomes a user to whom nothing on this machine belongs. A user namespace
    alone would not do: root's files, devices and sysctls are root's there too.
    """
    if nobody:
        open_to_all()
        _become_nobody()
    uid, gid = os.geteuid(), os.getegid()
    if not user:
        unshare(CLONE_NEWPID)
        return
    unshare(CLONE_NEWPID | CLONE_NEWUSER)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"0 {uid} 1"),
        ("gid_map", f"0 {gid} 1"),
    ):
        Path(f"/proc/self/{name}").write_text(text)


def mount_all(name: str, size: str, netns: str) -> list[str]:
    """A private view: own /proc, /sys, /run, of that *size*, and host name; what was forbidden."""
    notes: list[str] = []
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    quiet = MS_NOSUID | MS_NODEV | MS_NOEXEC
    for kind, target in (("proc", "/proc"), ("sysfs", "/sys")):
        try:
            mount(kind, target, kind, quiet)
        except OSError as error:  # a container may forbid it: the old one stays
            notes.append(f"{target}: {error.strerror}")
    mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, f"mode=0755{size}")
    mount("none", "/run", None, MS_SHARED)  # with those who have a /sys of their own
    Path(netns).mkdir()
    set_host_name(name)
    if not size:
        notes += _name_in_hosts(name)
    return notes


def _name_in_hosts(name: str) -> list[str]:
    """Have programs find the host name's address, as Docker does; what kept us from it.

    Many ask for it when they begin, as Python's http.server, and where no nameserver is reached
    they wait for seconds.
    """
    own = Path("/run/hosts")
    try:
        own.write_bytes(_HOSTS.read_bytes() + f"\n127.0.1.1\t{name}\n".encode())
        mount(str(own), str(_HOSTS), None, MS_BIND)
    except FileNotFoundError:  # a machine may have none
        return []
    except OSError as error:
        return [f"{_HOSTS}: {error.strerror}"]
    return []


def _become_nobody() -> None:
    os.setgroups([])
    os.setresgid(_NOBODY, _NOBODY, _NOBODY)
    os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    set_dumpable(yes=True)  # or /proc/self stays root's
