"""The processes of a node, as they are meant, and the rules about them."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from hopscope.errors import Problem
from hopscope.model.lab import NodeSpec, ProcessSpec, ReadySpec
from hopscope.model.limits import PORT, READY, STOP
from hopscope.model.process import Restart
from hopscope.spec.faults import Fault, shortened
from hopscope.spec.names import name_fault
from hopscope.spec.schemarun import Process, Ready
from hopscope.spec.scope import Scope, said
from hopscope.spec.topology import limit_fault
from hopscope.spec.tree import Locate, Path

__all__ = ["processes", "processes_of"]

_UNFIT: Final = re.compile(r"[^A-Za-z0-9._-]+")


def processes_of(given: Sequence[Process], path: Path, where: Locate) -> tuple[ProcessSpec, ...]:
    """The processes that stand at *path*; judges none."""
    names = _names(given)
    return tuple(
        ProcessSpec(
            name=name,
            argv=tuple(process.command),
            ready=None if process.ready is None else _ready(process.ready),
            restart=Restart(process.restart),
            stop=float(process.stop),
            env=process.env,
            place=where((*path, number)),
        )
        for number, (name, process) in enumerate(zip(names, given, strict=True))
    )


def _names(given: Sequence[Process]) -> list[str]:
    """Those that are given; else of the program, and from the second on with a number."""
    found: list[str] = []
    taken = {process.name for process in given}
    for process in given:
        program = process.command[0].rpartition("/")[2] if process.command else ""
        name = base = process.name or _UNFIT.sub("-", program).strip("-") or "process"
        number = 1
        while not process.name and name in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name)
        found.append(name)
    return found


def _ready(ready: Ready) -> ReadySpec:
    return ReadySpec(
        tcp=ready.tcp,
        log=ready.log,
        command=tuple(ready.command),
        timeout=float(ready.timeout),
    )


def processes(scope: Scope) -> Iterator[Problem]:
    """What is wrong with the processes of all nodes."""
    for node in scope.alike():
        first: dict[str, Path] = {}
        for number, process in enumerate(node.run):
            path: Path = ("nodes", node.name, "run", number)
            for fault, rest in _faults(process):
                yield said(fault, scope.where((*path, *rest)))
            if (earlier := first.setdefault(process.name, path)) != path:
                yield said(_twice(scope, node, process, earlier), scope.where((*path, "name")))


def _twice(scope: Scope, node: NodeSpec, process: ProcessSpec, earlier: Path) -> Fault:
    message = f"{scope.where.node(node.name)} has a process {process.name!r} already"
    hint = scope.first(earlier)
    return Fault(rule="duplicate-process", message=message, text=process.name, hint=hint)


def _faults(process: ProcessSpec) -> Iterator[tuple[Fault, Path]]:
    """Faults of one process, and where each stands in it."""
    if not process.argv or not process.argv[0]:
        hint = "write [nginx, -g, 'daemon off;']"
        fault = Fault(rule="bad-command", message="this command names no program", hint=hint)
        yield fault, ("command",)
    if (fault := name_fault(process.name, "a process")) is not None:  # type: ignore[assignment]
        yield fault, ("name",)
    for name in process.env:
        if not name or "=" in name:
            message = f"{shortened(name)} cannot be the name of a variable"
            yield Fault(rule="bad-variable", message=message, text=name), ("env", name)
    if (slow := limit_fault("the time to end", process.stop, STOP)) is not None:
        yield slow, ("stop",)
    if process.ready is not None:
        for wrong, part in _ready_faults(process.ready):
            yield wrong, ("ready", part)


def _ready_faults(ready: ReadySpec) -> Iterator[tuple[Fault, str]]:
    if (fault := limit_fault("a TCP port", ready.tcp, PORT)) is not None:
        yield fault, "tcp"
    if (fault := limit_fault("the time to get ready", ready.timeout, READY)) is not None:
        yield fault, "timeout"
    if ready.log is not None:
        try:
            re.compile(ready.log)
        except (re.error, OverflowError, RecursionError) as error:
            message = f"{shortened(ready.log)} is not a regular expression: {error}"
            hint = "put a '\\' before what is meant as it stands"
            yield Fault(rule="bad-expression", message=message, text=ready.log, hint=hint), "log"
