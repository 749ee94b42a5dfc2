"""Where running labs are recorded on disk, and which of the records are alive.

A lab's folder holds ``lock``, ``lab.json``, ``control`` (a socket) and ``nflog``. The
lock is an open-file-description lock inherited by the lab's holder: it is held exactly
as long as the lab lives, across kill -9 and without any PID that could be reused. A
folder whose lock nobody holds is stale, and whoever meets it clears it away.
"""

import contextlib
import fcntl
import json
import os
import shutil
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from hopscope.errors import CannotError, LabExistsError, NoSuchLabError

__all__ = [
    "Claim",
    "LabFile",
    "claim",
    "find",
    "left_behind",
    "privileged",
    "running",
    "state_home",
]

_FLOCK = struct.Struct("hhqqi4x")  # struct flock


@dataclass(frozen=True, slots=True, kw_only=True)
class LabFile:
    """What ``lab.json`` says of a running lab."""

    name: str
    pid: int  # the holder's
    mode: str  # "sandbox" or "on-host"
    source: str  # the lab file's text
    file: str  # its name, for messages
    nodes: tuple[str, ...]
    home: str  # the node that is the holder's own namespace
    started: int  # nanoseconds since 1970
    temporary: bool = False  # of a `run` or a test: ends with the process that made it
    undo: str = ""  # on-host: what to restore, as JSON


@dataclass(frozen=True, slots=True)
class Claim:
    """A lab name that is ours as long as *lock* (a descriptor, or its copy) stays open."""

    folder: Path
    lock: int

    def write(self, lab: LabFile) -> None:
        """Record the lab; replaces what was recorded, whole or not at all."""
        fresh = self.folder / "lab.json.new"
        fresh.write_text(json.dumps(asdict(lab)))
        fresh.rename(self.folder / "lab.json")

    def clear(self) -> None:
        """Remove the record; the name is free when the lock is closed."""
        shutil.rmtree(self.folder, ignore_errors=True)


def state_home() -> Path:
    """The folder of all records, made if absent; private to this user.

    Raises CannotError when no such folder can be made.
    """
    uid = os.geteuid()
    if chosen := os.environ.get("HOPSCOPE_STATE"):
        home = Path(chosen)
    elif uid == 0:
        home = Path("/run/hopscope")
    elif os.access(runtime := os.environ.get("XDG_RUNTIME_DIR", ""), os.W_OK):
        home = Path(runtime) / "hopscope"
    else:
        home = Path(f"/tmp/hopscope-{uid}")  # noqa: S108 - owner and mode are checked below
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = home.lstat()
    except OSError as error:
        what = f"cannot record running labs in {home}: {error.strerror}"
        raise CannotError(what, mend="export HOPSCOPE_STATE=a folder of yours") from error
    if status.st_uid != uid or status.st_mode & 0o022:
        what = f"{home} is not private to user {uid}"
        raise CannotError(what, mend="export HOPSCOPE_STATE=a folder of yours")
    return home


def claim(name: str) -> Claim:
    """Take the name; a stale record of it is cleared. LabExistsError when it is alive."""
    folder = state_home() / name
    while True:
        folder.mkdir(mode=0o700, exist_ok=True)
        try:
            lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:  # someone cleared the folder in between
            continue
        try:
            fcntl.fcntl(lock, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, 0, 0, 0, 0))
        except (BlockingIOError, PermissionError):
            os.close(lock)
            raise LabExistsError(name) from None
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), (folder / "lock").stat()):
                return Claim(folder, lock)
        os.close(lock)


def _alive(folder: Path) -> bool:
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        asked = _FLOCK.pack(fcntl.F_WRLCK, 0, 0, 0, 0)
        answer = fcntl.fcntl(lock, fcntl.F_OFD_GETLK, asked)
        return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)
    finally:
        os.close(lock)


def _read(folder: Path) -> LabFile | None:
    try:
        fields = json.loads((folder / "lab.json").read_text())
        return LabFile(**{**fields, "nodes": tuple(fields["nodes"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def running() -> Iterator[LabFile]:
    """The living labs, by name."""
    for folder in sorted(state_home().iterdir()):
        if _alive(folder) and (lab := _read(folder)):
            yield lab


def find(name: str) -> LabFile:
    """The living lab of that name; NoSuchLabError when there is none."""
    folder = state_home() / name
    if "/" not in name and _alive(folder) and (lab := _read(folder)):
        return lab
    raise NoSuchLabError(name, [lab.name for lab in running()])


def left_behind(name: str) -> LabFile | None:
    """The record of a lab that died without being taken down, or None."""
    folder = state_home() / name
    return _read(folder) if folder.is_dir() and not _alive(folder) else None


def privileged() -> bool:
    """Whether we may make namespaces without a user namespace (CAP_SYS_ADMIN, bit 21)."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(line.split()[1], 16) >> 21 & 1)
