"""Labs as tests: which there are, and what becomes of one that is performed in this process."""

import os
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from hopscope.errors import CannotError, ExitCode, HopscopeError, Place
from hopscope.lab.declare import built_in, parse, source_of, written
from hopscope.lab.running import RunningLab
from hopscope.lab.story import perform
from hopscope.model.lab import ExpectStep, LabSpec, PingStep
from hopscope.model.record import ExpectResult, PingResult, Record, StepResult
from hopscope.model.tried import Case, Outcome, Tried

__all__ = ["Given", "collected", "read", "run_lab", "wrong_file"]

_ENDINGS: Final = (".yaml", ".yml")
_LONGEST_NAME: Final = 63


class Given(Struct, frozen=True, kw_only=True):
    """A lab that is to be tested: what was called for, and what it declares."""

    file: str
    source: str
    spec: LabSpec
    running_name: str  # unique on this machine
    folder: Path | None = None  # for its evidence
    keep: bool = False  # also when it passes


def collected(words: Sequence[str]) -> list[str]:
    """Lab files and built-in labs that the words mean; of folders, all labs beneath them.

    Each once, in the order of the words.
    """
    known = built_in()
    found: dict[object, str] = {}
    for word in words:
        named = word in known or not Path(word).is_dir()
        for file in (word,) if named else _beneath(Path(word)):
            found.setdefault(file if file in known else Path(file).resolve(), file)
    return list(found.values())


def _beneath(folder: Path) -> Iterator[str]:
    """YAML files; hidden folders are not looked into."""
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.endswith(_ENDINGS) and not name.startswith("."):
                yield str(Path(parent, name))


def read(
    file: str,
    number: int,
    source_of: Callable[[str], tuple[bytes, str]] = source_of,
) -> Given:
    """The lab of a file, which *source_of* reads. HopscopeError when it is none, or cannot be."""
    source, called = source_of(file)
    spec = parse(source, called)
    name = f"test-{os.getpid()}-{number}-{spec.name}"[:_LONGEST_NAME]
    text = source.decode(errors="replace")
    return Given(file=called, source=text, spec=spec, running_name=name)


def wrong_file(file: str, error: HopscopeError) -> Tried:
    """What becomes of one that cannot be read."""
    case = _error("lab file", error, str(error), seconds=0.0)
    return Tried(file=written(file), lab="", cases=(case,), seconds=0.0)


def run_lab(given: Given, told: Callable[[Case], None]) -> Tried:
    """Build it, perform it, end it; each case is *told* as soon as it is known."""
    begun = time.perf_counter()
    cases: list[Case] = []
    watch = _Watch(given, cases.append)
    note, folder = "", None
    try:
        record = _performed(given, watch, told)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other labs go on
        known = isinstance(error, HopscopeError)
        words = str(error) if known else "".join(traceback.format_exception(error))
        cases.append(_error(watch.doing, error, words, seconds=watch.lap()))
        told(cases[-1])
    else:
        if not cases:
            note = "asserts nothing"
        if given.folder is not None and (given.keep or not record.held):
            try:
                folder = _written(record, given.folder)
            except CannotError as error:
                note = ", but ".join(filter(None, (note, f"no evidence is kept: {error.what}")))
    seconds = time.perf_counter() - begun
    return Tried(
        file=given.file,
        lab=given.spec.name,
        cases=tuple(cases),
        seconds=seconds,
        note=note,
        folder=folder,
    )


def _performed(given: Given, watch: "_Watch", told: Callable[[Case], None]) -> Record:
    with RunningLab.start(given.spec, given.source, name=given.running_name) as running:
        watch.doing = "story"

        def hear(result: StepResult) -> None:
            case = watch.hear(result)
            if case is not None:
                told(case)

        record = perform(running, told=hear, called=given.spec.name)
    return replace(record, lab=given.spec.name)


def _written(record: Record, folder: Path) -> str:
    from hopscope.lab.outputs import write_folder  # noqa: PLC0415 - templates are slow to load

    write_folder(record, folder)
    return str(folder)


class _Watch:
    """Turns results into cases, and tells the time since the last one."""

    def __init__(self, given: Given, keep: Callable[[Case], None]) -> None:
        pings: list[tuple[int, PingStep]] = []
        tables: list[tuple[int, ExpectStep]] = []
        for number, step in enumerate(given.spec.story, 1):
            if isinstance(step, PingStep):
                pings.append((number, step))
            elif isinstance(step, ExpectStep):
                tables.append((number, step))
        self._pings, self._tables = iter(pings), iter(tables)
        self._keep = keep
        self._last = time.perf_counter()
        self.doing = "build"

    def lap(self) -> float:
        """Seconds since it was last asked."""
        before, self._last = self._last, time.perf_counter()
        return self._last - before

    def hear(self, result: StepResult) -> Case | None:
        """The case that a result makes; None when nothing was expected of it."""
        if not isinstance(result, PingResult | ExpectResult):
            return None
        pinged = isinstance(result, PingResult)
        number, step = next(self._pings) if pinged else next(self._tables)
        if not result.checks:
            return None
        wrong = [check for check in result.checks if not check.held]
        case = Case(
            name=f"{number}: {_titled(step)}",
            outcome=Outcome.FAILED if wrong else Outcome.PASSED,
            seconds=self.lap(),
            place=step.place,
            checks=result.checks,
            message="\n".join(
                f"expected: {c.expected}; seen: {c.seen}{f' — {c.why}' if c.why else ''}"
                for c in wrong
            ),
            status=ExitCode.EXPECTATION_FAILED if wrong else ExitCode.OK,
            result=result if wrong else None,
        )
        self._keep(case)
        return case


def _titled(step: PingStep | ExpectStep) -> str:
    return f"ping {step.source} -> {step.target}" if isinstance(step, PingStep) else "expect"


def _error(name: str, error: Exception, words: str, *, seconds: float) -> Case:
    problems = getattr(error, "problems", ())
    place: Place | None = problems[0].place if problems else None
    return Case(
        name=name,
        outcome=Outcome.ERROR,
        seconds=seconds,
        place=place,
        message=words,
        status=getattr(error, "exit_code", ExitCode.CANNOT),
    )
