"""LOG rules that fired: the kernel's nfnetlink_log, kept by the lab's holder.

Inside a lab the kernel prints nothing for LOG (only the initial network namespace may).
So each node's logger is set to nfnetlink_log, a sysctl of that namespace alone: the LOG
target itself then reports the packet, its devices and the rule's prefix to group 0.
"""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from hopscope.kernel.holder import RECORD
from hopscope.kernel.sandbox import Sandbox
from hopscope.model.events import Logged
from hopscope.model.vocab import DevName, Nanos, NodeName
from hopscope.observe.capture import grow
from hopscope.wire.nflog import bind_messages, logged

__all__ = ["listen", "read_log"]

GROUP: Final = 0  # where the kernel sends what a LOG rule reports
_FAMILIES: Final = (2, 7, 10)  # IPv4, bridge, IPv6


def listen(sandbox: Sandbox, nodes: Sequence[NodeName]) -> None:
    """Have the holder record what LOG rules of *nodes* report, as long as the lab lives."""
    kind = socket.SOCK_RAW
    wanted = [(node, socket.AF_NETLINK, kind, socket.NETLINK_NETFILTER) for node in nodes]
    made = dict(zip(nodes, sandbox.sockets(wanted), strict=True))
    try:
        for node, nflog in made.items():
            grow(nflog)
            for message in bind_messages(GROUP):
                nflog.send(message)
            nflog.setblocking(False)
            paths = (f"net/netfilter/nf_log/{family}" for family in _FAMILIES)
            sandbox.write_sysctls(node, dict.fromkeys(paths, "nfnetlink_log"))
        for start in range(0, len(nodes), 4):  # the holder takes four descriptors a time
            some = nodes[start : start + 4]
            sandbox.record({node: made[node] for node in some})
    finally:
        for nflog in made.values():
            nflog.close()


def read_log(
    path: Path,
    nodes: Sequence[NodeName],
    dev_name: Callable[[NodeName, int], DevName | None],
    *,
    start: int = 0,
) -> Iterator[tuple[int, Logged]]:
    """Entries of a lab's record from byte *start* on, each with the offset that follows it."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(start)
        at = start
        while at + RECORD.size <= size:
            time_ns, node_index, length = RECORD.unpack(file.read(RECORD.size))
            if at + RECORD.size + length > size:  # still being written
                return
            data = file.read(length)
            at += RECORD.size + length
            node = nodes[node_index]
            names = lambda index, node=node: dev_name(node, index)  # noqa: E731
            for event in logged(data, at=Nanos(time_ns), node=node, dev_name=names):
                yield at, event
