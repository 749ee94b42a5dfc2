"""Nodes that a holder was asked for and is still making, while what comes into them is prepared."""

import errno
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from hopscope.errors import KernelError
from hopscope.kernel.asking import Asking
from hopscope.model.naming import cut
from hopscope.model.vocab import NodeName

__all__ = ["Making", "Values", "refused"]

Values = Sequence[tuple[NodeName, str, str]]
"""Sysctls: the node, the path below /proc/sys, the text."""

_SOME: Final = 12  # nodes in one request; each answers with two descriptors
_AHEAD: Final = 3  # requests: while one is filled, the holder has another to make
_SAID: Final = {
    errno.ENOENT: "this kernel has no such sysctl here",
    errno.EMSGSIZE: "it takes only a part of this value",
}
"""What to add to the kernel's words for a sysctl; see `kernel.holder.procfiles`."""


class _Asked(Struct, frozen=True):
    names: Sequence[NodeName]
    number: int


def _batched(names: Sequence[NodeName]) -> Iterator[Sequence[NodeName]]:
    """As many as one request asks for."""
    return (names[start : start + _SOME] for start in range(0, len(names), _SOME))


class Making:
    """The nodes *names* as they come. One that is not waited for to its end is to be dropped."""

    def __init__(
        self,
        asking: Asking,
        names: Sequence[NodeName],
        *,
        home: NodeName | None,
        values: Values,
        passing: bool,
    ) -> None:
        """*home* becomes the holder's own namespace; *values* are set before anything else is."""
        self._asking = asking
        self._left = iter([names[:1], *_batched(names[1:])])
        self._more: Mapping[str, object] = {"home": home, "passing": passing}
        self._values = values
        self._of_node: dict[NodeName, list[int]] = {}
        for number, (node, _path, _text) in enumerate(values):
            self._of_node.setdefault(node, []).append(number)
        self._asked: deque[_Asked] = deque()
        self._awaited = set(names)

    def __contains__(self, name: object) -> bool:
        """Whether a node of that name is still to come."""
        return name in self._awaited

    def __bool__(self) -> bool:
        """Whether any is."""
        return bool(self._awaited)

    def take(self, ahead: int = _AHEAD) -> Iterator[tuple[NodeName, int, int]]:
        """The next ones: name, descriptor of the namespace, of an rtnetlink socket in it.

        So many requests are *ahead*: whatever else the holder is asked for waits until it has done
        them. Raises KernelError when the kernel refuses one; it has an index when that is one of
        the values, and says which.
        """
        while len(self._asked) < ahead and (some := next(self._left, None)):
            self._asked.append(self._ask(some))
        asked = self._asked.popleft()
        reply, fds = self._asking.answer("nodes", asked.number)
        self._awaited.difference_update(asked.names)
        try:
            self._check(reply["codes"])
        except KernelError:
            for fd in fds:
                os.close(fd)
            raise
        return zip(asked.names, fds[::2], fds[1::2], strict=True)

    def drop(self) -> None:
        """Wait for none of them any more."""
        self._awaited.clear()
        while self._asked:
            self._asking.forget(self._asked.popleft().number)

    def _ask(self, names: Sequence[NodeName]) -> _Asked:
        values = {
            name: [(f"/proc/sys/{path}", text) for _node, path, text in self._own(name)]
            for name in names
            if name in self._of_node
        }
        number = self._asking.ahead("nodes", names=names, values=values, **self._more)
        return _Asked(names, number)

    def _own(self, name: NodeName) -> Iterator[tuple[NodeName, str, str]]:
        return (self._values[number] for number in self._of_node[name])

    def _check(self, codes: Mapping[str, Sequence[int]]) -> None:
        for name, some in codes.items():
            for number, code in zip(self._of_node.get(NodeName(name), ()), some, strict=True):
                if code:
                    raise refused(self._values, number, code)


def refused(values: Values, number: int, code: int) -> KernelError:
    """What to raise when the kernel answers one of these with *code*; its index is *number*."""
    node, path, text = values[number]
    doing = f"{node}: setting {path.replace('/', '.')} = {cut(text)}"
    error = KernelError(code, doing, _SAID.get(code, ""))
    error.index = number
    return error
