"""Requests to a lab's holder, and its answers; knows nothing of what is asked."""

import errno
import os
import socket
from collections.abc import Mapping, Sequence
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

    def _send(self, do: str, fds: Sequence[int], fields: Mapping[str, Any], flags: int = 0) -> int:
        self._count += 1
        letters.send(self._control, {"do": do, "id": self._count, **fields}, fds, flags)
        return self._count

    def _request(
        self, do: str, fds: Sequence[int] = (), /, **fields: object
    ) -> tuple[dict[str, Any], list[int]]:
        if self._control.fileno() < 0:
            raise CannotError("this lab was taken down", mend="hopscope up, or run, again")
        self._control.settimeout(None if do == "run" else self._patience)
        try:
            number = self._send(do, fds, fields)
            while True:  # an interrupted request's late answer may still lie here
                reply, got = letters.receive(self._control)
                if "id" not in reply:
                    raise ConnectionResetError(errno.ECONNRESET, "the holder is gone")
                if reply["id"] == number:
                    break
                for fd in got:
                    os.close(fd)
        except TimeoutError as error:
            what = f"the lab's holder process has not answered for {self._patience:g} seconds"
            raise CannotError(what, mend=f"kill -9 {self.pid}   (the holder)") from error
        except ConnectionError as error:
            what = "the lab's holder process has ended (killed?), and the kernel freed the lab"
            raise CannotError(what, mend="hopscope up, or run, again") from error
        if "error" in reply:
            raise KernelError(reply["error"], f"in the sandbox: {do}", reply["doing"])
        return reply, got
