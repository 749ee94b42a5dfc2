"""Labs that stand and are changed, and a kernel that fails at a chosen step."""

import errno
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from hopscope.errors import KernelError
from hopscope.kernel.sandbox import Sandbox
from hopscope.lab.declare import parse
from hopscope.lab.running import RunningLab
from hopscope.model.lab import LabSpec
from hopscope.model.vocab import NodeName
from hopscope.wire.netlink import Message

__all__ = ["Fault", "become", "declared", "standing", "struck", "writes_of"]

_WRITING = ("send", "write_all_sysctls", "make_tap", "make_nodes", "remove_nodes")
_FAILING = (*_WRITING, "run")


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


def writes_of(lab: RunningLab, text: str) -> list[object]:
    """The nodes that `become` writes to, each as often as it does."""
    writes: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        for what in _WRITING:
            patch.setattr(lab.sandbox, what, _noted(writes, getattr(lab.sandbox, what)))
        become(lab, text)
    return [node for node in writes if not str(node).startswith(".fresh-")]


def _noted(into: list[object], real: Callable[..., Any]) -> Callable[..., Any]:
    def noted(node: object, *rest: object, **more: object) -> object:
        into.append(node[0] if isinstance(node, list) else node)
        return real(node, *rest, **more)

    return noted


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
        """One by one."""
        allowed = self._take(len(values))
        self._real["write_all_sysctls"](list(values)[:allowed])
        if allowed < len(values):
            raise self._error(values[0][0], allowed)

    def run(self, node: NodeName, argv: Sequence[str], stdin: bytes = b"") -> Any:
        """Only what changes rules is a step."""
        if (stdin or "-f" in argv) and not node.startswith(".fresh-") and not self._take(1):
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
