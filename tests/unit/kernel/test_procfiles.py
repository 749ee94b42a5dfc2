"""Files of /proc are read and written, through one procfs after the other where that may be."""

import errno
import os
from pathlib import Path

import pytest

from hopscope.kernel.holder import procfiles
from hopscope.kernel.holder.procfiles import ProcFiles


def _open_files() -> set[str]:
    return {one.name for one in Path("/proc/self/fd").iterdir()}


def test_one_procfs_follows_another_and_none_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []

    def another() -> int:
        opened.append(os.open("/proc", os.O_PATH | os.O_DIRECTORY))
        return opened[-1]

    monkeypatch.setattr(procfiles, "new_proc", another)
    proc = ProcFiles()
    before = _open_files()
    for _ in range(100):
        proc.enter()
        assert proc.read("/proc/self/comm") == Path("/proc/self/comm").read_text()
    assert len(opened) == 3
    assert len(_open_files()) == len(before)


def test_where_none_may_be_mounted_the_old_one_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden() -> int:
        raise PermissionError(errno.EPERM, "fsopen")

    monkeypatch.setattr(procfiles, "new_proc", forbidden)
    proc = ProcFiles()
    for _ in range(100):
        proc.enter()
    assert proc.read("/proc/self/comm") == Path("/proc/self/comm").read_text()


def test_what_is_absent_or_refused_is_told() -> None:
    proc = ProcFiles()
    assert proc.read("/proc/sys/net/no-such-file") is None
    assert proc.write("/proc/sys/net/no-such-file", "1") == errno.ENOENT
    assert proc.write("/proc/self/timerslack_ns", "50000") == 0
    assert proc.write("/proc/self/oom_score_adj", "many") == errno.EINVAL


def test_a_text_of_which_a_part_was_taken_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel takes no more than a page, and of two numbers for one the first."""

    def in_part(_file: int, data: bytes) -> int:
        return len(data) - 1

    monkeypatch.setattr("hopscope.kernel.holder.procfiles.os.write", in_part)
    assert ProcFiles().write("/proc/self/timerslack_ns", "50000 1") == errno.EMSGSIZE


def test_nothing_is_written_as_an_empty_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the kernel is not even asked."""
    written: list[bytes] = []

    def noted(_file: int, data: bytes) -> int:
        written.append(data)
        return len(data)

    monkeypatch.setattr("hopscope.kernel.holder.procfiles.os.write", noted)
    assert ProcFiles().write("/proc/self/timerslack_ns", "") == 0
    assert written == [b"\n"]
