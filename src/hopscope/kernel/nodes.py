"""The nodes of a sandbox: how they come and go, and what is opened in them."""

import contextlib
import itertools
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from threading import RLock
from typing import Final

from hopscope.errors import KernelError
from hopscope.kernel.asking import Asking
from hopscope.kernel.letters import MOST_FDS
from hopscope.kernel.making import Making, Values
from hopscope.kernel.transport import Route
from hopscope.model.vocab import NodeName

__all__ = ["Nodes"]

_FRESH: Final = ".fresh-"  # and the process that made it, and a number: no node may be called so
_numbers: Final = itertools.count(1)


class Nodes(Asking):
    """The namespaces that a holder keeps, and our descriptors of them and of sockets in them."""

    def __init__(self, control: socket.socket, pid: int, nodes: Sequence[NodeName]) -> None:
        super().__init__(control, pid)
        self._routes: dict[tuple[NodeName, int], Route] = {}
        self._namespaces: dict[NodeName, int] = {}
        self._making: Making | None = None
        self._refused: Callable[[KernelError], None] = lambda _: None
        self._nodes = tuple(nodes)
        self._changing = RLock()
        """Held by the thread that changes what is known of nodes; it may ask meanwhile."""

    @property
    def nodes(self) -> tuple[NodeName, ...]:
        """The nodes, in the order in which they were made."""
        return self._nodes

    @property
    def home(self) -> NodeName | None:
        """The node whose namespace is the holder's own, and stays as long as that; asks it."""
        reply, _fds = self._request("names")
        home: NodeName | None = reply["home"]
        return home

    def make_nodes(
        self,
        names: Sequence[NodeName],
        *,
        home: NodeName | None,
        values: Values = (),
        refused: Callable[[KernelError], None] = lambda _: None,
        passing: bool = False,
    ) -> None:
        """Begin to make a namespace per name, each with what *values* set in it.

        *home* becomes the holder's own namespace; *passing*: they are no nodes of the lab. What
        needs one of them waits for it, `await_nodes` for all; either raises KernelError.
        *refused* is told before; when it is for one of the values, its index is that one's number.
        """
        with self._changing:
            self.await_nodes()
            self._refused = refused
            self._making = Making(self, names, home=home, values=values, passing=passing)
            self._nodes += () if passing else tuple(names)
            self._take(self._making, 1)  # what is done in the first is not to wait for the others

    def await_nodes(self, names: Sequence[NodeName] | None = None) -> None:
        """Return when these nodes are there, or all."""
        if self._making is None:
            return
        with self._changing:
            while self._making and (names is None or any(name in self._making for name in names)):
                self._take(self._making)

    def _take(self, making: Making, *ahead: int) -> None:
        try:
            for name, namespace, route in making.take(*ahead):
                self._namespaces[name] = namespace
                made = socket.socket(fileno=route)
                self._routes[name, socket.NETLINK_ROUTE] = Route(made, name)
        except BaseException as error:
            self._stop_waiting()
            if isinstance(error, KernelError):
                self._refused(error)
            raise

    def _stop_waiting(self) -> None:
        if self._making is not None:
            self._making.drop()
        self._making = None

    def remove_nodes(self, names: Sequence[NodeName]) -> None:
        """End the processes in these namespaces, and let the namespaces go."""
        with self._changing:
            self.await_nodes()
            self._request("forget", names=list(names))
            self._nodes = tuple(node for node in self._nodes if node not in names)
            self._let_go(names)

    def _let_go(self, nodes: Iterable[NodeName]) -> None:
        gone = frozenset(nodes)
        for key in [key for key in self._routes if key[0] in gone]:
            self._routes.pop(key).close()
        for name in gone & self._namespaces.keys():
            os.close(self._namespaces.pop(name))

    def look_again(self) -> tuple[NodeName, ...]:
        """Know the nodes that there are, whatever a killed process left; all there ever were."""
        with self._changing:
            self._stop_waiting()
            reply, _fds = self._request("names")
            there = [NodeName(name) for name in reply["there"]]
            stale = [name for name in there if name.startswith(_FRESH) and not _lives(name)]
            self._nodes = tuple(name for name in there if not name.startswith(_FRESH))
            known = {node for node, _bus in self._routes} | self._namespaces.keys()
            self._let_go(known.difference(there))
            if stale:
                self.remove_nodes(stale)
            return tuple(map(NodeName, reply["made"]))

    @contextlib.contextmanager
    def fresh_node(self) -> Iterator[NodeName]:
        """A namespace in which nothing was done yet, for a while; it is none of the lab's nodes."""
        name = NodeName(f"{_FRESH}{os.getpid()}.{next(_numbers)}")
        self.make_nodes([name], home=None, passing=True)
        try:
            yield name
        finally:
            self.remove_nodes([name])

    def adopt(self) -> tuple[NodeName, ...]:
        """Make nodes of the namespaces that programs have named in it, as ``ip netns add`` does."""
        with self._changing:
            reply, _fds = self._request("adopt")
            found = tuple(map(NodeName, reply["names"]))
            self._nodes += found
            return found

    def open_socket(self, node: NodeName, family: int, kind: int, protocol: int) -> socket.socket:
        """A socket that was opened in *node*."""
        return self.open_sockets([(node, family, kind, protocol)])[0]

    def open_sockets(self, wanted: Sequence[tuple[NodeName, int, int, int]]) -> list[socket.socket]:
        """Sockets opened in nodes: (node, family, type, protocol) each."""
        self.await_nodes([node for node, *_kinds in wanted])
        made: list[socket.socket] = []
        for start in range(0, len(wanted), MOST_FDS):
            some = [list(one) for one in wanted[start : start + MOST_FDS]]
            _reply, fds = self._request("sockets", sockets=some)
            made += [
                socket.socket(family, kind, protocol, fd)
                for (_node, family, kind, protocol), fd in zip(wanted[start:], fds, strict=False)
            ]
        return made

    def prepare(
        self, nodes: Sequence[NodeName], buses: Sequence[int] = (socket.NETLINK_ROUTE,)
    ) -> None:
        """Open at once what many nodes will need: `ns_fd`, and a socket for each of *buses*.

        Nodes that are still to come come with these.
        """
        with self._changing:
            nodes = [node for node in dict.fromkeys(nodes) if node not in (self._making or ())]
            unknown = [node for node in nodes if node not in self._namespaces]
            for start in range(0, len(unknown), MOST_FDS):
                some = unknown[start : start + MOST_FDS]
                _reply, fds = self._request("namespaces", names=some)
                self._namespaces |= zip(some, fds, strict=True)
            self.open_routes(nodes, buses)

    def ns_fd(self, node: NodeName) -> int:
        """A descriptor of the node's network namespace, kept open by this object."""
        with self._changing:
            self.await_nodes([node])
            if node not in self._namespaces:
                _reply, fds = self._request("namespaces", names=[node])
                self._namespaces[node] = fds[0]
            return self._namespaces[node]

    def open_routes(
        self, nodes: Sequence[NodeName], buses: Sequence[int] = (socket.NETLINK_ROUTE,)
    ) -> None:
        """Have the netlink sockets of many nodes opened at once, before they are asked."""
        both = dict.fromkeys((node, bus) for node in nodes for bus in buses)
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        with self._changing:
            new = [key for key in both if key not in self._routes]
            made = self.open_sockets([(node, socket.AF_NETLINK, kind, bus) for node, bus in new])
            self._routes |= {key: Route(one, key[0]) for key, one in zip(new, made, strict=True)}

    def _route(self, node: NodeName, bus: int = socket.NETLINK_ROUTE) -> Route:
        self.await_nodes([node])
        self.open_routes([node], [bus])
        return self._routes[node, bus]


def _lives(name: str) -> bool:
    """Whether the process that a passing namespace is called after is still there."""
    return Path(f"/proc/{name.removeprefix(_FRESH).partition('.')[0]}").exists()
