"""run, up, down, ls: the life of a lab on the command line."""

import json as jsonlib
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hopscope.kernel.starting import Starter
    from hopscope.kernel.state import LabFile
    from hopscope.lab.running import RunningLab
    from hopscope.model.lab import LabSpec
    from hopscope.model.record import Record

__all__ = ["down", "list_labs", "run", "up"]

_SHOWN: Final = 6  # nodes that are named in a line
_UNREADABLE: Final = "unreadable"
"""How `ls` calls a lab whose record is."""


def run(
    lab: str,
    name: str | None,
    out: str | None,
    *,
    on_host: bool,
    promiscuous: bool,
    verbose: bool,
    quiet: bool,
    json: bool,
) -> None:
    """Build, perform, take down, write the folder; exit 1 when an expectation failed."""
    begun = time.perf_counter()
    with ExitStack() as last:
        starter = last.enter_context(_starting())

        from hopscope.cli.telling import Silent, Teller

        silent = quiet or json
        teller = last.enter_context(Silent() if silent else Teller(verbose=verbose, since=begun))

        from hopscope.cli.sources import source_of
        from hopscope.lab.declare import parse
        from hopscope.lab.folder import folder_of
        from hopscope.lab.writer import Writer

        source, file = source_of(lab)
        spec = parse(source, file)
        folder = folder_of(out, name or spec.name)
        with _built(
            spec,
            source.decode(),
            name,
            starter,
            on_host=on_host,
            quiet=silent,
            meanwhile=teller.load,
        ) as running:
            writer = last.enter_context(Writer())  # it gets ready while the lab performs

            def finished(record: "Record") -> None:
                writer.begin(record, folder)
                running.begin_down()

            record = teller.performed(running, promiscuous=promiscuous, finished=finished)
        teller.conclude(record)
        teller.written(writer.end())
    if json:
        from hopscope.model import codec

        sys.stdout.buffer.write(codec.dump(record, indent=2) + b"\n")
    sys.exit(_status(record))


@contextmanager
def _starting() -> "Iterator[Starter]":
    """The process that will hold the lab, which loads while we do; ended if it never will."""
    from hopscope.cli.loading import load_msgspec
    from hopscope.kernel.starting import Starter

    starter = Starter()
    try:
        load_msgspec()
        yield starter
    finally:
        starter.close()


def _built(
    spec: "LabSpec",
    source: str,
    name: str | None,
    starter: "Starter",
    *,
    on_host: bool,
    quiet: bool,
    meanwhile: "Callable[[], None]" = lambda: None,
) -> "RunningLab":
    from hopscope.cli.progress import Bar
    from hopscope.lab.running import RunningLab

    with Bar("building the lab", quiet=quiet) as bar:
        return RunningLab.start(
            spec,
            source,
            name=name,
            on_host=on_host,
            starter=starter,
            meanwhile=meanwhile,
            progress=bar,
        )


def _status(record: "Record") -> int:
    from hopscope.errors import ExitCode

    return ExitCode.OK if record.held else ExitCode.EXPECTATION_FAILED


def up(lab: str, name: str | None, *, on_host: bool, quiet: bool) -> None:
    """Build a lab and leave it. Interrupted before that is said, it is taken down again."""
    from hopscope.errors import LabExistsError, NoSuchLabError

    with _starting() as starter:
        from hopscope.cli.sources import source_of
        from hopscope.lab.declare import parse

        source, file = source_of(lab)
        spec = parse(source, file)
        begun = time.perf_counter()
        build = partial(_built, spec, source.decode(), name, starter, on_host=on_host, quiet=quiet)
        try:
            running = build()
        except LabExistsError as error:
            from hopscope.cli import changing

            with suppress(NoSuchLabError):  # it was just ending
                changing.change(spec, source.decode(), error.name, on_host=on_host, quiet=quiet)
                return
            running = build()
        _leave(running, begun, quiet=quiet)


def _leave(running: "RunningLab", begun: float, *, quiet: bool) -> None:
    from hopscope.kernel.interrupts import too_late, undisturbed

    try:
        with undisturbed():
            running.detach()
            if not quiet:
                took = (time.perf_counter() - begun) * 1000
                words = f"{running.name} is up: {_listed(running.nodes)} ({took:.0f} ms)"
                sys.stdout.write(f"{words}\n  enter it: hopscope shell {running.name}\n")
                sys.stdout.flush()
        too_late()
    except BaseException:
        running.down()
        raise


