"""Labs that were checked already, so that what checks them need not be loaded again.

An entry holds all that its lab was made from: the text and its name, what was read of
/proc/sys, and which code made it. Whatever is not as it was, or cannot be read, is as if
there were no entry.
"""

import os
import struct
import zlib
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Final

from msgspec import MsgspecError, Struct, msgpack

from hopscope.lab.cache import cache_folder
from hopscope.lab.whole import write_whole
from hopscope.model.lab import LabSpec
from hopscope.version import VERSION

__all__ = ["Listing", "keep", "recall"]

Listing = Callable[[str], Collection[str] | None]
"""The names in a folder below /proc/sys; None when there is none."""

_MOST: Final = 64  # entries
_LARGEST: Final = 4 << 20  # bytes of one
_SUM: Final = struct.Struct("=I")
_CODE: Final = ("spec", "model")
"""Where a lab is made from its text, and what it is made of."""


class _Entry(Struct, frozen=True, kw_only=True):
    source: bytes
    file: str
    code: tuple[str, int]
    told: dict[str, tuple[str, ...] | None]
    lab: LabSpec


def recall(source: bytes, file: str, listing: Listing) -> LabSpec | None:
    """The lab that this text gave before, if it would be the same again."""
    path = _path(source, file)
    try:
        entry = None if path is None else _unpacked(path.read_bytes())
        if entry is None or (entry.source, entry.file, entry.code) != (source, file, _code()):
            return None
    except OSError:
        return None
    if any(_ordered(listing(folder)) != names for folder, names in entry.told.items()):
        return None
    return entry.lab


def keep(
    source: bytes, file: str, told: Mapping[str, Collection[str] | None], lab: LabSpec
) -> None:
    """Have it recalled as long as /proc/sys tells what it *told*.

    A full disk keeps nothing, and a file's name that is no text is not kept.
    """
    path = _path(source, file)
    if path is None:
        return
    with suppress(OSError, UnicodeError):
        listed = {folder: _ordered(names) for folder, names in told.items()}
        entry = _Entry(source=source, file=file, code=_code(), told=listed, lab=lab)
        data = msgpack.encode(entry)
        if len(data) <= _LARGEST:
            write_whole(path, _SUM.pack(zlib.crc32(data)) + data)
            _forget_oldest(path.parent)


def _unpacked(data: bytes) -> _Entry | None:
    body = data[_SUM.size :]
    if data[: _SUM.size] != _SUM.pack(zlib.crc32(body)):
        return None
    try:
        return msgpack.decode(body, type=_Entry)
    except MsgspecError:  # whole, and of another version
        return None


def _ordered(names: Collection[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(sorted(names))


def _path(source: bytes, file: str) -> Path | None:
    """Where its entry is, or that of another: each says whose it is."""
    folder = cache_folder("labs")
    name = f"{zlib.crc32(source, zlib.crc32(file.encode(errors='surrogatepass'))):08x}"
    return None if folder is None else folder / name


def _forget_oldest(folder: Path) -> None:
    entries = sorted(folder.iterdir(), key=lambda entry: entry.stat().st_mtime_ns)
    for entry in entries[:-_MOST]:
        entry.unlink(missing_ok=True)


def _code() -> tuple[str, int]:
    """The version, and for those who work on it when the newest file was written."""
    home = Path(__file__).parents[1]
    files = chain.from_iterable(os.scandir(home / package) for package in _CODE)
    return VERSION, max(one.stat().st_mtime_ns for one in files if one.name.endswith(".py"))
