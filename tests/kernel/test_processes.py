"""Processes on the real kernel: reached, restarted by their policy, bounded, ended with the lab."""

import os
import signal
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from hopscope import Lab, StandingLab, UsageError
from hopscope.errors import NotReadyError
from hopscope.kernel import state
from hopscope.kernel.holder.processes import KEPT
from hopscope.kernel.waiting import wait_until
from hopscope.lab.declare import parse
from hopscope.lab.processes import folder
from hopscope.model.process import ProcessPhase, ProcessState

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("records")]

SERVE = "import http.server as h; h.test(h.SimpleHTTPRequestHandler, port=8000)"
FETCH = "from urllib.request import urlopen as u; print(u('http://10.0.0.1:8000/').status)"


def web(*run: str | dict[str, object], name: str = "web") -> Lab:
    """Web ── client, and what web runs."""
    lab = Lab(name).node("web", addresses={"eth0": "10.0.0.1/24"}, run=run)
    lab.node("client", addresses={"eth0": "10.0.0.2/24"})
    return lab.link("web:eth0", "client:eth0")


def shell(script: str, **more: object) -> dict[str, object]:
    return {"command": ["sh", "-c", script], "name": "it", **more}


def it(lab: StandingLab) -> ProcessState:
    (one,) = lab.processes()
    return one


def until(lab: StandingLab, holds: Callable[[ProcessState], bool], what: str) -> ProcessState:
    wait_until(lambda: holds(it(lab)), what, within=15)
    return it(lab)


@pytest.fixture
def left() -> Callable[[], list[str]]:
    """Which labs stand, or have left something."""
    return lambda: [path.name for path in state.state_home().iterdir()]


def test_signals_are_as_any_program_expects_them() -> None:
    """Of one that is kept, and of one that is run: Python's own choice is nobody else's."""

    def ignored(told: str) -> set[int]:
        return {one for one in pythons if int(told.split()[1], 16) >> (one - 1) & 1}

    pythons = (signal.SIGPIPE, signal.SIGXFSZ)
    with web(shell("grep SigIgn /proc/self/status; sleep 100")).up() as lab:
        run = lab.run("web", ["grep", "SigIgn", "/proc/self/status"])
        assert ignored(run.stdout.decode()) == set()
        wait_until(lambda: lab.output("web", "it") != "", "its output", within=10)
        assert ignored(lab.output("web", "it")) == set()


def test_a_web_server_is_reached_from_another_node() -> None:
    """As soon as the lab stands: nobody has to wait, and nobody to try again."""
    server: dict[str, object] = {"command": ["python3", "-c", SERVE], "ready": {"tcp": 8000}}
    with web(server).up() as lab:
        fetched = lab.run("client", ["python3", "-c", FETCH])
        assert (fetched.stdout, fetched.code) == (b"200\n", 0), fetched.stderr
        one = it(lab)
        assert (str(one), one.phase, one.restarts) == ("web/python3", ProcessPhase.RUNNING, 0)


def test_output_variables_and_place() -> None:
    """Errors too; the caller's folder and variables, and those of the lab."""
    script = (
        'echo "$PWD $A $HOPSCOPE_LAB/$HOPSCOPE_NODE $(ls /sys/class/net)"; echo oops >&2; read x'
    )
    with web(shell(script, env={"A": 5}, ready={"log": "^oo.s$"})).up("other") as lab:
        here = str(Path.cwd())
        words = [here, "5", "other/web", "eth0", "lo", "oops"]
        assert lab.output("web", "it").split() == words
        ended = until(lab, lambda one: one.phase is ProcessPhase.EXITED, "its end")
        assert ended.code == 1, "read finds nothing on its input"
        with pytest.raises(UsageError, match="web runs no process 'x'; it has it"):
            lab.output("web", "x")


