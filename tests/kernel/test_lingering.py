"""A lab whose holder cannot end: what is waited for is told, and it is not said to have ended."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest

from hopscope import Lab, StandingLab
from hopscope.errors import CannotError
from hopscope.kernel import sandbox as sandboxes
from hopscope.kernel import state
from hopscope.kernel.lingering import is_stopped, lingers
from hopscope.kernel.sandbox import Sandbox
from hopscope.kernel.waiting import wait_until

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("records")]


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandboxes, "_DEATH", 0.5)


@contextmanager
def stopped_outside(lab: StandingLab) -> Iterator["subprocess.Popen[str]"]:
    """The parent of a program in the lab, as `hopscope exec`, that somebody stops."""
    user = ["--user", "--preserve-credentials"] if os.geteuid() else []
    target = ["nsenter", f"--target={lab.sandbox.pid}", *user, "--pid"]
    script = "echo inside; exec sleep 100"
    parent = subprocess.Popen([*target, "sh", "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "inside\n"
    parent.send_signal(SIGSTOP)
    wait_until(lambda: is_stopped(parent.pid), "its stop", within=10)
    try:
        yield parent
    finally:
        parent.send_signal(SIGCONT)
        parent.wait(10)
        parent.stdout.close()


def test_what_a_stopped_parent_has_not_collected_is_told() -> None:
    """Then the last of it goes, and its name is free before."""
    lab = Lab("stuck").node("a").up()
    holder = lab.sandbox.pid
    with stopped_outside(lab) as parent:
        with pytest.raises(CannotError, match=rf"its parent {parent.pid} stopped") as raised:
            lab.down()
        assert raised.value.mend == f"kill -CONT {parent.pid}"
        assert f"holder (process {holder}): s" in raised.value.what
        assert list(state.state_home().iterdir()) == []
        Lab("stuck").node("a").up().down()
    wait_until(lambda: not Path(f"/proc/{holder}").exists(), "its end", within=10)


def test_without_such_a_parent_it_is_told_where_to_look(sandbox: Sandbox) -> None:
    error = lingers(sandbox.pid, on_host=True)
    assert "the host will be as before" in error.what
    assert f"/proc/{sandbox.pid}/status" in error.mend


def test_of_what_is_gone_nothing_is_told(sandbox: Sandbox) -> None:
    pid = sandbox.pid
    sandbox.stop()
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "its end", within=10)
    assert not is_stopped(pid)
    assert "has not ended that yet" in lingers(pid, on_host=False).what
