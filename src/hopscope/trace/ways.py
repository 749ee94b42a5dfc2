"""Which route a packet asked a node for, and whom the node then took for its next hop.

Tables say what should be chosen. What was chosen shows: a frame carries the next hop's MAC
address, and whoever lacks that asks for it. Where the two differ, what was seen holds.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from hopscope.model.flow import Headers
from hopscope.model.lab import MAIN_TABLE
from hopscope.model.lookup import leads_to, looked_up, neighbour
from hopscope.model.snapshot import NodeState, PolicyRule, Route
from hopscope.model.vocab import Basis, DevName, Hook, Mac, NodeName, inferred, seen
from hopscope.trace.identify import Sighting
from hopscope.trace.scene import Packet, Scene

__all__ = [
    "LOOPBACK",
    "OWN_TABLES",
    "Lookup",
    "Way",
    "answered",
    "asked",
    "mark_of",
    "way_awaited",
    "way_taken",
]

LOOPBACK = DevName("lo")
OWN_TABLES: Final = (255, MAIN_TABLE)
"""Those that every packet asks, and that nobody names."""


class Lookup(Struct, frozen=True, kw_only=True):
    """A packet as a node looked up its route; *out* is the device that it was then given to."""

    state: NodeState
    destination: str
    source: str | None = None
    came_in: DevName | None = None  # lo: the node made it
    mark: int | None = None  # None: nothing tells
    out: DevName | None = None

    def route(self) -> Route | None:
        """The route that the tables have for it."""
        return self.found()[0]

    def found(self) -> tuple[Route | None, PolicyRule | None]:
        """The route that the tables have for it, and the policy rule that led there.

        A sender asks before it has chosen its address and before a rule has set a mark, and
        then perhaps again: of several routes, the one is meant that leads to *out*.
        """
        tries = ((self.source, self.mark), (None, self.mark), (None, None))
        found = [
            looked_up(
                self.state,
                self.destination,
                out=self.out,
                source=source,
                came_in=self.came_in,
                mark=mark,
            )
            for source, mark in tries
        ]
        there = (one for one in found if one is not None and one[0].dev == self.out is not None)
        return next(there, found[0]) or (None, None)

    def way(self) -> tuple[DevName, str] | None:
        """The device and the next hop by the tables, unless it was given to another device."""
        way = leads_to(self.route(), self.destination)
        return way if way is None or self.out in (None, way[0]) else None


class Way(Struct, frozen=True, kw_only=True):
    """A device and the next hop's address; *basis*, where it is not the tables that say so."""

    dev: DevName
    ip: str
    basis: Basis | None = None


def mark_of(packet: Packet, node: NodeName, came_in: DevName | None) -> int | None:
    """The packet's mark as its route was looked up; None when no trace tells.

    *came_in* is None for a packet that the node made.
    """
    hook = Hook.OUTPUT if came_in is None else Hook.PREROUTING
    marks = [
        way.mark
        for way in packet.traversals
        if way.node == node and way.hook is hook and way.iif == came_in
    ]
    return marks[-1] if marks else None


def asked(headers: Headers) -> str | None:
    """The address that an ARP request or a neighbour solicitation asks for."""
    if headers.arp is not None and headers.arp.op == 1:
        return headers.arp.target_ip
    if headers.icmp is not None and headers.icmp.type == 135:
        return headers.icmp.target
    return None


def answered(headers: Headers) -> str | None:
    """The address that an ARP reply or a neighbour advertisement is about."""
    if headers.arp is not None and headers.arp.op == 2:
        return headers.arp.sender_ip
    if headers.icmp is not None and headers.icmp.type == 136:
        return headers.icmp.target
    return None


def way_awaited(scene: Scene, lookup: Lookup) -> Way | None:
    """The next hop of a packet that no device was given: the one that was asked for in vain."""
    way, out = lookup.way(), lookup.out
    dev = way[0] if way is not None else out
    if dev is None:
        return None
    node = lookup.state.name
    vain = [ip for ip in _questions(scene, node, dev) if (node, ip) not in scene.neighbours]
    if way is not None and (way[1] in vain or not vain):
        return Way(dev=dev, ip=way[1])
    if not vain:
        return None
    told = f"{node} asked for {' and '.join(vain)} on {dev}, and learnt no answer"
    states = (lookup.state, scene.after.node(node))
    knew = way is not None and any(_macs(scene, states, dev, way[1]))
    return Way(dev=dev, ip=vain[0], basis=inferred(told) if knew or vain[1:] else seen(told))


def _questions(scene: Scene, node: NodeName, dev: DevName) -> list[str]:
    """The addresses that a node asked for on a device, in order."""
    found = (
        asked(packet.headers)
        for packet in scene.packets
        if packet.birth is not None
        and (packet.birth.event.dev.node, packet.birth.event.dev.dev) == (node, dev)
    )
    return list(dict.fromkeys(ip for ip in found if ip is not None))


def way_taken(scene: Scene, lookup: Lookup, frame: Sighting) -> Way:
    """The next hop of a frame: by the tables, unless another has the MAC that it was sent to."""
    dev, mac = frame.event.dev.dev, frame.headers.dst_mac
    way = lookup.way()
    states = (lookup.state, scene.after.node(lookup.state.name))
    if way is not None and mac in _macs(scene, states, dev, way[1]):
        return Way(dev=dev, ip=way[1])
    known = {entry.ip for state in states for entry in state.neighbours if entry.dev == dev}
    theirs = [ip for ip in sorted(known) if mac in _macs(scene, states, dev, ip)]
    six = ":" in lookup.destination
    others = [ip for ip in theirs if (":" in ip) is six] or theirs
    if len(others) == 1 or (others and way is None):
        basis = seen(f"the frame on {frame.event.dev}, and the neighbours as read")
        return Way(dev=dev, ip=others[0], basis=basis)
    return Way(dev=dev, ip=way[1] if way is not None else lookup.destination)


def _macs(
    scene: Scene, states: tuple[NodeState, ...], dev: DevName, ip: str
) -> Iterator[Mac | None]:
    """All that a node knew a neighbour's MAC address to be, before, meanwhile and afterwards."""
    for state in states:
        entry = neighbour(state, dev, ip)
        if entry is not None:
            yield entry.mac
    learnt = scene.neighbours.get((states[0].name, ip))
    if learnt is not None and learnt.dev.dev == dev:
        yield learnt.mac
