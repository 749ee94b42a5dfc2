"""Requests to a lab's holder, and its answers; knows nothing of what is asked."""

import contextlib
import errno
import os
import resource
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hopscope.errors import CannotError, KernelError
from hopscope.kernel import letters
from hopscope.kernel.descriptors import make_room
from hopscope.kernel.starting import START

__all__ = ["Asking"]


class Asking:
    """One who asks a holder, by the socket *control*; *pid* is the holder's."""

    def __init__(self, control: socket.socket, pid: int) -> None:
        self.pid = pid
        self._control = control
        self._count = 0
        self._patience = START  # seconds
        self._expected: dict[int, tuple[dict[str, Any], list[int]] | None] = {}
        """Requests that were made ahead, and the answers that came before they were wanted."""

    def _send(self, do: str, fds: Sequence[int], fields: Mapping[str, Any]) -> int:
        self._count += 1
        letters.send(self._control, {"do": do, "id": self._count, **fields}, fds)
        return self._count

    def _request(
        self, do: str, fds: Sequence[int] = (), /, **fields: object
    ) -> tuple[dict[str, Any], list[int]]:
        return self.answer(do, self._ask(do, fds, fields))

    def _ask(self, do: str, fds: Sequence[int], fields: Mapping[str, Any]) -> int:
        with self._heard():
            self._control.settimeout(self._patience)
            return self._send(do, fds, fields)

    def ahead(self, do: str, fds: Sequence[int] = (), /, **fields: object) -> int:
        """Ask now; the number by which `answer` gets the answer, also after others.

        Answers wait in the socket, which has room for two that are long, or for many short ones.
        """
        number = self._ask(do, fds, fields)
        self._expected[number] = None
        return number

    def answer(self, do: str, number: int) -> tuple[dict[str, Any], list[int]]:
        """The answer to a request of that number, and its descriptors, which are the caller's."""
        early = self._expected.pop(number, None)
        with self._heard():
            self._control.settimeout(None if do == "run" else self._patience)
            reply, got = early or self._receive(number)
        if "error" in reply:
            raise KernelError(reply["error"], f"in the sandbox: {do}", _said(reply))
        return reply, got

    def forget(self, number: int) -> None:
        """Nobody wants that answer any more."""
        for fd in (self._expected.pop(number, None) or ({}, []))[1]:
            os.close(fd)

    def _receive(self, number: int) -> tuple[dict[str, Any], list[int]]:
        """The answer of that number; an interrupted request's late one may still lie before it."""
        while True:
            make_room(self._control.fileno())
            reply, got = letters.receive(self._control)
            if "id" not in reply:
                raise ConnectionResetError(errno.ECONNRESET, "the holder is gone")
            if reply["id"] == number:
                return reply, got
            if reply["id"] in self._expected:
                self._expected[reply["id"]] = reply, got
                continue
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
        except OSError as error:
            if error.errno != errno.EMFILE:
                raise
            most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            what = f"this process may open no more than {most} files, and so large a lab takes more"
            raise CannotError(what, mend=f"ulimit -Hn {4 * most}   (as root)") from error


def _said(reply: Mapping[str, Any]) -> str:
    """What the holder's words add to those of the error's number."""
    code, words = reply["error"], reply["doing"]
    said: str = words.removeprefix(f"[Errno {code}] ").removeprefix(os.strerror(code))
    return said.removeprefix(": ")
