"""Neighbour and FDB entries as they change, from rtnetlink's notifications."""

import socket
from collections.abc import Callable, Iterator
from typing import Final

from hopscope.kernel.sandbox import Sandbox
from hopscope.model.events import FdbChanged, NeighbourChanged
from hopscope.model.vocab import DevName, DevRef, Nanos, NodeName
from hopscope.observe.listening import Listener
from hopscope.wire.netlink import unpack
from hopscope.wire.rtnl_read import fdb_event, neighbour_event

__all__ = ["Changes"]

RTNLGRP_NEIGH: Final = 3


class Changes(Listener):
    """The neighbour notifications of one node: ARP, ND and bridge FDB alike."""

    def __init__(
        self, sandbox: Sandbox, node: NodeName, dev_name: Callable[[int], DevName | None]
    ) -> None:
        self.node = node
        self._dev_name = dev_name
        wanted = (node, socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        super().__init__(sandbox.open_socket(*wanted), RTNLGRP_NEIGH)

    def read(self) -> Iterator[NeighbourChanged | FdbChanged]:
        """All changes that have arrived."""
        for data, at in self.arrived():
            yield from self._decode(data, at)

    def _decode(self, data: bytes, at: Nanos) -> Iterator[NeighbourChanged | FdbChanged]:
        for message in unpack(data):
            near = neighbour_event(message)
            entry = fdb_event(message)
            if near is not None and (dev := self._dev_name(near.index)):
                yield NeighbourChanged(
                    at=at,
                    dev=DevRef(self.node, dev),
                    ip=near.ip,
                    mac=near.mac,
                    state=near.state,
                    removed=near.removed,
                )
            elif entry is not None and (port := self._dev_name(entry.index)):
                bridge = self._dev_name(entry.master or 0)
                if bridge is not None:
                    yield FdbChanged(
                        at=at,
                        node=self.node,
                        bridge=bridge,
                        port=port,
                        mac=entry.mac,
                        local=entry.local,
                        removed=entry.removed,
                    )
