"""The machine's own kernel log, where LOG rules of the real network namespace print.

/dev/kmsg gives each reader all that the kernel still remembers, and then what comes.
Mirrors Documentation/ABI/testing/dev-kmsg.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from msgspec import Struct

from hopscope.errors import CannotError
from hopscope.model.vocab import Nanos

__all__ = ["KernelLine", "KernelLog", "parse_record"]

_RECORD = 8192  # bytes; CONSOLE_EXT_LOG_MAX


class KernelLine(Struct, frozen=True, kw_only=True):
    """One message that the kernel printed; *level* as syslog counts."""

    at: Nanos
    level: int
    text: str


def parse_record(data: bytes, *, boot: Nanos) -> KernelLine | None:
    """One record; None for what a program wrote there, and for what is no record.

    *boot*: the time of the machine's start, from which the kernel counts.
    """
    found = re.match(rb"(\d+),\d+,(\d+),[^;]*;([^\n]*)", data)
    if found is None or int(found[1]) >> 3:  # a facility other than the kernel's
        return None
    text = re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes([int(m[1], 16)]), found[3])
    at = Nanos(boot + int(found[2]) * 1000)
    return KernelLine(at=at, level=int(found[1]) & 7, text=text.decode(errors="replace"))


class KernelLog:
    """A reader of the kernel log from its oldest line on; use as a context manager."""

    def __init__(self, boot: Nanos, path: Path = Path("/dev/kmsg")) -> None:
        """Raises CannotError where this user may not read it."""
        self._boot = boot
        self.lost: int = 0  # how often lines were overwritten before they were read
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            what = f"the kernel log cannot be read: {path}: {error.strerror}"
            raise CannotError(what, mend="run as root") from error

    def fileno(self) -> int:
        """For select."""
        return self._fd

    def read(self) -> Iterator[KernelLine]:
        """All lines since the last call."""
        while True:
            try:
                data = os.read(self._fd, _RECORD)
            except BlockingIOError:
                return
            except BrokenPipeError:  # EPIPE: it was overwritten
                self.lost += 1
                continue
            if not data:
                return
            if (line := parse_record(data, boot=self._boot)) is not None:
                yield line

    def close(self) -> None:
        """Stop reading."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
