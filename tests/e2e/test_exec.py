"""hopscope exec: what passes through, and what happens when a side ends."""

import fcntl
import json
import os
import signal
import stat
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.kernel

StartTerminal = Callable[[Sequence[str], Mapping[str, str]], Any]
PROMPT = r"READY> $"


def ready(process: "subprocess.Popen[str]") -> None:
    """The command inside runs: it has printed its first line."""
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def test_it_runs_in_the_node_that_was_named(hopscope: Any, bridge: str) -> None:
    """ns1 has its end of the veth pair and not the bridge."""
    inside = hopscope("exec", bridge, "ns1", "--", "ip", "-json", "link").stdout
    host = hopscope("exec", bridge, "host", "--", "ip", "-json", "link").stdout
    assert {link["ifname"] for link in json.loads(inside)} == {"lo", "veth1a"}
    assert {link["ifname"] for link in json.loads(host)} == {"lo", "br0", "veth1b", "veth2b"}


@pytest.mark.parametrize(
    ("node", "devices"), [("ns1", ["lo", "veth1a"]), ("host", ["br0", "lo", "veth1b", "veth2b"])]
)
def test_sys_shows_the_devices_of_the_node(
    hopscope: Any, bridge: str, node: str, devices: list[str]
) -> None:
    """As after ``ip netns exec``; and the files that tell of a device are there."""
    names = hopscope("exec", bridge, node, "--", "ls", "/sys/class/net").stdout.split()
    assert sorted(set(names) - {"bonding_masters"}) == devices
    mac = hopscope("exec", bridge, node, "--", "cat", f"/sys/class/net/{devices[-1]}/address")
    assert mac.returncode == 0, mac.stderr


@pytest.mark.parametrize("code", [0, 1, 3, 42, 255])
def test_its_exit_status_passes_through(hopscope: Any, bridge: str, code: int) -> None:
    assert hopscope("exec", bridge, "ns1", "--", "sh", "-c", f"exit {code}").returncode == code


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_signal_that_ends_it_shows_in_the_exit_status(
    hopscope: Any, bridge: str, number: int
) -> None:
    """128 + N, as shells and docker exec tell it; and the lab has not ended."""
    done = hopscope("exec", bridge, "ns1", "--", "sh", "-c", f"kill -{int(number)} $$")
    assert (done.returncode, done.stderr) == (128 + number, "")


def test_input_output_and_errors_are_its_own(hopscope: Any, bridge: str) -> None:
    """Straight through, none mixed up, no byte more; options after the command are its own."""
    text = "".join(f"{n} \x00\x7f é\n" for n in range(20000))
    done = hopscope("exec", bridge, "ns1", "sh", "-c", "cat; echo no >&2", "--json", stdin=text)
    assert done.stdout == text
    assert done.stderr == "no\n"


def test_it_inherits_environment_and_folder(hopscope: Any, bridge: str, tmp_path: Path) -> None:
    """And is told where it is."""
    script = 'echo "$COLOUR|$HOPSCOPE_LAB|$HOPSCOPE_NODE|$PWD"; echo "$PATH"'
    done = hopscope(
        *("exec", bridge, "ns2", "--", "sh", "-c", script),
        cwd=tmp_path,
        env={"COLOUR": "a b", "PATH": "/opt/mine:/usr/bin:/bin"},
    )
    where, path = done.stdout.splitlines()
    assert where == f"a b|{bridge}|ns2|{tmp_path}"
    own = "/run/hopscope-lab/bin:"  # what stands in for tools that an ordinary user may not run
    assert path.removeprefix(own).startswith("/opt/mine:/usr/bin:/bin:")
    assert "/usr/sbin" in path.split(":")


def test_a_folder_that_the_lab_does_not_have_becomes_the_root(hopscope: Any, bridge: str) -> None:
    """A lab has a /run of its own."""
    if not os.access("/run", os.W_OK):
        pytest.skip("makes a folder in /run, which takes root")
    folder = Path(f"/run/hopscope-test-{os.getpid()}")
    folder.mkdir()
    try:
        done = hopscope("exec", bridge, "ns1", "--", "pwd", cwd=folder)
    finally:
        folder.rmdir()
    assert (done.returncode, done.stdout) == (0, "/\n")


