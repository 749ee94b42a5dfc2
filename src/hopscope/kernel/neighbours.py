"""Neighbour tables: how much room the machine gives them all, and entries of ours for a while."""

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from errno import EEXIST, ENODEV, ENOENT
from pathlib import Path
from typing import Final, TypeVar

from msgspec import Struct

from hopscope.errors import KernelError
from hopscope.kernel.interrupts import undisturbed
from hopscope.kernel.sandbox import Sandbox
from hopscope.kernel.turns import take_turn, try_turn
from hopscope.model.vocab import Mac, NeighbourState, NodeName
from hopscope.wire import rtnl, rtnl_read
from hopscope.wire.neighbours import addition, batch, removal
from hopscope.wire.netlink import NETLINK_CAP_ACK, NETLINK_ROUTE, SOL_NETLINK, ack, unpack

__all__ = [
    "Near",
    "Permanent",
    "agreed",
    "alone",
    "forget_left",
    "forget_unresolved",
    "overflows",
    "room",
]

_NOTE: Final = "neighbours"
_AT_ONCE: Final = 128  # refusals of so many fit the least usual receive buffer
_UNRESOLVED: Final = (NeighbourState.INCOMPLETE, NeighbourState.FAILED)
_THRESHOLDS: Final = Path("/proc/sys/net")
_COUNTS: Final = Path("/proc/net/stat")
_LOOKS: Final = 5

Seen = TypeVar("Seen")


class Near(Struct, frozen=True):
    """What a device of a node reaches without a router: addresses, and whose MAC each has."""

    index: int
    macs: Mapping[str, Mac]


Plan = Mapping[NodeName, Sequence[Near]]


def room(*, six: bool) -> int | None:
    """gc_thresh3: how many neighbours all namespaces may learn; None where it is not told.

    The kernel has these sysctls in the machine's first network namespace only.
    """
    folder = _THRESHOLDS / ("ipv6" if six else "ipv4") / "neigh/default"
    try:
        return int((folder / "gc_thresh3").read_text())
    except (OSError, ValueError):
        return None


def overflows(*, six: bool) -> int | None:
    """How often a neighbour found no room since the machine began; None where it is not told."""
    try:
        heads, *rows = (_COUNTS / ("ndisc_cache" if six else "arp_cache")).read_text().splitlines()
        column = heads.split().index("table_fulls")
        return sum(int(row.split()[column], 16) for row in rows)
    except (OSError, ValueError, IndexError):
        return None


def agreed(look: Callable[[], Seen], about: Callable[[Seen], object]) -> Seen:
    """What is seen when two looks in a row agree *about* it; the last look, if none do.

    All namespaces share one table, and a dump that goes through it while it grows passes by
    some entries without a word: neigh_hash_grow(), net/core/neighbour.c.
    """
    seen = look()
    for _look in range(_LOOKS):
        again = look()
        if about(again) == about(seen):
            return again
        seen = again
    return seen


@contextmanager
def alone(
    folder: Path, sandbox: Sandbox, nodes: Sequence[NodeName], *, wait: bool = True
) -> Iterator[Path]:
    """Wait until nobody else has entries in the lab of that record; the file that says so.

    It is empty: what a run that was killed left in *nodes*, all that may have entries, is removed.
    Without *wait*, BlockingIOError when somebody else has some.
    """
    file = folder / _NOTE
    lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if wait:
            take_turn(lock, f"probes lab {folder.name!r}")
        elif not try_turn(lock):
            raise BlockingIOError
        if file.stat().st_size:
            _sweep(sandbox, nodes)
            file.write_text("")
        yield file
    finally:
        os.close(lock)


def forget_left(folder: Path, sandbox: Sandbox, nodes: Sequence[NodeName]) -> None:
    """Remove what a run that was killed left; one that has entries there removes its own."""
    with suppress(FileNotFoundError, BlockingIOError):
        if (folder / _NOTE).stat().st_size:
            with alone(folder, sandbox, nodes, wait=False):
                pass


def _sweep(sandbox: Sandbox, nodes: Sequence[NodeName]) -> None:
    for node in nodes:
        for family in (rtnl.AF_INET, rtnl.AF_INET6):
            for answer in sandbox.ask(node, rtnl.dump_neighbours(family)):
                part = rtnl_read.neighbour_event(answer)
                if part is None or not part.ours:
                    continue
                try:
                    sandbox.send(node, [rtnl.remove_neighbour(part.index, part.ip)])
                except KernelError as error:
                    if error.code not in (ENOENT, ENODEV):  # others removed it meanwhile
                        raise


