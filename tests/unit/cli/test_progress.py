"""What takes longer than a moment has a bar on a terminal, and nothing anywhere else."""

import io
import sys

import pytest

from hopscope.cli import progress
from hopscope.cli.progress import Bar


class Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        """Whatever it is."""
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that it is."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_bar_after_a_moment(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """With what is done; it leaves no line behind."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Bar("building") as bar:
        bar(1, 10)
        assert terminal.getvalue() == ""
        clock[0] = 2.0
        bar(5, 10)
        bar(6, 10)
    assert "building" in terminal.getvalue()
    assert terminal.getvalue().endswith("\x1b[2K")  # the line is erased


@pytest.mark.parametrize(("terminal", "quiet"), [(Terminal(), True), (io.StringIO(), False)])
def test_no_bar(
    terminal: io.StringIO, *, quiet: bool, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When nobody wants it, or there is no terminal."""
    monkeypatch.setattr(sys, "stderr", terminal)
    with Bar("building", quiet=quiet) as bar:
        clock[0] = 2.0
        bar(5, 10)
    assert terminal.getvalue() == ""
