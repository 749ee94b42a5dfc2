"""test: labs as tests, side by side; what failed is explained at the end."""

import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import to_builtins
from msgspec.structs import replace

from hopscope.cli import printing
from hopscope.cli.hints import stands_again
from hopscope.cli.sources import source_of
from hopscope.errors import ExitCode, HopscopeError, UsageError
from hopscope.lab.folder import file_of, folder_of, write_file
from hopscope.lab.keywords import keywords
from hopscope.lab.suite import Given, collected, read, wrong_file
from hopscope.lab.workers import tried
from hopscope.model.record import PingResult, StepResult
from hopscope.model.tried import Case, Outcome, Tried
from hopscope.render.words import counted

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["test"]

_NOTHING_COLLECTED: Final = 5  # as pytest has it
_MARKS: Final = {Outcome.PASSED: ".", Outcome.FAILED: "F", Outcome.ERROR: "E"}
_STYLES: Final = {Outcome.PASSED: "green", Outcome.FAILED: "bold red", Outcome.ERROR: "bold red"}


def test(
    files: list[str],
    *,
    k: str | None,
    exitfirst: bool,
    jobs: int | None,
    junit_xml: str | None,
    out: str | None,
    keep_all: bool,
    verbose: bool,
    quiet: bool,
    json: bool,
) -> None:
    """Test them all, and exit with what became of them."""
    if keep_all and out is None:
        raise UsageError("--keep-all keeps the evidence of all labs in --out DIR; name that, too")
    begun = time.perf_counter()
    stamp = datetime.now().astimezone().isoformat()
    told = _Told(verbose=verbose, quiet=quiet or json, failures=not json)
    labs = _selected(files, k, out, keep_all=keep_all)
    junit = None if junit_xml is None else file_of(junit_xml, "--junit-xml")
    told.begin(len(labs), jobs or _cores())
    try:
        with closing(tried(labs, jobs=jobs or _cores())) as results:
            for one in results:
                told.hear(one)
                if exitfirst and one.went_wrong:
                    break
    finally:  # Ctrl-C, too
        seconds = time.perf_counter() - begun
        told.end(seconds, left=len(labs) - len(told.labs))
        if junit is not None:
            _write_junit(junit, told.labs, seconds, stamp)
        if json:
            sys.stdout.write(_document(told.labs, seconds))
    sys.exit(_status(told.labs))


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _selected(
    files: Sequence[str], expression: str | None, out: str | None, *, keep_all: bool
) -> list[Given | Tried]:
    """The labs to test, in their order, or what is wrong with those that cannot be."""
    selects = keywords(expression) if expression is not None else lambda _: True
    labs: list[Given | Tried] = []
    folders = _Folders(out)
    for number, file in enumerate(collected(files), 1):
        try:
            given = read(file, number, source_of)
        except HopscopeError as error:
            if selects(file):
                labs.append(wrong_file(file, error))
            continue
        if selects(f"{given.file} {given.spec.name}"):
            labs.append(replace(given, folder=folders.of(given), keep=keep_all))
    return labs


class _Folders:
    """One for each lab's evidence, called as its file is."""

    def __init__(self, out: str | None) -> None:
        self._home = folder_of(out, "") if out is not None else None
        self._used = Counter[str]()

    def of(self, given: Given) -> Path | None:
        if self._home is None:
            return None
        name = Path(given.file).stem
        self._used[name] += 1
        again = self._used[name]
        return self._home / (name if again == 1 else f"{name}-{again}")


