"""Tasks side by side, as far as threads can be had."""

import threading

import pytest

from hopscope.kernel.holder.together import together


@pytest.mark.parametrize("had", [0, 1, 5, 1000])
@pytest.mark.parametrize("tasks", [0, 1, 3, 64, 200])
def test_each_is_done_once(monkeypatch: pytest.MonkeyPatch, had: int, tasks: int) -> None:
    """However many threads there may be."""
    started: list[threading.Thread] = []
    real = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if len(started) == had:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    done: list[int] = []
    together([lambda number=number: done.append(number) for number in range(tasks)])  # type: ignore[misc]
    assert sorted(done) == list(range(tasks))
    assert len(started) == min(had, tasks, 64)
    assert not any(thread.is_alive() for thread in started)
