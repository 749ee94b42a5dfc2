"""Where output goes when nobody takes it, and how a wrong call is told."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hopscope.lab.declare import built_in

pytestmark = pytest.mark.kernel


def into(hopscope: Any, output: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command with its standard output there, which is closed."""
    try:
        return subprocess.run(
            [*hopscope.argv, *arguments],
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=30,
            env=hopscope.environment(),
        )
    finally:
        os.close(output)


def gone() -> int:
    """A pipe whose reader has left."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("schema",), ("ls",), ("show", "{}"), ("ping", "{}", "ns1", "ns2")],
    ids=lambda arguments: arguments[0],
)
def test_a_reader_who_left_ends_it_silently(
    hopscope: Any, bridge: str, arguments: tuple[str, ...]
) -> None:
    """With the status of a program that SIGPIPE ended."""
    done = into(hopscope, gone(), *(one.format(bridge) for one in arguments))
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("output", ["gone", "full"])
def test_a_run_that_nobody_reads_leaves_its_folder(
    hopscope: Any, tmp_path: Path, output: str
) -> None:
    """All five files; only then it is said what became of the output."""
    descriptor = gone() if output == "gone" else os.open("/dev/full", os.O_WRONLY)
    done = into(hopscope, descriptor, "run", "bridge", "--out", str(tmp_path / "out"))
    full = "hopscope: standard output cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == {"gone": (141, ""), "full": (3, full)}[output]
    assert len(list((tmp_path / "out").iterdir())) == 5


@pytest.mark.parametrize("arguments", [("--version",), ("schema",), ("ls",)])
def test_a_full_disk_is_said(hopscope: Any, arguments: tuple[str, ...]) -> None:
    """Whether the text is short or longer than what is buffered."""
    done = into(hopscope, os.open("/dev/full", os.O_WRONLY), *arguments)
    told = "hopscope: standard output cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (3, told)


def test_a_terminal_without_arrows_gets_them_spelt(hopscope: Any, bridge: str) -> None:
    """Rather than a traceback."""
    done = hopscope("ping", bridge, "ns1", "ns2", env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u2192 ns2" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nope",), "no such command 'nope'\nUsage: hopscope [OPTIONS] COMMAND"),
        (("ping", "a"), "missing argument 'FROM'\nUsage: hopscope ping [OPTIONS] LAB FROM TO\n"),
        (("show", "a", "--zz"), "no such option: --zz"),
    ],
)
def test_a_wrong_call_is_told_like_any_mistake(
    hopscope: Any, arguments: tuple[str, ...], said: str
) -> None:
    """What is wrong, how it is called, where to read more."""
    done = hopscope(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"hopscope: {said}")
    assert done.stderr.endswith(" --help\n")


@pytest.mark.parametrize(
    ("command", "usage"),
    [
        ("exec", "LAB NODE -- CMD [ARG…]"),
        ("show", "LAB [TABLE…]"),
        ("ping", "LAB FROM TO"),
        ("schema", "[lab|journeys|reachability]"),
    ],
)
def test_usage_is_plain(hopscope: Any, command: str, usage: str) -> None:
    """Names for people; no types of Python."""
    done = hopscope(command, "--help")
    assert done.stdout.splitlines()[0] == f"Usage: hopscope {command} [OPTIONS] {usage}"
    assert "<" not in done.stdout.replace("<=", "")


def test_inside_a_lab_one_is_told_so(hopscope: Any) -> None:
    """Whose records are outside."""
    done = hopscope("show", "other", env={"HOPSCOPE_LAB": "mine"})
    assert done.returncode == 2
    assert done.stderr.endswith(" (you are inside lab mine; type exit first)\n")


@pytest.mark.parametrize("command", ["run", "up"])
def test_help_names_the_built_in_labs(hopscope: Any, command: str) -> None:
    """All of them."""
    told = " ".join(hopscope(command, "--help").stdout.split())
    assert told.endswith(f"Built-in labs: {', '.join(built_in())}")
