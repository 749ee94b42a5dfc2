"""Labs that stand and are changed, and a kernel that fails at a chosen step."""

import errno
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from hopscope.errors import HopscopeError, KernelError
from hopscope.kernel.sandbox import Sandbox
from hopscope.lab.declare import parse
from hopscope.lab.running import RunningLab
from hopscope.model.lab import LabSpec
from hopscope.model.vocab import NodeName
from hopscope.wire.netlink import Message

__all__ = [
    "Fault",
    "become",
    "declared",
    "standing",
    "struck",
    "told_when_struck",
    "writes_of",
]

_FAILING = ("send", "write_all_sysctls", "make_tap", "make_nodes", "remove_nodes", "run")
_READING = ("names", "lives", "sockets", "namespaces", "doors", "read", "processes", "flush")
"""What a holder may be asked without a change in its lab."""


def declared(text: str) -> LabSpec:
    """The lab of a text."""
    return parse(text, "lab.yaml")


@contextmanager
def standing(text: str) -> Iterator[RunningLab]:
    """A lab that stands, for a while."""
    with RunningLab.start(declared(text), text, name="lab") as lab:
        yield lab


def become(lab: RunningLab, text: str) -> list[tuple[str, str, str]]:
    """Change it, and tell what was changed."""
    return [(c.action, c.subject, c.name) for c in lab.change(declared(text), text)]


def writes_of(lab: RunningLab, text: str) -> list[str]:
    """What `become` asks for that is no reading: how, and of which node, each as often as it does.

    A namespace of its own, in which declared rules are tried, is none of the lab's nodes.
    """
    writes: list[str] = []
    sandbox = lab.sandbox
    send, ahead, running = sandbox.send, sandbox.ahead, sandbox.running

    def sent(node: NodeName, messages: Sequence[Message]) -> None:
        writes.append(f"send {node}")
        send(node, messages)

    def asked(do: str, *rest: Any, **fields: Any) -> int:
        if do not in (*_READING, "run"):
            writes.append(f"{do} {_node_of(fields)}")
        return ahead(do, *rest, **fields)

    def ran(node: NodeName, argv: Sequence[str], stdin: bytes = b"", **more: Any) -> Any:
        if _changes(argv, stdin):
            writes.append(f"{argv[0]} {node}")
        return running(node, argv, stdin, **more)

    with pytest.MonkeyPatch.context() as patch:
        for what, noting in (("send", sent), ("ahead", asked), ("running", ran)):
            patch.setattr(sandbox, what, noting)
        become(lab, text)
    return [one for one in writes if " .fresh-" not in one]


def _node_of(fields: Mapping[str, Any]) -> str:
    """The first that a request is about; "" of one that is about none."""
    files = [file[0] for file in fields.get("files", ())]
    return str([*fields.get("names", ()), *files, fields.get("node", "")][0])


def _changes(argv: Sequence[str], stdin: bytes) -> bool:
    """Whether a tool is given rules; all others that are run tell what there is."""
    return bool(stdin) or "-f" in argv


class Fault:
    """Lets *budget* single steps through, fails one, and lets all others through."""

    def __init__(self, sandbox: Sandbox, budget: int) -> None:
        self._left = budget
        self.struck = False
        self._real = {name: getattr(sandbox, name) for name in _FAILING}

    def send(self, node: NodeName, messages: Sequence[Message]) -> None:
        """Of a batch, as many as are let through."""
        allowed = self._take(len(messages))
        self._real["send"](node, messages[:allowed])
        if allowed < len(messages):
            raise self._error(node, allowed)

    def write_all_sysctls(self, values: Sequence[tuple[NodeName, str, str]]) -> None:
        """One by one; what is tried elsewhere is no step."""
        fresh = values[0][0].startswith(".fresh-")
        allowed = len(values) if fresh else self._take(len(values))
        self._real["write_all_sysctls"](list(values)[:allowed])
        if allowed < len(values):
            raise self._error(values[0][0], allowed)

    def run(self, node: NodeName, argv: Sequence[str], stdin: bytes = b"") -> Any:
        """Only what changes rules is a step."""
        fresh = node.startswith(".fresh-")
        if _changes(argv, stdin) and not fresh and not self._take(1):
            raise self._error(node, 0)
        return self._real["run"](node, argv, stdin)

    def make_tap(self, node: NodeName, name: str, index: int) -> None:
        """One."""
        if not self._take(1):
            raise self._error(node, 0)
        self._real["make_tap"](node, name, index)

    def make_nodes(self, names: Sequence[NodeName], **more: Any) -> None:
        """All or none."""
        if not self._take(1):
            raise self._error(names[0], 0)
        self._real["make_nodes"](names, **more)

    def remove_nodes(self, names: Sequence[NodeName]) -> None:
        """All or none."""
        if not names[0].startswith(".fresh-") and not self._take(1):
            raise self._error(names[0], 0)
        self._real["remove_nodes"](names)

    def _take(self, wanted: int) -> int:
        if self.struck or self._left >= wanted:
            self._left -= wanted
            return wanted
        self.struck = True
        return self._left

    def _error(self, node: str, index: int) -> KernelError:
        error = KernelError(errno.EIO, node, "injected")
        error.index = index
        return error


def struck(lab: RunningLab, monkeypatch: pytest.MonkeyPatch, budget: int) -> Fault:
    """The lab's kernel fails after so many steps."""
    fault = Fault(lab.sandbox, budget)
    for name in _FAILING:
        monkeypatch.setattr(lab.sandbox, name, getattr(fault, name))
    return fault


def told_when_struck(one: RunningLab, then: str, budget: int) -> str:
    """What is told of a failure after so many steps; "" when there are no more."""
    told: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        fault = struck(one, patch, budget)
        try:
            become(one, then)
        except HopscopeError as error:
            told = [str(error), str(error.__cause__), *getattr(error, "__notes__", [])]
    return "".join(told) if fault.struck else ""
