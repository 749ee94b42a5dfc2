"""A lab's holder that was killed and does not end: what the kernel waits for."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from hopscope.errors import CannotError

__all__ = ["is_stopped", "lingers"]


def lingers(pid: int, *, on_host: bool) -> CannotError:
    """What to raise of a holder of that PID, which the kernel has not ended.

    A PID namespace ends with the last of its processes, and a dead one is there until its parent
    collects it. That of a command of `hopscope exec` is outside, and may be stopped.
    """
    later = ", after which the host will be as before" if on_host else ""
    what = f"all that ran in the lab is ended, but for its holder (process {pid}){later}: "
    for dead, name, parent in _uncollected(pid):
        if is_stopped(parent):
            why = f"{name} (process {dead}) is dead, and its parent {parent} stopped"
            return CannotError(what + why, mend=f"kill -CONT {parent}")
    mend = f"cat /proc/{pid}/status   (shows what it does)"
    return CannotError(f"{what}the kernel has not ended that yet", mend=mend)


def is_stopped(pid: int) -> bool:
    """Whether that process was stopped, by a signal or a debugger."""
    return _status(pid).get("State", "")[:1] in ("T", "t")


def _uncollected(holder: int) -> Iterator[tuple[int, str, int]]:
    """Its namespace's dead: PID, name, and the parent's PID."""
    inside = _namespace(holder)
    for entry in Path("/proc").iterdir():
        if inside and entry.name.isdigit() and _namespace(pid := int(entry.name)) == inside:
            status = _status(pid)
            if pid != holder and status.get("State", "").startswith("Z"):
                yield pid, status["Name"], int(status["PPid"])


def _namespace(pid: int) -> int:
    """The number of its PID namespace; 0 when it is gone, or not ours to look at."""
    with suppress(OSError):
        return os.stat(f"/proc/{pid}/ns/pid").st_ino  # noqa: PTH116 - a magic link
    return 0


def _status(pid: int) -> dict[str, str]:
    """What /proc tells of it; nothing when it is gone."""
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines()
        return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return {}
