"""hopscope ps and logs: what a lab's processes do and print, from another process."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hopscope.kernel.waiting import wait_until
from hoststate import look, settled

TWO = """\
name: two
nodes:
  a:
    run:
      - {command: "sh -c 'echo one; echo two; exec sleep 86100'", name: said, ready: {log: two}}
      - {command: sleep 86101, restart: always}
  b: {run: ["sh -c 'sleep 1; exit 5'"]}
"""


@pytest.fixture(scope="module")
def two(hopscope: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three processes, one of which has ended; the lab's name."""
    path = tmp_path_factory.mktemp("two") / "two.yaml"
    path.write_text(TWO)
    name = str(hopscope.up(str(path), "two"))
    wait_until(lambda: "exited" in hopscope("ps", name).stdout, "the end of b/sh", within=20)
    return name


def test_ps_tells_how_each_fares(hopscope: Any, two: str) -> None:
    done = hopscope("ps", two)
    assert (done.returncode, done.stderr) == (0, "")
    head, *lines = done.stdout.splitlines()
    assert head.split() == ["PROCESS", "PID", "AGE", "STATE"]
    assert [line.split()[0] for line in lines] == ["a/said", "a/sleep", "b/sh"]
    assert lines[1].endswith("running: sleep 86101")
    assert lines[2].endswith("exited (exit status 5): sh -c 'sleep 1; exit 5'")


def test_ps_as_json(hopscope: Any, two: str) -> None:
    told = json.loads(hopscope("ps", two, "--json").stdout)
    assert [(one["node"], one["name"], one["phase"], one["code"]) for one in told] == [
        ("a", "said", "running", None),
        ("a", "sleep", "running", None),
        ("b", "sh", "exited", 5),
    ]
    assert told[1]["restart"] == "always"


def test_logs_of_several_have_names_and_of_one_none(hopscope: Any, two: str) -> None:
    assert hopscope("logs", two).stdout == "a/said  | one\na/said  | two\n"
    assert hopscope("logs", two, "a/said").stdout == "one\ntwo\n"
    assert hopscope("logs", two, "a/said", "--tail", "1").stdout == "two\n"
    assert hopscope("logs", two, "b").stdout == ""


def test_logs_of_what_is_not_there(hopscope: Any, two: str) -> None:
    for name in ("c", "a/nothing"):
        done = hopscope("logs", two, name)
        words = f"hopscope: lab 'two' has no process '{name}'; it has a/said, a/sleep, b/sh\n"
        assert (done.returncode, done.stdout, done.stderr) == (2, "", words)


def test_a_lab_without_any(hopscope: Any, bridge: str) -> None:
    assert hopscope("ps", bridge).stdout == f"lab '{bridge}' declares no processes\n"
    assert hopscope("logs", bridge).stdout == ""


