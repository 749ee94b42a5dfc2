"""Requests to a lab's holder, and its answers; knows nothing of what is asked.

Several threads may ask at once. All answers come by one socket: whoever waits for one, and finds
nobody else there, receives for all, until its own has come. It leaves those of others where they
find them, so that one that waits for a program's end keeps nobody.
"""

import contextlib
import errno
import itertools
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from threading import Condition, get_ident
from typing import Any

from hopscope.errors import CannotError, KernelError
from hopscope.kernel import letters
from hopscope.kernel.descriptors import make_room
from hopscope.kernel.reaching import end_it
from hopscope.kernel.scarcity import scarce
from hopscope.kernel.starting import START

__all__ = ["Asking"]

_Answer = tuple[dict[str, Any], list[int]]
_DOWN = "this lab was taken down"


class Asking:
    """One who asks a holder, by the socket *control*; *pid* is the holder's."""

    def __init__(self, control: socket.socket, pid: int) -> None:
        self.pid = pid
        self._control = control
        self._numbers = itertools.count(1)
        self._patience = START  # seconds
        self._expected: dict[int, _Answer | None] = {}
        """Requests whose answers are wanted, and those of them that came before they were taken."""
        self._turn = Condition()
        self._receiver: int | None = None  # the thread that receives for all

    def _send(self, do: str, fds: Sequence[int], fields: Mapping[str, Any]) -> int:
        """Ask for what is not answered, or for an answer that is dropped."""
        number = next(self._numbers)
        letters.send(self._control, {"do": do, "id": number, **fields}, fds)
        return number

    def _request(self, do: str, fds: Sequence[int] = (), /, **fields: object) -> _Answer:
        return self.answer(do, self.ahead(do, fds, **fields))

    def ahead(self, do: str, fds: Sequence[int] = (), /, **fields: object) -> int:
        """Ask now; the number by which `answer` gets the answer, also after others.

        Answers wait in the socket, which has room for two that are long, or for many short ones;
        beyond, the holder keeps them, and hears us no more until they are taken.
        """
        number = next(self._numbers)
        self._expected[number] = None
        try:
            with self._heard():
                self._control.settimeout(self._patience)
                letters.send(self._control, {"do": do, "id": number, **fields}, fds)
        except BaseException:
            self.forget(number)
            raise
        return number

    def answer(self, do: str, number: int) -> _Answer:
        """The answer to a request of that number, and its descriptors, which are the caller's."""
        with self._heard():
            reply, got = self._await(number, endless=do == "run")
        if "error" in reply:
            code, doing, said = reply["error"], f"in the sandbox: {do}", reply["doing"]
            limit = scarce(code, f"{doing} {said}".rstrip(), reply.get("files"))
            raise limit or KernelError(code, doing, said)
        return reply, got

    def forget(self, number: int) -> None:
        """Nobody wants that answer any more."""
        with self._turn:
            early = self._expected.pop(number, None)
        for fd in early[1] if early else ():
            os.close(fd)

    def _await(self, number: int, *, endless: bool) -> _Answer:
        """The answer of that number: another thread's catch, or received here."""
        me = get_ident()
        try:
            with self._turn:
                while self._expected.get(number) is None and self._receiver not in (None, me):
                    if not self._turn.wait(self._patience) and not endless:
                        raise TimeoutError
                if (early := self._expected.pop(number, None)) is not None:
                    return early
                self._expected[number], self._receiver = None, me
            while True:
                reply, got = self._receive(endless=endless)
                if reply["id"] == number:
                    return reply, got
                self._keep(reply, got)
        finally:
            self.forget(number)
            with self._turn:
                if self._receiver == me:
                    self._receiver = None
                    self._turn.notify_all()

    def _receive(self, *, endless: bool) -> _Answer:
        while True:
            try:
                self._control.settimeout(self._patience)
                make_room(self._control.fileno())
                reply, got = letters.receive(self._control)
            except TimeoutError:
                if endless:
                    continue
                raise
            if "id" not in reply:
                raise ConnectionResetError(errno.ECONNRESET, "the holder is gone")
            return reply, got

    def _keep(self, reply: dict[str, Any], got: list[int]) -> None:
        """For whoever wants it; an interrupted request's late answer is nobody's."""
        with self._turn:
            if reply["id"] in self._expected:
                self._expected[reply["id"]] = reply, got
                self._turn.notify_all()
                return
        for fd in got:
            os.close(fd)

    @contextlib.contextmanager
    def _heard(self) -> Iterator[None]:
        """What it means when the holder does not answer."""
        if self._control.fileno() < 0:
            raise CannotError(_DOWN, mend="hopscope up, or run, again")
        try:
            yield
        except TimeoutError as error:
            what = f"the lab's holder process has not answered for {self._patience:g} seconds"
            raise CannotError(what, mend=end_it(self.pid)) from error
        except ConnectionError as error:
            what = "the lab's holder process has ended (killed?), and the kernel freed the lab"
            raise CannotError(what, mend="hopscope up, or run, again") from error
        except OSError as error:
            if self._control.fileno() < 0:  # by another thread, meanwhile
                raise CannotError(_DOWN, mend="hopscope up, or run, again") from error
            raise scarce(error.errno or 0, "speaking with the lab's holder") or error from error
