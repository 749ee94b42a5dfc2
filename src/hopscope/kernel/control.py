"""The socket in a lab's folder by which others reach its holder."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["listen", "reach"]


@contextmanager
def _address(folder: Path) -> Iterator[str]:
    """Its name: a path through a descriptor, as a socket's may have 107 bytes at most."""
    place = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{place}/control"
    finally:
        os.close(place)


def listen(folder: Path) -> socket.socket:
    """Make it, in the place of an earlier lab's."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    (folder / "control").unlink(missing_ok=True)
    with _address(folder) as address:
        listener.bind(address)
    listener.listen(16)
    return listener


def reach(folder: Path, within: float) -> socket.socket:
    """One that is connected, and waits so many seconds for whatever it is used for.

    ConnectionRefusedError: whoever listened has ended. FileNotFoundError: nobody did.
    """
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        control.settimeout(within)
        with _address(folder) as address:
            control.connect(address)
    except BaseException:
        control.close()
        raise
    return control
