"""What is recorded of a lab, when another version wrote it, or when it cannot be read."""

import errno
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hopscope.errors import CannotError, LabExistsError, NoSuchLabError, UnreadableRecordError
from hopscope.kernel import state
from hopscope.kernel.holding import held
from hopscope.kernel.records import LabFile, read
from hopscope.kernel.waiting import wait_until
from hopscope.lab.api import Lab
from hopscope.lab.ending import Ending, end, sweep
from hopscope.lab.standing import StandingLab

LAB = LabFile(
    name="lab",
    pid=4242,
    mode="sandbox",
    source="text",
    file="lab.yaml",
    nodes=("host", "ns1"),
    home="host",
    started=7,
    boot=3,
    temporary=True,
    made=("host", "ns0", "ns1"),
    undo="what",
    was=(("ns1", "net/ipv4/ip_forward", "0"),),
)
ADDED = ("boot", "temporary", "made", "undo", "was")
"""Fields that older versions did not write."""

BROKEN = {
    "empty": b"",
    "half": b'{"name": "lab", "pid": 4242,',
    "no object": b"[]",
    "no text": b"\xff\xfe",
    "deep": b"[" * 100_000,
    "huge": b'{"pid": ' + b"1" * 5000 + b"}",
    "without a field": json.dumps({**LAB._asdict(), "pid": None}).encode(),
    **{
        f"{field} = {value!r}": json.dumps({**LAB._asdict(), field: value}).encode()
        for field, value in (
            ("pid", "4242"),
            ("pid", True),
            ("nodes", "host"),
            ("nodes", ["host", 1]),
            ("was", [["ns1", "net/ipv4/ip_forward"]]),
            ("undo", {}),
        )
    },
}


def put(records: Path, data: bytes | dict[str, object], name: str = "lab") -> Path:
    """Make it the record of that lab."""
    file = records / name / "lab.json"
    file.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
    return file


def died(records: Path, data: bytes | dict[str, object], name: str = "lab") -> Path:
    """The record of a lab that has ended without being taken down."""
    state.claim(name).close()
    return put(records, data, name)


def stands(records: Path, data: bytes | dict[str, object]) -> StandingLab:
    """A lab that was left standing, of which that is recorded."""
    lab = Lab("lab").node("ns1").up()
    lab.detach()
    put(records, data)
    return lab


@pytest.mark.parametrize("missing", [(), *((one,) for one in ADDED), ADDED])
def test_the_record_of_another_version_is_read(tmp_path: Path, missing: tuple[str, ...]) -> None:
    """An older one lacks what came later; a later one holds what is not known yet."""
    put(tmp_path.parent, {**LAB._asdict(), "later": [1]}, tmp_path.name)
    assert read(tmp_path) == LAB
    fields = {one: value for one, value in LAB._asdict().items() if one not in missing}
    put(tmp_path.parent, fields, tmp_path.name)
    assert read(tmp_path) == LAB._replace(**{one: LabFile._field_defaults[one] for one in missing})


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_one_that_cannot_be_read_is_told_with_its_file(tmp_path: Path, data: bytes) -> None:
    file = put(tmp_path.parent, data, tmp_path.name)
    with pytest.raises(UnreadableRecordError) as caught:
        read(tmp_path, Path("/known/as/lab"))
    assert "'lab' cannot be read: /known/as/lab/lab.json" in caught.value.what
    assert file.read_bytes() == data
    file.unlink()
    assert read(tmp_path) is None
    assert read(tmp_path / "absent") is None


@pytest.mark.parametrize("data", [b"{", {"name": "lab"}])
def test_a_lab_whose_record_cannot_be_read_is_found_and_ended(
    records: Path, data: bytes | dict[str, object]
) -> None:
    lab = stands(records, data)
    (found,) = state.living()
    assert isinstance(found, UnreadableRecordError)
    assert found.mend == "hopscope down lab"
    assert list(state.running()) == []
    for ask in (state.find, StandingLab.named):
        with pytest.raises(UnreadableRecordError, match=r"state/lab/lab\.json"):
            ask("lab")
    with pytest.raises(LabExistsError):
        state.claim("lab")
    assert end("lab") is Ending.UNREAD
    with pytest.raises(CannotError):
        lab.run("ns1", ["true"])
    assert list(records.iterdir()) == []


def test_one_that_does_not_answer_either_names_what_kills_it(records: Path) -> None:
    """Its number stood in the record."""
    lab = stands(records, b"")
    pid = lab.file.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(UnreadableRecordError) as caught:
            end("lab")
        assert caught.value.mend.startswith(f"fuser -k {records}/lab/lock ")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert end("lab") is Ending.UNREAD


