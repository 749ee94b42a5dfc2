"""What is quicker to read again than to work out again, in a folder of this user's own.

Nothing depends on it: where there is no such folder, or its disk is full, it is worked out.
"""

import os
from pathlib import Path

__all__ = ["cache_folder"]


def cache_folder(name: str) -> Path | None:
    """``~/.cache/hopscope/NAME``, made if absent; None where this user has no own place."""
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
        folder = Path(home) / "hopscope" / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except (OSError, RuntimeError):  # the latter: this user has no home
        return None
    private = status.st_uid == os.geteuid() and not status.st_mode & 0o022
    return folder if private and os.access(folder, os.W_OK) else None
