"""A lab on its way out of the world, as other commands meet it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from hopscope.kernel import state
from hopscope.kernel.state import LabFile

__all__ = ["dying"]

_MOMENT = 1.0  # seconds; a command starts in less


@contextmanager
def dying(lab: LabFile) -> Iterator[None]:
    """Its killed holder has closed its sockets, and keeps its lock for a while yet."""
    claimed = state.claim(lab.name)
    claimed.write(lab)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as control:
        control.bind(str(claimed.folder / "control"))
    later = threading.Timer(_MOMENT, claimed.close)
    later.start()
    try:
        yield
    finally:
        later.join()
