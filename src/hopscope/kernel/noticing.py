"""Notice what becomes of the files in a folder, by a signal. Standard library only.

It is dnotify, of which there is no limited number, as there is of inotify's instances: many labs
may stand. A kernel without it, or a file system that does not tell, notices nothing.
"""

import contextlib
import fcntl
import os
import signal
from collections.abc import Callable

__all__ = ["notice"]


def notice(folder: str, told: Callable[[], None]) -> int:
    """A descriptor of the folder; -1 if it cannot be opened.

    As long as it is open, this process gets SIGIO, and calls *told*, when a file there was removed
    or has got another name. Several at once may be told once.
    """
    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return -1
    signal.signal(signal.SIGIO, lambda *_: told())
    with contextlib.suppress(OSError):
        fcntl.fcntl(place, fcntl.F_NOTIFY, fcntl.DN_DELETE | fcntl.DN_RENAME | fcntl.DN_MULTISHOT)
    return place