def test_it_handles_signals_as_if_started_by_a_shell(hopscope: Any, bridge: str) -> None:
    """Python ignores SIGPIPE, and blocks what is forwarded; the command inherits neither."""
    script = "grep -E '^Sig(Blk|Ign)' /proc/self/status"
    inside = hopscope("exec", bridge, "ns1", "--", "sh", "-c", script).stdout
    outside = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert inside == outside.stdout


def test_what_nohup_ignores_stays_ignored(hopscope: Any, bridge: str) -> None:
    script = "kill -HUP $$; echo alive"
    done = hopscope("exec", bridge, "ns1", "--", "sh", "-c", script, before=["nohup"])
    assert (done.returncode, done.stdout) == (0, "alive\n")


def test_a_program_that_is_not_there(hopscope: Any, bridge: str) -> None:
    done = hopscope("exec", bridge, "ns1", "--", "no-such-program")
    assert done.returncode == 127
    assert done.stderr == "hopscope: ns1: no program 'no-such-program' on the PATH\n"


def test_a_file_that_cannot_be_run(hopscope: Any, bridge: str, tmp_path: Path) -> None:
    """Not executable is 126, as is no format the kernel knows; a missing interpreter is 127."""
    file = tmp_path / "program"
    file.write_text("#!/no/such/interpreter\n")
    assert hopscope("exec", bridge, "ns1", str(file)).returncode == 126
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    done = hopscope("exec", bridge, "ns1", str(file))
    assert (done.returncode, "its interpreter is not there" in done.stderr) == (127, True)
    file.write_text("neither script nor program\n")
    done = hopscope("exec", bridge, "ns1", str(file))
    assert (done.returncode, "Exec format error" in done.stderr) == (126, True)


def test_unknown_names_are_told_with_known_ones(hopscope: Any, bridge: str) -> None:
    node = hopscope("exec", bridge, "ns3", "true")
    lab = hopscope("exec", "brigde", "ns1", "true")
    assert (node.returncode, lab.returncode) == (2, 2)
    assert node.stderr == f"hopscope: lab '{bridge}' has no node 'ns3'; did you mean 'ns2'?\n"
    assert f"running: {bridge}" in lab.stderr


def test_without_a_command_it_says_how_it_is_called(hopscope: Any, bridge: str) -> None:
    done = hopscope("exec", bridge, "ns1")
    assert done.returncode == 2
    assert "Usage: hopscope exec" in done.stderr


def test_a_plain_exec_does_not_load_the_parser(hopscope: Any) -> None:
    """Loading it would take longer than most commands take to run."""
    script = (
        "import sys; from hopscope.cli import main\n"
        "try: main()\n"
        "finally: print(*({'argparse', 'rich', 'pydantic'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "exec", "lab", "node", "true"],
        capture_output=True,
        text=True,
        check=False,
        env=hopscope.environment(),
    )
    assert (done.returncode, done.stdout) == (2, "\n")


FORWARDED = ("INT", "TERM", "HUP", "QUIT", "USR1", "USR2", "WINCH")


@pytest.mark.parametrize("name", FORWARDED)
def test_a_signal_reaches_the_command(hopscope: Any, bridge: str, name: str) -> None:
    """Once, and what the command makes of it passes through."""
    script = f"trap 'echo {name}; exit 9' {name}; echo ready; while :; do sleep 0.01; done"
    process = hopscope.start("exec", bridge, "ns1", "--", "sh", "-c", script)
    ready(process)
    process.send_signal(getattr(signal, f"SIG{name}"))
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (9, f"{name}\n", "")


