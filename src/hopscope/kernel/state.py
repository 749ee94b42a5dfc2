"""Where running labs are recorded on disk, and which of the records are alive.

A lab's folder holds ``lock``, ``lab.json``, ``control`` (a socket) and ``nflog``. The
lock is an open-file-description lock that the lab's holder inherits: it is held exactly
as long as the lab lives, across kill -9 and without any PID that could be reused. A
folder whose lock nobody holds is stale, and whoever meets it clears it away.

Who locks a folder has made it, or found it stale. Only the one who holds the lock takes it
away, and all of it at one stroke, by another name: whoever comes next makes a folder of
their own, which nothing that is done to the old one can touch. What bears that other name
is nobody's, and whoever meets it removes it.

A record is written by the one who holds the lock; and once the lab stands, by one at a time
who is `alone` with it.
"""

import contextlib
import fcntl
import json
import os
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, Self

from hopscope.errors import CannotError, LabExistsError, NoSuchLabError, NotReadyError
from hopscope.kernel.holding import Hold, held, hold
from hopscope.kernel.waiting import wait_until

__all__ = [
    "Claim",
    "LabFile",
    "after_changes",
    "alone",
    "await_end",
    "claim",
    "clear",
    "find",
    "left_behind",
    "privileged",
    "rewrite",
    "running",
    "state_home",
    "take",
]

_ELSEWHERE: Final = 'export HOPSCOPE_STATE="$HOME/hopscope"  # or any folder of yours, with room'
_NOBODYS: Final = ".ended~"  # how a folder's other name begins, which is no lab's
_BEING_CLEARED: Final = 1.0  # seconds; it takes a millisecond
_BEING_CHANGED: Final = 10.0  # … and less than that; without the holder it fails at once
_DYING: Final = 30.0  # … the kernel closes what a killed holder had open; the host is restored
_ENDING: Final = 90.0  # … and before, processes are given a minute at most


class LabFile(NamedTuple):
    """What ``lab.json`` says of a running lab."""

    name: str
    pid: int  # the holder's; 0 before there is one
    mode: str  # "sandbox" or "on-host"
    source: str  # the lab file's text
    file: str  # its name, for messages
    nodes: tuple[str, ...]
    home: str  # the node that is the holder's own namespace
    started: int  # nanoseconds since 1970
    boot: int = 0  # the machine's, reckoned once, as a clock that is set moves it; 0: not known
    temporary: bool = False  # of a `run` or a test: ends with the process that made it
    made: tuple[str, ...] = ()  # all nodes it ever had, in that order; (): those of *nodes*
    undo: str = ""  # on-host: what to restore, as JSON
    was: tuple[tuple[str, str, str], ...] = ()  # node, sysctl, and its value before it was set
    folder: str = ""  # in which *file* is named; "": not known

    @property
    def recorded(self) -> tuple[str, ...]:
        """The nodes as the record of LOG rules counts them."""
        return self.made or self.nodes

    def setting(self, node: str, path: str, value: str) -> Self:
        """With what a sysctl is before it is set; the first value is the one that counts."""
        if any(one[:2] == (node, path) for one in self.was):
            return self
        return self._replace(was=(*self.was, (node, path, value)))


class Claim(NamedTuple):
    """A lab name that is ours as long as *lock* (a descriptor, or its copy) stays open."""

    folder: Path
    lock: int

    def write(self, lab: LabFile) -> None:
        """Record the lab; replaces what was recorded, whole or not at all."""
        with _recording(self.folder):
            _write(self.folder, lab)

    def left(self) -> LabFile | None:
        """The record of an earlier lab of that name, which died without being taken down."""
        return _read(self.folder)

    def clear(self) -> None:
        """Remove the record, and let go of the name."""
        (self.folder / "lab.json").unlink(missing_ok=True)  # before others can have the lock
        nobodys = self.folder.with_name(f"{_NOBODYS}{os.urandom(8).hex()}")
        with contextlib.suppress(FileNotFoundError):  # someone removed it by hand
            self.folder.rename(nobodys)
        _remove(nobodys)
        self.close()

    def close(self) -> None:
        """Let go of the lock; a holder that has a copy keeps it."""
        os.close(self.lock)