class _Told:
    """What is printed while it goes on, and at the end."""

    def __init__(self, *, verbose: bool, quiet: bool, failures: bool) -> None:
        self.labs: list[Tried] = []
        self._verbose, self._failures = verbose, failures
        self._last: Console = printing.lasting(quiet=not failures)
        self._console: Console = printing.lasting(quiet=quiet)

    def begin(self, number: int, jobs: int) -> None:
        told = f"{counted(number, 'lab')}, {min(number, jobs)} at a time"
        self._console.print(told, style="dim")

    def hear(self, lab: Tried) -> None:
        """One line for a lab; told of at once."""
        from rich.text import Text

        from hopscope.render.words import duration

        self.labs.append(lab)
        line = Text.assemble(f"{lab.file} ")
        if self._verbose:
            for case in lab.cases:
                outcome = Text(case.outcome.upper(), _STYLES[case.outcome])
                self._console.print(Text.assemble(f"{lab.file}::{case.name} ", outcome))
        for case in () if self._verbose else lab.cases:
            line.append(_MARKS[case.outcome], _STYLES[case.outcome])
        if lab.note:
            line.append(f" {lab.note}" if lab.cases else lab.note, "yellow")
        if not self._verbose or lab.note:
            took = duration(round(lab.seconds * 1e9))
            self._console.print(Text.assemble(line, ("  " + took, "dim")), soft_wrap=True)

    def end(self, seconds: float, *, left: int) -> None:
        """Each failure with what was measured, then the count of all."""
        wrong = [(lab, case) for lab in self.labs for case in lab.went_wrong]
        for lab, case in wrong:
            self._explain(lab, case)
        if wrong:
            self._last.print()
        for lab, case in wrong:
            first = case.message.partition("\n")[0]
            line = f"{case.outcome.upper()} {lab.file}::{case.name} - {first}"
            self._last.print(line, markup=False, soft_wrap=True)
        self._last.print(_summary(self.labs, seconds, left), style="bold" if wrong else "green")

    def _explain(self, lab: Tried, case: Case) -> None:
        from rich.text import Text

        from hopscope.render import text

        self._last.print()
        self._last.print(Text(f"━━ {case.place or lab.file}  {case.name} ━━", "red"))
        if case.result is not None:
            self._last.print(text.result(case.result), crop=False)
            self._again(case.result, lab.file)
        else:
            self._last.print(case.message, markup=False, soft_wrap=True)
        if lab.folder is not None:
            self._last.print(f"evidence: {lab.folder}", markup=False, soft_wrap=True)

    def _again(self, result: StepResult, file: str) -> None:
        """How the lab stands again that a command is about."""
        if isinstance(result, PingResult) and result.reason is not None:
            line = stands_again(result.reason.mend, file)
            if line:
                self._last.print(line, markup=False, soft_wrap=True, style="dim")


def _summary(labs: Sequence[Tried], seconds: float, left: int) -> str:
    """``1 failed, 3 passed in 0.52 s``."""
    return f"{', '.join(_counts(labs, left)) or 'no labs'} in {seconds:.2f} s"


def _counts(labs: Sequence[Tried], left: int) -> Iterator[str]:
    found = Counter(case.outcome for lab in labs for case in lab.cases)
    for outcome in (Outcome.FAILED, Outcome.PASSED):
        if found[outcome]:
            yield f"{found[outcome]} {outcome}"
    if found[Outcome.ERROR]:
        yield counted(found[Outcome.ERROR], "error")
    silent = sum(not lab.cases for lab in labs)
    if silent:
        yield f"{counted(silent, 'lab')} without an expectation"
    if left:
        yield f"{counted(left, 'lab')} not finished"


def _status(labs: Sequence[Tried]) -> int:
    found = {case.status for lab in labs for case in lab.cases}
    if not labs:
        return _NOTHING_COLLECTED
    order = (ExitCode.EXPECTATION_FAILED, ExitCode.USAGE, ExitCode.CANNOT)
    return next((status for status in order if status in found), ExitCode.OK)


def _write_junit(file: Path, labs: Sequence[Tried], seconds: float, stamp: str) -> None:
    from hopscope.render.junit import junit

    data = junit(labs, seconds=seconds, timestamp=stamp, hostname=platform.node())
    write_file(file, data + b"\n")


def _document(labs: Sequence[Tried], seconds: float) -> str:
    import json

    def plain(lab: Tried) -> Any:
        bare = replace(lab, cases=tuple(replace(case, result=None) for case in lab.cases))
        found = to_builtins(bare)
        for case in found["cases"]:
            del case["result"]
        return found

    document = {"seconds": seconds, "status": _status(labs), "labs": [plain(lab) for lab in labs]}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
