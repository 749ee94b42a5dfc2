"""The order in which processes start, and how they end with the lab, on the real kernel."""

from pathlib import Path

import pytest

from changing import struck
from hopscope import Lab
from hopscope.errors import HopscopeError, NotReadyError
from hopscope.kernel.waiting import wait_until
from hopscope.model.process import ProcessPhase

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("records")]

Run = dict[str, object]


def shell(script: str, name: str = "it", **more: object) -> Run:
    return {"command": ["sh", "-c", script], "name": name, **more}


def lab(*run: Run) -> Lab:
    return Lab("order").node("a", run=run)


def test_each_waits_until_those_before_it_are_ready(tmp_path: Path) -> None:
    """The second fails when it is too early."""
    flag = tmp_path / "flag"
    slow = f"sleep 0.4; touch {flag}; echo done; exec sleep 86200"
    second = f"test -e {flag} || exit 9; echo fine; exec sleep 86201"
    processes = (
        shell(slow, "first", ready={"log": "done"}),
        shell(second, "second", ready={"log": "fine"}),
        shell("exec sleep 86202", "third"),
    )
    with lab(*processes).up() as running:
        states = running.processes()
    assert [(one.name, one.phase) for one in states] == [
        (name, ProcessPhase.RUNNING) for name in ("first", "second", "third")
    ]
    pids = [one.pid for one in states]
    assert pids == sorted(pids)


def test_nodes_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """What the first node's second process waits for, the second node's second does."""
    flag = tmp_path / "flag"
    client = shell("exec sleep 86203", ready={"command": ["test", "-e", str(flag)]})
    server = shell(f"touch {flag}; exec sleep 86204", "server")
    both = Lab("two").node("a", run=[shell(":", "b"), client])
    with both.node("b", run=[shell(":", "b"), server]).up() as running:
        assert [str(one) for one in running.processes()] == ["a/b", "a/it", "b/b", "b/server"]