@pytest.mark.parametrize("data", [b"", {**LAB._asdict(), "undo": '{"later": 1}'}])
def test_what_died_and_cannot_be_read_is_kept(
    records: Path, data: bytes | dict[str, object]
) -> None:
    """It may be all that tells what is to be undone; whatever else is left is cleared."""
    file = died(records, data)
    whole = file.read_bytes()
    attempts: list[Callable[[], object]] = [lambda: end("lab"), sweep]
    if data == b"":
        attempts.append(lambda: state.claim("lab"))
    for attempt in attempts:
        died(records, {**LAB._asdict(), "undo": ""}, "other")
        with pytest.raises(UnreadableRecordError, match=r"state/lab/lab\.json") as caught:
            attempt()
        assert f"rm -r {records}/lab" in caught.value.mend
        assert file.read_bytes() == whole
        assert list(state.left_behind()) == ["lab", "other"][: 1 + (attempt is not sweep)]
    assert list(state.living()) == []


def refused(monkeypatch: pytest.MonkeyPatch, code: int, *, writing: bool = False) -> None:
    """From now on locks cannot be opened, or not for writing."""
    real = os.open

    def opening(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if str(path).endswith("/lock") and (flags & os.O_RDWR or not writing):
            raise OSError(code, os.strerror(code), str(path))
        return real(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", opening)


def test_a_lab_is_found_where_nothing_can_be_written(
    records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And ended; only its record stays, which is told."""
    stands(records, (LAB._replace(undo="", temporary=False))._asdict())
    with monkeypatch.context() as patch:
        refused(patch, errno.EROFS, writing=True)
        assert [lab.name for lab in state.running()] == ["lab"]
        assert state.find("lab").nodes == LAB.nodes
        with pytest.raises(
            CannotError, match=r"has ended; its record cannot be removed: .*Read-on"
        ):
            end("lab")
        assert list(state.left_behind()) == ["lab"]
    assert end("lab") is Ending.BEFORE
    assert list(records.iterdir()) == []


@pytest.mark.parametrize("code", [errno.EACCES, errno.EMFILE, errno.EIO])
def test_a_lock_that_cannot_be_looked_at_is_not_free(
    records: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    stands(records, (LAB._replace(undo="", temporary=False))._asdict())
    with monkeypatch.context() as patch:
        refused(patch, code)
        with pytest.raises(OSError, match=os.strerror(code)):
            held(records / "lab" / "lock")
        (found,) = state.living()
        assert isinstance(found, UnreadableRecordError)
        assert os.strerror(code) in found.what
        for ask in (state.find, lambda _name: list(state.left_behind())):
            with pytest.raises(UnreadableRecordError, match="/lab/lock: "):
                ask("lab")
    assert end("lab") is Ending.ENDED


@pytest.mark.root
def test_another_users_folder_is_no_lab(records: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may lie where we record labs, and we may not look into it."""
    died(records, b"")
    os.chown(records / "lab", 65534, 65534)
    refused(monkeypatch, errno.EACCES)
    assert list(state.living()) == []
    os.chown(records / "lab", 0, 0)
    assert [type(one) for one in state.living()] == [UnreadableRecordError]


@pytest.mark.parametrize("what", ["lock", "lab.json", "control", "*"])
def test_a_lab_that_nobody_would_find_ends(records: Path, what: str) -> None:
    """Someone removed its folder, or cleans up what has long been there."""
    lab = Lab("lab").node("ns1").up()
    lab.detach()
    life = os.pidfd_open(lab.file.pid)
    for file in (records / "lab").glob(what):
        file.unlink()
    if what == "*":
        (records / "lab").rmdir()
    wait_until(lambda: ended(life), "its end", within=10)
    os.close(life)
    with pytest.raises(NoSuchLabError):
        state.find("lab")
    Lab("lab").node("ns1").up().down()


def ended(life: int) -> bool:
    """Whether the process of that descriptor has."""
    try:
        signal.pidfd_send_signal(life, 0)
    except ProcessLookupError:
        return True
    return False


def test_one_whose_record_is_replaced_again_and_again_stands(records: Path) -> None:
    with Lab("lab").node("ns1").up() as lab:
        lab.detach()
        for number in range(100):
            state.rewrite(state.find("lab")._replace(boot=number))
        (records / "lab" / "more").touch()
        (records / "lab" / "more").rename(records / "lab" / "other")
        (records / "lab" / "other").unlink()
        assert lab.run("ns1", ["true"]).code == 0


def test_one_who_clears_spares_whoever_has_the_folder_by_then(records: Path) -> None:
    """By hand someone removed the old one, and the name was taken again."""
    first = state.claim("lab")
    for file in first.folder.iterdir():
        file.unlink()
    first.folder.rmdir()
    second = state.claim("lab")
    second.write(LAB)
    assert first.gone
    first.clear()
    assert state.find("lab") == LAB
    second.clear()
