"""What a shell is told that a word may become."""

import os
from pathlib import Path

import pytest

from hopscope.cli.app import COMMANDS, SHELLS
from hopscope.cli.completing import completion, offered
from hopscope.cli.hints import built_in_labs
from hopscope.errors import UsageError
from hopscope.kernel import state
from hopscope.kernel.state import LabFile


@pytest.fixture(autouse=True)
def _labs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two labs that run: alpha with nodes a and b, and beta."""
    monkeypatch.setenv("HOPSCOPE_STATE", str(tmp_path))
    common = {"mode": "sandbox", "source": "", "file": "", "home": "", "started": 0}
    labs = [
        LabFile(name="alpha", pid=os.getpid(), nodes=("a", "b"), **common),  # type: ignore[arg-type]
        LabFile(name="beta", pid=os.getpid(), nodes=("c",), **common),  # type: ignore[arg-type]
    ]
    monkeypatch.setattr(state, "living", lambda: iter(labs))


def told(line: str) -> list[str]:
    """The words for the last one of a line; what they mean is left out."""
    return [word.partition("\t")[0] for word in offered(line.split(" "))]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("re", ["reachability"]),
        ("--v", ["--version"]),
        ("nonsense ", []),
        ("ls ", []),
        ("ls --", ["--json", "--help"]),
        ("run --no", ["--no-promiscuous"]),
        ("run --out ", [":files"]),
        ("run --name ", []),
        ("up bri", ["bridge", ":files"]),
        ("up bridge ", []),
        ("exec ", ["alpha", "beta"]),
        ("exec alpha ", ["a", "b"]),
        ("exec gamma ", []),
        ("exec alpha a ", [":files"]),
        ("exec alpha a ls -", [":files"]),
        ("exec alpha a -- ls -", [":files"]),
        ("ping --count 3 alpha a ", ["a", "b"]),
        ("ping --count=3 alpha a ", ["a", "b"]),
        ("ping --count = 3 alpha a b", ["b"]),
        ("export bridge --format=mer", ["--format=mermaid"]),
        ("reachability alpha --from=a,", ["--from=a,a", "--from=a,b"]),
        ("run --out=x", [":files"]),
        ("run --quiet=", []),
        ("exec alpha a ls --x=", [":files"]),
        ("log alpha --syslog --f", ["--follow", "--facility"]),
        ("log --syslog alpha ", []),
        ("show alpha -n ", ["a", "b"]),
        ("show alpha links ro", ["routes"]),
        ("show -- alpha --", []),
        ("reachability alpha --from a,", ["a,a", "a,b"]),
        ("reachability alpha --proto =", ["icmp", "tcp", "udp"]),
        ("down alpha ", ["beta"]),
        ("schema j", ["journeys"]),
        ("check ", [":files"]),
        ("check - ", []),
        ("completion ", list(SHELLS)),
    ],
)
def test_what_is_offered(line: str, words: list[str]) -> None:
    """Commands, options, values and names of what there is, by their place."""
    assert told(line) == words


def test_all_commands_and_all_built_in_labs_are_offered() -> None:
    """With what they mean."""
    assert told("")[: len(COMMANDS)] == [command.name for command in COMMANDS]
    assert f"ls\t{'List the running labs.'}" in list(offered(["l"]))
    assert told("test ") == [*built_in_labs(), ":files"]


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It asks for that shell's words."""
    completion(shell, [])
    assert f"completion {shell} --" in capsys.readouterr().out
    completion(shell, ["sch"])
    assert capsys.readouterr().out == (
        "schema\tPrint the JSON Schema of lab files, journeys or reachability.\n"
    )


def test_another_shell_is_a_mistake() -> None:
    """The nearest is named."""
    with pytest.raises(UsageError, match="no words for 'bsh'; did you mean 'bash'"):
        completion("bsh", [])
    with pytest.raises(UsageError, match="one of: bash, zsh, fish"):
        completion("xyz", [])
