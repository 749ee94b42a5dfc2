"""Requests to a lab's holder, and its answers; knows nothing of what is asked."""

import contextlib
import errno
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from hopscope.errors import CannotError, KernelError
from hopscope.kernel import letters
from hopscope.kernel.starting import START

__all__ = ["Asking"]


class Asking:
    """One who asks a holder, by the socket *control*; *pid* is the holder's."""

    def __init__(self, control: socket.socket, pid: int) -> None:
        self.pid = pid
        self._control = control
        self._count = 0
        self._patience = START  # seconds
        self._expected: dict[int, dict[str, Any] | None] = {}
        """Requests that were made ahead, and the answers that came before they were wanted."""

    def _send(self, do: str, fds: Sequence[int], fields: Mapping[str, Any], flags: int = 0) -> int:
        self._count += 1
        letters.send(self._control, {"do": do, "id": self._count, **fields}, fds, flags)
        return self._count

    def _request(
        self, do: str, fds: Sequence[int] = (), /, **fields: object
    ) -> tuple[dict[str, Any], list[int]]:
        return self._answer(do, self._ask(do, fds, fields))

    def _ask(self, do: str, fds: Sequence[int], fields: Mapping[str, Any]) -> int:
        with self._heard():
            self._control.settimeout(self._patience)
            return self._send(do, fds, fields)

    def _ahead(self, do: str, /, **fields: object) -> Callable[[], dict[str, Any]]:
        """Ask now; what is returned gives the answer, also when others were asked meanwhile.

        An answer waits in the socket, which has room for two: so of those that are long, one at
        most is to be asked ahead.
        """
        number = self._ask(do, (), fields)
        self._expected[number] = None
        return lambda: self._answer(do, number)[0]

    def _answer(self, do: str, number: int) -> tuple[dict[str, Any], list[int]]:
        early = self._expected.pop(number, None)
        with self._heard():
            self._control.settimeout(None if do == "run" else self._patience)
            reply, got = (early, []) if early else self._receive(number)
        if "error" in reply:
            raise KernelError(reply["error"], f"in the sandbox: {do}", _said(reply))
        return reply, got

    def _receive(self, number: int) -> tuple[dict[str, Any], list[int]]:
        """The answer of that number; an interrupted request's late one may still lie before it."""
        while True:
            reply, got = letters.receive(self._control)
            if "id" not in reply:
                raise ConnectionResetError(errno.ECONNRESET, "the holder is gone")
            if reply["id"] == number:
                return reply, got
            if reply["id"] in self._expected:
                self._expected[reply["id"]] = reply
            for fd in got:
                os.close(fd)

    @contextlib.contextmanager
    def _heard(self) -> Iterator[None]:
        """What it means when the holder does not answer."""
        if self._control.fileno() < 0:
            raise CannotError("this lab was taken down", mend="hopscope up, or run, again")
        try:
            yield
        except TimeoutError as error:
            what = f"the lab's holder process has not answered for {self._patience:g} seconds"
            raise CannotError(what, mend=f"kill -9 {self.pid}   (the holder)") from error
        except ConnectionError as error:
            what = "the lab's holder process has ended (killed?), and the kernel freed the lab"
            raise CannotError(what, mend="hopscope up, or run, again") from error


def _said(reply: Mapping[str, Any]) -> str:
    """What the holder's words add to those of the error's number."""
    code, words = reply["error"], reply["doing"]
    said: str = words.removeprefix(f"[Errno {code}] ").removeprefix(os.strerror(code))
    return said.removeprefix(": ")
