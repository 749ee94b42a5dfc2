"""Scene: everything that is known around a packet while its journey is woven."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hopscope.model.events import FdbChanged, NeighbourChanged, Observation
from hopscope.model.flow import Headers
from hopscope.model.lookup import fdb_entry
from hopscope.model.snapshot import FdbEntry, NodeState, Snapshot
from hopscope.model.vocab import DevName, Mac, Nanos, NodeName
from hopscope.trace.hooks import Traversal, traversals
from hopscope.trace.identify import Key, Sighting, key_of, packets, sightings

__all__ = ["Packet", "Scene", "scene_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One packet: what was seen of it, in frames and in hooks."""

    key: Key
    headers: Headers
    sightings: tuple[Sighting, ...]
    traversals: tuple[Traversal, ...]

    @property
    def born_in(self) -> NodeName:
        """The node that first had it."""
        first = self.sightings[0].event.dev.node if self.sightings else None
        return (
            self.traversals[0].node
            if self.traversals and self._hooks_first
            else (first or self.traversals[0].node)
        )

    @property
    def _hooks_first(self) -> bool:
        """A packet that only hooks saw, because no device ever got it."""
        return not self.sightings

    @property
    def started(self) -> Nanos:
        """The first time stamp; of a packet that no device saw, when its trace was read."""
        if self.sightings:
            return self.sightings[0].event.at
        return Nanos(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The tables before, the changes meanwhile, and all packets of one observation."""

    before: Snapshot
    after: Snapshot
    observation: Observation
    packets: tuple[Packet, ...]
    replied: frozenset[int]  # stamps whose reply reached the prober's socket
    errors: Mapping[int, str] = field(default_factory=dict)  # stamp → what the sender was told

    def node(self, name: NodeName) -> NodeState:
        """The node's tables before the packet."""
        return self.before.node(name)

    def born(self, key: Key) -> NodeName | None:
        """The node where a packet of that key was born, None when there was none."""
        return next((packet.born_in for packet in self.packets if packet.key == key), None)

    def learnt(self, node: NodeName, bridge: DevName, mac: Mac) -> FdbChanged | None:
        """The notification that the bridge learnt this address meanwhile."""
        for event in self.observation.events:
            if isinstance(event, FdbChanged) and not event.removed:
                if (event.node, event.bridge, event.mac) == (node, bridge, mac):
                    return event
        return None

    def fdb(self, node: NodeName, bridge: DevName, mac: Mac) -> FdbEntry | None:
        """The bridge's entry, from before or learnt meanwhile."""
        entry = fdb_entry(self.node(node), bridge, mac)
        if entry is None and (learnt := self.learnt(node, bridge, mac)):
            entry = FdbEntry(bridge=bridge, mac=mac, port=learnt.port)
        return entry

    def resolved(self, node: NodeName, ip: str) -> NeighbourChanged | None:
        """The notification that the node learnt that neighbour meanwhile."""
        for event in self.observation.events:
            if isinstance(event, NeighbourChanged) and event.mac and not event.removed:
                if (event.dev.node, event.ip) == (node, ip):
                    return event
        return None


def scene_of(
    observation: Observation,
    before: Snapshot,
    after: Snapshot,
    *,
    replied: frozenset[int],
    errors: Mapping[int, str] | None = None,
) -> Scene:
    """Sort an observation into packets."""
    found = packets(sightings(observation.events))
    hooks: dict[Key, list[list[Traversal]]] = {}
    passed: dict[tuple[object, ...], int] = {}
    for traversal in traversals(observation.events):
        key = key_of(traversal.headers)
        if key is None:
            continue
        where = (
            key,
            traversal.node,
            traversal.family,
            traversal.hook,
            traversal.iif,
            traversal.oif,
        )
        number = passed[where] = passed.get(where, -1) + 1
        instances = hooks.setdefault(key, [])
        while len(instances) <= number:
            instances.append([])
        instances[number].append(traversal)
    made: list[Packet] = []
    for key in dict.fromkeys((*found, *hooks)):
        frames, ways = found.get(key, []), hooks.get(key, [])
        for number in range(max(len(frames), len(ways))):
            some = tuple(frames[number]) if number < len(frames) else ()
            way = tuple(ways[number]) if number < len(ways) else ()
            headers = some[0].headers if some else way[0].headers
            made.append(Packet(key=key, headers=headers, sightings=some, traversals=way))
    made.sort(key=lambda packet: packet.started or 1 << 63)
    return Scene(
        before=before,
        after=after,
        observation=observation,
        packets=tuple(made),
        replied=replied,
        errors=errors or {},
    )
