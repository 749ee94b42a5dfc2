"""Know when a file grows, as a descriptor to wait on; inotify, which Python does not offer."""

import contextlib
import ctypes
import os
from pathlib import Path
from typing import Final, Self

__all__ = ["Growth"]

_IN_MODIFY: Final = 0x2
_IN_NONBLOCK_CLOEXEC: Final = os.O_NONBLOCK | os.O_CLOEXEC


class Growth:
    """Readable after each write to a file; use as a context manager."""

    def __init__(self, path: Path) -> None:
        """Raises OSError when there is no such file, or no watch left to this user."""
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = libc.inotify_init1(_IN_NONBLOCK_CLOEXEC)
        if self._fd < 0 or libc.inotify_add_watch(self._fd, bytes(path), _IN_MODIFY) < 0:
            code = ctypes.get_errno()
            self.close()
            raise OSError(code, os.strerror(code), str(path))

    def fileno(self) -> int:
        """For select."""
        return self._fd

    def clear(self) -> None:
        """Forget the writes so far. To be called before reading the file."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._fd, 1 << 16)

    def close(self) -> None:
        """Stop watching."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
