"""Send lines to a syslog daemon, at an address that the user gave and nowhere else."""

import os
import socket
from contextlib import suppress
from typing import Final, Self
from urllib.parse import urlsplit

from hopscope.errors import CannotError, UsageError
from hopscope.model.vocab import Nanos
from hopscope.render.rfc5424 import framed, local, rfc5424

__all__ = ["Sender"]

_LOCAL: Final = "/dev/log"
_PORT: Final = 514
_TIMEOUT: Final = 5.0
_FORMS: Final = "/path/of/a/socket, udp://HOST:PORT, tcp://HOST:PORT or local"


class Sender:
    """A connection to one syslog daemon; use as a context manager.

    Local daemons get the form that the C library writes, the others RFC 5424; over UDP
    that nobody listens shows only when the network says so, at the next line.
    """

    def __init__(
        self, address: str = "local", *, app: str = "hopscope", procid: str | None = None
    ) -> None:
        """*address*: see `_FORMS`; "local" is the machine's own /dev/log.

        *procid* None: this process's; "" for what no process says, as the kernel's lines.
        """
        self.address: str = _LOCAL if address == "local" else address
        self._scheme, target = _parse(self.address)
        self._app = app
        self._procid = str(os.getpid()) if procid is None else procid
        try:
            self._socket = _connected(self._scheme, target)
        except OSError as error:
            raise self._failure(error) from error

    def send(
        self,
        text: str,
        *,
        at: Nanos,
        host: str = "",
        facility: str | int = "kern",
        severity: str | int = "warning",
        msgid: str = "",
    ) -> None:
        """Send one line; CannotError when the daemon is not there.

        *host*: who said it; the local form has no place for it.
        """
        if self._scheme == "unix":
            message = local(
                text,
                at=at,
                facility=facility,
                severity=severity,
                app=self._app,
                procid=self._procid,
            )
        else:
            message = rfc5424(
                text,
                at=at,
                facility=facility,
                severity=severity,
                host=host,
                app=self._app,
                procid=self._procid,
                msgid=msgid,
            )
        try:
            self._socket.sendall(framed(message) if self._scheme == "tcp" else message)
            refused = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        except OSError as error:
            raise self._failure(error) from error
        if refused:
            raise self._failure(OSError(refused, os.strerror(refused)))

    def close(self) -> None:
        """Close the connection; what was sent over TCP still arrives."""
        if self._scheme == "tcp":
            with suppress(OSError):  # the daemon was faster
                self._socket.shutdown(socket.SHUT_WR)
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _failure(self, error: OSError) -> CannotError:
        what = f"no syslog daemon takes lines at {self.address}: {error.strerror or error}"
        return CannotError(what, mend=f"start one there, or give another address ({_FORMS})")


def _parse(address: str) -> tuple[str, str | tuple[str, int]]:
    """The scheme (unix, udp, tcp), and a path or a host and port."""
    if address.startswith("/"):
        return "unix", address
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port or _PORT
    except ValueError:
        host, port = None, 0
    if host is None or parts.scheme not in ("udp", "tcp") or parts.path not in ("", "/"):
        message = f"{address!r} is no syslog address; write {_FORMS}"
        raise UsageError(message)
    return parts.scheme, (host, port)


def _connected(scheme: str, target: str | tuple[str, int]) -> socket.socket:
    if isinstance(target, str):
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            made.connect(target)
        except OSError:
            made.close()
            raise
        return made
    if scheme == "tcp":
        return socket.create_connection(target, timeout=_TIMEOUT)
    host, port = target
    found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    family, kind, proto, _, where = found[0]
    made = socket.socket(family, kind, proto)
    made.connect(where)
    return made