@pytest.fixture
def ticking(hopscope: Any, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A lab that prints what is written to a FIFO; its name, and the FIFO."""
    fifo, path = tmp_path / "fifo", tmp_path / "ticking.yaml"
    os.mkfifo(fifo)
    run = f"{{command: \"sh -c 'echo ready; exec cat <>{fifo}'\", name: it, ready: {{log: ready}}}}"
    path.write_text(f"name: ticking\nnodes: {{a: {{run: {run}}}}}\n")
    yield hopscope.up(str(path), "ticking"), fifo
    hopscope("down", "ticking")


def test_following_goes_on_through_a_fresh_file_until_the_lab_ends(
    hopscope: Any, ticking: tuple[str, Path]
) -> None:
    """More than one file holds, in pieces that it has printed before the next is written."""
    name, fifo = ticking
    follower = hopscope.start("logs", name, "-f")
    assert follower.stdout.readline() == "ready\n"
    for number in range(12):
        piece = f"{number:099}\n" * 1000
        fifo.write_text(piece)
        assert "".join(follower.stdout.readline() for _ in range(1000)) == piece
    hopscope("down", name)
    assert follower.communicate(timeout=10) == ("", "hopscope: lab 'ticking' has ended\n")
    assert follower.returncode == 0


def test_following_ends_with_an_interrupt(hopscope: Any, two: str) -> None:
    follower = hopscope.start("logs", two, "a/said", "--follow")
    assert follower.stdout.readline() == "one\n"
    assert follower.stdout.readline() == "two\n"
    follower.send_signal(signal.SIGINT)
    assert follower.communicate(timeout=10) == ("", "")
    assert follower.returncode == 130


def test_up_fails_with_what_the_process_said(hopscope: Any, tmp_path: Path) -> None:
    """Exit status 3, the line of the file, and no lab."""
    path = tmp_path / "bad.yaml"
    path.write_text(
        "name: bad\nnodes: {a: {run: {command: sh -c 'echo no; exit 9', ready: {tcp: 1}}}}\n"
    )
    done = hopscope("up", str(path))
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        f"hopscope: {path}:2:28: a/sh ended before it was ready: exit status 9\n"
        "  the last lines that it printed:\n    no\n"
    )
    assert "bad" not in hopscope("ls").stdout
    assert not (hopscope.state / "bad").exists()


def test_diff_tells_of_what_has_failed_and_up_starts_it(hopscope: Any, tmp_path: Path) -> None:
    """With the line that declares it and how it ended, and once only."""
    path = tmp_path / "fails.yaml"
    path.write_text("name: fails\nnodes:\n  a: {run: [sleep 86110, sleep 86111]}\n")
    name = hopscope.up(str(path), "fails")
    hopscope("exec", name, "a", "--", "pkill", "-KILL", "-f", "sleep 86111")
    wait_until(lambda: "exited" in hopscope("ps", name).stdout, "its end", within=20)
    line = f"~ a: process sleep-2 state exited → running  {path}:3:26, killed by signal 9\n"
    for command in (("diff", name), ("plan", str(path), "--name", name)):
        assert hopscope(*command).stdout.startswith(line)
    done = hopscope("up", str(path), "--name", name)
    assert (done.returncode, done.stdout.splitlines()[0] + "\n") == (0, line)
    assert hopscope("diff", name).returncode == 0
    states = [line.split()[0::3][:2] for line in hopscope("ps", name).stdout.splitlines()[1:]]
    assert states == [["a/sleep", "running:"], ["a/sleep-2", "running:"]]
    hopscope("down", name)


def test_what_a_process_says_when_the_lab_is_taken_down_is_heard(
    hopscope: Any, tmp_path: Path
) -> None:
    """It is asked to end, and the follower hears its last words before the lab is gone."""
    path = tmp_path / "polite.yaml"
    script = "trap 'echo bye; exit' TERM; echo ready; while :; do sleep 0.05; done"
    path.write_text(
        "name: polite\nnodes:\n  a:\n    run:\n      name: it\n      ready: {log: ready}\n"
        f'      command: [sh, -c, "{script}"]\n'
    )
    name = hopscope.up(str(path), "polite")
    follower = hopscope.start("logs", name, "-f")
    assert follower.stdout.readline() == "ready\n"
    assert hopscope("down", name).stdout == "polite is down\n"
    said, told = follower.communicate(timeout=10)
    assert said.splitlines()[-1] == "bye"  # before, its shell tells of its sleep's end
    assert told == "hopscope: lab 'polite' has ended\n"


@pytest.fixture
def stubborn(tmp_path: Path) -> tuple[str, Path]:
    """A lab file, whose process does not end when it is asked to; and what it writes then."""
    asked, path = tmp_path / "asked", tmp_path / "stubborn.yaml"
    script = f"trap 'touch {asked}' TERM; echo ready; while :; do sleep 0.05; done"
    path.write_text(
        "name: stubborn\nnodes:\n  a:\n    run:\n      name: it\n      stop: 60\n"
        f'      ready: {{log: ready}}\n      command: [sh, -c, "{script}"]\n'
    )
    return str(path), asked


def test_an_interrupt_ends_the_wait_for_processes(
    hopscope: Any, stubborn: tuple[str, Path]
) -> None:
    """Of down; they are killed, and nothing is left."""
    path, asked = stubborn
    before = look(state=hopscope.state)
    down = hopscope.start("down", hopscope.up(path, "stubborn"))
    wait_until(asked.exists, "its being asked", within=20)
    down.send_signal(signal.SIGINT)
    told = "hopscope: interrupted; stubborn is down; what had not ended was killed\n"
    assert down.communicate(timeout=20) == ("", told)
    assert down.returncode == 130
    assert settled(before, lambda: look(state=hopscope.state)) == []
    assert not (hopscope.state / "stubborn").exists()


def test_a_second_interrupt_ends_a_run_at_once(
    hopscope: Any, stubborn: tuple[str, Path], tmp_path: Path
) -> None:
    """The first has it ask its processes to end, and wait for that."""
    path, asked = stubborn
    with Path(path).open("a") as file:
        file.write("story: [ping: {from: a, to: 127.0.0.1, count: 1000}]\n")
    before = look(state=hopscope.state)
    run = hopscope.start("run", path, "--out", str(tmp_path / "out"))
    wait_until(lambda: "running" in hopscope("ps", "stubborn").stdout, "its start", within=20)
    run.send_signal(signal.SIGINT)
    wait_until(asked.exists, "its being asked", within=20)
    run.send_signal(signal.SIGINT)
    _out, err = run.communicate(timeout=20)
    assert (run.returncode, err) == (130, "hopscope: interrupted; all is as it was before\n")
    assert settled(before, lambda: look(state=hopscope.state)) == []
    assert not (hopscope.state / "stubborn").exists()
