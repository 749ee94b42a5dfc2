"""What is quicker to read again than to work out again, in a folder of this user's own.

Nothing depends on it: where there is no such folder, or its disk is full, it is worked out.
"""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from hopscope.model.lab import LabSpec

__all__ = ["cache_folder", "remembered"]

_MOST: Final = 64  # labs that are kept; beyond, the oldest go
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_PACKAGES: Final = ("spec", "model")
"""What decides what a text means; a change to one of their modules is a new meaning."""


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


def remembered(source: bytes, file: str, parse: Callable[[], LabSpec]) -> LabSpec:
    """What *parse* gave for the same text before, or gives now.

    Only labs without a mistake are kept. What a sysctl is, the kernel says: so the same text
    means the same until the machine starts anew.
    """
    folder = cache_folder("labs")
    if folder is None:
        return parse()
    path = folder / _key(source, file)
    with suppress(OSError, msgspec.MsgspecError):
        return msgspec.msgpack.decode(path.read_bytes(), type=LabSpec)
    spec = parse()
    with suppress(OSError):
        _keep(path, msgspec.msgpack.encode(spec))
    return spec


def _key(source: bytes, file: str) -> str:
    boot = _BOOT.read_bytes()
    package = Path(__file__).parents[1]
    newest = max(
        module.stat().st_mtime_ns
        for name in _PACKAGES
        for module in os.scandir(package / name)
        if module.name.endswith(".py")
    )
    parts = (boot, str(newest).encode(), file.encode(), source)
    whole = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hashlib.sha256(whole).hexdigest()


def _keep(path: Path, data: bytes) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_bytes(data)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    kept = sorted(path.parent.iterdir(), key=lambda one: one.stat().st_mtime_ns)
    for old in kept[:-_MOST]:
        old.unlink(missing_ok=True)