@pytest.mark.parametrize("how", ["down", "kill"])
def test_the_command_ends_with_its_lab(hopscope: Any, fresh: str, how: str) -> None:
    """And it is said why."""
    process = hopscope.start("exec", fresh, "ns1", "--", "sh", "-c", "echo ready; sleep 100")
    ready(process)
    if how == "down":
        assert hopscope("down", fresh).returncode == 0
    else:
        labs = json.loads(hopscope("ls", "--json").stdout)
        (pid,) = (lab["pid"] for lab in labs if lab["name"] == fresh)
        os.kill(pid, signal.SIGKILL)
    _out, err = process.communicate(timeout=10)
    assert process.returncode == 128 + signal.SIGKILL
    assert err == f"hopscope: lab '{fresh}' has ended, and this with it\n"


def test_a_killed_exec_leaves_no_command_behind(hopscope: Any, bridge: str) -> None:
    """The kernel ends the command with the process that started it."""
    script = "echo ready; echo $$; exec sleep 100"
    process = hopscope.start("exec", bridge, "ns1", "--", "sh", "-c", script)
    ready(process)
    pid = process.stdout.readline().strip()
    process.kill()
    process.communicate(timeout=10)  # until nobody holds the other end of its output
    deadline = time.monotonic() + 5
    while hopscope("exec", bridge, "ns1", "ps", "-o", "stat=", "-p", pid).stdout[:1] not in (
        "",
        "Z",
    ):
        assert time.monotonic() < deadline, f"{pid} still runs in the lab"


def test_ctrl_c_reaches_the_command_once(
    hopscope: Any, bridge: str, terminal: StartTerminal
) -> None:
    """The terminal sends it to the whole job; it must not be forwarded as well."""
    script = "n=0; trap 'n=$((n+1))' INT; echo ready; sleep 1; sleep 0.3; echo count=$n"
    shown = terminal(
        [*hopscope.argv, "exec", bridge, "ns1", "--", "sh", "-c", script], hopscope.environment()
    )
    shown.expect("ready")
    shown.type("\x03")
    shown.expect("count=1\r\n")
    assert shown.wait() == 0


def test_ctrl_z_and_fg(hopscope: Any, bridge: str, terminal: StartTerminal) -> None:
    """The caller's shell sees the job stopped; continued, it has the terminal again."""
    shown = terminal(["bash", "--norc", "-i"], hopscope.environment())
    shown.expect(PROMPT)
    shown.type(f"{hopscope.argv[0]} exec {bridge} ns1 -- sh -c 'echo rea''dy; read x; echo =$x='\r")
    shown.expect("ready")
    shown.type("\x1a")
    shown.expect("Stopped")
    shown.expect(PROMPT)
    shown.type("fg\r")
    shown.expect("exec .*\r\n")
    shown.type("word\r")
    shown.expect("=word=")
    shown.expect(PROMPT)


def test_a_shell_inside_has_job_control(
    hopscope: Any, bridge: str, terminal: StartTerminal
) -> None:
    """It takes the terminal's foreground, and afterwards the caller's shell has it back."""
    shown = terminal(["bash", "--norc", "-i"], hopscope.environment())
    shown.expect(PROMPT)
    shown.type(f"{hopscope.argv[0]} exec {bridge} ns1 -- bash --norc -i\r")
    shown.expect("bash --norc -i\r\n")
    told = shown.expect(PROMPT)
    assert "no job control" not in told
    shown.type("sh -c 'echo rea''dy; exec sleep 100'\r")
    shown.expect("ready")
    shown.type("\x1a")
    shown.expect("Stopped .*sleep 100")
    shown.expect(PROMPT)
    assert "Stopped" in shown.command("jobs", prompt=PROMPT)
    gone = "until ! jobs %1 2>/dev/null | grep -q Stopped; do sleep 0.05; done"
    shown.command(f"kill -KILL %1; {gone}", prompt=PROMPT)  # else it asks about stopped jobs
    shown.type("exit\r")
    shown.expect(PROMPT)
    # only a foreground process group may read
    assert "=here=" in shown.command("echo here | cat; read x <<< here; echo =$x=", prompt=PROMPT)
    shown.type("exit\r")
    assert shown.wait() == 0


