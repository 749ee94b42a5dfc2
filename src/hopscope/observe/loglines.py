"""LOG rules that matched, as the lab's holder records them.

Inside a lab the kernel prints nothing for LOG: only the machine's first network namespace
may. So a node has a table of ours that traces what passes, within limits, and the holder keeps of
the trace what concerns rules that log. A packet pays for that at each hook, so the table comes
when a rule may: with the lab's own rules, with the first program of the user's, and else with the
first rule that logs.
"""

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Final

from hopscope.errors import KernelError
from hopscope.kernel.holder.logfile import RECORD
from hopscope.kernel.sandbox import Sandbox
from hopscope.model.events import Logged
from hopscope.model.lab import NodeSpec
from hopscope.model.vocab import DevName, Nanos, NodeName
from hopscope.observe.capture import grow
from hopscope.observe.listening import join
from hopscope.observe.nftrace import batch, check, commit, explain
from hopscope.wire import nft
from hopscope.wire.netlink import NETLINK_NETFILTER, ack, unpack
from hopscope.wire.nft import NFNLGRP_NFTABLES, NFNLGRP_NFTRACE, log_table, log_table_tried
from hopscope.wire.nftlog import LogTrace

__all__ = ["LogReader", "heard", "listen", "passed_over", "watch", "watch_at"]

_MOST: Final = 100  # nodes that are heard unasked
_AT_ONCE: Final = 100  # nodes in one request to the holder, of two descriptors each


def heard(nodes: Sequence[NodeSpec]) -> list[NodeName]:
    """The nodes whose LOG rules are to be recorded: of many, those with bridges or rules."""
    if len(nodes) > _MOST:
        nodes = [
            node for node in nodes if node.bridges or node.iptables or node.ip6tables or node.nft
        ]
    return [node.name for node in nodes]


def listen(
    sandbox: Sandbox,
    nodes: Sequence[NodeName],
    limits: Mapping[NodeName, Sequence[int]] = MappingProxyType({}),
) -> list[str]:
    """Have the holder record LOG rules of *nodes* as long as the lab lives.

    To be called before they get rules: a node is watched from `watch` on, or when the holder sees
    that there may be rules. Of a node in *limits*, which is watched at once, only packets at these
    devices (indexes) are. Returns in words what cannot be recorded.
    """
    kind = socket.SOCK_RAW
    wanted = [(node, socket.AF_NETLINK, kind, NETLINK_NETFILTER) for node in nodes for _ in "12"]
    made = sandbox.open_sockets(wanted)
    pairs = dict(zip(nodes, zip(made[::2], made[1::2], strict=True), strict=True))
    try:
        for node, (listener, owner) in pairs.items():
            grow(listener)
            join(listener, NFNLGRP_NFTABLES, NFNLGRP_NFTRACE)
            explain(owner)
            if node in limits:
                commit(owner, log_table(limits[node]), node)
        for node in [node for node in nodes if node not in limits][:1]:
            commit(pairs[node][1], log_table_tried(), node)
        table = batch(log_table())
        for start in range(0, len(nodes), _AT_ONCE):
            some = nodes[start : start + _AT_ONCE]
            watched = [node for node in some if node in limits]
            sandbox.record({node: pairs[node] for node in some}, table, watched)
    except KernelError as error:
        return [_unrecorded(error)]
    finally:
        for one in made:
            one.close()
    return []


def watch(sandbox: Sandbox, nodes: Sequence[NodeName]) -> list[str]:
    """Have the packets watched of nodes that are to get rules, if `listen` was told of them.

    Returns in words what cannot be recorded.
    """
    try:
        for node, refusal in sandbox.watch(nodes).items():
            for answer in filter(None, map(ack, unpack(refusal))):
                check(answer, node)
    except KernelError as error:
        return [_unrecorded(error)]
    return []


def watch_at(sandbox: Sandbox, node: NodeName, devices: Sequence[int]) -> list[str]:
    """From now on watch packets at these devices (indexes) of a node that `listen` was told of.

    Returns in words what cannot be recorded.
    """
    with sandbox.open_socket(node, socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as owner:
        try:
            if sandbox.own(node):
                commit(owner, log_table(devices), node)
                sandbox.own(node, owner)
        except KernelError as error:
            return [_unrecorded(error)]
    return []


def _unrecorded(error: KernelError) -> str:
    return f"LOG rules are not recorded: {error}"


def passed_over(sandbox: Sandbox, node: NodeName) -> int:
    """How many packets at least passed *node* too fast to be watched for LOG rules."""
    asked = nft.dumps_passed_over()
    answers = (sandbox.ask(node, dump, bus=NETLINK_NETFILTER) for dump in asked)
    return nft.passed_over(list(chain.from_iterable(answers)))


class LogReader:
    """Reads a lab's record of LOG rules from its start, and goes on where it stopped."""

    def __init__(
        self,
        path: Path,
        nodes: Sequence[NodeName],
        dev_name: Callable[[NodeName, int], DevName | None],
    ) -> None:
        """*nodes*: the lab's, in the order in which they were made; *dev_name*: by index."""
        self._path = path
        self._at = 0
        self._traces = [LogTrace(node, partial(dev_name, node)) for node in nodes]
        self.lost: int = 0  # how often the kernel had to let reports go

    @property
    def logging(self) -> tuple[NodeName, ...]:
        """The nodes that have rules that log, or had, as far as was read."""
        return tuple(trace.node for trace in self._traces if trace.rules)

    def read(self) -> Iterator[Logged]:
        """All that was recorded since the last call."""
        with self._path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(self._at)
            while self._at + RECORD.size <= size:
                time_ns, node, length = RECORD.unpack(file.read(RECORD.size))
                if self._at + RECORD.size + length > size:  # still being written
                    return
                data = file.read(length)
                self._at += RECORD.size + length
                self.lost += not data
                if node < len(self._traces):  # else of a node that was added since
                    yield from self._traces[node].feed(data, at=Nanos(time_ns))
