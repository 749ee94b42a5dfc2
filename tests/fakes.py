"""A kernel that replays what a real one said, and the recorder of what it replays."""

import errno
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from msgspec.structs import replace

from hopscope.errors import KernelError
from hopscope.kernel.protocol import Completed, Kernel
from hopscope.model.vocab import NodeName
from hopscope.wire.netlink import NETLINK_ROUTE, Message, pack, unpack
from hopscope.wire.rtnl import get_nsid

__all__ = ["Recording", "RecordingKernel", "ReplayingKernel"]

_FIRST_FD: Final = 1000
"""Descriptors of namespaces stand for nodes: no recording depends on a process's own."""


@dataclass(kw_only=True)
class Recording:
    """All that was asked of a kernel and answered; JSON values only."""

    kernel: str
    nodes: list[str]
    asked: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, str | None] = field(default_factory=dict)
    ran: dict[str, tuple[int, str, str]] = field(default_factory=dict)


def _key(node: NodeName, *parts: object) -> str:
    return json.dumps([node, *parts])


def _asked(node: NodeName, bus: int, request: Message) -> str:
    return _key(node, bus, pack(replace(request, seq=0)).hex())


@dataclass(frozen=True)
class RecordingKernel:
    """Passes on to a real kernel, and keeps the answers; changes it does not pass on."""

    real: Kernel
    recording: Recording

    @property
    def nodes(self) -> tuple[NodeName, ...]:
        """The real one's."""
        return self.real.nodes

    def ns_fd(self, node: NodeName) -> int:
        """A number that stands for the node."""
        return _FIRST_FD + self.nodes.index(node)

    def ask(self, node: NodeName, request: Message, *, bus: int = NETLINK_ROUTE) -> list[Message]:
        """What the real one answers."""
        real = request
        for number, other in enumerate(self.nodes):
            if request == get_nsid(_FIRST_FD + number):
                real = get_nsid(self.real.ns_fd(other))
        answers = self.real.ask(node, real, bus=bus)
        self.recording.asked[_asked(node, bus, request)] = [pack(one).hex() for one in answers]
        return answers

    def read_files(self, node: NodeName, paths: Sequence[str]) -> dict[str, str | None]:
        """What the real one reads."""
        texts = self.real.read_files(node, paths)
        self.recording.files |= {_key(node, path): text for path, text in texts.items()}
        return texts

    def reading(self, node: NodeName, paths: Sequence[str]) -> Callable[[], dict[str, str | None]]:
        """The same, when it is finished."""
        return partial(self.read_files, node, paths)

    def run(self, node: NodeName, argv: Sequence[str], stdin: bytes = b"") -> Completed:
        """What the real one runs."""
        done = self.real.run(node, argv, stdin)
        said = (done.code, done.stdout.hex(), done.stderr.hex())
        self.recording.ran[_key(node, *argv)] = said
        return done

    def running(
        self, node: NodeName, argv: Sequence[str], stdin: bytes = b""
    ) -> Callable[[], Completed]:
        """The same, when it is waited for."""
        return partial(self.run, node, argv, stdin)

    def send(self, node: NodeName, messages: Sequence[Message]) -> None:
        """Nothing is changed while it is recorded."""
        raise AssertionError(node, messages)

    def write_sysctls(self, node: NodeName, values: Mapping[str, str]) -> None:
        """Nothing is changed while it is recorded."""
        raise AssertionError(node, values)


class ReplayingKernel:
    """Answers as the recorded one did; knows nothing of what was never asked."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self.sent: list[tuple[NodeName, Message]] = []
        self.written: dict[str, str] = {}

    @classmethod
    def of(cls, text: str) -> "ReplayingKernel":
        """From a recording's JSON."""
        found: dict[str, Any] = json.loads(text)
        return cls(Recording(**found))

    @property
    def nodes(self) -> tuple[NodeName, ...]:
        """As they were made."""
        return tuple(NodeName(node) for node in self._recording.nodes)

    def ns_fd(self, node: NodeName) -> int:
        """A number that stands for the node."""
        return _FIRST_FD + self.nodes.index(node)

    def ask(self, node: NodeName, request: Message, *, bus: int = NETLINK_ROUTE) -> list[Message]:
        """The recorded answers; KernelError for a request that no kernel understands."""
        answers = self._recording.asked.get(_asked(node, bus, request))
        if answers is None:
            raise KernelError(errno.EOPNOTSUPP, node)
        return [one for answer in answers for one in unpack(bytes.fromhex(answer))]

    def send(self, node: NodeName, messages: Sequence[Message]) -> None:
        """Kept in *sent*."""
        self.sent += [(node, message) for message in messages]

    def write_sysctls(self, node: NodeName, values: Mapping[str, str]) -> None:
        """Kept in *written*; what was not there is refused."""
        for path, value in values.items():
            key = _key(node, f"/proc/sys/{path}")
            if self._recording.files.get(key) is None:
                said = f"{node}: setting {path.replace('/', '.')} = {value}"
                raise KernelError(errno.ENOENT, said)
            self._recording.files[key] = value + "\n"
            self.written[path] = value

    def read_files(self, node: NodeName, paths: Sequence[str]) -> dict[str, str | None]:
        """As they were; None for what was absent, or not read."""
        return {path: self._recording.files.get(_key(node, path)) for path in paths}

    def reading(self, node: NodeName, paths: Sequence[str]) -> Callable[[], dict[str, str | None]]:
        """The same, when it is finished."""
        return partial(self.read_files, node, paths)

    def run(self, node: NodeName, argv: Sequence[str], stdin: bytes = b"") -> Completed:
        """What it printed; a program that was not run is not installed."""
        code, out, err = self._recording.ran.get(_key(node, *argv), (127, "", ""))
        return Completed(code, bytes.fromhex(out), bytes.fromhex(err))

    def running(
        self, node: NodeName, argv: Sequence[str], stdin: bytes = b""
    ) -> Callable[[], Completed]:
        """The same, when it is waited for."""
        return partial(self.run, node, argv, stdin)
