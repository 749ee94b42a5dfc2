"""What whoever starts the command leaves it: signals that are ignored, and limits."""

from pathlib import Path

import pytest

from command import Hopscope

pytestmark = pytest.mark.kernel

UNHEARD = ("env", "--ignore-signal=CHLD")
"""As some supervisors leave SIGCHLD: the kernel collects children, and tells nobody of them."""


@pytest.mark.parametrize("script", ["exit 0", "exit 7", "kill -9 $$"])
def test_a_command_ends_where_ends_of_children_are_not_told(
    hopscope: Hopscope, bridge: str, script: str
) -> None:
    expected = hopscope("exec", bridge, "ns1", "--", "sh", "-c", script).returncode
    done = hopscope("exec", bridge, "ns1", "--", "sh", "-c", script, before=UNHEARD)
    assert (done.returncode, done.stderr) == (expected, "")


def test_a_shell_ends_there_too(hopscope: Hopscope, bridge: str) -> None:
    assert hopscope("shell", bridge, stdin="exit 3\n", before=UNHEARD).returncode == 3


def test_a_command_gets_what_was_left_to_us(hopscope: Hopscope, bridge: str) -> None:
    """As nohup's SIGHUP."""
    script = ("grep", "SigIgn", "/proc/self/status")
    (told,) = hopscope("exec", bridge, "ns1", "--", *script, before=UNHEARD).stdout.splitlines()
    assert int(told.split()[1], 16) == 1 << 16


def test_a_run_is_as_good_there(hopscope: Hopscope, tmp_path: Path) -> None:
    done = hopscope("run", "-q", "bridge", "--out", str(tmp_path / "out"), before=UNHEARD)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", ["doctor", "reachability"])
def test_so_is_what_has_processes_of_its_own(hopscope: Hopscope, bridge: str, command: str) -> None:
    given = [] if command == "doctor" else [bridge]
    told = [hopscope(command, *given, before=before) for before in ((), UNHEARD)]
    assert told[0].returncode == told[1].returncode
    assert told[1].stderr == told[0].stderr
