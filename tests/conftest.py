"""All tests: what may be skipped, and the marks of what needs more than Python."""

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from hopscope.errors import CannotError
from proofsizes import FULL

settings.register_profile(
    "hopscope",
    max_examples=500 if FULL else 100,
    derandomize=not FULL,  # what passed once passes again: the search is for `make proofs`
    deadline=None,  # properties are judged by what they find, not by how busy the machine is
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("hopscope")

for _number, _usual in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGHUP, lambda *_: None),  # it still ends nothing here, and what tests start heeds it
):
    if signal.getsignal(_number) is signal.SIG_IGN:  # `make test &` and nohup hand that on to all
        signal.signal(_number, _usual)

_EXCUSED = ("this kernel",)
"""How the reason of a skip begins that even CI accepts: the machine itself cannot."""

_skips: list[tuple[str, str]] = []


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What hopscope keeps to be faster next time is the tests' own, and empty at first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Collect the skips and their reasons."""
    if report.skipped and isinstance(report.longrepr, tuple):
        _skips.append((report.nodeid, report.longrepr[2].removeprefix("Skipped: ")))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI, a skip that this machine is not to blame for is a failure."""
    if not os.environ.get("CI"):
        return
    unexcused = [(test, why) for test, why in _skips if not why.startswith(_EXCUSED)]
    if unexcused and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say so."""
    for test, why in _told():
        terminalreporter.write_line(f"not excused in CI: {test} was skipped: {why}")


def _told() -> Iterator[tuple[str, str]]:
    if os.environ.get("CI"):
        yield from ((test, why) for test, why in _skips if not why.startswith(_EXCUSED))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A tap is nothing for a user who may not open its device file, which is root's to give."""
    try:
        yield
    except CannotError as error:
        if "may not open /dev/net/tun" in error.what:
            pytest.skip(error.what)
        raise
