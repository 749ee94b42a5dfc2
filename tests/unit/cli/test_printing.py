"""Output that is no terminal's: as wide as its content, without colours or trailing blanks."""

import io
import sys

import pytest
from rich.table import Table
from rich.text import Text

from hopscope.cli import printing


class Screen(io.StringIO):
    """A terminal of 80 columns."""

    def isatty(self) -> bool:
        """It is."""
        return True


def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """Standard output becomes one; in no fixture, after which pytest puts back its own."""
    made = Screen()
    monkeypatch.setattr(sys, "stdout", made)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    return made


def wide() -> Table:
    """A table of 130 columns with a styled cell."""
    table = Table("name", "what", box=None)
    table.add_row("short", Text("x" * 120, "bold"))
    return table


def test_a_pipe_gets_whole_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    printing.show(wide())
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "what"]
    assert row.split() == ["short", "x" * 120]
    assert head == head.rstrip()
    assert "\x1b" not in row


def test_prose_in_a_pipe_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """So that grep finds it."""
    printing.console().print(Text("word " * 100))
    assert capsys.readouterr().out == ("word " * 100).rstrip() + "\n"


def test_a_quiet_one_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    printing.console(quiet=True).print("words")
    assert capsys.readouterr().out == ""


def test_a_terminal_gets_colours_and_its_own_width(monkeypatch: pytest.MonkeyPatch) -> None:
    shown_on = screen(monkeypatch)
    printing.console().print(Text("word " * 30, "bold"))
    shown = shown_on.getvalue()
    assert "\x1b[1m" in shown
    assert shown.count("\n") == 2


def test_a_table_that_is_wider_than_a_terminal_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal breaks the line; a cell in pieces could not be copied."""
    shown_on = screen(monkeypatch)
    printing.show(wide())
    assert "x" * 120 in shown_on.getvalue()
    assert shown_on.getvalue().count("\n") == 2


class Closed(io.StringIO):
    """A pipe whose reader has left."""

    def write(self, text: str, /) -> int:
        """It cannot."""
        raise BrokenPipeError


def test_a_reader_who_left_is_for_main_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rich would end the command with a status of its own."""
    monkeypatch.setattr(sys, "stdout", Closed())
    with pytest.raises(BrokenPipeError):
        printing.console().print("words")


def test_a_lasting_one_goes_on_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what is being done is finished."""
    monkeypatch.setattr(sys, "stdout", Closed())
    printing.lasting().print("words")
    printing.show(wide(), printing.lasting())


def test_a_console_keeps_its_width_after_a_wide_table(monkeypatch: pytest.MonkeyPatch) -> None:
    shown_on = screen(monkeypatch)
    made = printing.console()
    printing.show(wide(), made)
    assert made.width == 80
    assert "x" * 120 in shown_on.getvalue()
