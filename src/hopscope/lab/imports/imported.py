"""What an import comes to: the tree of a lab file, and notes of what it does not say."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from hopscope.spec.foreign import Note

__all__ = ["Imported"]


class Imported(Struct, frozen=True, kw_only=True):
    """*comments* stand behind a node's name in the lab file."""

    tree: dict[str, Any]
    notes: tuple[Note, ...]
    comments: Mapping[str, str] = {}
