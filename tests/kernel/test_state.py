"""Records of labs: who has a name, who is alive, and who clears what."""

import fcntl
import io
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dying import dying
from hopscope.errors import CannotError, LabExistsError, NoSuchLabError
from hopscope.kernel import state
from hopscope.kernel.enter import Doors
from hopscope.kernel.holding import Hold, held
from hopscope.kernel.sandbox import Sandbox
from hopscope.kernel.state import LabFile
from hopscope.kernel.waiting import wait_until
from hopscope.lab.api import Lab
from hopscope.lab.ending import Ending, end, sweep
from hopscope.lab.running import RunningLab

LAB = LabFile(
    name="lab",
    pid=4242,
    mode="sandbox",
    source="text",
    file="lab.yaml",
    nodes=("host", "ns1"),
    home="host",
    started=7,
)


def test_a_claimed_and_recorded_lab_is_found(records: Path) -> None:
    claimed = state.claim("lab")
    with pytest.raises(NoSuchLabError):
        state.find("lab")
    claimed.write(LAB)
    assert state.find("lab") == LAB
    assert list(state.running()) == [LAB]
    claimed.clear()
    assert list(state.running()) == []
    assert list(records.iterdir()) == []


def test_a_name_is_claimed_once(records: Path) -> None:
    claimed = state.claim("lab")
    claimed.write(LAB)
    with pytest.raises(LabExistsError):
        state.claim("lab")
    assert state.take("lab") is None
    claimed.clear()
    state.claim("lab").clear()


def test_one_being_made_is_told_as_such(records: Path) -> None:
    """Nobody can speak to it yet, and its PID is none."""
    claimed = state.claim("lab")
    claimed.write(LAB._replace(pid=0))
    assert list(state.running()) == []
    with pytest.raises(CannotError, match="just being made"):
        state.find("lab")
    claimed.clear()


def test_what_a_killed_process_left_is_recognised(records: Path) -> None:
    """Its lock went with it, whatever is written beside."""
    script = (
        "from hopscope.kernel import state; import os, sys\n"
        "c = state.claim('lab'); c.write(state.LabFile(**eval(sys.argv[1])))\n"
        "os.kill(os.getpid(), 9)"
    )
    fields = repr(LAB._asdict())
    subprocess.run(
        [sys.executable, "-c", script, fields],
        env={**os.environ, "PYTHONPATH": str(Path(state.__file__).parents[2])},
        check=False,
    )
    assert list(state.left_behind()) == ["lab"]
    assert list(state.running()) == []
    claimed = state.claim("lab")
    assert claimed.left() == LAB
    claimed.clear()


def test_clearing_spares_a_new_owner(records: Path) -> None:
    """Neither one that stands, nor one that died since."""
    claimed = state.claim("lab")
    claimed.write(LAB._replace(started=8))
    state.clear(LAB)
    assert state.find("lab").started == 8
    claimed.close()
    state.clear(LAB)
    assert list(state.left_behind()) == ["lab"]
    state.clear(LAB._replace(started=8))
    assert list(records.iterdir()) == []
    state.clear(LAB)


def test_rewriting_spares_a_new_owner(records: Path) -> None:
    claimed = state.claim("lab")
    claimed.write(LAB._replace(started=8))
    with pytest.raises(CannotError, match="has ended"):
        state.rewrite(LAB)
    with (
        pytest.raises(CannotError, match="has ended"),
        state.alone(LAB),
    ):
        pytest.fail("it is another's")
    state.rewrite(LAB._replace(started=8, temporary=True))
    assert state.find("lab").temporary
    claimed.clear()


STEPS = (
    *((os, name) for name in ("mkdir", "open", "stat", "rename", "unlink", "rmdir", "listdir")),
    (io, "open"),
    (fcntl, "fcntl"),
)
"""What is done to files, one by one."""


