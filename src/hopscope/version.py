"""Which hopscope this is; the package's metadata takes it from here."""

from typing import Final

__all__ = ["VERSION"]

VERSION: Final = "0.1.0"
