"""Work split among processes, one for each processor: threads would wait for each other in turn."""

import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any, TypeVar

from hopscope.errors import CannotError
from hopscope.kernel.children import Child

__all__ = ["shared"]

Part = TypeVar("Part")
Result = TypeVar("Result")


@contextmanager
def shared(
    parts: Sequence[Part], work: Callable[[Sequence[Part]], list[Result]], *, count: int
) -> Iterator[list[Result]]:
    """What *work* makes of the parts, in their order; *count* processes have a share each.

    Where no more may run (ulimit -u) this process does the others' too. *work* answers for each
    part that it is given; from another process, with what can be pickled. An error there is raised
    here; CannotError when a process was killed. They end while the results are used.
    """
    children: list[tuple[Child, IO[bytes]]] = []
    results: dict[int, Result] = {}
    try:
        with suppress(BlockingIOError):
            children.extend(_started(parts[number::count], work) for number in range(1, count))
        ours = [one for one in range(len(parts)) if not 0 < one % count <= len(children)]
        results |= zip(ours, work([parts[one] for one in ours]), strict=True)
        for number, (_process, pipe) in enumerate(children, 1):
            got = _read(pipe)
            if isinstance(got, BaseException):
                raise got
            results |= zip(range(number, len(parts), count), got, strict=True)
        yield [results[number] for number in range(len(parts))]
    finally:
        for child, pipe in children:
            pipe.close()
            child.kill()  # it is done, or no longer wanted
            child.wait()


def _read(pipe: IO[bytes]) -> Any:
    try:
        return pickle.load(pipe)  # noqa: S301 - our own child's
    except (EOFError, pickle.UnpicklingError) as error:
        raise CannotError(
            "a process that probes was ended (killed?)", mend="run it again"
        ) from error


def _started(
    parts: Sequence[Part], work: Callable[[Sequence[Part]], list[Result]]
) -> tuple[Child, IO[bytes]]:
    """A process that does its share, writes the result, and ends."""
    ours, theirs = os.pipe()
    try:
        pid = os.fork()
    except BaseException:
        os.close(ours)
        os.close(theirs)
        raise
    if pid:
        os.close(theirs)
        return Child(pid), os.fdopen(ours, "rb")
    try:
        os.close(ours)
        with os.fdopen(theirs, "wb") as pipe:
            try:
                answer: object = work(parts)
            except Exception as error:  # noqa: BLE001 - raised by the one who asked
                answer = error
            pickle.dump(answer, pipe)
    finally:
        os._exit(0)
