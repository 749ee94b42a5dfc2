"""What the holder and those who ask it say to each other: JSON, with descriptors beside it.

A letter is one datagram; one that is too large for a datagram goes through a memory file,
whose descriptor comes first. Standard library only, since the holder runs this too.
"""

import errno
import json
import os
import resource
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

__all__ = ["DOORS", "MOST_FDS", "receive", "refusal", "send"]

DOORS: Final = ("user", "pid", "uts", "mnt")
"""The namespaces of a lab, in the order in which their descriptors come; a node's comes last."""

MOST_FDS: Final = 250  # beside one letter; SCM_MAX_FD is 253
_FD: Final = struct.Struct("=i")
_LARGEST: Final = 1 << 16  # a datagram must fit half of the least usual send buffer


def send(channel: socket.socket, letter: Mapping[str, Any], fds: Sequence[int] = ()) -> None:
    """Send one letter; the descriptors stay the caller's."""
    data = json.dumps(letter).encode()
    if len(data) <= _LARGEST:
        socket.send_fds(channel, [data], fds)
        return
    with os.fdopen(os.memfd_create("hopscope-letter", os.MFD_CLOEXEC), "w+b") as memory:
        memory.write(data)
        memory.flush()
        header = json.dumps({"memory": len(data)}).encode()
        socket.send_fds(channel, [header], [memory.fileno(), *fds])


def receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """One letter and its descriptors, which are the caller's now; an empty one: nobody is there.

    Raises OSError (EMFILE) when this process may not have so many descriptors, ValueError,
    IndexError or TypeError when it is none.
    """
    # not socket.recv_fds, which forgets its flags: programs would inherit what comes
    room = socket.CMSG_SPACE((MOST_FDS + 1) * _FD.size)
    data, told, flags, _address = channel.recvmsg(_LARGEST, room, socket.MSG_CMSG_CLOEXEC)
    fds = [fd for _, kind, some in told if kind == socket.SCM_RIGHTS for fd in _descriptors(some)]
    if flags & socket.MSG_CTRUNC:
        for fd in fds:
            os.close(fd)
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    try:
        letter = _read(data) if data else {}
        if "memory" in letter:
            with os.fdopen(fds.pop(0), "rb") as memory:
                letter = _read(os.pread(memory.fileno(), int(letter["memory"]), 0))
    except BaseException:
        for fd in fds:
            os.close(fd)
        raise
    return letter, fds


def refusal(error: BaseException) -> dict[str, Any]:
    """What tells of an error: its number, what its words add to that, and our limit of files."""
    if not isinstance(error, OSError):
        return {"error": errno.EINVAL, "doing": repr(error)}
    code = error.errno or errno.EIO
    said = str(error).removeprefix(f"[Errno {code}] ")  # as Python puts it
    said = said.removeprefix(os.strerror(code)).removesuffix(os.strerror(code))
    doing = said.removeprefix(": ").removesuffix(": ")
    return {"error": code, "doing": doing, "files": resource.getrlimit(resource.RLIMIT_NOFILE)[1]}


def _read(data: bytes) -> dict[str, Any]:
    letter = json.loads(data)
    if not isinstance(letter, dict):
        raise ValueError(letter)  # noqa: TRY004 - as for what is no JSON
    return letter


def _descriptors(data: bytes) -> Iterator[int]:
    whole = len(data) // _FD.size * _FD.size  # the last may have been cut
    return (fd for (fd,) in _FD.iter_unpack(data[:whole]))
