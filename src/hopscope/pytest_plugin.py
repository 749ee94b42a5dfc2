"""The pytest plugin: labs as fixtures, taken down after each test, explained when one fails.

pytest loads it into every run of whoever has hopscope installed, so it imports nothing of
hopscope before a test asks for a lab.
"""

import hashlib
import itertools
import os
import re
import shlex
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from hopscope.errors import HopscopeError
    from hopscope.lab.api import Lab
    from hopscope.lab.keeping import KeepingLab
    from hopscope.lab.standing import StandingLab

__all__ = [
    "Labs",
    "lab",
    "labs",
    "pytest_addoption",
    "pytest_configure",
    "pytest_runtest_call",
    "pytest_runtest_makereport",
]

_FOLDER: Final = ".pytest_hopscope"
_MARKER: Final = (
    "lab(lab): the fixture 'lab' is this lab, standing: a lab file, a built-in lab's name, "
    "a lab file's text, or a hopscope.Lab"
)
_COMMAND: Final = re.compile(r"\bhopscope (exec|set|show) ")  # in a lab that stands
_PLAIN: Final = re.compile(r"(\w[\w.]*/)*\w[\w.]*(::\w+)+")
"""Names of tests of which no two become one when their separators do."""
_LONGEST: Final = 100
_LONGEST_NAME: Final = 63  # of a lab
_numbers = itertools.count(1)  # one that stays has its name for itself


class Labs:
    """Builds labs for one test, and ends them after it."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item
        self._standing: list[KeepingLab] = []
        self._kept: set[str] = set()

    def __call__(self, lab: "str | PathLike[str] | Lab") -> "StandingLab":
        """Build a lab: a lab file (sought beside the test first), a built-in's name, a Lab.

        A text of several lines is what a lab file says, as for `text`.
        """
        __tracebackhide__ = True
        if isinstance(lab, str) and "\n" in lab:
            return self.text(lab)
        return self._start(self._declared(lab))

    def text(self, text: str) -> "StandingLab":
        """Build the lab that a lab file's text declares."""
        __tracebackhide__ = True
        from hopscope.lab.api import Lab  # noqa: PLC0415 - see the module

        return self._start(Lab.from_text(text, file=f"<{self._item.name}>"))

    def _declared(self, lab: "str | PathLike[str] | Lab") -> "Lab":
        from hopscope.lab.api import Lab  # noqa: PLC0415
        from hopscope.lab.declare import built_in  # noqa: PLC0415

        if isinstance(lab, Lab):
            return lab
        beside = self._item.path.parent / lab
        if str(lab) not in built_in() and beside.is_file():
            return Lab.load(beside)
        return Lab.load(lab)

    def _start(self, declared: "Lab") -> "KeepingLab":
        """Stand it up under a name that no other test, worker or run has."""
        __tracebackhide__ = True
        from hopscope.errors import CannotError, KernelError  # noqa: PLC0415
        from hopscope.lab.keeping import KeepingLab, clear  # noqa: PLC0415

        name = self._name(declared.name)
        if not self._standing:
            clear(self._folder())
        try:
            made = KeepingLab.start(declared.spec(), declared.to_text(), name=name)
        except (CannotError, KernelError) as error:
            self._cannot(error)
            raise
        self._standing.append(made)
        return made

    def _name(self, lab: str) -> str:
        worker = os.environ.get("PYTEST_XDIST_WORKER", "")
        end = f"-{worker}{'-' if worker else ''}{os.getpid()}-{next(_numbers)}"
        test = re.sub(r"[^\w.-]+", "-", self._item.name, flags=re.ASCII).strip("-")
        return f"{lab[:20]}-{test}"[: _LONGEST_NAME - len(end)] + end

    def _cannot(self, error: "HopscopeError") -> None:
        """Skip, or with --hopscope-require fail, when it is the machine that cannot."""
        __tracebackhide__ = True
        from hopscope.lab.keeping import missing  # noqa: PLC0415

        why = missing(error)
        if why and self._item.config.getoption("hopscope_require"):
            pytest.fail(f"this machine cannot run the lab: {why}", pytrace=False)
        if why:
            pytest.skip(f"this machine cannot run the lab: {why}")

    def _folder(self) -> Path:
        """Where the evidence of this test is kept."""
        given = self._item.config.getoption("hopscope_out")
        config = self._item.config
        home = config.invocation_params.dir / given if given else config.rootpath / _FOLDER
        name = re.sub(r"[^\w.-]+", "-", self._item.nodeid).strip("-.")
        if len(name) > _LONGEST or not _PLAIN.fullmatch(self._item.nodeid):
            told = hashlib.sha256(self._item.nodeid.encode()).hexdigest()[:8]
            name = f"{name[-_LONGEST:]}-{told}"
        return home / name

    def explain(self, report: pytest.TestReport) -> None:
        """Add to the report of a failure what was measured, and keep it."""
        for number, made in enumerate(self._standing):
            folder = self._folder() / made.name if number else self._folder()
            told = [made.account(), *self._evidence(made, folder), *self._stays(made)]
            if made.name not in self._kept and _COMMAND.search(told[0]):
                told.insert(1, "the lab has ended; for that command, first: pytest --hopscope-keep")
            _add(report, f"hopscope: lab {made.name}", "\n".join(told))

    def _evidence(self, made: "KeepingLab", folder: Path) -> Iterator[str]:
        from hopscope.errors import HopscopeError  # noqa: PLC0415

        try:
            kept = made.keep(folder)
        except HopscopeError as error:
            yield f"no evidence is kept: {error}"
            return
        if kept is not None:
            _ignored(self._folder().parent)
            yield f"evidence: {_short(kept / 'report.html', self._item.config)}"

    def _stays(self, made: "KeepingLab") -> Iterator[str]:
        """With --hopscope-keep the lab stays."""
        if not self._item.config.getoption("hopscope_keep"):
            return
        from hopscope.errors import HopscopeError  # noqa: PLC0415

        try:
            made.detach()
        except HopscopeError as error:
            yield f"the lab does not stay: {error}"
            return
        self._kept.add(made.name)
        state = os.environ.get("HOPSCOPE_STATE")
        before = f"HOPSCOPE_STATE={shlex.quote(state)} " if state else ""
        yield f"enter it: {before}hopscope shell {made.name}"
        yield f"end it: {before}hopscope down {made.name}"

    def end(self) -> None:
        """Take down those that do not stay, the last one first."""
        standing, self._standing = self._standing, []
        with ExitStack() as stack:
            for made in standing:
                if made.name not in self._kept:
                    stack.callback(made.down)


