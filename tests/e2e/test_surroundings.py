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
    ignored = int(told.split()[1], 16) % (1 << 31)  # from 32 on they are libc's own
    assert ignored == 1 << 16


def test_a_run_is_as_good_there(hopscope: Hopscope, tmp_path: Path) -> None:
    done = hopscope("run", "-q", "bridge", "--out", str(tmp_path / "out"), before=UNHEARD)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", ["doctor", "reachability"])
def test_so_is_what_has_processes_of_its_own(hopscope: Hopscope, bridge: str, command: str) -> None:
    given = [] if command == "doctor" else [bridge]
    told = [hopscope(command, *given, before=before) for before in ((), UNHEARD)]
    assert told[0].returncode == told[1].returncode
    assert told[1].stderr == told[0].stderr


def test_a_folder_that_was_removed_is_the_root_to_a_process(
    hopscope: Hopscope, tmp_path: Path
) -> None:
    """As it is to a command."""
    (lab := tmp_path / "kept.yaml").write_text(
        "name: kept\nnodes: {a: {run: [{command: sh -c 'pwd; sleep 100', name: it}]}}\n"
    )
    gone = ("sh", "-c", 'mkdir "$0"; cd "$0"; rmdir "$0"; exec "$@"', str(tmp_path / "gone"))
    done = hopscope("up", str(lab), before=gone)
    assert done.returncode == 0, done.stderr
    told = hopscope("exec", "kept", "a", "--", "pwd", before=gone)
    assert (told.stdout, told.stderr) == ("/\n", "")
    cwd = "for one in /proc/[0-9]*; do grep -qs sleep $one/comm && readlink $one/cwd; done"
    assert hopscope("exec", "kept", "a", "--", "sh", "-c", cwd).stdout == "/\n"
    assert hopscope("down", "kept").returncode == 0


@pytest.mark.parametrize("files", [12, 14, 16])
def test_too_few_files_are_no_mistake_of_the_lab(hopscope: Hopscope, files: int) -> None:
    """Neither of its file's third line, nor of its size; and nothing stays."""
    done = hopscope("up", "bridge", "--name", "few", before=("prlimit", f"--nofile={files}"))
    assert done.returncode == 3
    assert f"more open files than the {files} that a process may have here" in done.stderr
    assert "yaml" not in done.stderr
    assert "Errno" not in done.stderr
    assert hopscope("down", "few").returncode == 2


def test_too_few_namespaces_are_told_and_not_as_python_does(hopscope: Hopscope) -> None:
    """Forbidden by a user namespace around us; none at all, or one for two nodes."""
    for most, told in ((0, "let us make namespaces: unshare: No space left"), (2, "no room is")):
        limited = f'echo {most} > /proc/sys/user/max_net_namespaces && exec "$@"'
        before = ("unshare", "--user", "--map-root-user", "sh", "-c", limited, "sh")
        done = hopscope("up", "bridge", "--name", "few", before=before)
        if "write failed" in done.stderr or "/proc/sys/user" in done.stderr:
            pytest.skip("no user namespace of our own, or no limit in it")
        assert done.returncode == 3
        assert told in done.stderr
        assert "Errno" not in done.stderr
