"""The processes beside a run, killed: it ends in words, its folder is there, nothing is left."""

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hopscope.kernel.waiting import wait_until
from hoststate import look, settled

pytestmark = pytest.mark.kernel

Hopscope = Any

STORY = """\
name: told
nodes:
  a: {addresses: {eth0: 10.0.0.1/24}}
  b: {addresses: {eth0: 10.0.0.2/24}}
links: [[a:eth0, b:eth0]]
story:
  - ping: {from: a, to: b}
  - ping: {from: a, to: 10.0.0.3, timeout: 0.7, expect: {reply: false}}
  - ping: {from: a, to: b}
"""
FILES = ["capture.pcapng", "icmp.pcapng", "iptables.log", "journeys.json", "report.html"]


def forks(pid: int, count: int = 1) -> list[int]:
    """The processes beside a run, once there are so many: the one that tells first, the older.

    They are copies of it. Whoever is about to become another program (vfork) looks like one as
    long as the run waits for that.
    """
    found: list[int] = []

    def are_there() -> bool:
        alike = _alike(pid)
        waits = "State:\tD" in Path(f"/proc/{pid}/status").read_text()
        found[:] = [] if waits else [child for child in alike if child in _alike(pid)]
        return len(found) >= count

    wait_until(are_there, f"{count} processes", within=20)
    return found


def _alike(pid: int) -> list[int]:
    own = Path(f"/proc/{pid}/cmdline").read_bytes()
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            if Path(f"/proc/{child}/cmdline").read_bytes() == own:
                found.append(int(child))
        except FileNotFoundError:
            continue
    return found


@pytest.fixture
def lab(tmp_path: Path) -> str:
    path = tmp_path / "told.yaml"
    path.write_text(STORY)
    return str(path)


@pytest.fixture
def whole(hopscope: Hopscope) -> Iterator[None]:
    """Nothing is left on the host, and no lab: neither its record nor a process."""
    before = look(state=hopscope.state)
    yield
    assert settled(before, lambda: look(state=hopscope.state)) == []
    assert list(hopscope.state.iterdir()) == []


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize("early", [True, False])
def test_who_tells_is_killed(hopscope: Hopscope, lab: str, tmp_path: Path, *, early: bool) -> None:
    """Before the lab stands, or in the middle: the run goes on, and says where all of it is."""
    out = tmp_path / "out"
    run = hopscope.start("run", lab, "--out", str(out))
    if not early:
        assert run.stdout.readline().startswith("told  in a sandbox")
    os.kill(forks(run.pid)[0], signal.SIGKILL)
    said, error = run.communicate(timeout=30)
    assert "conclusion" not in said.lower()
    assert error == (
        f"hopscope: the process that tells the run was ended (signal 9); all that it would have "
        f"told is in {out}\n  mend it with: open {out}/report.html, or run it again\n"
    )
    assert run.returncode == 3
    assert sorted(path.name for path in out.iterdir()) == FILES
    assert len(json.loads((out / "journeys.json").read_text())["steps"]) == 3


@pytest.mark.usefixtures("whole")
def test_who_tells_is_killed_and_had_hidden_the_cursor(
    hopscope: Hopscope, lab: str, tmp_path: Path, terminal: Any
) -> None:
    """The terminal is as it was."""
    shell = terminal(
        [*hopscope.argv, "run", lab, "--out", str(tmp_path / "out")], hopscope.environment()
    )
    shell.expect(re.escape("\x1b[?25l"))  # the cursor is hidden
    os.kill(forks(shell.process.pid)[0], signal.SIGKILL)
    assert shell.wait(30) == 3
    assert "the process that tells the run was ended (signal 9)" in shell.shown
    assert "\x1b[?25h" in shell.shown


@pytest.mark.usefixtures("whole")
def test_who_writes_is_killed(hopscope: Hopscope, lab: str, tmp_path: Path) -> None:
    """All is told, and that there is no folder."""
    out = tmp_path / "out"
    run = hopscope.start("run", lab, "--out", str(out))
    os.kill(forks(run.pid, 2)[1], signal.SIGKILL)
    said, error = run.communicate(timeout=30)
    assert "reply" in said
    assert error == (
        "hopscope: the process that writes the folder was ended\n  mend it with: run it again\n"
    )
    assert run.returncode == 3
    assert not out.exists()