_LABS: Final = pytest.StashKey[Labs]()


def _own_lines(error: BaseException) -> None:
    """Of an error, and of those before it, show what is none of hopscope's own doing."""
    chain = [error]
    while (before := _before(chain[-1])) is not None and before not in chain:
        chain.append(before)
    shown = [one for one in chain if one is error or not _is_ours(one.__traceback__)]
    for one, earlier in zip(shown, [*shown[1:], None], strict=True):
        if type(one).__module__ == "hopscope.errors":
            _end_outside(one.__traceback__)
        if _before(one) is not earlier:
            one.__cause__, one.__context__ = None, earlier
            one.__suppress_context__ = earlier is None


def _before(error: BaseException) -> BaseException | None:
    """The error that Python tells of before this one."""
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _end_outside(entry: TracebackType | None) -> None:
    """Cut a traceback after the last frame that is none of hopscope's own."""
    last = None
    while entry is not None:
        last = last if _is_ours(entry) else entry
        entry = entry.tb_next
    if last is not None:
        last.tb_next = None


def _is_ours(entry: TracebackType | None) -> bool:
    """Whether hopscope itself caught what has that traceback, or is at that frame of it."""
    own = str(Path(__file__).parent)
    return entry is not None and entry.tb_frame.f_code.co_filename.startswith(own)


def _add(report: pytest.TestReport, title: str, text: str) -> None:
    """Beneath the traceback, where JUnit's XML has it too; else beside what was captured."""
    add = getattr(report.longrepr, "addsection", None)
    if add is not None:
        add(title, text)
    else:
        report.sections.append((title, text))


def _short(path: Path, config: pytest.Config) -> str:
    base = config.invocation_params.dir
    return str(path.relative_to(base) if path.is_relative_to(base) else path)


def _ignored(folder: Path) -> None:
    """Our own folder is nothing for git, as pytest's cache is not."""
    if folder.name == _FOLDER and not (folder / ".gitignore").exists():
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Three options, in a group of their own."""
    group = parser.getgroup("hopscope", "labs of network namespaces (hopscope)")
    group.addoption(
        "--hopscope-out",
        metavar="DIR",
        help=f"where the evidence of failed tests is kept (default: ROOT/{_FOLDER})",
    )
    group.addoption(
        "--hopscope-keep",
        action="store_true",
        help="let the labs of failed tests stand, and say how to enter them",
    )
    group.addoption(
        "--hopscope-require",
        action="store_true",
        help="fail where this machine cannot run a lab, in place of skipping",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def labs(request: pytest.FixtureRequest) -> Iterator[Labs]:
    """A builder of labs, which end with the test: call it as ``labs("bridge")``."""
    made = Labs(request.node)
    request.node.stash[_LABS] = made
    yield made
    made.end()


@pytest.fixture
def lab(request: pytest.FixtureRequest, labs: Labs) -> Any:
    """With @pytest.mark.lab("bridge") that lab, standing; without, what `labs` is."""
    marker = request.node.get_closest_marker("lab")
    if marker is None:
        return labs
    if len(marker.args) != 1 or marker.kwargs:
        pytest.fail(
            "@pytest.mark.lab takes one lab: a file, a name, a text or a Lab, as in "
            '@pytest.mark.lab("bridge")',
            pytrace=False,
        )
    from hopscope.errors import SpecError, UsageError  # noqa: PLC0415

    (wanted,) = marker.args
    try:
        return labs(wanted)
    except (SpecError, UsageError) as error:
        why = str(error)
    pytest.fail(why, pytrace=False)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Explain a failure while its labs still stand; of a mistake show the test's own lines."""
    if call.excinfo is not None and type(call.excinfo.value).__module__ == "hopscope.errors":
        _own_lines(call.excinfo.value)
    report = yield
    made = item.stash.get(_LABS, None)
    if made is not None and report.failed and report.when != "teardown":
        made.explain(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Say of a test that passed that its marker built nothing: it takes the fixture as well."""
    __tracebackhide__ = True
    result = yield
    marked = any(mark.name == "lab" for mark in item.own_markers)
    if marked and item.stash.get(_LABS, None) is None:
        told = "@pytest.mark.lab builds no lab for a test that does not take the fixture 'lab'"
        item.warn(pytest.PytestWarning(told))
    return result
