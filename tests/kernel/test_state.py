"""Records of labs: who has a name, who is alive, and who clears what."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dying import dying
from hopscope.errors import CannotError, LabExistsError, NoSuchLabError
from hopscope.kernel import state
from hopscope.kernel.enter import Doors
from hopscope.kernel.sandbox import Sandbox
from hopscope.kernel.state import LabFile
from hopscope.lab.ending import end

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
    state.rewrite(LAB._replace(started=8, temporary=True))
    assert state.find("lab").temporary
    claimed.clear()


@pytest.mark.parametrize("reach", [Sandbox.attach, lambda _lab: Doors("lab", "ns1")])
def test_one_that_is_dying_is_waited_for(records: Path, reach: Callable[[LabFile], object]) -> None:
    with dying(LAB), pytest.raises(NoSuchLabError):
        reach(LAB)
    assert [path.name for path in records.iterdir()] == ["lab"]
    assert list(state.left_behind()) == ["lab"]


def test_one_that_is_dying_is_cleared(records: Path) -> None:
    with dying(LAB):
        assert not end("lab")
    assert list(records.iterdir()) == []


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
