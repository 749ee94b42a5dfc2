"""What --help prints: every word of every call, in lines that a terminal holds."""

import re

import pytest

from hopscope.cli.app import COMMANDS
from hopscope.cli.manual import manual, overview
from hopscope.cli.words import Argument, Command, Option

each_command = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)


@each_command
@pytest.mark.parametrize("columns", [20, 60, 80, 100, 300])
def test_lines_fit_the_terminal(
    command: Command, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 60 columns on; in a wide one they stay as short as can be read."""
    monkeypatch.setenv("COLUMNS", str(columns))
    longest = max(len(line) for line in manual(command).splitlines())
    assert longest <= min(max(columns, 60), 100)


@each_command
def test_every_word_is_told(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each argument and option has a line, and means something; --help is one of them."""
    monkeypatch.setenv("COLUMNS", "80")
    text = manual(command)
    words = " ".join(text.split())
    told = set(re.findall(r"^  (\S.*?)(?:  |$)", text, re.MULTILINE))
    for word in command.words:
        assert word.help
        assert word.meaning in words
    assert {argument.metavar for argument in command.arguments} <= told
    for option in command.options:
        names = ", ".join(reversed(option.names)).replace("--", "--[no-]" if option.off else "--")
        assert f"{names} {option.metavar}".strip() in told
    assert "-h, --help" in told
    assert command.help in words
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_commands_are_told_in_a_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """In 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    lines = overview(COMMANDS).splitlines()
    told = lines[lines.index("Commands:") + 1 : lines.index("Options:") - 1]
    assert [line.split(maxsplit=1) for line in told] == [[c.name, c.help] for c in COMMANDS]
    assert max(map(len, lines)) <= 80


def test_what_is_meant_by_default_is_told() -> None:
    """A value, but not that a flag is unset."""
    count = Option(("--count",), "How many.", "N", default=1)
    assert count.meaning == "How many. Default: 1."
    assert Option(("--json",), "As JSON.").meaning == "As JSON."
    assert Argument("[TABLE…]", "Some.", ("a", "b")).meaning == "Some. Default: a, b."
