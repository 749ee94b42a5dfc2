"""What keeps the programs of a sandbox from changing anything outside it; for the holder.

Namespaces bound what they can do to networks and processes. Here their files are bounded:
they see those of programs, read only, and a few folders of their own that end with the sandbox.
Standard library only, as the holder.
"""

import contextlib
import os
import re
import resource
import stat
from importlib import import_module
from pathlib import Path

from hopscope.kernel.syscalls import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWUSER,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_REC,
    freeze_mounts,
    mount,
    new_keyring,
    set_dumpable,
    umount,
    unshare,
)

__all__ = ["BOUNDS", "SIZE", "freeze", "lock", "named_namespaces", "open_to_all"]

_OWN_FOLDERS = ("/tmp", "/var/tmp", "/var/log")  # noqa: S108 - they are the sandbox's own
_SETTINGS = "/etc"  # of which it has a copy: that of resolv.conf below /etc/netns is written there
_LARGEST = 1 << 20  # bytes of a file that is copied
_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc")
_SHOWN = frozenset((*_SYSTEM, "proc", "sys", "dev", "run"))
"""What of the root folder programs are found in, and what is covered apart."""

_STORES = ("/nix/store", "/gnu/store")

_MIB = 1 << 20
SIZE = f",size={256 * _MIB},nr_inodes=100000"
"""How much a file system takes that is a sandbox's own, as mount(2) has it."""

BOUNDS = {
    resource.RLIMIT_DATA: (2048 * _MIB, 2048 * _MIB),  # of each: what it has, not what it shares
    resource.RLIMIT_FSIZE: (64 * _MIB, 64 * _MIB),  # also what a program prints
    resource.RLIMIT_NPROC: (4096, 4096),  # since Linux 5.14, of this user namespace alone
}
"""Limits of a sandbox's programs, which they cannot raise."""

_DEVICES = ("null", "zero", "full", "random", "urandom", "net/tun")


_TUN = (10, 200)  # TUN_MINOR, Documentation/networking/tuntap.rst


_LATER = (
    "hopscope.kernel.holder.processes",
    "hopscope.kernel.holder.taps",
    "hopscope.kernel.holder.together",
)
"""What the holder loads when it is wanted."""


def _load() -> None:
    """Read all of our own code now: later its files may be covered, or be nobody's to read."""
    for name in (*_LATER, "threading"):
        import_module(name)


def open_to_all() -> None:
    """As root, for whoever root becomes: our code, and a /dev/net/tun that everyone may open.

    Most systems have it so: what one may do with it, the network namespace decides. Where none
    can be made, the machine's own stays, and a tap may be refused.
    """
    _load()
    with contextlib.suppress(OSError):
        unshare(CLONE_NEWNS)
        mount("none", "/", None, MS_REC | MS_PRIVATE)
        mount("tmpfs", "/dev/net", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755")
        try:
            os.mknod("/dev/net/tun", stat.S_IFCHR, os.makedev(*_TUN))
            Path("/dev/net/tun").chmod(0o666)
        except OSError:
            umount("/dev/net")


def freeze() -> None:
    """Show this process only what programs need, in its own mount namespace, read only.

    A file system that is read only protects neither sockets nor FIFOs nor devices: whoever may
    write them speaks to what is at their other end. So what may hold some is covered, and devices
    are left out but for those that change nothing. The holder covers /run.
    """
    _load()
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    _cover()
    freeze_mounts()
    _own_devices()
    for folder in _OWN_FOLDERS:
        if os.path.isdir(folder):  # noqa: PTH112 - as the holder
            mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, f"mode=1777{SIZE}")
    _own_settings()


def _cover() -> None:
    """Leave of the root folder what programs need, and the folders of PATH."""
    held = {}
    for place, folder in _programs().items():
        with contextlib.suppress(OSError):  # it is not there, or not for us
            held[place] = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    for entry in list(os.scandir("/")):
        if entry.name in _SHOWN or entry.is_symlink():
            continue
        if entry.is_dir():
            mount("tmpfs", entry.path, "tmpfs", MS_NOSUID | MS_NODEV, f"mode=0755{SIZE}")
        else:
            mount("/dev/null", entry.path, None, MS_BIND)
    with contextlib.suppress(OSError):  # there is no /var
        Path("/var/run").symlink_to("/run")
        for name in ("tmp", "log"):  # the sandbox's own
            Path("/var", name).mkdir()
    for place, descriptor in sorted(held.items()):
        if not place.is_dir():
            place.mkdir(parents=True)
            mount(f"/proc/self/fd/{descriptor}", str(place), None, MS_BIND | MS_REC)
        os.close(descriptor)


