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
import errno
import os
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from hopscope.errors import (
    CannotError,
    LabExistsError,
    NoSuchLabError,
    NotReadyError,
    UnreadableRecordError,
)
from hopscope.kernel import records
from hopscope.kernel.control import reach
from hopscope.kernel.holding import Hold, held, hold
from hopscope.kernel.records import LabFile, record_in, recording, state_home
from hopscope.kernel.turns import take_turn, try_turn
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
    "living",
    "privileged",
    "rewrite",
    "running",
    "state_home",
    "take",
    "unread",
]
_NOBODYS: Final = ".ended~"  # how a folder's other name begins, which is no lab's
_BEING_CLEARED: Final = 1.0  # seconds; it takes a millisecond
_BEING_CHANGED: Final = 10.0  # … and less than that; without the holder it fails at once
_DYING: Final = 30.0  # … the kernel closes what a killed holder had open; the host is restored
_ENDING: Final = 90.0  # … and before, processes are given a minute at most


class Claim(NamedTuple):
    """A lab name that is ours as long as *lock* (a descriptor, or its copy) stays open."""

    folder: Path
    lock: int

    def write(self, lab: LabFile) -> None:
        """Record the lab; replaces what was recorded, whole or not at all."""
        with recording(self.folder):
            records.write(self.folder, lab)

    def left(self) -> LabFile | None:
        """The record of an earlier lab of that name, which died without being taken down.

        Raises UnreadableRecordError.
        """
        with self.reading():
            return records.read(self.folder)

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """What is found unreadable meanwhile is told as what nobody can undo but the reader."""
        try:
            yield
        except UnreadableRecordError as error:
            mend = (
                f"hopscope down {error.name}, of the version that made it; or look what it tells "
                f"to undo on this host, then: rm -r {shlex.quote(str(self.folder))}"
            )
            raise UnreadableRecordError(error.name, error.file, error.why, mend=mend) from None

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Let go of the name, and keep the record, when what is done meanwhile fails."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    @property
    def gone(self) -> bool:
        """Whether someone has removed the folder by hand; another lab's may have its place."""
        try:
            return not os.path.samestat(os.fstat(self.lock), (self.folder / "lock").stat())
        except FileNotFoundError:
            return True

    def clear(self) -> None:
        """Remove the record, and let go of the name."""
        if self.gone:
            self.close()
            return
        record_in(self.folder).unlink(missing_ok=True)  # before others can have the lock
        nobodys = self.folder.with_name(f"{_NOBODYS}{os.urandom(8).hex()}")
        with contextlib.suppress(FileNotFoundError):  # someone removed it by hand
            self.folder.rename(nobodys)
        _remove(nobodys)
        self.close()

    def close(self) -> None:
        """Let go of the lock; a holder that has a copy keeps it."""
        os.close(self.lock)


def claim(name: str) -> Claim:
    """Take the name. LabExistsError if a lab of it lives.

    Raises CannotError when nothing can be recorded, or a dead lab's record is still to be undone.
    """
    folder = state_home() / name
    taken: list[Claim] = []

    def free() -> bool:
        with recording(folder):
            if (made := _try(folder)) is not None:
                taken.append(made)
        return bool(taken) or record_in(folder).exists()

    with contextlib.suppress(NotReadyError):  # it may just be being cleared away
        wait_until(free, f"the record of {name}", within=_BEING_CLEARED)
    if not taken:
        raise LabExistsError(name)
    (claimed,) = taken
    with claimed.kept():
        left = claimed.left()
    if left is not None and left.undo:
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
        claimed = Claim(folder, lock)
        if not claimed.gone:
            return claimed
    except (BlockingIOError, PermissionError):
        pass
    os.close(lock)
    return None


def clear(lab: LabFile) -> None:
    """Remove the record of a lab that has ended, unless its name has a new owner."""
    folder = state_home() / lab.name
    try:
        if not folder.is_dir() or (claimed := _try(folder)) is None:
            return
        with claimed.kept():
            left = claimed.left()
        if left is None or left.started == lab.started:
            claimed.clear()
        else:
            claimed.close()
    except OSError as error:
        what = f"lab {lab.name!r} has ended; its record cannot be removed: {folder}: "
        raise CannotError(f"{what}{error.strerror}") from error


