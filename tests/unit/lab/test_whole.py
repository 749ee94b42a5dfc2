"""Files that are whole or not there, whoever writes them and however that ends."""

import errno
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from hopscope.lab.whole import write_whole


@pytest.fixture(params=["without a name", "by another name"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As most file systems can, and as any can."""
    real = os.open

    def refused(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        return real(path, flags, *more, **named)

    if request.param == "by another name":
        monkeypatch.setattr(os, "open", refused)


def test_it_is_written_and_replaced(way: None, tmp_path: Path) -> None:
    for data in (b"one", b"another", b"another", b""):
        write_whole(tmp_path / "file", data)
        assert [(f.name, f.read_bytes()) for f in tmp_path.iterdir()] == [("file", data)]


def test_its_mode_is_as_usual(way: None, tmp_path: Path) -> None:
    """What this process's mask leaves of it."""
    (tmp_path / "usual").write_bytes(b"")
    write_whole(tmp_path / "file", b"")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_no_folder_is_told(way: None, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "absent" / "file", b"one")


def test_one_that_is_killed_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All was written, and it had no name yet."""
    if (pid := os.fork()) == 0:
        monkeypatch.setattr(os, "link", lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
        write_whole(tmp_path / "file", b"one")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []
