"""What is recorded of a lab before there is anything of it."""

import time
from pathlib import Path

from hopscope.kernel.onhost.changes import HostChanges
from hopscope.kernel.state import LabFile
from hopscope.model.lab import LabSpec
from hopscope.plan.names import HOME

__all__ = ["here", "recorded"]


def recorded(spec: LabSpec, source: str, host: HostChanges | None) -> LabFile:
    """The record; *host*: what there will be to undo on the real one."""
    now = time.time_ns()
    return LabFile(
        name=spec.name,
        pid=0,
        mode="on-host" if host else "sandbox",
        source=source,
        file=spec.file or "<python>",
        nodes=tuple(node.name for node in spec.nodes),
        home=HOME,
        started=now,
        boot=now - time.monotonic_ns(),
        temporary=True,
        undo=host.dump() if host else "",
        folder=here(),
    )


def here() -> str:
    """The folder in which files are named; "" where it is gone."""
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return ""