def state_home() -> Path:
    """The folder of all records, made if absent; private to this user.

    Raises CannotError when no such folder can be made.
    """
    uid = os.geteuid()
    if chosen := os.environ.get("HOPSCOPE_STATE"):
        if not Path(chosen).is_absolute():
            what = f"HOPSCOPE_STATE={chosen} is another folder wherever one stands"
            raise CannotError(what, mend=f"export HOPSCOPE_STATE='{Path(chosen).resolve()}'")
        home = Path(chosen).resolve()
    elif uid == 0:
        home = Path("/run/hopscope")
    elif os.access(runtime := os.environ.get("XDG_RUNTIME_DIR", ""), os.W_OK):
        home = Path(runtime) / "hopscope"
    else:
        home = Path(f"/tmp/hopscope-{uid}")  # noqa: S108 - owner and mode are checked below
    with _recording(home):
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = home.lstat()
    if status.st_uid != uid or status.st_mode & 0o022:
        what = f"{home} is not private to user {uid}"
        ours = status.st_uid == uid and not status.st_mode & stat.S_ISVTX  # as /tmp is everyone's
        raise CannotError(what, mend=f"chmod 700 '{home}'" if ours else _ELSEWHERE)
    return home


def claim(name: str) -> Claim:
    """Take the name. LabExistsError if a lab of it lives.

    Raises CannotError when nothing can be recorded, or a dead lab's record is still to be undone.
    """
    folder = state_home() / name
    taken: list[Claim] = []

    def free() -> bool:
        with _recording(folder):
            if (made := _try(folder)) is not None:
                taken.append(made)
        return bool(taken) or (folder / "lab.json").exists()

    with contextlib.suppress(NotReadyError):  # it may just be being cleared away
        wait_until(free, f"the record of {name}", within=_BEING_CLEARED)
    if not taken:
        raise LabExistsError(name)
    (claimed,) = taken
    if (left := claimed.left()) is not None and left.undo:
        claimed.close()
        what = f"what an earlier lab {name!r} did on the host is not undone yet"
        raise CannotError(what, mend=f"hopscope down {name}")
    return claimed


def take(name: str) -> Claim | None:
    """Take the name of a lab that has ended; None when someone else has it."""
    return _try(state_home() / name)


def _try(folder: Path) -> Claim | None:
    """Lock the folder; None when another has it, or has just removed it."""
    with contextlib.suppress(FileExistsError):  # by now it may be gone again
        os.mkdir(folder, 0o700)  # noqa: PTH102 - Path's looks whether it is
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:  # removed in between
        return None
    try:
        hold(lock)
        if os.path.samestat(os.fstat(lock), (folder / "lock").stat()):
            return Claim(folder, lock)
    except (BlockingIOError, PermissionError, FileNotFoundError):
        pass
    os.close(lock)
    return None


def clear(lab: LabFile) -> None:
    """Remove the record of a lab that has ended, unless its name has a new owner."""
    folder = state_home() / lab.name
    if not folder.is_dir() or (claimed := _try(folder)) is None:
        return
    left = claimed.left()
    if left is None or left.started == lab.started:
        claimed.clear()
    else:
        claimed.close()


def rewrite(lab: LabFile) -> None:
    """Record a living lab anew. CannotError when it has ended, or nothing can be recorded."""
    folder = state_home() / lab.name
    try:
        held = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _ended(lab) from None
    try:
        same = Path(f"/proc/self/fd/{held}")  # whatever comes to bear its name meanwhile
        recorded = _read(same)
        if recorded is None or recorded.started != lab.started:
            raise _ended(lab)
        with _recording(folder):
            _write(same, lab)
    finally:
        os.close(held)


def _ended(lab: LabFile) -> CannotError:
    return CannotError(f"lab {lab.name!r} has ended")


def _write(folder: Path, lab: LabFile) -> None:
    fresh = folder / "lab.json.new"
    fresh.write_text(json.dumps(lab._asdict()))
    fresh.rename(folder / "lab.json")


def _remove(folder: Path) -> None:
    try:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    except OSError:
        import shutil  # noqa: PLC0415 - slow to load, and others' folders in ours are rare

        shutil.rmtree(folder, ignore_errors=True)


def _alive(folder: Path) -> bool:
    return held(folder / "lock") is not Hold.NOT


