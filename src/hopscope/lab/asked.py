"""What a Python program asked for, judged before anything is done; nothing here acts."""

import os
from collections.abc import Mapping, Sequence
from typing import Final

from hopscope.errors import KernelError, UsageError
from hopscope.model.limits import COUNT, SIZE, TIMEOUT, Limits
from hopscope.model.naming import cut
from hopscope.plan.names import sysctl_path

__all__ = [
    "argv",
    "check_ping",
    "check_tool",
    "lab_name",
    "no_node",
    "node_sysctl",
    "refused_sysctl",
    "sysctl_text",
    "texts",
    "unread_sysctl",
]

_PING: Final[Mapping[str, tuple[Limits, str]]] = {
    "count": (COUNT, "a whole number"),
    "timeout": (TIMEOUT, "a number of seconds"),
    "size": (SIZE, "a whole number of bytes"),
}
_LISTED: Final = 10  # more names than these are no help
_GUESSED: Final = 200
_TOOLS: Final = ("iptables", "ip6tables")


def check_ping(*, count: int, timeout: float, size: int) -> None:
    """UsageError for a number that a step of a story may not have either."""
    for what, number in (("count", count), ("timeout", timeout), ("size", size)):
        limits, words = _PING[what]
        kind = int | float if what == "timeout" else int
        if isinstance(number, bool) or not isinstance(number, kind) or not limits.hold(number):
            message = f"the {what} of a ping is {words}, {limits}, not {number!r}"
            raise UsageError(message)


def check_tool(tool: str) -> None:
    """UsageError for one that does not add rules."""
    if tool not in _TOOLS:
        message = f"tool is one of {', '.join(_TOOLS)}, not {tool!r}"
        raise UsageError(message)


def no_node(lab: str, name: str, known: Sequence[str]) -> str:
    """What is said when a lab has no node of that name; it may have thousands of others."""
    from difflib import get_close_matches  # noqa: PLC0415 - most calls end without it

    first = f"{name}1"  # of those that were counted under the name
    near = [first] if first in known else get_close_matches(name, known[:_GUESSED], n=1)
    if len(known) <= _LISTED:
        hint = f"it has {', '.join(known)}"
    else:
        hint = f"did you mean {near[0]!r}?" if near else f"it has {len(known)}, as {known[0]}"
    return f"lab {lab!r} has no node {name!r}; {hint}"


def texts(what: str, given: str | Sequence[str]) -> list[str]:
    """Texts, or one text by itself, as a list."""
    found = [given] if isinstance(given, str) else list(given)
    for one in found:
        if not isinstance(one, str):
            message = f"{what} are texts, not {one!r}"
            raise UsageError(message)
    return found


def argv(given: Sequence[str]) -> list[str]:
    """The words of a command, which no shell takes apart."""
    if isinstance(given, str):
        message = f"a command is a list of words, as {given.split()!r}, not the text {given!r}"
        raise UsageError(message)
    found = texts("the words of a command", given)
    if not found:
        message = "the command has no words; the first is the program to run"
        raise UsageError(message)
    return found


def sysctl_text(key: str, value: object) -> str:
    """A sysctl's value as the kernel reads it; a lab file takes the same."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        hint = f"; write {int(value)}" if isinstance(value, bool) else ""
        message = f"{key}: the kernel reads numbers and texts, not {value!r}{hint}"
        raise UsageError(message)
    return str(value)


def node_sysctl(key: str) -> str:
    """The path below /proc/sys of one that belongs to a node."""
    path = sysctl_path(key)
    if not path.startswith("net/") or ".." in path.split("/"):
        message = f"{key}: only sysctls below net. belong to a node; others are the machine's"
        raise UsageError(message)
    return path


def unread_sysctl(lab: str, node: str, key: str, *, there: bool) -> str:
    """What is said of one that gives no value: it is not *there*, or could not be put back."""
    if not there:
        return f"{node} has no sysctl {key} (as the kernel of this machine knows them)"
    return (
        f"{key} of {node} cannot be read, so hopscope could not put it back to what it is now; "
        f"by hand: hopscope exec {lab} {node} -- sysctl -w {key}=VALUE"
    )


def refused_sysctl(node: str, key: str, value: str, error: KernelError) -> str:
    """What is said of a value that the kernel does not take."""
    said = f" ({error.said})" if error.said else ""
    return f"{node}: {key} = {cut(value)} is refused: {os.strerror(error.code)}{said}"


def lab_name(name: str) -> str:
    """A name for a lab; UsageError with what is wrong about it."""
    from hopscope.spec.names import name_fault  # noqa: PLC0415 - see declare.parse

    fault = name_fault(name, "a lab")
    if fault is not None:
        message = f"{fault.message}; {fault.hint}" if fault.hint else fault.message
        raise UsageError(message)
    return name
