"""Netfilter hooks and rules as nf_tables reports them, from one nfnetlink socket per node."""

import errno
import itertools
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from hopscope.errors import KernelError
from hopscope.kernel.sandbox import Sandbox
from hopscope.model.events import RuleHit
from hopscope.model.vocab import DevName, Nanos, NodeName
from hopscope.observe.capture import grow
from hopscope.wire.netlink import (
    NETLINK_NETFILTER,
    NLM_F_ACK,
    NLM_F_REQUEST,
    Ack,
    Message,
    ack,
    pack,
    unpack,
)
from hopscope.wire.nft import NFNLGRP_NFTRACE, OUR_PREFIX, rule_hits, trace_table

__all__ = ["NftTrace", "batch", "check", "commit", "explain", "join"]

SOL_NETLINK: Final = 270
NETLINK_ADD_MEMBERSHIP: Final = 1
NETLINK_EXT_ACK: Final = 11
_counter = itertools.count()


class NftTrace:
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
        self._lost = 0
        wanted = (node, socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self.socket: socket.socket
        self.socket, self._owner = sandbox.open_sockets([wanted, wanted])
        try:
            grow(self.socket)
            join(self.socket, NFNLGRP_NFTRACE)
            self.socket.setblocking(False)
            name = f"{OUR_PREFIX}-{os.getpid()}-{next(_counter)}"
            commit(self._owner, trace_table(name, addresses, devices), node)
        except BaseException:
            self.close()
            raise

    def read(self) -> Iterator[RuleHit]:
        """All trace messages that have arrived, in the kernel's order."""
        while True:
            try:
                data = self.socket.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._lost += 1
                continue
            at = Nanos(time.time_ns())
            yield from rule_hits(data, at=at, node=self.node, dev_name=self._dev_name)

    def lost(self) -> int:
        """How often the kernel had to let messages go, since the last call."""
        lost, self._lost = self._lost, 0
        return lost

    def close(self) -> None:
        """Stop tracing; the kernel deletes our table with the socket that owns it."""
        self._owner.close()
        self.socket.close()


def join(listener: socket.socket, *groups: int) -> None:
    """Have the kernel send a netlink socket what it tells these groups."""
    listener.bind((0, 0))  # a port of 0 is the kernel's own: it is sent nothing
    for group in groups:
        listener.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)


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
