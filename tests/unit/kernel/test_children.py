"""Processes of ours by a descriptor: their end, also where the kernel collects them itself."""

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from hopscope.kernel import children
from hopscope.kernel.children import Child
from hopscope.kernel.waiting import wait_until


def forked(work: Callable[[], object] = lambda: None) -> Child:
    """A process that does that, and ends with status 7."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(7)
    return Child(pid)


@pytest.fixture
def ignored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """SIGCHLD is ignored, as some supervisors leave it."""
    monkeypatch.setattr(children, "_ignored", [])
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGCHLD, before)


def test_how_it_ended_is_told_again_and_again() -> None:
    child = forked()
    assert child.ends(10)
    assert (child.wait(), child.wait(), child.ends(0)) == (7, 7, True)


def test_one_that_does_not_end_is_ended() -> None:
    child = forked(signal.pause)
    assert not child.ends(0.05)
    child.kill()
    assert child.wait() == -signal.SIGKILL
    child.kill()  # and nobody else


def test_one_that_somebody_waited_for_is_no_error() -> None:
    child = forked()
    os.waitpid(child.pid, 0)
    child.kill()
    assert child.wait() == 0


@pytest.mark.usefixtures("ignored")
def test_where_the_kernel_collects_them_they_are_still_waited_for() -> None:
    begun = time.monotonic()
    child = forked(lambda: time.sleep(0.2))
    assert child.wait() == 0
    assert time.monotonic() - begun > 0.1
    child = forked(signal.pause)
    child.kill()
    assert child.wait() == 0


@pytest.mark.usefixtures("ignored")
def test_one_that_was_collected_before_it_was_known_is_nobody() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)

    def gone() -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False

    wait_until(gone, "its end", within=10)
    child = Child(pid)
    child.kill()
    assert (child.ends(0), child.wait()) == (True, 0)


@pytest.mark.usefixtures("ignored")
def test_the_command_is_told_of_ends_and_a_program_in_its_place_gets_what_was() -> None:
    children.heed()
    assert forked().wait() == 7
    children.unheed()
    assert signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN


def test_what_was_not_ignored_stays_so() -> None:
    before = signal.getsignal(signal.SIGCHLD)
    children.heed()
    children.unheed()
    assert signal.getsignal(signal.SIGCHLD) is before