def test_a_command_tells_that_it_is_ready(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    with web(shell(f"touch {flag}; sleep 86000", ready={"command": f"test -e {flag}"})).up():
        assert flag.exists()


def test_what_ends_is_restarted_by_its_policy(tmp_path: Path) -> None:
    """After a failure, or always; never is the default. The signal that ended it is told."""
    with web(shell("sleep 86001", restart="on-failure")).up() as lab:
        before = it(lab)
        lab.run("web", ["kill", "-9", str(before.pid)])
        after = until(lab, lambda one: one.restarts == 1 and bool(one.pid), "a restart")
        assert after.code == -9
        assert after.pid != before.pid
    count = tmp_path / "count"
    script = f"echo x >>{count}; [ $(wc -l <{count}) -lt 3 ]"  # succeeds twice, then fails
    with web(shell(script, restart="on-failure")).up() as lab:
        ended = until(lab, lambda one: one.phase is ProcessPhase.EXITED, "its success")
        assert (ended.code, ended.restarts) == (0, 0)
    with web(shell("exit 0", restart="always")).up() as lab:
        until(lab, lambda one: one.restarts >= 2, "two restarts")
    with web(shell("sleep 86002")).up() as lab:
        lab.run("web", ["kill", str(it(lab).pid)])
        ended = until(lab, lambda one: one.phase is ProcessPhase.EXITED, "its end")
        assert (ended.code, ended.restarts) == (-signal.SIGTERM, 0)


def test_restarts_wait_longer_each_time() -> None:
    """By the log of the process itself: each pause is longer than the one before."""
    with web(shell("date +%s%N; exit 1", restart="always")).up() as lab:
        until(lab, lambda one: one.restarts >= 4, "four restarts")
        times = [int(line) for line in lab.output("web", "it").split()]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses == sorted(pauses)
    assert pauses[0] >= 100_000_000


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (
            shell("echo first; echo last; exit 3", ready={"tcp": 1}),
            r"ended before it was ready: exit status 3\n.*\n    first\n    last",
        ),
        (shell("kill -9 $$", ready={"log": "x"}), "killed by signal 9\n  it printed nothing"),
        (
            {"command": "hopscope-no-such"},
            r"127\n.*\n    no such program: hopscope-no-such",
        ),
        (
            shell("sleep 86003", ready={"tcp": 81, "timeout": 0.3}),
            r"not ready within 0.3 s: nothing listens on TCP port 81 \(it is running\)",
        ),
        (
            shell("echo a", ready={"log": "b", "timeout": 0.3}),
            r"no line of its output holds 'b' \(exit status 0\)\n.*\n    a",
        ),
        (
            shell("exit 4", ready={"tcp": 81, "timeout": 0.5}, restart="always"),
            r"\(exit status 4, restarted [1-9] times\)",
        ),
        (
            shell("sleep 86004", ready={"command": "sleep 86005", "timeout": 0.3}),
            "sleep does not succeed",
        ),
    ],
)
def test_one_that_does_not_get_ready(
    run: dict[str, object], words: str, left: Callable[[], list[str]]
) -> None:
    """It is told with the line that declares it and what it printed, and nothing is left."""
    with pytest.raises(NotReadyError, match=rf"^{__file__}:\d+:1: web/[a-z-]+ (.|\n)*{words}"):
        web(run).up()
    assert left() == []


def test_output_is_kept_within_bounds() -> None:
    """The last of it is there, and all of it in no more than two files of a size."""
    script = "seq -f %0127g 20000; echo end; sleep 86006"  # two and a half megabytes
    with web(shell(script, ready={"log": "^end$"})).up() as lab:
        files = list(folder("web").iterdir())
        assert sorted(path.name for path in files) == ["web:it.log", "web:it.log.1"]
        assert all(path.stat().st_size <= KEPT for path in files)
        lines = lab.output("web", "it").splitlines()
        assert lines[-1] == "end"
        assert [int(line) for line in lines[1:-1]] == list(range(20002 - len(lines[1:]), 20001))


