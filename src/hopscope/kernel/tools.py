"""Where programs are that we run, as not every user has /sbin in their PATH; where they begin."""

import os
from typing import Final

__all__ = ["USUAL", "own_folder", "tool_path"]

USUAL: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def tool_path() -> str:
    """The usual folders, then those of this user's PATH."""
    return f"{USUAL}:{os.environ.get('PATH', '')}".rstrip(":")


def own_folder() -> str:
    """The folder that this process is in; the root if that was removed."""
    try:
        return os.getcwd()  # noqa: PTH109 - Path would follow
    except FileNotFoundError:
        return "/"
