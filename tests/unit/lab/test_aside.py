"""A process beside the run: what it is sent, how it ends, and that it always does."""

import errno
import os
import signal
import socket

import pytest

from hopscope.errors import CannotError
from hopscope.lab.aside import BROKEN, beside, receive, send, status_of


def echo(theirs: socket.socket) -> int:
    """Answers until nobody asks any more."""
    try:
        while True:
            send(theirs, receive(theirs)[::-1])
    except EOFError:
        return 7


def test_messages_arrive_whole_and_its_end_is_known() -> None:
    child, ours = beside(echo)
    for data in (b"", b"abc", b"x" * 1_000_000 + b"y"):
        send(ours, data)
        assert receive(ours) == data[::-1]
    ours.close()
    assert status_of(child) == 7


def test_a_run_that_is_gone_is_no_mistake(capfd: pytest.CaptureFixture[str]) -> None:
    """It may have gone with an answer unread, or before it was sent one."""

    def answering(theirs: socket.socket) -> int:
        receive(theirs)
        while True:
            send(theirs, b"x" * 100_000)

    child, ours = beside(answering)
    send(ours, b"go on")
    receive(ours)
    ours.close()
    assert status_of(child) == 0
    assert capfd.readouterr().err == ""


def test_a_mistake_is_told_and_has_a_status_of_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    def wrong(_theirs: socket.socket) -> int:
        message = "what is this?"
        raise ValueError(message)

    child, ours = beside(wrong)
    ours.close()
    assert status_of(child) == BROKEN
    assert "ValueError: what is this?" in capfd.readouterr().err


def test_one_that_is_held_up_is_ended() -> None:
    def stuck(_theirs: socket.socket) -> int:
        signal.pause()
        return 0

    child, ours = beside(stuck)
    assert status_of(child, within=0.05) == -signal.SIGKILL
    with pytest.raises(ChildProcessError):
        os.waitpid(child.pid, 0)
    ours.close()


def test_it_does_not_heed_what_ends_the_run() -> None:
    child, ours = beside(echo)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(child.pid, number)
    send(ours, b"still there")
    assert receive(ours) == b"ereht llits"
    ours.close()
    assert status_of(child) == 7


def test_what_came_before_it_could_heed_nothing_is_not_heeded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A Ctrl-C right after the fork unwinds nothing of the run's in it."""
    real = os.fork

    def fork() -> int:
        pid = real()
        if pid == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return pid

    monkeypatch.setattr(os, "fork", fork)
    child, ours = beside(echo)
    send(ours, b"ab")
    assert receive(ours) == b"ba"
    ours.close()
    assert status_of(child) == 7


def test_ctrl_c_after_its_end_is_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nobody else is sent a signal, who may have its number by then."""
    real = os.waitid

    def waitid(*arguments: int) -> os.waitid_result | None:
        monkeypatch.setattr(os, "waitid", real)
        real(*arguments)
        raise KeyboardInterrupt

    child, ours = beside(echo)
    ours.close()
    monkeypatch.setattr(os, "waitid", waitid)
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("somebody's number"))
    with pytest.raises(KeyboardInterrupt):
        status_of(child)


def test_where_sigchld_is_ignored_it_is_waited_for() -> None:
    """By a program that uses us, and keeps it so."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        child, ours = beside(echo)
        ours.close()
        assert status_of(child) == 0
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_one_that_may_not_run_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, "fork", fork)
    with pytest.raises(CannotError, match="no more processes may run"):
        beside(echo)