def forget_unresolved(sandbox: Sandbox, nodes: Sequence[NodeName]) -> None:
    """Remove what nobody answered for, so that the next packet asks again, at once."""
    for node in nodes:
        for family in (rtnl.AF_INET, rtnl.AF_INET6):
            for answer in sandbox.ask(node, rtnl.dump_neighbours(family)):
                part = rtnl_read.neighbour_event(answer)
                if part is not None and part.state in _UNRESOLVED:
                    with suppress(KernelError):  # it came to an end meanwhile
                        sandbox.send(node, [rtnl.remove_neighbour(part.index, part.ip)])


class Permanent:
    """Permanent neighbours of nodes, as long as the block lasts.

    What stands in a table already is left as it is. No process of ours outlives a SIGKILL: the
    entries then stay in the lab, are noted in *noted*, and `alone` removes them.
    """

    def __init__(self, sandbox: Sandbox, plan: Plan, noted: Path) -> None:
        self._sandbox = sandbox
        self._plan = plan
        self._noted = noted
        self._made: list[tuple[NodeName, int, Sequence[str]]] = []
        self._sockets: dict[NodeName, socket.socket] = {}

    def __enter__(self) -> None:
        """Raises KernelError when the kernel refuses; nothing of ours is left then."""
        with undisturbed():
            try:
                self._open()
                self._noted.write_text("entries of ours stand in the neighbour tables\n")
                self._add()
            except BaseException:
                self._close()
                raise

    def __exit__(self, *_: object) -> None:
        with undisturbed():
            self._close()

    def _open(self) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        wanted = [(node, socket.AF_NETLINK, kind, NETLINK_ROUTE) for node in self._plan]
        made = self._sandbox.open_sockets(wanted)
        self._sockets = dict(zip(self._plan, made, strict=True))
        for one in made:
            one.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)

    def _add(self) -> None:
        messages: dict[tuple[str, Mac], bytes] = {}
        for node, devices in self._plan.items():
            for near in devices:
                for entry in near.macs.items():
                    if entry not in messages:
                        messages[entry] = addition(*entry)
                for some in _parts(list(near.macs)):
                    wanted = [messages[ip, near.macs[ip]] for ip in some]
                    refused = self._do(node, near.index, wanted)
                    added = [ip for number, ip in enumerate(some) if number not in refused]
                    self._made.append((node, near.index, added))
                    _judge(node, refused, EEXIST)

    def _close(self) -> None:
        try:
            messages: dict[str, bytes] = {}
            while self._made:
                node, index, ips = self._made.pop()
                for ip in ips:
                    if ip not in messages:
                        messages[ip] = removal(ip)
                if ips:  # else each was there already; what others removed meanwhile is gone too
                    wanted = [messages[ip] for ip in ips]
                    _judge(node, self._do(node, index, wanted), ENOENT, ENODEV)
            with suppress(OSError):  # the lab ended, and its record with it
                self._noted.write_text("")
        finally:
            for one in self._sockets.values():
                one.close()
            self._sockets.clear()

    def _do(self, node: NodeName, index: int, messages: Sequence[bytes]) -> dict[int, int]:
        """Send one batch; of the messages that were refused, number and errno."""
        one = self._sockets[node]
        one.send(batch(messages, index))
        codes: dict[int, int] = {}
        while len(messages) - 1 not in codes:
            for message in unpack(one.recv(1 << 18)):
                if (answer := ack(message)) is not None:
                    codes[answer.seq] = answer.code
        return {number: code for number, code in codes.items() if code}


def _judge(node: NodeName, refused: Mapping[int, int], *allowed: int) -> None:
    """KernelError for a refusal that means more than that nothing was to be done."""
    for code in refused.values():
        if code not in allowed:
            raise KernelError(code, f"{node}: its neighbours")


def _parts(ips: Sequence[str]) -> Iterator[list[str]]:
    """As many at once as one batch takes, of one family each: their messages have one length."""
    for six in (False, True):
        these = [ip for ip in ips if (":" in ip) is six]
        for start in range(0, len(these), _AT_ONCE):
            yield these[start : start + _AT_ONCE]
