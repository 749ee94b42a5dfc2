"""run, up, down, ls: the life of a lab on the command line."""

import json as jsonlib
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from hopscope.model.lab import LabSpec
    from hopscope.model.record import Record, StepResult

__all__ = ["down", "list_labs", "run", "up"]


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
    from hopscope.cli import printing
    from hopscope.lab import story  # noqa: F401 - loaded once, for the writer too
    from hopscope.lab.declare import parse, source_of
    from hopscope.lab.folder import folder_of
    from hopscope.lab.writer import Writer

    console = printing.lasting(quiet=quiet or json)
    source, file = source_of(lab)
    spec = parse(source, file)
    folder = folder_of(out, name or spec.name)
    with Writer() as writer:  # it gets ready while the lab is built and performs
        record = _performed(
            console,
            spec,
            source.decode(),
            name,
            on_host=on_host,
            promiscuous=promiscuous,
            verbose=verbose,
        )
        written = writer.write(record, folder)
    if json:
        from hopscope.model import codec

        sys.stdout.buffer.write(codec.dump(record, indent=2) + b"\n")
    console.print("[bold]written[/]")
    for path in written:
        console.print(f"  {path}", soft_wrap=True, markup=False)
    sys.exit(_status(record))


def _performed(
    console: "Console",
    spec: "LabSpec",
    source: str,
    name: str | None,
    *,
    on_host: bool,
    promiscuous: bool,
    verbose: bool,
) -> "Record":
    """The lab built, its story told as it goes, and all taken down again."""
    from hopscope.cli import printing
    from hopscope.lab.running import RunningLab
    from hopscope.lab.story import perform
    from hopscope.model.record import ShowResult
    from hopscope.render import text

    begun = time.perf_counter()
    with (
        console.status("building the lab …") as status,
        RunningLab.start(spec, source, name=name, on_host=on_host) as running,
    ):
        built = time.perf_counter() - begun
        status.update("performing the story …")
        console.print(
            f"[bold]{running.name}[/]  {'on this host' if on_host else 'in a sandbox'}, "
            f"{len(running.nodes)} nodes, built in {built * 1000:.0f} ms"
        )

        def told(result: "StepResult") -> None:
            if console.quiet:
                return
            if isinstance(result, ShowResult):
                printing.show(text.result(result), console)
            else:
                console.print(text.result(result, verbose=verbose), crop=False)

        record = perform(running, told=told, promiscuous=promiscuous)
    if not console.quiet:
        console.print(text.conclusion(record.conclusion))
        if (silent := text.unasked(record)) is not None:
            console.print(silent)
    return record


def _status(record: "Record") -> int:
    from hopscope.errors import ExitCode

    return ExitCode.OK if record.held else ExitCode.EXPECTATION_FAILED


def up(lab: str, name: str | None, *, on_host: bool, quiet: bool) -> None:
    """Build a lab and leave it. Interrupted before that is said, it is taken down again."""
    from hopscope.cli import changing
    from hopscope.errors import LabExistsError
    from hopscope.kernel.interrupts import too_late, undisturbed
    from hopscope.lab.declare import parse, source_of
    from hopscope.lab.running import RunningLab

    source, file = source_of(lab)
    spec = parse(source, file)
    begun = time.perf_counter()
    try:
        running = RunningLab.start(spec, source.decode(), name=name, on_host=on_host)
    except LabExistsError as error:
        changing.change(spec, source.decode(), error.name, quiet=quiet)
        return
    try:
        with undisturbed():
            running.detach()
            if not quiet:
                took = (time.perf_counter() - begun) * 1000
                words = f"{running.name} is up: {', '.join(running.nodes)} ({took:.0f} ms)"
                sys.stdout.write(f"{words}\n  enter it: hopscope shell {running.name}\n")
                sys.stdout.flush()
        too_late()
    except BaseException:
        running.down()
        raise


def down(name: str, *, quiet: bool) -> None:
    """End a lab; one that died before leaves only a record, which is cleared."""
    from hopscope.lab.ending import end

    lived = end(name)
    if quiet:
        return
    if lived:
        sys.stdout.write(f"{name} is down\n")
    else:
        sys.stdout.write(f"{name} had ended already (killed, or a reboot); cleared its record\n")


def list_labs(*, json: bool) -> None:
    """The living labs; stale records are not told."""
    from hopscope.kernel import state

    labs = list(state.running())
    if json:
        fields = ("name", "mode", "pid", "nodes", "file", "started", "temporary")
        rows = [{field: getattr(lab, field) for field in fields} for lab in labs]
        sys.stdout.write(jsonlib.dumps(rows, indent=2) + "\n")
        return
    if not labs:
        sys.stdout.write("no lab is running\n")
        return
    width = max(4, *(len(lab.name) for lab in labs))
    sys.stdout.write(f"{'LAB':<{width}}  {'MODE':<8}  {'PID':>7}  {'AGE':>6}  NODES\n")
    for lab in labs:
        age = _age((time.time_ns() - lab.started) // 1_000_000_000)
        note = "  (ends with its run)" if lab.temporary else ""
        nodes = ", ".join(lab.nodes[:6]) + (" …" if len(lab.nodes) > 6 else "")
        sys.stdout.write(
            f"{lab.name:<{width}}  {lab.mode:<8}  {lab.pid:>7}  {age:>6}  {nodes}{note}\n"
        )


def _age(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds}s"
    return f"{seconds // 60}m" if seconds < 7200 else f"{seconds // 3600}h"