def test_of_one_that_does_not_get_ready_no_later_one_is_started(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    with pytest.raises(NotReadyError, match="a/it ended before it was ready: exit status 3"):
        lab(shell("exit 3", ready={"tcp": 1}), shell(f"touch {flag}", "later")).up()
    assert not flag.exists()


def test_what_is_taken_down_is_asked_to_end(tmp_path: Path) -> None:
    """It, and what it started; none of them is started again."""
    ended, started = tmp_path / "ended", tmp_path / "started"
    script = (
        f"echo x >>{started}; (trap 'sleep 0.2; echo child >>{ended}; exit' TERM; echo ready;"
        f" while :; do sleep 0.02; done) & trap 'echo parent >>{ended}; exit' TERM; wait"
    )
    with lab(shell(script, ready={"log": "ready"}, restart="always")).up():
        assert not ended.exists()
    assert sorted(ended.read_text().split()) == ["child", "parent"]
    assert started.read_text() == "x\n"


def test_one_that_left_others_behind_is_no_reason_to_kill_them(tmp_path: Path) -> None:
    """A daemon in the group of what started it."""
    ended = tmp_path / "ended"
    daemon = f"trap 'echo daemon >{ended}; exit' TERM; echo ready; while :; do sleep 0.02; done"
    with lab(shell(f"({daemon}) & exit 0", ready={"log": "ready"})).up() as running:
        exited = ProcessPhase.EXITED
        wait_until(lambda: running.processes()[0].phase is exited, "its parent's end", within=15)
    assert ended.read_text() == "daemon\n"


def test_one_that_will_not_end_is_killed(tmp_path: Path) -> None:
    """After its own time; others that end have all of theirs."""
    ended, ignored = tmp_path / "ended", tmp_path / "ignored"
    stubborn = f"trap 'echo x >>{ignored}' TERM; echo ready; while :; do sleep 0.02; done"
    slow = (
        f"trap 'sleep 0.6; echo slow >{ended}; exit' TERM; echo ready; while :; do sleep 0.02; done"
    )
    processes = (
        shell(stubborn, "stubborn", ready={"log": "ready"}, stop=0.2),
        shell(slow, "slow", ready={"log": "ready"}, stop=30),
    )
    running = lab(*processes).up()
    inside = Path(f"/proc/{running.sandbox.pid}/root")
    running.down()
    assert ignored.read_text() == "x\n"
    assert ended.read_text() == "slow\n"
    assert not inside.exists()


def test_one_that_has_no_time_is_killed_at_once(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    script = f"trap 'echo x >{asked}' TERM; echo ready; while :; do sleep 0.02; done"
    with lab(shell(script, ready={"log": "ready"}, stop=0)).up():
        pass
    assert not asked.exists()


def test_an_end_that_was_begun_is_waited_for(tmp_path: Path) -> None:
    """As a run does, which closes its observers meanwhile."""
    ended = tmp_path / "ended"
    script = (
        f"trap 'sleep 0.3; echo x >>{ended}; exit' TERM; echo ready; while :; do sleep 0.02; done"
    )
    running = lab(shell(script, ready={"log": "ready"})).up()
    running.begin_down()
    running.begin_down()
    running.down()
    assert ended.read_text() == "x\n"


def test_what_is_declared_otherwise_is_asked_to_end_first(tmp_path: Path) -> None:
    """One that is gone, one that comes anew, and one that will not end; then the new ones start."""
    ended, loop = tmp_path / "ended", "while :; do sleep 0.02; done"
    gone = shell(
        f"trap 'echo gone >>{ended}; exit' TERM; echo ready; {loop}", "gone", restart="always"
    )
    anew = shell(f"trap 'sleep 0.2; echo anew >>{ended}; exit' TERM; echo ready; {loop}", "anew")
    stubborn = shell(f"trap '' TERM; echo ready; {loop}", "stubborn", stop=0.3)
    ready = {"ready": {"log": "ready"}}
    with lab(*({**one, **ready} for one in (gone, anew, stubborn))).up() as running:
        before = {one.name: one.pid for one in running.processes()}
        later = shell(
            f"grep -q anew {ended} && exec sleep 86205", "anew", ready={"command": "true"}
        )
        changed = lab(later, shell("exec sleep 86206", "stubborn")).spec()
        running.change(changed, "")
        after = {one.name: one for one in running.processes()}
    assert sorted(ended.read_text().split()) == ["anew", "gone"]
    assert list(after) == ["anew", "stubborn"]
    assert all(after[name].pid not in (0, before[name]) for name in after)


def two(ended: Path) -> Lab:
    """Beside the node a one that may go, with a process that takes its time to end."""
    script = (
        f"trap 'sleep 0.2; echo x >>{ended}; exit' TERM; echo ready; while :; do sleep 0.02; done"
    )
    polite = shell(script, "polite", ready={"log": "ready"})
    return lab(shell("exec sleep 86207")).node("b", run=[polite])


def test_what_runs_in_a_node_that_goes_is_asked_to_end_first(tmp_path: Path) -> None:
    ended = tmp_path / "ended"
    with two(ended).up() as running:
        before = running.processes()[0]
        running.change(lab(shell("exec sleep 86207")).spec(), "")
        assert ended.read_text() == "x\n"
        assert running.processes() == (before,)


def test_what_has_left_a_node_that_stays_after_all_is_started_again(tmp_path: Path) -> None:
    """What would have been changed later goes on."""
    ended = tmp_path / "ended"
    with two(ended).up() as running:
        before = {str(one): one.pid for one in running.processes()}
        changed = lab(shell("exec sleep 86208")).node("c").spec()
        with pytest.MonkeyPatch.context() as patch:
            struck(running, patch, 1)  # the first step that is not one of trying what is declared
            with pytest.raises(HopscopeError):
                running.change(changed, "")
        after = {str(one): one.pid for one in running.processes()}
        assert ended.read_text() == "x\n"
        assert after["a/it"] == before["a/it"]
        assert after["b/polite"] not in (0, before["b/polite"])
        assert running.differences().changes == ()
