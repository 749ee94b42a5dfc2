"""The file that keeps what LOG rules did: whole entries, and no more than fit. Standard library."""

import contextlib
import os
import struct
import time
from typing import Final

__all__ = ["MOST_LOGGED", "RECORD", "LogFile"]

RECORD: Final = struct.Struct("=QII")
"""Time, index of the node, length."""

MOST_LOGGED: Final = 64 << 20
"""Bytes of the file, which may lie in memory."""


class LogFile:
    """A descriptor that appends."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._full = False

    @property
    def size(self) -> int:
        """In bytes."""
        return os.fstat(self._fd).st_size

    def append(self, node: int, message: bytes) -> None:
        """One entry, whole or not at all; none beyond `MOST_LOGGED` but of that."""
        if self._full:
            return
        size = self.size
        if size + RECORD.size + len(message) > MOST_LOGGED:
            self._full, message = True, b""
        entry = RECORD.pack(time.time_ns(), node, len(message)) + message
        try:
            if os.write(self._fd, entry) != len(entry):
                os.ftruncate(self._fd, size)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, size)
