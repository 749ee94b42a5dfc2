"""What a command's complaint means in a sandbox, for one who did not expect to be in one."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from hopscope.lab.imports.heard import Said

__all__ = ["advice", "hint", "taken_down"]

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
    (
        r"Read-only file system",
        "files are read only in a sandbox, but for its own /tmp, /etc and /var/log",
    ),
    (
        r"/(home|root|opt|srv|mnt|media|var)\b.*: No such file|cannot open /.*: No such file",
        "a sandbox has only the files of programs, and those of its own",
    ),
    (r"File too large", "a file takes 64 MiB at most in a sandbox, and so does what is printed"),
    (r"writ.*No space left on device", "a sandbox's own folders take 256 MiB at most each"),
    (
        r"annot allocate (memory|\d+ byte)|[Oo]ut of memory|memory exhausted|MemoryError|bad_alloc",
        "a program has 2 GiB of memory at most in a sandbox",
    ),
    (r"fork: ", "a sandbox has 4096 processes at most"),
    (r"command not found|: not found", "this machine has no such program"),
)
_IP: Final = r"(?:sudo )?(?:/\S*/)?ip(?: -[46os]+)* r(?:o|ou|out|oute)?"
_ASKS: Final = re.compile(rf"{_IP}( (s|sh|show|l|ls|list|get)( .*)?)?")
_GIVES: Final = re.compile(rf"{_IP} (add|a|replace|append) .*default.*")
_FAR: Final = re.compile(r"default|0\.0\.0\.0/0| get ")
_TAKES_DOWN: Final = re.compile(r"\b(netns|link|brctl) (d|del|delete|delbr)\b")
_NO_UPLINK: Final = (
    "a sandbox has no uplink, so no default route is found; "
    "to have one, import the script with --uplink eth0"
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


def advice(said: Sequence[Said], *, uplink: bool) -> Iterator[tuple[int, str]]:
    """What no command complains of, and is not as on a machine: a line of the script, and words."""
    asked = next(filter(None, (_asks(said, number) for number in range(len(said)))), None)
    given = uplink or any(_GIVES.fullmatch(one.command) for one in said)
    if asked is not None and not given:
        yield asked.line, f"{asked.in_a_line}: {_NO_UPLINK}"
    for line, command in dict.fromkeys((one.line, one.in_a_line) for one in said):
        if re.fullmatch(r": trap .*[^-].* (EXIT|0)\b.*", command):
            trap = command.removeprefix(": ")
            yield line, f"{trap}: is not done, so that what stands at the end can be imported"


def _asks(said: Sequence[Said], number: int) -> Said | None:
    """That command when it looks for a default route, perhaps by another of the same line."""
    one = said[number]
    if not _ASKS.fullmatch(one.command):
        return None
    beside = [other for other in said[number : number + 3] if other.line == one.line]
    return one if any(_FAR.search(other.command) for other in beside) else None


def taken_down(said: Sequence[Said]) -> Said | None:
    """The last command that took down something of what had been built."""
    return next((one for one in reversed(said) if _TAKES_DOWN.search(one.command)), None)