def _programs() -> dict[Path, Path]:
    """Where more programs are to be found, and where they are; not where all of the user's is.

    Of links to a folder, only one in the root folder is still there when that has been covered.
    """
    home = _real(os.environ.get("HOME", "/"))
    found: dict[Path, Path] = {}
    for folder in map(Path, (*_STORES, *os.environ.get("PATH", "").split(":"))):
        real = _real(folder)
        if folder.is_absolute() and not home.is_relative_to(real):
            top = _real(Path(*folder.parts[:2]))
            found |= {real: folder, top.joinpath(*folder.parts[2:]): folder}
    return {place: folder for place, folder in found.items() if place.parts[1] not in _SHOWN}


def _real(path: str | Path) -> Path:
    """Where links lead; of some that lead in a circle, the path itself, which opens for nobody."""
    return Path(os.path.realpath(path))


def lock() -> None:
    """Let nobody uncover what was covered: to a user namespace within, mounts are one piece.

    See lock_mnt_tree(), fs/namespace.c. The network namespace belongs to the inner one, so
    that everything about it may still be changed. Nor may anybody within stop this process, or
    use what it has open; nor have a cgroup namespace, by which those of our user would be reached.
    """
    with contextlib.suppress(OSError):  # a container may show its own /proc
        Path("/proc/sys/user/max_cgroup_namespaces").write_text("0")
    unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC)
    Path("/proc/self/uid_map").write_text("0 0 1")
    Path("/proc/self/gid_map").write_text("0 0 1")
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    with contextlib.suppress(PermissionError):  # a container may forbid it: the old one stays
        mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    new_keyring()
    with contextlib.suppress(OSError):  # when memory runs out, the machine's own is to stay
        Path("/proc/self/oom_score_adj").write_text("1000")
    set_dumpable(yes=False)


def _own_settings() -> None:
    """A copy of /etc, as far as this user may read it; its files are of 1970, unlike newer ones."""
    there = os.open(_SETTINGS, os.O_RDONLY | os.O_DIRECTORY)
    try:
        mount("tmpfs", _SETTINGS, "tmpfs", MS_NOSUID | MS_NODEV, f"mode=0755{SIZE}")
        for folder, folders, files, at in os.fwalk(".", dir_fd=there):
            ours = Path(_SETTINGS, folder)
            ours.mkdir(exist_ok=True)
            for name in (*files, *folders):  # a link to a folder counts as one
                _copy(name, at, ours / name)
    finally:
        os.close(there)


def _copy(name: str, folder: int, target: Path) -> None:
    """A file or a link of *folder*, a descriptor; one that cannot be read is not there."""
    with contextlib.suppress(OSError):
        there = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISLNK(there.st_mode):
            target.symlink_to(os.readlink(name, dir_fd=folder))
        elif stat.S_ISREG(there.st_mode) and there.st_size <= _LARGEST:
            with os.fdopen(os.open(name, os.O_RDONLY, dir_fd=folder), "rb") as file:
                target.write_bytes(file.read())
            target.chmod(stat.S_IMODE(there.st_mode))
            os.utime(target, (0, 0))


def _own_devices() -> None:
    """A /dev of few devices; they are reached through descriptors, as the new one covers them."""
    held = {}
    for name in _DEVICES:
        with contextlib.suppress(OSError):
            held[name] = os.open(f"/dev/{name}", os.O_PATH | os.O_CLOEXEC)
    mount("tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, f"mode=0755{SIZE}")
    for name, descriptor in held.items():
        target = Path("/dev", name)
        target.parent.mkdir(exist_ok=True)
        target.touch()
        mount(f"/proc/self/fd/{descriptor}", str(target), None, MS_BIND)
        os.close(descriptor)
    for name, meant in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1")):
        Path("/dev", name).symlink_to(meant)
    Path("/dev/stderr").symlink_to("fd/2")
    Path("/dev/shm").mkdir(mode=0o1777)  # noqa: S108 - the sandbox's own


def named_namespaces(folder: str) -> list[str]:
    """The names that network namespaces have in *folder*, in the order in which they got them."""
    found: dict[str, None] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        path = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4])
        above, _, name = path.rpartition("/")
        if above == folder and " - nsfs " in line:
            found[name] = None
    return list(found)
