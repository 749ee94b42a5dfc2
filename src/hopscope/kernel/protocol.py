"""What reading and rules need of a sandbox; a recording can stand in for it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from hopscope.model.vocab import NodeName
from hopscope.wire.netlink import NETLINK_ROUTE, Message

__all__ = ["Completed", "Kernel"]


class Completed(Struct, frozen=True):
    """A program that ran to its end; *code* is negative for a signal, 127 for no such program."""

    code: int
    stdout: bytes
    stderr: bytes


class Kernel(Protocol):
    """The nodes of one lab, each a network namespace."""

    @property
    def nodes(self) -> tuple[NodeName, ...]:
        """The nodes, in the order in which they were made."""
        ...

    def ask(self, node: NodeName, request: Message, *, bus: int = NETLINK_ROUTE) -> list[Message]:
        """The answers to a get or dump, of rtnetlink or another *bus*; KernelError if refused."""
        ...

    def send(self, node: NodeName, messages: Sequence[Message]) -> None:
        """Send rtnetlink changes in order; KernelError with the index of the one refused."""
        ...

    def ns_fd(self, node: NodeName) -> int:
        """A descriptor of the node's network namespace; it stays the kernel's owner's."""
        ...

    def write_sysctls(self, node: NodeName, values: Mapping[str, str]) -> None:
        """Set sysctls, by path below /proc/sys; KernelError for the first that is refused."""
        ...

    def read_files(self, node: NodeName, paths: Sequence[str]) -> dict[str, str | None]:
        """/proc files as the node sees them; None for what is absent."""
        ...

    def reading(self, node: NodeName, paths: Sequence[str]) -> Callable[[], dict[str, str | None]]:
        """Start reading, of one node at a time; the function that is returned ends it."""
        ...

    def run(self, node: NodeName, argv: Sequence[str], stdin: bytes = b"") -> Completed:
        """Run a program in the node to its end."""
        ...

    def running(
        self, node: NodeName, argv: Sequence[str], stdin: bytes = b""
    ) -> Callable[[], Completed]:
        """Start a program; the function that is returned waits for its end."""
        ...