def test_a_killed_holder_leaves_no_process(tmp_path: Path) -> None:
    """Neither one that left its session: the kernel ends all of the lab, and asks nobody."""
    asked = tmp_path / "asked"
    script = f"trap 'echo x >{asked}' TERM; setsid sleep 86007 & echo started; sleep 86008"
    lab = web(shell(script, ready={"log": "started"}, restart="always")).up()
    try:
        holder = lab.sandbox.pid
        inside = f"/proc/{holder}/ns/pid"
        namespace = os.stat(inside).st_ino  # noqa: PTH116 - a magic link
        assert len(living(namespace)) >= 3
        os.kill(holder, signal.SIGKILL)
        wait_until(lambda: living(namespace) == [], "the end of all", within=5)
        wait_until(lambda: "web" in state.left_behind(), "the lock's end", within=5)
        assert not asked.exists()
    finally:
        lab.down()


def living(namespace: int) -> list[int]:
    """The processes in a PID namespace; not the dead that wait to be collected."""
    found = []
    for path in Path("/proc").iterdir():
        try:
            if path.name.isdigit() and (path / "ns/pid").stat().st_ino == namespace:
                found.append(int(path.name))
        except OSError:
            continue
    return found


LAB = """\
name: web
nodes:
  a: {run: [sleep 86010, {command: sleep 86011, name: other}]}
  b: {run: sleep 86012}
"""


def test_a_lab_that_is_declared_anew() -> None:
    """What is the same goes on; what differs is ended, and what is new is started."""
    with Lab.from_text(LAB).up() as lab:
        before = {str(one): one.pid for one in lab.processes()}
        text = LAB.replace("86011", "86013").replace(
            "b: {run: sleep 86012}", "c: {run: sleep 86014}"
        )
        lab.change(parse(text, "web.yaml"), text)
        after = {str(one): one for one in lab.processes()}
        assert sorted(after) == ["a/other", "a/sleep", "c/sleep"]
        assert after["a/sleep"].pid == before["a/sleep"]
        assert after["a/other"].pid != before["a/other"]
        assert after["a/other"].argv == ("sleep", "86013")
        assert lab.run("a", ["pgrep", "-f", "sleep 86012"]).code == 1


def test_a_change_that_fails_leads_back() -> None:
    """To the processes as they were declared, and to the nodes too."""
    with Lab.from_text(LAB).up() as lab:
        text = LAB.replace("sleep 86011", "sh -c 'exit 7', ready: {tcp: 1}")
        text = text.replace("  b:", "  c: {}\n  b:")
        with pytest.raises(NotReadyError, match="a/other ended before it was ready: exit status 7"):
            lab.change(parse(text, "web.yaml"), text)
        assert {str(one): one.argv[1] for one in lab.processes()} == {
            "a/sleep": "86010",
            "a/other": "86011",
            "b/sleep": "86012",
        }
        assert lab.nodes == ("a", "b")
        assert lab.differences().changes == ()


def test_one_that_has_failed_is_started_again() -> None:
    """What stands differs from what is declared, until the same is declared again."""
    text = LAB.replace("sleep 86012", "sh -c 'exec sleep 86012'")
    with Lab.from_text(text).up() as lab:
        assert lab.differences().changes == ()
        before = {str(one): one.pid for one in lab.processes()}
        lab.run("b", ["kill", "-9", str(before["b/sh"])])
        wait_until(lambda: bool(lab.differences().changes), "its end to be seen", within=15)
        (found,) = lab.differences().changes
        assert (found.before, found.after) == ("exited", "running")
        assert (found.why, found.place and found.place.line) == ("killed by signal 9", 4)
        assert lab.change(lab.spec, text) == (found,)
        after = {str(one): one for one in lab.processes()}
        assert after["b/sh"].phase is ProcessPhase.RUNNING
        assert {name: after[name].pid for name in ("a/sleep", "a/other")} == {
            name: before[name] for name in ("a/sleep", "a/other")
        }
        assert lab.change(lab.spec, text) == ()


