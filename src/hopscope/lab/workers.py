"""Labs performed side by side, each in a process of its own; what ends us ends them all.

A worker tells its cases through a pipe as they come, and at last what became of the whole
lab. One that dies before is told as an error, with the cases that it had told.
"""

import os
import signal
import sys
import time
from collections import deque
from collections.abc import Generator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Final, cast

from hopscope.errors import ExitCode
from hopscope.kernel.interrupts import ENDING
from hopscope.kernel.syscalls import end_with_parent
from hopscope.lab.suite import Given, run_lab
from hopscope.model.tried import Case, Outcome, Tried

__all__ = ["tried"]

_FORK: Final = get_context("fork")  # all that a worker needs is loaded by then
_SIGNALLED: Final = 128


def tried(labs: Sequence[Given | Tried], *, jobs: int) -> Generator[Tried]:
    """What became of each lab, the first to end first; at most *jobs* at a time.

    One of which that is known before is told when its turn comes.
    Closing the iterator ends those that still run, and takes down what they built.
    """
    waiting = deque(labs)
    at_work: dict[Connection, _Worker] = {}
    try:
        while waiting or at_work:
            while waiting and len(at_work) < jobs:
                one = waiting.popleft()
                if isinstance(one, Tried):
                    yield one
                else:
                    worker = _Worker(one)
                    at_work[worker.ear] = worker
            for ear in wait(list(at_work)) if at_work else ():  # else it waits for ever
                worker = at_work[cast("Connection", ear)]
                if (found := worker.heard()) is not None:
                    del at_work[worker.ear]
                    worker.join()
                    yield found
    finally:
        for worker in at_work.values():
            worker.end()
        for worker in at_work.values():
            worker.join()


class _Worker:
    """One process, and what it has told."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.cases: list[Case] = []
        self.begun = time.perf_counter()
        self.ear, mouth = _FORK.Pipe(duplex=False)
        self.process = _FORK.Process(target=_serve, args=(given, mouth, os.getpid()))
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        mouth.close()

    def heard(self) -> Tried | None:
        """The end, if that is what it told next."""
        try:
            told: object = self.ear.recv()
        except (EOFError, OSError):
            self.process.join()
            return self._died()
        if isinstance(told, Tried):
            return told
        if isinstance(told, Case):
            self.cases.append(told)
        return None

    def _died(self) -> Tried:
        case = Case(
            name="process",
            outcome=Outcome.ERROR,
            seconds=0.0,
            message=f"the process that performed it was ended (status {self.process.exitcode})",
            status=ExitCode.CANNOT,
        )
        return Tried(
            file=self.given.file,
            lab=self.given.spec.name,
            cases=(*self.cases, case),
            seconds=time.perf_counter() - self.begun,
        )

    def end(self) -> None:
        """Let it take down its lab, and end."""
        self.process.terminate()

    def join(self) -> None:
        """Wait for it."""
        self.process.join()
        self.ear.close()


def _serve(given: Given, mouth: Connection, parent: int) -> None:
    """In the worker. Ctrl-C reaches it too, and is its parent's to act on.

    A parent that is killed tells nobody: the kernel then ends us as that would have.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    end_with_parent(signal.SIGTERM)
    if os.getppid() != parent:  # it was killed before
        return
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    mouth.send(run_lab(given, mouth.send))
    mouth.close()


def _leave(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # once is enough: what is built is being taken down
    sys.exit(_SIGNALLED + number)
