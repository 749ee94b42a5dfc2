"""Work split among processes."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopscope.errors import CannotError
from hopscope.probe.shares import shared


def squares(numbers: Sequence[int]) -> list[int]:
    return [number * number for number in numbers]


@given(st.lists(st.integers(), max_size=9), st.integers(1, 3))
def test_results_come_in_the_order_of_the_parts(numbers: list[int], count: int) -> None:
    """However many share the work."""
    with shared(numbers, squares, count=count) as told:
        assert told == squares(numbers)


def test_each_share_has_a_process() -> None:
    """The first is done by this one."""
    with shared(range(6), lambda some: [os.getpid()] * len(some), count=2) as told:
        pids = list(told)
    assert set(pids[::2]) == {os.getpid()}
    assert len(set(pids)) == 2


def test_an_error_of_another_process_is_raised() -> None:
    """As if it were ours; no process is left."""

    def fails(some: Sequence[int]) -> list[int]:
        if 1 in some:
            raise ValueError("one")
        return list(some)

    with pytest.raises(ValueError, match="one"), shared([0, 1], fails, count=2):
        pass
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_process_that_is_killed_is_told() -> None:
    """It may be done again."""

    def dies(some: Sequence[int]) -> list[int]:
        if 1 in some:
            os._exit(1)
        return list(some)

    with pytest.raises(CannotError, match="was ended"), shared([0, 1], dies, count=2):
        pass


@pytest.mark.parametrize("had", [0, 1, 2])
def test_where_no_more_may_run_it_is_done_here(monkeypatch: pytest.MonkeyPatch, had: int) -> None:
    """As ulimit -u has it; nothing stays open."""

    def count_open() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    forked: list[bool] = []
    real, before = os.fork, count_open()

    def fork() -> int:
        if len(forked) == had:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        forked.append(True)
        return real()

    monkeypatch.setattr(os, "fork", fork)
    with shared(range(10), squares, count=4) as told:
        assert told == squares(range(10))
    assert count_open() == before
