"""Netfilter hooks and rules as nf_tables reports them, from one nfnetlink socket per node."""

import itertools
import os
import socket
from collections.abc import Callable, Iterator, Sequence

from msgspec.structs import replace

from hopscope.errors import KernelError
from hopscope.kernel.sandbox import Sandbox
from hopscope.model.events import RuleHit
from hopscope.model.vocab import DevName, NodeName
from hopscope.observe.listening import Listener
from hopscope.wire.netlink import (
    NETLINK_EXT_ACK,
    NETLINK_NETFILTER,
    NLM_F_ACK,
    NLM_F_REQUEST,
    SOL_NETLINK,
    Ack,
    Message,
    ack,
    pack,
    unpack,
)
from hopscope.wire.nft import NFNLGRP_NFTRACE, OUR_PREFIX, rule_hits, trace_table

__all__ = ["NftTrace", "batch", "check", "commit", "explain"]

_counter = itertools.count()


class NftTrace(Listener):
    """The trace of one node. Two sockets: one owns our table, one hears the trace."""

    def __init__(
        self,
        sandbox: Sandbox,
        node: NodeName,
        dev_name: Callable[[int], DevName | None],
        addresses: Sequence[str],
        devices: Sequence[int] = (),
    ) -> None:
        """Start tracing packets from or to *addresses*, at *devices* only (none: at all).

        Raises KernelError when this kernel has no nf_tables, or will not trace here.
        """
        self.node = node
        self._dev_name = dev_name
        wanted = (node, socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        listener, self._owner = sandbox.open_sockets([wanted, wanted])
        try:
            super().__init__(listener, NFNLGRP_NFTRACE)
            name = f"{OUR_PREFIX}-{os.getpid()}-{next(_counter)}"
            commit(self._owner, trace_table(name, addresses, devices), node)
        except BaseException:
            self.close()
            raise

    def read(self) -> Iterator[RuleHit]:
        """All trace messages that have arrived, in the kernel's order."""
        for data, at in self.arrived():
            yield from rule_hits(data, at=at, node=self.node, dev_name=self._dev_name)

    def close(self) -> None:
        """Stop tracing; the kernel deletes our table with the socket that owns it."""
        self._owner.close()
        super().close()


def commit(owner: socket.socket, messages: Sequence[Message], node: NodeName) -> None:
    """Send one nf_tables batch; only its last message and errors are acknowledged.

    Raises KernelError when the kernel refuses any of it.
    """
    explain(owner)
    owner.send(batch(messages))
    while True:
        for message in unpack(owner.recv(1 << 16)):
            answer = ack(message)
            if answer is None:
                continue
            check(answer, node)
            if answer.seq == len(messages) - 1:
                return


def batch(messages: Sequence[Message]) -> bytes:
    """An nf_tables batch as it is sent: numbered from 1, its last message to be acknowledged."""
    numbered = [
        replace(message, seq=number, flags=message.flags | NLM_F_REQUEST)
        for number, message in enumerate(messages, 1)
    ]
    last = len(numbered) - 2  # the one before the batch's end
    numbered[last] = replace(numbered[last], flags=numbered[last].flags | NLM_F_ACK)
    return b"".join(pack(message) for message in numbered)


def explain(owner: socket.socket) -> None:
    """Have the kernel put into words what it refuses."""
    owner.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)


def check(answer: Ack, node: NodeName) -> None:
    """Raise KernelError when the kernel has refused a batch."""
    if answer.code:
        raise KernelError(answer.code, f"{node}: tracing with nf_tables", answer.said)
