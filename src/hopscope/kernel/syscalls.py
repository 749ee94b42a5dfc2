"""The system calls that make and enter namespaces; standard library only, for the holder's sake."""

import contextlib
import ctypes
import os
import signal
import struct

__all__ = [
    "CLONE_NEWIPC",
    "CLONE_NEWNET",
    "CLONE_NEWNS",
    "CLONE_NEWPID",
    "CLONE_NEWUSER",
    "CLONE_NEWUTS",
    "IGNORED_BY_PYTHON",
    "MS_BIND",
    "MS_NODEV",
    "MS_NOEXEC",
    "MS_NOSUID",
    "MS_PRIVATE",
    "MS_REC",
    "MS_SHARED",
    "end_with_parent",
    "freeze_mounts",
    "mount",
    "new_keyring",
    "new_proc",
    "own_sys",
    "sender_of",
    "set_dumpable",
    "set_host_name",
    "setns",
    "signal_file",
    "umount",
    "unshare",
]

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_BIND, MS_REC, MS_PRIVATE, MS_SHARED = 0x1000, 0x4000, 1 << 18, 1 << 20
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8

IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
"""Signals that end any other program, and ours too unless it is told so: ignoring is inherited."""

_MNT_DETACH = 2
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4  # include/uapi/linux/prctl.h
_MOUNT_SETATTR = 442  # on every architecture
_AT_RECURSIVE = 0x8000
_FSOPEN, _FSCONFIG, _FSMOUNT = 430, 431, 432  # on every architecture, too
_CLOEXEC, _FSCONFIG_CMD_CREATE = 1, 6  # FSOPEN_CLOEXEC, FSMOUNT_CLOEXEC; include/uapi/linux/mount.h
_MOUNT_ATTR_RDONLY, _MOUNT_ATTR_NOSUID = 1, 2
_KEYCTL = {"x86_64": 250, "i686": 288, "ppc64le": 271, "s390x": 280}
_KEYCTL |= dict.fromkeys(("armv6l", "armv7l"), 311)
_KEYCTL |= dict.fromkeys(("aarch64", "riscv64", "loongarch64"), 219)
_KEYCTL_JOIN_SESSION_KEYRING = 1  # include/uapi/linux/keyctl.h

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> int:
    """What it answers, which is not below 0: that is an OSError."""
    answer: int = getattr(_libc, name)(*arguments)
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return answer


def unshare(flags: int) -> None:
    """Move this process into new namespaces."""
    _call("unshare", flags)


def setns(fd: int, kind: int = CLONE_NEWNET) -> None:
    """Move this process into the namespace that *fd* names."""
    _call("setns", fd, kind)


def end_with_parent(number: int) -> None:
    """Have this process sent that signal when the thread that forked it ends.

    One that has ended before is not noticed.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, number)


def signal_file(number: int) -> int:
    """A descriptor that tells of that signal, which is blocked, for `sender_of` (signalfd(2))."""
    signal.pthread_sigmask(signal.SIG_BLOCK, (number,))
    mask = (ctypes.c_uint64 * 16)(1 << (number - 1))  # the C library's sigset_t
    return _call("signalfd", -1, mask, os.O_NONBLOCK | os.O_CLOEXEC)


def sender_of(file: int) -> int:
    """Who sent the next signal, by the PID; 0 for one that is outside of this PID namespace."""
    _number, _errno, _code, pid = struct.unpack_from("=IiiI", os.read(file, 128))
    sender: int = pid
    return sender


def set_dumpable(*, yes: bool) -> None:
    """Whether its owner may trace this process, and reach its files through /proc.

    If not, only those may who are privileged where it was executed. What it executes is another
    program, and may be traced.
    """
    _libc.prctl(_PR_SET_DUMPABLE, int(yes))


def set_host_name(name: str) -> None:
    """The host name of this UTS namespace."""
    _libc.sethostname(name.encode(), len(name.encode()))


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """Let *source* be seen at *target*."""
    encoded = [None if word is None else word.encode() for word in (source, target, kind)]
    _call("mount", *encoded, ctypes.c_ulong(flags), None if data is None else data.encode())


def umount(target: str) -> None:
    """Let what was mounted at *target* go, as soon as nobody uses it."""
    _call("umount2", target.encode(), _MNT_DETACH)


def new_proc() -> int:
    """A descriptor of another procfs of this PID namespace, mounted nowhere (fsopen(2))."""
    context = _call("syscall", _FSOPEN, b"proc", _CLOEXEC)
    try:
        _call("syscall", _FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0)
        return _call("syscall", _FSMOUNT, context, _CLOEXEC, MS_NOSUID | MS_NODEV | MS_NOEXEC)
    finally:
        os.close(context)


def new_keyring() -> None:
    """Have a session keyring of our own, without a key (keyctl(2)); some containers forbid all."""
    if (number := _KEYCTL.get(os.uname().machine)) is not None:
        with contextlib.suppress(OSError):
            _call("syscall", number, _KEYCTL_JOIN_SESSION_KEYRING, None)


def freeze_mounts() -> None:
    """Make every file system that this process sees read only (mount_setattr(), Linux 5.12)."""
    attributes = (ctypes.c_uint64 * 4)(_MOUNT_ATTR_RDONLY | _MOUNT_ATTR_NOSUID, 0, 0, 0)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    _call("syscall", _MOUNT_SETATTR, -1, b"/", _AT_RECURSIVE, ctypes.byref(attributes), size)


def own_sys() -> None:
    """Show this process, and its children, the devices of its own network namespace in /sys.

    A sysfs shows those of the namespace in which it was mounted. A container may forbid to
    mount another: the old one stays. What it mounts below /run, all of the lab see.
    """
    with contextlib.suppress(OSError):
        unshare(CLONE_NEWNS)
        mount("none", "/sys", None, MS_PRIVATE)
        mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC)
