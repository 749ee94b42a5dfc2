"""Every error that hopscope raises on purpose, and nothing else.

HopscopeError
├── SpecError            the lab file is wrong: one Problem per mistake, all of them at once
├── UsageError           the command was called with something that cannot be
│   ├── NoSuchLabError   no running lab has that name
│   └── LabExistsError   a lab of that name is already up
├── CannotError          this machine cannot; names what is missing and the mending command
│   └── UnreadableRecordError  what is recorded of a lab cannot be read; it is left as it is
├── KernelError          the kernel refused an operation; carries errno and its own words
│   └── OwnedByOthersError  something of that name exists and is not ours
├── ToolError            iptables, nft or another tool refused what it was given
└── NotReadyError        a named condition did not come true in time
"""

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = [
    "CannotError",
    "ExitCode",
    "HopscopeError",
    "KernelError",
    "LabExistsError",
    "NoSuchLabError",
    "NotReadyError",
    "OwnedByOthersError",
    "Place",
    "Problem",
    "SpecError",
    "ToolError",
    "UnreadableRecordError",
    "UsageError",
]


class ExitCode:
    """What the command's exit status means."""

    OK = 0
    EXPECTATION_FAILED = 1
    USAGE = 2
    CANNOT = 3


class Place(NamedTuple):
    """Where in a lab file: line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Problem(NamedTuple):
    """One mistake in a lab file."""

    place: Place
    rule: str  # a stable, short name of the rule that was broken: "unknown-key"
    message: str  # what is wrong, in one sentence
    text: str = ""  # the offending text as written
    hint: str = ""  # what to write instead

    def __str__(self) -> str:
        hint = f"; {self.hint}" if self.hint else ""
        return f"{self.place}: {self.message}{hint} [{self.rule}]"


class HopscopeError(Exception):
    """Base of all errors a user can cause or can mend."""

    exit_code = ExitCode.USAGE


class SpecError(HopscopeError):
    """A lab file that cannot be used; *problems* holds every mistake found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems: tuple[Problem, ...] = tuple(problems)


class UsageError(HopscopeError):
    """The command, or the API, was asked for something that cannot be."""


class NoSuchLabError(UsageError):
    """No running lab has that name."""

    def __init__(self, name: str, running: Sequence[str]) -> None:
        known = f"running: {', '.join(running)}" if running else "no lab is running"
        from difflib import get_close_matches  # noqa: PLC0415 - most calls end without it

        near = get_close_matches(name, running, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        super().__init__(f"lab {name!r} is not up; {hint}{known}")
        self.name = name


class LabExistsError(UsageError):
    """A lab of that name is up already."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"lab {name!r} is already up; "
            f"end it with: hopscope down {name}, or start another with: --name OTHER"
        )
        self.name = name


class CannotError(HopscopeError):
    """Something is missing on this machine; *mend* is the command that provides it."""

    exit_code = ExitCode.CANNOT

    def __init__(self, what: str, *, mend: str = "") -> None:
        super().__init__(f"{what}\n  mend it with: {mend}" if mend else what)
        self.what: str = what
        self.mend: str = mend


class UnreadableRecordError(CannotError):
    """What is recorded of a lab cannot be read, and is left as it is: *file*, and *why*."""

    def __init__(self, name: str, file: Path, why: str, *, mend: str = "") -> None:
        what = f"what is recorded of lab {name!r} cannot be read: {file}: {why}"
        super().__init__(what, mend=mend or f"hopscope down {name}")
        self.name: str = name
        self.file: Path = file
        self.why: str = why


class KernelError(HopscopeError):
    """The kernel refused an operation; *code* is its errno, *said* its extended ack."""

    exit_code = ExitCode.CANNOT

    def __init__(self, code: int, doing: str, said: str = "") -> None:
        name = errno.errorcode.get(code, str(code))
        words = f": {said}" if said else ""
        super().__init__(f"{doing}: {os.strerror(code)} ({name}){words}")
        self.code: int = code
        self.doing: str = doing
        self.said: str = said
        self.index: int | None = None  # which message of a batch was refused


class OwnedByOthersError(KernelError):
    """An object of that name exists on the real host and is not ours."""

    def __init__(self, thing: str) -> None:
        super().__init__(
            errno.EEXIST,
            f"{thing} already exists on this host and was not made by hopscope, "
            "so it is left alone; rename it in the lab file, or run without --on-host",
        )
        self.thing = thing


class ToolError(HopscopeError):
    """A tool (iptables, nft …) refused its input; *said* is what it printed."""

    exit_code = ExitCode.CANNOT

    def __init__(self, tool: str, doing: str, said: str) -> None:
        super().__init__(f"{doing}: {tool} says: {said.strip()}")
        self.tool: str = tool
        self.doing: str = doing
        self.said: str = said


class NotReadyError(HopscopeError):
    """A named condition did not come true within its time."""

    exit_code = ExitCode.CANNOT
