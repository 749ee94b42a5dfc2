"""Compiled templates, kept so that the next report need not compile them."""

from contextlib import suppress
from functools import cache
from pathlib import Path

from jinja2.bccache import Bucket, FileSystemBytecodeCache

from hopscope.lab.cache import cache_folder
from hopscope.lab.whole import write_whole

__all__ = ["compiled_templates"]


class _Kept(FileSystemBytecodeCache):
    """As Jinja's own, but that a writer who is killed leaves no file behind.

    A full disk is not told: who draws a report would take the report's own folder for full.
    """

    def dump_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError):
            write_whole(Path(self._get_cache_filename(bucket)), bucket.bytecode_to_string())


def compiled_templates() -> FileSystemBytecodeCache | None:
    """Where they are kept; None where this user has no own place."""
    folder = cache_folder("templates")
    return None if folder is None else _kept(folder)


@cache
def _kept(folder: Path) -> FileSystemBytecodeCache:
    return _Kept(str(folder))
