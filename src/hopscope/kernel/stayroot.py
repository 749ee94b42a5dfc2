"""Run a program in a lab whose only user is root, where setgroups() is refused.

Programs that mean to give up root, as tcpdump does even with ``-Z root``, first set their
groups, and end when they may not. An ordinary user's lab has no other user and no groups,
so there is nothing to set: here the kernel answers that call with success and does nothing.

Run as a program of its own (``python -I -S stayroot.py PROGRAM ARG…``), like the holder.
"""

import ctypes
import os
import struct
import sys
from typing import Final

__all__ = ["main"]

_PR_SET_SECCOMP, _FILTER = 22, 2
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ERRNO_0, _ALLOW = 0x00050000, 0x7FFF0000
_AT_NUMBER, _AT_ARCH = 0, 4  # in struct seccomp_data
_SETGROUPS: Final = {
    "x86_64": (0xC000003E, 116),
    "aarch64": (0xC00000B7, 159),
    "riscv64": (0xC00000F3, 159),
}
"""By machine: AUDIT_ARCH_* and the number of setgroups()."""


def main() -> None:
    """Answer setgroups() from here on, and become the program."""
    _answer_setgroups(os.uname().machine)
    program, *arguments = sys.argv[1:]
    os.execvp(program, [program, *arguments])  # noqa: S606 - no shell is the point


def _answer_setgroups(machine: str) -> None:
    """On a machine, or a kernel, that this does not know, the program speaks for itself."""
    if machine not in _SETGROUPS:
        return
    arch, number = _SETGROUPS[machine]
    steps = (
        (_LOAD, 0, 0, _AT_ARCH),
        (_JUMP_IF_EQUAL, 0, 3, arch),
        (_LOAD, 0, 0, _AT_NUMBER),
        (_JUMP_IF_EQUAL, 0, 1, number),
        (_RETURN, 0, 0, _ERRNO_0),
        (_RETURN, 0, 0, _ALLOW),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = struct.pack("@HP", len(steps), ctypes.addressof(code))
    ctypes.CDLL(None).prctl(_PR_SET_SECCOMP, _FILTER, program, 0, 0)


if __name__ == "__main__":
    main()