def test_less_can_be_suspended_and_quit(
    hopscope: Any, bridge: str, terminal: StartTerminal, tmp_path: Path
) -> None:
    """A program that stops itself alone stops the job too.

    less misses a signal that comes between its last look for one and its read; the next
    one interrupts that read.
    """
    file = tmp_path / "long"
    file.write_text("".join(f"line {n}\n" for n in range(500)))
    shown = terminal(["bash", "--norc", "-i"], hopscope.environment())
    shown.expect(PROMPT)
    shown.type(f"{hopscope.argv[0]} exec {bridge} ns1 -- less {file}\r")
    shown.expect(r"\[7m.*long")  # its last line, after which it reads keys
    shown.type("\x1a")
    if not shown.shows("Stopped", within=2):
        shown.type("\x1a")
    shown.expect("Stopped")
    shown.type("fg\r")
    shown.expect("line 3")
    shown.expect(":")
    shown.type("q")
    shown.expect(PROMPT)
    assert "0" in shown.command("echo $?", prompt=PROMPT)


def test_the_size_of_the_terminal_reaches_the_command(
    hopscope: Any, bridge: str, terminal: StartTerminal
) -> None:
    script = "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.01; done"
    shown = terminal(
        [*hopscope.argv, "exec", bridge, "ns1", "--", "bash", "-c", script], hopscope.environment()
    )
    shown.expect("ready")
    fcntl.ioctl(shown._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
    shown.expect("33 101")
    assert shown.wait() == 0


def test_a_suspended_command_does_not_hold_up_the_end_of_its_lab(
    hopscope: Any, fresh: str, terminal: StartTerminal
) -> None:
    """The kernel collects it, since its stopped parent cannot."""
    shown = terminal(["bash", "--norc", "-i"], hopscope.environment())
    shown.expect(PROMPT)
    shown.type(f"{hopscope.argv[0]} exec {fresh} ns1 -- sleep 100\r")
    shown.expect("sleep 100\r\n")
    deadline = time.monotonic() + 5
    while "sleep 100" not in hopscope("exec", fresh, "ns1", "ps", "ax").stdout:
        assert time.monotonic() < deadline, "the command does not start"
    shown.type("\x1a")
    shown.expect("Stopped")
    assert hopscope("down", fresh).returncode == 0
    shown.expect(PROMPT)
    shown.type("fg\r")
    shown.expect("has ended, and this with it")


@pytest.mark.slow
def test_a_holder_that_does_not_answer_is_not_waited_for_long(hopscope: Any, fresh: str) -> None:
    """It is stopped here, as nobody should, for longer than an exec is patient."""
    labs = json.loads(hopscope("ls", "--json").stdout)
    (pid,) = (lab["pid"] for lab in labs if lab["name"] == fresh)
    os.kill(pid, signal.SIGSTOP)
    try:
        done = hopscope("exec", fresh, "ns1", "true")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert (done.returncode, f"lab '{fresh}' does not answer" in done.stderr) == (3, True)
    assert done.stderr.count("mend it with") == 1
    assert f"kill -9 {pid}" in done.stderr
    assert hopscope("exec", fresh, "ns1", "true").returncode == 0


def test_without_root(ordinary: Any) -> None:
    """The same for an ordinary user, who is root in the lab and nowhere else."""
    lab = ordinary.up("bridge", "mine")
    ping = ordinary("exec", lab, "ns1", "--", "ping", "-c1", "-W2", "10.244.1.4")
    assert " 0% packet loss" in ping.stdout
    assert ordinary("exec", lab, "ns1", "--", "id", "-u").stdout == "0\n"
    names = ordinary("exec", lab, "ns1", "--", "ls", "/sys/class/net").stdout.split()
    assert set(names) - {"bonding_masters"} == {"lo", "veth1a"}
    assert ordinary("exec", lab, "ns1", "--", "sh", "-c", "exit 6").returncode == 6
    denied = ordinary("exec", lab, "ns1", "--", "touch", "/etc/hopscope-was-here")
    assert denied.returncode != 0
    process = ordinary.start("exec", lab, "ns1", "--", "sh", "-c", "echo ready; sleep 100")
    ready(process)
    assert ordinary("down", lab).returncode == 0
    process.communicate(timeout=10)
    assert process.returncode == 128 + signal.SIGKILL
