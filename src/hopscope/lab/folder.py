"""What a command is to leave, and what keeps it from being written, told before anything."""

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from hopscope.errors import CannotError, UsageError

__all__ = ["cannot_write", "file_of", "folder_of", "write_file"]

_FITS: Final = {
    errno.ENOTDIR: "where no file is in the way",
    errno.EEXIST: "where no file is in the way",
    errno.EACCES: "where you may write",
    errno.EPERM: "where you may write",
    errno.EROFS: "where something can be written",
    errno.ENOSPC: "on a disk with room",
    errno.EDQUOT: "on a disk with room for you",
    errno.ENAMETOOLONG: "with a shorter name",
}


def folder_of(out: str | None, name: str) -> Path:
    """The folder asked for, or the usual one of the lab *name*.

    Raises UsageError for an empty one, CannotError when it could not be made or written.
    """
    if out == "":
        message = "--out names no folder; name one, or leave it out for ./hopscope-out/NAME"
        raise UsageError(message)
    folder = Path(out) if out is not None else Path("hopscope-out") / name
    there = folder
    try:
        while not _exists(there):
            there = there.parent
        if not there.is_dir():
            raise _refused(errno.ENOTDIR, there)
        if not os.access(there, os.W_OK | os.X_OK):
            read_only = os.statvfs(there).f_flag & os.ST_RDONLY
            raise _refused(errno.EROFS if read_only else errno.EACCES, there)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return folder


def file_of(path: str, option: str) -> Path:
    """The file that an option names; what is missing of its folder will be made.

    Raises UsageError for a folder, CannotError when it could not be made or written.
    """
    file = Path(path)
    if file.is_dir():
        raise UsageError(f"{option} names a folder, {path!r}; name a file in it")
    if not _exists(file):
        folder_of(str(file.parent), "")
    elif not os.access(file, os.W_OK):
        raise cannot_write(file, _refused(errno.EACCES, file))
    return file


def write_file(file: Path, data: bytes) -> None:
    """Write it, and its folder; what a full disk takes of a new one does not stay.

    Raises CannotError, which says what would do.
    """
    new = not _exists(file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    except OSError as error:
        if new:
            with suppress(OSError):
                file.unlink()
        error.filename = error.filename or str(file)
        raise cannot_write(file, error) from error


def cannot_write(folder: Path, error: OSError) -> CannotError:
    """What is wrong with it, and what would do."""
    where = error.filename or folder
    mend = f"name a folder {_FITS.get(error.errno or 0, 'that is another')}"
    return CannotError(f"cannot write {where}: {error.strerror}", mend=mend)


def _refused(code: int, where: Path) -> OSError:
    return OSError(code, os.strerror(code), str(where))


def _exists(path: Path) -> bool:
    """As a link to nowhere does, which no folder can be made of."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):  # the latter: a file is above it
        return False
    return True
