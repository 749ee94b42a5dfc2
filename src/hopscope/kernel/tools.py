"""Where the programs are that we run: not every user has /sbin in their PATH."""

import os
from typing import Final

__all__ = ["USUAL", "tool_path"]

USUAL: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def tool_path() -> str:
    """The usual folders, then those of this user's PATH."""
    return f"{USUAL}:{os.environ.get('PATH', '')}".rstrip(":")