@contextmanager
def met(step: int, other: Callable[[], None]) -> Iterator[list[str]]:
    """Before that step of what is done meanwhile, *other* is done; yields what step it was."""
    found: list[str] = []
    count = itertools.count()

    def stepping(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def one(*given: Any, **more: Any) -> Any:
            if not found and next(count) == step:
                found.append(name)
                other()
            return real(*given, **more)

        return one

    with pytest.MonkeyPatch.context() as patch:
        for module, name in STEPS:
            patch.setattr(module, name, stepping(name, getattr(module, name)))
        yield found


def test_whoever_comes_while_one_is_cleared_keeps_the_name(records: Path) -> None:
    """At whatever step of it; the old folder goes, and nothing else."""
    came = 0
    for step in itertools.count():
        first = state.claim("lab")
        first.write(LAB)
        (first.folder / "control").touch()
        others: list[state.Claim] = []

        def another(others: list[state.Claim] = others) -> None:
            if (claimed := state.take("lab")) is not None:
                claimed.write(LAB._replace(started=8))
                others.append(claimed)

        with met(step, another) as found:
            first.clear()
        for claimed in others:
            assert state.find("lab").started == 8, found
            claimed.clear()
            came += 1
        assert list(records.iterdir()) == [], found
        if not found:
            break
    assert came > 1


def test_one_that_goes_while_its_name_is_taken_is_in_nobodys_way(records: Path) -> None:
    """Whoever takes it has it then, or has not; and no error."""
    for step in itertools.count():
        first = state.claim("lab")
        with met(step, first.clear) as found:
            taken = state.take("lab")
        if not found:
            break
        if taken is not None:
            taken.write(LAB)
            assert state.find("lab") == LAB, found
            taken.clear()
        assert list(records.iterdir()) == [], found
    assert step > 2


def test_whoever_has_the_name_while_another_is_rewritten_keeps_the_record(records: Path) -> None:
    for step in itertools.count():
        owner = state.claim("lab")
        owner.write(LAB)

        def another() -> None:
            nonlocal owner
            owner.clear()
            owner = state.claim("lab")
            owner.write(LAB._replace(started=8))

        with met(step, another) as found:
            try:
                state.rewrite(LAB._replace(temporary=True))
            except CannotError:
                assert found
        assert state.find("lab") == LAB._replace(
            **({"started": 8} if found else {"temporary": True})
        )
        owner.clear()
        assert list(records.iterdir()) == [], found
        if not found:
            break
    assert step > 2


def test_only_what_is_ours_is_cleared_away(records: Path) -> None:
    """Where a user keeps other things, too; and what a kill left half removed."""
    state.claim("lab").close()
    (state.state_home() / "photos").mkdir()
    (records / "photos" / "one").touch()
    cleared = state.claim("other").folder.rename(records / ".ended~0")
    sweep()
    assert [path.name for path in records.iterdir()] == ["photos"], cleared
    assert (records / "photos" / "one").exists()


@pytest.mark.parametrize("reach", [Sandbox.attach, lambda _lab: Doors("lab", "ns1")])
def test_one_that_is_dying_is_waited_for(records: Path, reach: Callable[[LabFile], object]) -> None:
    with dying(LAB), pytest.raises(NoSuchLabError):
        reach(LAB)
    assert [path.name for path in records.iterdir()] == ["lab"]
    assert list(state.left_behind()) == ["lab"]


def test_one_that_is_dying_is_cleared(records: Path) -> None:
    with dying(LAB):
        assert end("lab") is Ending.BEFORE
    assert list(records.iterdir()) == []


def test_the_name_of_one_that_is_dying_becomes_free(records: Path) -> None:
    """Also of one that is taken down, whose holder answers to the end; not of one that stands."""
    with dying(LAB), Lab("lab").node("ns1").up() as lab:
        assert lab.run("ns1", ["true"]).code == 0
        with pytest.raises(LabExistsError):
            Lab("lab").node("ns1").up()


def test_the_name_of_one_that_is_taken_down_becomes_free(records: Path) -> None:
    """Its process takes its time; meanwhile others reach the holder, and find the lab."""
    slow = ["sh", "-c", "trap 'sleep 0.5; exit' TERM; echo up; while :; do sleep 0.05; done"]
    ready = {"log": "up"}
    first = Lab("lab").node("ns1", run=[{"name": "slow", "command": slow, "ready": ready}]).up()
    first.begin_down()
    wait_until(lambda: held(records / "lab" / "lock") is Hold.ENDS, "its end to begin", within=5)
    assert RunningLab.attach("lab").file == first.file
    with Lab("lab").node("ns2").up() as second:
        assert second.run("ns2", ["true"]).code == 0
        first.down()
        assert RunningLab.attach("lab").nodes == ("ns2",)


def test_what_is_still_to_be_undone_is_not_overwritten(records: Path) -> None:
    claimed = state.claim("lab")
    claimed.write(LAB._replace(undo="what to undo"))
    claimed.close()
    with pytest.raises(CannotError, match="is not undone yet"):
        state.claim("lab")
    left = state.take("lab")
    assert left is not None
    assert left.left() == LAB._replace(undo="what to undo")
    left.clear()


@pytest.mark.parametrize("name", ["../lab", "a/../lab", "..", ".", "/lab"])
def test_a_path_is_no_name(records: Path, name: str) -> None:
    claimed = state.claim("lab")
    claimed.write(LAB)
    with pytest.raises(NoSuchLabError):
        state.find(name)
    claimed.clear()


def test_a_link_to_a_folder_of_ours_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tmp_path / "real"
    real.mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(real)
    monkeypatch.setenv("HOPSCOPE_STATE", str(tmp_path / "link"))
    assert state.state_home() == real


def test_a_folder_of_ours_that_others_may_write_is_closed_by_what_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But never one that is everyone's, as /tmp is: there, another folder is named."""
    place = tmp_path / "an open one"
    place.mkdir()
    place.chmod(0o777)
    monkeypatch.setenv("HOPSCOPE_STATE", str(place))
    with pytest.raises(CannotError, match="not private") as caught:
        state.state_home()
    subprocess.run(["sh", "-ec", caught.value.mend], check=True)
    assert state.state_home() == place
    place.chmod(0o1777)
    with pytest.raises(CannotError, match="not private") as caught:
        state.state_home()
    where = f'{caught.value.mend}\nprintf %s "$HOPSCOPE_STATE"'
    said = subprocess.run(["sh", "-ec", where], check=True, capture_output=True, text=True)
    assert said.stdout == f"{os.environ['HOME']}/hopscope"


def test_a_relative_folder_is_refused_and_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be another wherever one stands, with other labs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOPSCOPE_STATE", "labs")
    with pytest.raises(CannotError, match="wherever one stands") as caught:
        list(state.running())
    assert caught.value.mend == f"export HOPSCOPE_STATE='{tmp_path}/labs'"
    assert list(tmp_path.iterdir()) == []
