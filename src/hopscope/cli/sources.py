"""Where the lab of a command comes from: what is named, or standard input."""

import sys
from typing import Final

from hopscope.lab import declare
from hopscope.model.limits import LARGEST_FILE

__all__ = ["STDIN", "STDOUT", "source_of"]

STDIN: Final = "<stdin>"
"""What messages call it."""
STDOUT: Final = "-"
"""As the name of a file to be written."""


def source_of(lab: str) -> tuple[bytes, str]:
    """A lab's text and its name for messages; ``-`` is standard input.

    Raises UsageError when there is no such lab, or the file cannot be read.
    """
    if lab == "-":
        return sys.stdin.buffer.read(LARGEST_FILE + 1), STDIN
    return declare.source_of(lab)
