"""The folder of a run: which one, and what keeps it from being written."""

import errno
import os
from pathlib import Path

import pytest

from hopscope.errors import CannotError, UsageError
from hopscope.lab.folder import cannot_write, file_of, folder_of, write_file


def test_the_usual_one_is_named_after_the_lab() -> None:
    assert folder_of(None, "bridge") == Path("hopscope-out/bridge")


def test_looking_makes_nothing(tmp_path: Path) -> None:
    """Also of several levels, none of which is there."""
    wanted = tmp_path / "a" / "b" / "c"
    assert folder_of(str(wanted), "bridge") == wanted
    assert list(tmp_path.iterdir()) == []


def test_an_empty_name_is_none() -> None:
    with pytest.raises(UsageError, match="--out names no folder"):
        folder_of("", "bridge")


@pytest.mark.parametrize("below", ["", "out", "a/b"])
def test_a_file_in_the_way_is_named(tmp_path: Path, below: str) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(CannotError) as caught:
        folder_of(str(file / below), "bridge")
    assert caught.value.what == f"cannot write {file}: Not a directory"
    assert caught.value.mend == "name a folder where no file is in the way"


def test_a_link_to_nowhere_is_in_the_way_too(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "gone")
    with pytest.raises(CannotError, match="Not a directory"):
        folder_of(str(link), "bridge")


def test_a_folder_of_others_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As os.access tells, which root passes but on what is mounted read-only."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(CannotError) as caught:
        folder_of(str(tmp_path / "out"), "bridge")
    assert caught.value.what == f"cannot write {tmp_path}: Permission denied"
    assert caught.value.mend.endswith("where you may write")


@pytest.mark.parametrize(
    ("code", "fits"),
    [
        (errno.EROFS, "where something can be written"),
        (errno.ENOSPC, "on a disk with room"),
        (errno.EIO, "that is another"),
    ],
)
def test_what_fits_is_said(code: int, fits: str) -> None:
    error = cannot_write(Path("out"), OSError(code, os.strerror(code)))
    assert str(error).splitlines() == [
        f"cannot write out: {os.strerror(code)}",
        f"  mend it with: name a folder {fits}",
    ]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """Told in the words of the option that names it."""
    with pytest.raises(UsageError, match=f"--out names a folder, '{tmp_path}'; name a file in it"):
        file_of(str(tmp_path), "--out")


def test_a_file_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """It will be made; looking makes nothing."""
    file = file_of(str(tmp_path / "a" / "b.sh"), "--out")
    assert list(tmp_path.iterdir()) == []
    for data in (b"one", b"another"):
        write_file(file, data)
        assert file.read_bytes() == data
        assert file_of(str(file), "--out") == file


def test_a_file_of_others_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(CannotError, match=f"cannot write {tmp_path}/file: Permission denied"):
        file_of(str(tmp_path / "file"), "--out")


def test_a_full_disk_leaves_no_empty_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was there is no new one, and stays."""

    def full(file: Path, _data: bytes) -> None:
        file.open("wb").close()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "old").write_text("old")
    monkeypatch.setattr(Path, "write_bytes", full)
    for name in ("old", "new"):
        with pytest.raises(CannotError) as caught:
            write_file(tmp_path / name, b"data")
        assert caught.value.what == f"cannot write {tmp_path / name}: No space left on device"
        assert caught.value.mend == "name a folder on a disk with room"
    assert [file.name for file in tmp_path.iterdir()] == ["old"]
