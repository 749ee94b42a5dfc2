"""A lock that is waited for: who has it is told, once that takes long."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hopscope.kernel.turns import take_turn, try_turn
from hopscope.kernel.waiting import wait_until


@contextmanager
def opened(file: Path) -> Iterator[int]:
    """A descriptor of one's own."""
    lock = os.open(file, os.O_RDWR | os.O_CREAT)
    try:
        yield lock
    finally:
        os.close(lock)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "changing"


@pytest.fixture
def other(file: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that has it, until it ends."""
    script = "import fcntl, signal; fcntl.flock(0, fcntl.LOCK_EX); print('!', flush=True); "
    with file.open("w") as held:
        argv = [sys.executable, "-I", "-S", "-c", script + "signal.pause()"]
        process = subprocess.Popen(argv, stdin=held, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.read(1) == "!"
    yield process
    process.kill()
    process.stdout.close()
    process.wait()


def waiting(file: Path, told: Callable[[], str]) -> tuple[threading.Thread, str]:
    """One who waits for it, and what it has told by then."""
    done = threading.Thread(target=taken, args=(file,))
    done.start()
    said = ""

    def heard() -> bool:
        nonlocal said
        said += told()
        return bool(said)

    wait_until(heard, "a word", within=10)
    return done, said


def taken(file: Path) -> None:
    with opened(file) as lock:
        take_turn(lock, "changes lab 'x'")


def test_it_is_waited_for_and_who_has_it_is_told(
    file: Path, other: "subprocess.Popen[str]", capsys: pytest.CaptureFixture[str]
) -> None:
    waiter, said = waiting(file, lambda: capsys.readouterr().err)
    assert said == f"hopscope: waiting for process {other.pid}, which changes lab 'x'\n"
    other.kill()
    waiter.join(10)
    assert not waiter.is_alive()
    assert capsys.readouterr().err == ""


def test_that_it_was_stopped_is_told(
    file: Path, other: "subprocess.Popen[str]", capsys: pytest.CaptureFixture[str]
) -> None:
    """By Ctrl-Z, say: it would be waited for without end."""
    other.send_signal(signal.SIGSTOP)
    waiter, said = waiting(file, lambda: capsys.readouterr().err)
    assert f"process {other.pid} (stopped; kill -CONT {other.pid} lets it go on), which" in said
    other.kill()
    waiter.join(10)


def test_nobody_is_told_of_what_is_free(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    taken(file)
    with opened(file) as one, opened(file) as two:
        assert try_turn(one)
        assert not try_turn(two)
    taken(file)
    assert capsys.readouterr().err == ""


def test_without_standard_error_it_is_waited_for_all_the_same(
    file: Path, other: "subprocess.Popen[str]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    waiter = threading.Thread(target=taken, args=(file,))
    waiter.start()
    inode = f":{file.stat().st_ino} "

    def waits() -> bool:
        lines = Path("/proc/locks").read_text().splitlines()
        return any("->" in line and inode in line for line in lines)

    wait_until(waits, "one that waits", within=10)
    other.kill()
    waiter.join(10)
    assert not waiter.is_alive()
