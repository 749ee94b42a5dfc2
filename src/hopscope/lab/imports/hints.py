"""What a command's complaint means in a sandbox, for one who did not expect to be in one."""

import re
from typing import Final

__all__ = ["hint"]

_BY_WORDS: Final = (
    (
        r"qdisc kind is unknown|Unknown device type|Operation not supported|No such device",
        "this kernel has no such thing: hopscope doctor says what it has",
    ),
    (
        r"Could not resolve|Temporary failure in name resolution",
        "a sandbox leads to no other machine",
    ),
    (
        r"Cannot find device|does not exist\.",
        "a sandbox begins with lo alone, and has none of this machine's devices",
    ),
    (r"Read-only file system", "files are read only in a sandbox, but for its own /tmp"),
    (
        r"/(home|root|opt|srv|mnt|media|var)\b.*: No such file|cannot open /.*: No such file",
        "a sandbox has only the files of programs, and those of its own",
    ),
    (r"File too large", "a file takes 64 MiB at most in a sandbox, and so does what is printed"),
    (r"write.*No space left on device", "a sandbox's own folders take 256 MiB at most each"),
    (r"fork: ", "a sandbox has 4096 processes at most"),
    (r"command not found|: not found", "this machine has no such program"),
)
_BY_PROGRAM: Final = (
    (("curl", "wget", "git", "pip", "pip3", "ssh"), "a sandbox leads to no other machine"),
    (
        ("docker", "podman", "systemctl", "service", "reboot", "shutdown", "nmcli", "netplan"),
        "nothing outside the sandbox is reached",
    ),
)


def hint(command: str, said: str) -> str:
    """In brackets, with a space before them; "" when nothing is known."""
    for pattern, meaning in _BY_WORDS:
        if re.search(pattern, said):
            return f" ({meaning})"
    words = [word for word in command.split() if "=" not in word and word != "sudo"]
    program = words[0].rpartition("/")[2] if words else ""
    return next((f" ({meaning})" for names, meaning in _BY_PROGRAM if program in names), "")
