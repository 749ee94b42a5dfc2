"""Write a file whole or not at all; a writer that is killed leaves nothing half done beside it."""

import errno
import os
from pathlib import Path
from typing import Final

__all__ = ["write_whole"]

_CANNOT: Final = frozenset(
    {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL, errno.EPERM, errno.EXDEV}
)
"""What a file system says that has no files without a name, or where none is given one later."""

_TRIES: Final = 100  # others may be giving theirs the same name just now


def write_whole(path: Path, data: bytes) -> None:
    """The file has no name before it is whole: what the kernel frees when its writer is killed.

    Raises OSError; then the file is as it was, or is gone.
    """
    try:
        descriptor = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o666)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            _name(descriptor, path, data)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        _rename(path, data)


def _name(descriptor: int, path: Path, data: bytes) -> None:
    """Give it the name, which whoever had it loses."""
    descriptors = os.open("/proc/self/fd", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for _try in range(_TRIES):
            try:  # with a folder it is linkat(AT_SYMLINK_FOLLOW), which names what is open
                os.link(str(descriptor), path, src_dir_fd=descriptors, follow_symlinks=True)
            except FileExistsError:
                if _same(path, data):
                    return
                path.unlink(missing_ok=True)
            else:
                return
    finally:
        os.close(descriptors)
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def _same(path: Path, data: bytes) -> bool:
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False


def _rename(path: Path, data: bytes) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_bytes(data)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
