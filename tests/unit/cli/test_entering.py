"""What a plain `exec` is, and what is left to the parser."""

from collections.abc import Sequence

import pytest

from hopscope.cli import entering


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, list[str]]]:
    """What would have been run."""
    made: list[tuple[str, str, list[str]]] = []

    def execute(lab: str, node: str, command: Sequence[str]) -> None:
        made.append((lab, node, list(command)))

    monkeypatch.setattr(entering, "execute", execute)
    return made


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ("exec l n ls -l", ["ls", "-l"]),
        ("exec l n -- ls -l", ["ls", "-l"]),
        ("exec l n -- -odd", ["-odd"]),
        ("exec l n git -- x", ["git", "--", "x"]),
        ("exec l n ls --help", ["ls", "--help"]),
    ],
)
def test_plain(ran: list[tuple[str, str, list[str]]], arguments: str, command: list[str]) -> None:
    """The first `--` is ours, whatever comes after it the command's."""
    assert entering.plain(arguments.split())
    assert ran == [("l", "n", command)]


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "exec",
        "exec l",
        "exec l n",
        "exec l n --",
        "exec -h",
        "exec l --help",
        "shell l n",
        "ls",
    ],
)
def test_not_plain(ran: list[tuple[str, str, list[str]]], arguments: str) -> None:
    """Mistakes and calls for help are the parser's business."""
    assert not entering.plain(arguments.split())
    assert ran == []


def test_an_option_is_never_a_command(ran: list[tuple[str, str, list[str]]]) -> None:
    """`exec LAB NODE --help` asks for help; only after `--` is it a program's name."""
    assert not entering.plain(["exec", "l", "n", "--help"])
    assert ran == []
