"""Session: all observers of a lab, ready before the first probe, read in one loop.

Nothing here waits for time to pass: `open` returns when every observer listens, `until`
returns when its condition holds or its deadline has come, and what happened before a
reply reached the prober's socket already lies in the observers' own sockets by then.
"""

import itertools
import selectors
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

from msgspec import Struct, field

from hopscope.errors import KernelError
from hopscope.kernel.holder.together import together
from hopscope.kernel.sandbox import Sandbox
from hopscope.model.events import Event, Observation
from hopscope.model.snapshot import Snapshot
from hopscope.model.vocab import DevName, NodeName
from hopscope.observe.capture import Capture
from hopscope.observe.changes import Changes
from hopscope.observe.loglines import LogReader
from hopscope.observe.nftrace import NftTrace

__all__ = ["MOST_EVENTS", "Scope", "Session"]

MOST_EVENTS: Final = 20_000
"""So many are kept between two calls of `take`; what comes beyond is counted as lost."""
_AT_ONCE: Final = 1_000
_TAKING: Final = 0.5
"""Seconds after which `take` lets a storm go on without it."""


class Scope(Struct, frozen=True, kw_only=True):
    """What to watch. *snapshot* names the devices of the nodes, *addresses* the traced flow.

    *devices* limits frames to some devices per node (None: all of them), which the real
    host needs; *log* is the holder's record of LOG rules.
    """

    nodes: tuple[NodeName, ...]
    snapshot: Snapshot
    addresses: tuple[str, ...]
    promiscuous: bool = True
    devices: dict[NodeName, frozenset[DevName]] | None = None
    log: Path | None = None
    recorded: tuple[NodeName, ...] = field(default=())
    """The lab's nodes in the order of the record."""


class Session:
    """The observers of a scope; use as a context manager."""

    def __init__(self, sandbox: Sandbox, scope: Scope) -> None:
        self._sandbox = sandbox
        self._scope = scope
        self._stack = ExitStack()
        self._selector = selectors.DefaultSelector()
        self._observers: list[Capture | NftTrace | Changes] = []
        self._events: list[Event] = []
        self._shed = 0  # events beyond the most that we keep
        self._blind: list[str] = []
        self._log = self._log_reader()

    def __enter__(self) -> Self:
        with self._stack:  # on any failure, close what was opened
            self._stack.callback(self._selector.close)
            self._stack.callback(self._close)
            for node in self._scope.nodes:
                self._open(node)
            for _earlier in self._logged():  # what was logged before is not about this
                pass
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _close(self) -> None:
        together([observer.close for observer in self._observers])

    def _open(self, node: NodeName) -> None:
        names = self._names(node)

        def dev_name(index: int) -> DevName | None:
            return names.get(index)

        wanted = self._devices(node)
        bridges = [
            link.index
            for link in self._scope.snapshot.node(node).links
            if link.kind == "bridge" and link.name in wanted
        ]
        watched = bridges if self._scope.promiscuous else []
        only = self._only(node)

        def wanted_name(index: int) -> DevName | None:
            return names.get(index) if not only or index in only else None

        self._add(Capture(self._sandbox, node, wanted, promiscuous=watched, only=only))
        self._add(Changes(self._sandbox, node, wanted_name))
        try:
            self._add(NftTrace(self._sandbox, node, dev_name, self._scope.addresses, only))
        except KernelError as error:
            self._blind.append(f"{node}: netfilter hooks are not watched: {error}")

    def _add(self, observer: Capture | NftTrace | Changes) -> None:
        self._observers.append(observer)
        self._selector.register(observer.socket, selectors.EVENT_READ, observer)

    def _log_reader(self) -> LogReader | None:
        if self._scope.log is None:
            return None
        names = {node: self._names(node) for node in self._scope.nodes}

        def dev_name(node: NodeName, index: int) -> DevName | None:
            return names.get(node, {}).get(index)

        return LogReader(self._scope.log, self._scope.recorded, dev_name)

    def _names(self, node: NodeName) -> dict[int, DevName]:
        return {link.index: link.name for link in self._scope.snapshot.node(node).links}

    def _devices(self, node: NodeName) -> frozenset[DevName]:
        if self._scope.devices is not None and node in self._scope.devices:
            return self._scope.devices[node]
        return frozenset(self._names(node).values())

    def _only(self, node: NodeName) -> tuple[int, ...]:
        """The indexes of the devices to which this node's observers are limited; empty: none."""
        if self._scope.devices is None or node not in self._scope.devices:
            return ()
        wanted = self._devices(node)
        return tuple(index for index, name in self._names(node).items() if name in wanted)

    def until(self, holds: Callable[[], bool], sources: Sequence[object], deadline: float) -> bool:
        """Read observers until *holds*, which is asked again whenever *sources* can be read.

        *deadline* is on time.monotonic(). True when it came true in time.
        """
        for source in sources:
            self._selector.register(source, selectors.EVENT_READ, None)  # type: ignore[arg-type]
        try:
            while not holds():
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                for key, _ in self._selector.select(left):
                    if key.data is not None:
                        self._gather(key.data)
            return True
        finally:
            for source in sources:
                self._selector.unregister(source)  # type: ignore[arg-type]

    def take(self) -> Observation:
        """All events since the last call, and what was lost."""
        deadline = time.monotonic() + _TAKING
        for observer in self._observers:
            while self._gather(observer) == _AT_ONCE:
                if time.monotonic() >= deadline:
                    self._shed += 1  # at least: what is left is not counted
                    break
        self._events.extend(self._logged())
        lost = sum(observer.lost() for observer in self._observers) + self._shed
        events, self._events, self._shed = self._events, [], 0
        return Observation(events=tuple(events), lost=lost, blind=tuple(self._blind))

    def _gather(self, observer: Capture | NftTrace | Changes) -> int:
        """Read some of what an observer has, and tell how much; a storm has no end."""
        some = list(itertools.islice(observer.read(), _AT_ONCE))
        room = MOST_EVENTS - len(self._events)
        self._events.extend(some[:room])
        self._shed += max(len(some) - room, 0)
        return len(some)

    def _logged(self) -> Iterator[Event]:
        if self._log is not None:
            self._sandbox.flush()
            yield from self._log.read()