def _read(folder: Path) -> LabFile | None:
    try:
        fields = json.loads((folder / "lab.json").read_text())
        names = {one: tuple(fields[one]) for one in ("nodes", "made")}
        return LabFile(**{**fields, **names, "was": tuple(map(tuple, fields["was"]))})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def running() -> Iterator[LabFile]:
    """The living labs, by name."""
    for folder in sorted(state_home().iterdir()):
        if _alive(folder) and (lab := _read(folder)) and lab.pid:
            yield lab


def find(name: str) -> LabFile:
    """The living lab of that name; one that was killed is waited for until it has ended.

    Raises NoSuchLabError when there is none, CannotError for one that is just being made.
    """
    if "/" not in name:
        _await(lambda folder: not _dying(folder), name, within=_DYING)
    return _found(name)


def _found(name: str) -> LabFile:
    folder = state_home() / name
    if "/" not in name and _alive(folder) and (lab := _read(folder)):
        if not lab.pid:
            raise CannotError(f"lab {name!r} is just being made", mend="try again")
        return lab
    raise NoSuchLabError(name, [lab.name for lab in running()])


def await_end(name: str) -> None:
    """Wait for the end of a lab that is taken down, or was killed; not for that of others."""
    _await(lambda folder: held(folder / "lock") is not Hold.ENDS, name, within=_ENDING)
    _await(lambda folder: not _dying(folder), name, within=_DYING)


def _await(ended: Callable[[Path], bool], name: str, *, within: float) -> None:
    folder = state_home() / name
    with contextlib.suppress(NotReadyError):  # then it is as it is
        wait_until(lambda: ended(folder), f"the end of {name}", within=within)


def _dying(folder: Path) -> bool:
    """Whether its holder is dead, and its lock still held: by a guardian, or for a moment.

    A process that is killed lets go of what it has open one after the other.
    """
    if not _alive(folder):
        return False
    try:
        place = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:  # by now it is cleared away
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as control:
        control.setblocking(False)
        try:  # a path through the descriptor: a socket's may have 107 bytes at most
            control.connect(f"/proc/self/fd/{place}/control")
        except OSError as error:
            return isinstance(error, ConnectionRefusedError)
        finally:
            os.close(place)
    return False


@contextlib.contextmanager
def alone(lab: LabFile) -> Iterator[LabFile]:
    """One at a time changes a lab, and has its record as it is then; others wait.

    Raises NoSuchLabError when it has ended, CannotError when another has its name.
    """
    try:
        lock = _changing(state_home() / lab.name)
    except FileNotFoundError:
        raise NoSuchLabError(lab.name, [one.name for one in running()]) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = _found(lab.name)  # at once: its guardian waits for us
        if found.started != lab.started:
            raise _ended(lab)
        yield found
    finally:
        os.close(lock)


@contextlib.contextmanager
def after_changes(folder: Path) -> Iterator[None]:
    """Once whoever changes the lab has come to an end; or, after some seconds, all the same."""
    lock = _changing(folder)

    def free() -> bool:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False

    try:
        with contextlib.suppress(NotReadyError):
            wait_until(free, "the end of a change", within=_BEING_CHANGED)
        yield
    finally:
        os.close(lock)


def _changing(folder: Path) -> int:
    return os.open(folder / "changing", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def left_behind() -> Iterator[str]:
    """The names of labs that died without being taken down, or while they were made.

    A folder without a lock is not ours: *$HOPSCOPE_STATE* may be where a user keeps other things.
    """
    for folder in sorted(state_home().iterdir()):
        if folder.name.startswith(_NOBODYS):
            _remove(folder)
        elif (folder / "lock").exists() and not _alive(folder):
            yield folder.name


def privileged() -> bool:
    """Whether we may make namespaces without a user namespace (CAP_SYS_ADMIN, bit 21)."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(line.split()[1], 16) >> 21 & 1)


@contextlib.contextmanager
def _recording(place: Path) -> Iterator[None]:
    """A disk that is full, or read only, is told as what it is."""
    try:
        yield
    except OSError as error:
        what = f"cannot record running labs in {place}: {error.strerror}"
        raise CannotError(what, mend=_ELSEWHERE) from error