def rewrite(lab: LabFile) -> None:
    """Record a living lab anew. CannotError when it has ended, or nothing can be recorded."""
    folder = state_home() / lab.name
    try:
        held = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _ended(lab) from None
    try:
        same = Path(f"/proc/self/fd/{held}")  # whatever comes to bear its name meanwhile
        recorded = records.read(same, folder)
        if recorded is None or recorded.started != lab.started:
            raise _ended(lab)
        with recording(folder):
            records.write(same, lab)
    finally:
        os.close(held)


def _ended(lab: LabFile) -> CannotError:
    return CannotError(f"lab {lab.name!r} has ended")


def _remove(folder: Path) -> None:
    try:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    except OSError:
        import shutil  # noqa: PLC0415 - slow to load, and others' folders in ours are rare

        shutil.rmtree(folder, ignore_errors=True)


def _held(folder: Path) -> Hold:
    """How its lock is held. UnreadableRecordError when that cannot be told: it may well live."""
    try:
        return held(folder / "lock")
    except OSError as error:
        if error.errno == errno.EACCES and folder.lstat().st_uid != os.geteuid():
            return Hold.NOT  # another user's, in a folder where we keep other things
        raise UnreadableRecordError(folder.name, folder / "lock", str(error.strerror)) from error


def _alive(folder: Path) -> bool:
    return _held(folder) is not Hold.NOT


def living() -> Iterator[LabFile | UnreadableRecordError]:
    """The living labs, by name; where its record cannot be read, why."""
    for folder in sorted(state_home().iterdir()):
        try:
            if _alive(folder) and (lab := records.read(folder)) and lab.pid:
                yield lab
        except UnreadableRecordError as error:
            yield error


def running() -> Iterator[LabFile]:
    """The living labs whose records can be read, by name."""
    return (lab for lab in living() if isinstance(lab, LabFile))


def find(name: str) -> LabFile:
    """The living lab of that name; one that was killed is waited for until it has ended.

    Raises NoSuchLabError when there is none, CannotError for one that is just being made, and
    UnreadableRecordError.
    """
    if "/" not in name:
        _await(lambda folder: not _dying(folder), name, within=_DYING)
    return _found(name)


def unread(name: str) -> LabFile:
    """As much of a lab's record as is known where it cannot be read: its holder can be reached."""
    return LabFile(name=name, pid=0, mode="", source="", file="", nodes=(), home="", started=0)


def _found(name: str) -> LabFile:
    folder = state_home() / name
    if "/" not in name and _alive(folder) and (lab := records.read(folder)):
        if not lab.pid:
            raise CannotError(f"lab {name!r} is just being made", mend="try again")
        return lab
    raise NoSuchLabError(name, [lab.name for lab in running()])


def await_end(name: str) -> None:
    """Wait for the end of a lab that is taken down, or was killed; not for that of others."""
    _await(lambda folder: _held(folder) is not Hold.ENDS, name, within=_ENDING)
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
        reach(folder, 0).close()
    except OSError as error:  # another: it is busy, or by now cleared away
        return isinstance(error, ConnectionRefusedError)
    return False


@contextlib.contextmanager
def alone(lab: LabFile) -> Iterator[LabFile]:
    """One at a time changes a lab, and has its record as it is then; others wait, and say so.

    Raises NoSuchLabError when it has ended, CannotError when another has its name.
    """
    try:
        lock = _changing(state_home() / lab.name)
    except FileNotFoundError:
        raise NoSuchLabError(lab.name, [one.name for one in running()]) from None
    try:
        take_turn(lock, f"changes lab {lab.name!r}")
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
    try:
        with contextlib.suppress(NotReadyError):
            wait_until(lambda: try_turn(lock), "the end of a change", within=_BEING_CHANGED)
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