def down(names: "Sequence[str]", *, every: bool, quiet: bool) -> None:
    """End labs; what keeps one from ending keeps no other, and is told at the end."""
    from hopscope.errors import HopscopeError, UsageError

    if every and names:
        message = "names and --all exclude each other: hopscope down LAB…, or hopscope down --all"
        raise UsageError(message)
    if not every and not names:
        message = (
            "say which labs shall end: hopscope down LAB…, or all of them: hopscope down --all"
        )
        raise UsageError(message)
    failed: list[HopscopeError] = []
    for name in _standing() if every else dict.fromkeys(names):
        try:
            _end(name, quiet=quiet)
        except HopscopeError as error:
            failed.append(error)
    for one in failed[:-1]:
        sys.stderr.write(f"hopscope: {one}\n")
    if failed:
        raise failed[-1]


def _standing() -> "list[str]":
    """All labs but those known to end with their run; says so where there is none."""
    from hopscope.kernel import state

    names = [
        lab.name
        for lab in state.living()
        if not isinstance(lab, state.LabFile) or not lab.temporary
    ]
    if not names:
        sys.stdout.write("no lab is running\n")
    return names


def _end(name: str, *, quiet: bool) -> None:
    """One that died before leaves only a record, which is cleared."""
    from hopscope.kernel import state
    from hopscope.lab.ending import Ending, end

    try:
        how = end(name)
    except (KeyboardInterrupt, SystemExit):
        stands = any(lab.name == name for lab in state.living())
        what = "still stands" if stands else "is down; what had not ended was killed"
        sys.stderr.write(f"hopscope: interrupted; {name} {what}\n")
        raise
    if how is Ending.UNREAD:
        sys.stderr.write(f"note: the record of {name} could not be read, and was removed\n")
    if quiet:
        return
    if how is Ending.BEFORE:
        sys.stdout.write(f"{name} had ended already (killed, or a reboot); cleared its record\n")
    else:
        sys.stdout.write(f"{name} is down\n")


def list_labs(*, json: bool) -> None:
    """The living labs; stale records are not told. Those that cannot be read are an error, too."""
    from hopscope.kernel import state

    found = list(state.living())
    labs = [one for one in found if isinstance(one, state.LabFile)]
    unread = [one for one in found if not isinstance(one, state.LabFile)]
    if json:
        fields = ("name", "mode", "pid", "nodes", "file", "folder", "started", "temporary")
        rows = [{field: getattr(lab, field) for field in fields} for lab in labs]
        rows = [row | {"pid": _number(lab)} for row, lab in zip(rows, labs, strict=True)]
        unknown = {**dict.fromkeys(fields), "mode": _UNREADABLE, "nodes": ()}
        rows += [{**unknown, "name": error.name} for error in unread]
        sys.stdout.write(jsonlib.dumps(rows, indent=2) + "\n")
    elif found:
        _print_labs(labs, [error.name for error in unread])
    else:
        sys.stdout.write("no lab is running\n")
    for error in unread[:-1]:
        sys.stderr.write(f"hopscope: {error}\n")
    if unread:
        raise unread[-1]


def _print_labs(labs: "Sequence[LabFile]", unread: "Sequence[str]") -> None:
    width = max(4, *map(len, [*(lab.name for lab in labs), *unread]))
    sys.stdout.write(f"{'LAB':<{width}}  {'MODE':<8}  {'PID':>7}  {'AGE':>6}  NODES\n")
    for lab in labs:
        age = _age((time.time_ns() - lab.started) // 1_000_000_000)
        note = "  (ends with its run)" if lab.temporary else ""
        nodes, pid = _listed(lab.nodes), _number(lab) or "-"
        sys.stdout.write(f"{lab.name:<{width}}  {lab.mode:<8}  {pid:>7}  {age:>6}  {nodes}{note}\n")
    for name in unread:
        sys.stdout.write(f"{name:<{width}}  {_UNREADABLE}\n")


def _number(lab: "LabFile") -> int | None:
    """Its holder's PID; None for a lab that was made where other PIDs count, as inside a lab."""
    from hopscope.kernel import holding, state

    return lab.pid if holding.holds(lab.pid, state.state_home() / lab.name / "lock") else None


def _listed(nodes: "Sequence[str]") -> str:
    """Some, and how many there are where these are not all."""
    shown = ", ".join(nodes[:_SHOWN])
    return shown if len(nodes) <= _SHOWN else f"{shown} … ({len(nodes)} nodes)"


def _age(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds}s"
    return f"{seconds // 60}m" if seconds < 7200 else f"{seconds // 3600}h"
