"""plan, diff, and up on a lab that stands: what differs from what is declared."""

import json as jsonlib
import sys
import time
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, NoReturn

from hopscope.cli.hints import tell_notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hopscope.lab.running import RunningLab
    from hopscope.model.change import Change
    from hopscope.model.lab import LabSpec

__all__ = ["change", "diff", "plan"]


def plan(lab: str, name: str | None, *, on_host: bool, json: bool) -> None:
    """What `up` would do, and why; nothing is changed."""
    from hopscope.cli.sources import source_of
    from hopscope.kernel.state import running as standing
    from hopscope.lab.declare import parse
    from hopscope.lab.reconcile import from_nothing
    from hopscope.lab.running import RunningLab

    source, file = source_of(lab)
    spec = parse(source, file)
    name = name or spec.name
    up = any(one.name == name for one in standing())
    if up:
        running = RunningLab.attach(name)
        if on_host:  # without, it is told of the lab where it is
            _check_mode(running, on_host=on_host)
        _tell_another(running, source, file)
        found = running.differences(spec)
    else:
        found = from_nothing(spec, on_host=on_host)
    if found.changes:
        tell_notes(spec)
    if json:
        _print_json(name, found.changes, up=up)
        return
    _print(found.changes)
    state = "is up" if up else "is not up"
    sys.stdout.write(f"{name} {state}; {_summary(found.changes)}\n")


def diff(name: str, *, json: bool) -> NoReturn:
    """How a running lab differs from what it declares; exit 1 when it does."""
    from hopscope.errors import ExitCode
    from hopscope.lab.running import RunningLab

    lab = RunningLab.attach(name)
    found = lab.differences().changes
    if json:
        _print_json(name, found, up=True)
    else:
        _print(found)
        same = f"{name} is as declared\n"
        by = "hopscope up --on-host" if lab.on_host else "hopscope up"
        sys.stdout.write(f"{name}: {_summary(found)} by {by}\n" if found else same)
    sys.exit(ExitCode.EXPECTATION_FAILED if found else ExitCode.OK)


def change(spec: "LabSpec", source: str, name: str, *, on_host: bool, quiet: bool) -> None:
    """A lab that is up becomes what is declared now, where it is."""
    from hopscope.errors import LabExistsError
    from hopscope.kernel.interrupts import too_late
    from hopscope.kernel.state import running as standing
    from hopscope.lab.running import RunningLab
    from hopscope.render import planned

    begun = time.perf_counter()
    if not any(one.name == name and not one.temporary for one in standing()):
        raise LabExistsError(name)  # it is being made, or ends with the process that made it
    running = RunningLab.attach(name)
    with running.sandbox:
        _check_mode(running, on_host=on_host)
        if not quiet:
            _tell_another(running, source.encode(), str(spec.file))
        try:
            done = running.change(spec, source, on_record=too_late)
        except BaseException as error:
            for note in getattr(error, "__notes__", ()):  # what could not be restored
                sys.stderr.write(f"hopscope: {note}\n")
            raise
    if quiet:
        return
    took = (time.perf_counter() - begun) * 1000
    _print(done)
    told = planned.summary(done, done=True)
    sys.stdout.write(f"{name} is up already; {told}" + (f" ({took:.0f} ms)\n" if done else "\n"))


def _tell_another(lab: "RunningLab", source: bytes, file: str) -> None:
    """That it is another file that the lab was made from: its name may be so by chance."""
    from hopscope.lab.recorded import here

    before, now = lab.file, here()
    if not before.folder or not now or file.startswith("<"):  # <stdin> is in no folder
        old, new = PurePath(before.file), PurePath(file)
    else:
        old, new = Path(before.folder, before.file).resolve(), Path(now, file).resolve()
    if old != new and source != before.source.encode():
        told = (before.file, file) if before.folder == now else (old, new)
        sys.stderr.write(f"note: {lab.name} was made from {told[0]}, not from {told[1]}\n")


def _check_mode(lab: "RunningLab", *, on_host: bool) -> None:
    """A lab does not move from a sandbox to the real host, nor back."""
    from hopscope.errors import UsageError

    if lab.on_host == on_host:
        return
    where, there = ("in a sandbox", "") if on_host else ("on this host", " --on-host")
    message = (
        f"lab {lab.name!r} stands {where}; change it there: hopscope up{there}, "
        f"or take it down first: hopscope down {lab.name}"
    )
    raise UsageError(message)


def _print(changes: "Sequence[Change]") -> None:
    from hopscope.cli import printing
    from hopscope.render import planned

    console = printing.console()
    for line in planned.lines(changes):
        console.print(line, soft_wrap=True)


def _summary(changes: "Sequence[Change]") -> str:
    from hopscope.render import planned

    return planned.summary(changes)


def _print_json(name: str, changes: "Sequence[Change]", *, up: bool) -> None:
    from hopscope.model import codec

    told = {"lab": name, "up": up, "changes": [codec.dump_part(one) for one in changes]}
    sys.stdout.write(jsonlib.dumps(told, indent=2) + "\n")