def test_one_that_fails_again_fails_the_change(tmp_path: Path) -> None:
    """With what it printed; and it stays as it is, while what did not fail goes on."""
    flag = tmp_path / "flag"
    flag.touch()
    script = f"test -e {flag} && echo started && exec sleep 86015; echo no flag; exit 6"
    with web(shell(script, ready={"log": "started"}), "sleep 86016").up() as lab:
        flag.unlink()
        lab.run("web", ["kill", str(lab.processes()[0].pid)])
        wait_until(lambda: bool(lab.differences().changes), "its end to be seen", within=15)
        text = lab.file.source
        with pytest.raises(NotReadyError, match=r"web/it ended before it was ready: exit status 6"):
            lab.change(lab.spec, text)
        ended, other = lab.processes()
        assert (ended.phase, ended.code, other.phase) == (
            ProcessPhase.EXITED,
            6,
            ProcessPhase.RUNNING,
        )
        assert [one.why for one in lab.differences().changes] == ["exit status 6"]
        flag.touch()
        assert len(lab.change(lab.spec, text)) == 1
        assert lab.differences().changes == ()


def test_what_ends_with_success_is_as_declared() -> None:
    """It did what it was for; or it left a daemon behind, which must not run twice."""
    with web(shell("exit 0")).up() as lab:
        until(lab, lambda one: one.phase is ProcessPhase.EXITED, "its end")
        assert lab.differences().changes == ()


def left_running(lab: StandingLab, mark: str) -> list[str]:
    """The numbers of the programs in the lab whose arguments hold *mark*."""
    return lab.run("web", ["pgrep", "-f", mark]).stdout.decode().split()


def test_what_it_has_started_does_not_run_twice() -> None:
    """However often it is started again, and not at all once it is declared away."""
    with web(shell("sleep 86020 & echo $!; exit 0", restart="always")).up() as lab:
        until(lab, lambda one: one.restarts >= 3, "three restarts")
        before = lab.output("web", "it").split()
        assert len(left_running(lab, "sleep 8602[0]")) <= 1, before
        lab.change(web().spec(), "")
        assert left_running(lab, "sleep 8602[0]") == []


def test_a_daemon_is_let_be_until_it_is_declared_away(tmp_path: Path) -> None:
    """What ended with success is not started again; what it left is given its time to end."""
    asked = tmp_path / "asked"
    daemon = f"trap 'sleep 0.3; touch {asked}; exit' TERM; echo up; while :; do sleep 0.05; done"
    script = f"({daemon}) & exit 0"
    ready: dict[str, object] = {"ready": {"log": "up"}, "restart": "on-failure"}
    with web(shell(script, **ready)).up() as lab:
        until(lab, lambda one: one.phase is ProcessPhase.EXITED, "its end")
        assert left_running(lab, "while [:]") != []
        lab.change(web().spec(), "")
        assert asked.exists()
        assert left_running(lab, "while [:]") == []


@pytest.mark.skipif(
    not Path("/proc/sys/kernel/ns_last_pid").exists(),
    reason="this kernel lets nobody choose a number (CONFIG_CHECKPOINT_RESTORE)",
)
def test_a_number_that_became_anothers_is_spared() -> None:
    """Nobody was left in its group, and a program of another's was given the number."""
    with web(shell("echo $$; sleep 0.2 & exit 0", ready={"log": "."})).up() as lab:
        number = int(lab.output("web", "it"))
        until(lab, lambda one: one.phase is ProcessPhase.EXITED, "its end")
        wait_until(
            lambda: lab.run("web", ["pgrep", "-g", str(number)]).code == 1,
            "the end of what it started",
            within=5,
        )
        again = f"echo {number - 1} >/proc/sys/kernel/ns_last_pid; setsid sleep 86021 >&- 2>&- &"
        lab.run("web", ["sh", "-c", again])
        assert left_running(lab, "sleep 8602[1]") == [str(number)]
        lab.change(web().spec(), "")
        assert left_running(lab, "sleep 8602[1]") == [str(number)]
