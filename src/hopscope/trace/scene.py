"""Scene: everything that is known around a packet while its journey is woven."""

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property

from msgspec import Struct, field

from hopscope.model.events import FdbChanged, NeighbourChanged, Observation
from hopscope.model.flow import Headers
from hopscope.model.lab import NodeSpec
from hopscope.model.lookup import fdb_entry, local_device
from hopscope.model.snapshot import FdbEntry, NodeState, Snapshot
from hopscope.model.vocab import DevName, DevRef, Direction, Hook, Mac, Nanos, NodeName
from hopscope.trace.hooks import Traversal, traversals
from hopscope.trace.identify import Key, Sighting, key_of, likest, packets, sightings

__all__ = ["Packet", "Scene", "scene_of"]

Bridge = tuple[NodeName, DevName]


class Packet(Struct, frozen=True, kw_only=True):
    """One packet: what was seen of it, in frames and in hooks.

    *birth* is the frame that its sender's own device sent; None when none was seen.
    """

    key: Key
    headers: Headers
    sightings: tuple[Sighting, ...]
    traversals: tuple[Traversal, ...]
    birth: Sighting | None = None

    @property
    def made_in(self) -> NodeName | None:
        """The node whose stack is known to have made it."""
        if self.birth is not None:
            return self.birth.event.dev.node
        made = next((way for way in self.traversals if way.hook is Hook.OUTPUT), None)
        return made.node if made is not None else None

    @property
    def born_in(self) -> NodeName:
        """The node that made it, or else the first that is known to have had it."""
        if self.made_in is not None:
            return self.made_in
        return self.sightings[0].event.dev.node if self.sightings else self.traversals[0].node

    @property
    def started(self) -> Nanos:
        """The first time stamp; of a packet that no device saw, when its trace was read."""
        return self.sightings[0].event.at if self.sightings else self.traversals[0].at


class Scene(Struct, frozen=True, kw_only=True, dict=True):
    """The tables before, the changes meanwhile, and all packets of one observation."""

    before: Snapshot
    after: Snapshot
    observation: Observation
    packets: tuple[Packet, ...]
    replied: frozenset[int]  # stamps whose reply reached the prober's socket
    errors: Mapping[int, str] = field(default_factory=dict)  # stamp → what the sender was told
    teachers: Mapping[tuple[Bridge, Mac], Sighting] = field(default_factory=dict)
    """Of each address that entered a bridge, the first frame that carried it there."""
    learnt: Mapping[tuple[Bridge, Mac], FdbChanged] = field(default_factory=dict)
    """The notification that a bridge learnt an address meanwhile."""
    neighbours: Mapping[tuple[NodeName, str], NeighbourChanged] = field(default_factory=dict)
    """The notification that a node learnt a neighbour's address meanwhile."""
    fragments: Mapping[tuple[DevRef, str, int], int] = field(default_factory=dict)
    """How many fragments, beside the first, a device sent of a packet, by source and IP id."""
    declared: tuple[NodeSpec, ...] = ()
    """What the lab file gives the nodes."""

    def node(self, name: NodeName) -> NodeState:
        """The node's tables before the packet."""
        return self.before.node(name)

    @cached_property
    def ways(self) -> tuple[Traversal, ...]:
        """All that hooks were seen to do, in the kernel's order per node."""
        return tuple(traversals(self.observation.events))

    @cached_property
    def dropped(self) -> tuple[Traversal, ...]:
        """Those of them that dropped their packet."""
        return tuple(way for way in self.ways if way.dropped)

    def traced(self, name: NodeName) -> bool:
        """Whether netfilter hooks of the node were watched."""
        return not any(text.startswith(f"{name}: ") for text in self.observation.blind)

    def born(self, key: Key, node: NodeName) -> bool:
        """Whether a packet of that key is known to have been made in this node."""
        return any(packet.key == key and packet.made_in == node for packet in self.packets)

    def taught(self, node: NodeName, bridge: DevName, frame: Sighting) -> Mac | None:
        """The source address that this frame, and none before it, taught the bridge."""
        source = frame.headers.src_mac
        if source is None or self.teachers.get(((node, bridge), source)) is not frame:
            return None
        change = self.learnt.get(((node, bridge), source))
        return source if change is not None and change.port == frame.event.dev.dev else None

    def fdb(self, node: NodeName, bridge: DevName, mac: Mac, *, at: Nanos) -> FdbEntry | None:
        """The bridge's entry at that moment, from before or learnt meanwhile."""
        entry = fdb_entry(self.node(node), bridge, mac)
        change = self.learnt.get(((node, bridge), mac))
        teacher = self.teachers.get(((node, bridge), mac))
        if entry is None and change is not None and teacher is not None and teacher.event.at < at:
            entry = FdbEntry(bridge=bridge, mac=mac, port=change.port)
        return entry

    def errors_about(self, packet: Packet) -> list[Packet]:
        """The ICMP errors that quote this packet."""
        return [
            other
            for other in self.packets
            if (inner := other.headers.inner) is not None and key_of(inner) == packet.key
        ]


def scene_of(
    observation: Observation,
    before: Snapshot,
    after: Snapshot,
    *,
    replied: frozenset[int],
    errors: Mapping[int, str] | None = None,
    declared: tuple[NodeSpec, ...] = (),
) -> Scene:
    """Sort an observation into packets."""
    seen = list(sightings(observation.events))
    frames = packets(seen, lambda sighting: _sent_by_its_maker(sighting, before))
    ways = _by_packet(traversals(observation.events), frames)
    made = [
        packet
        for key in dict.fromkeys((*frames, *ways))
        for packet in _made(key, frames.get(key, []), ways.get(key, []), before)
    ]
    made.sort(key=lambda packet: packet.started)
    learnt: dict[tuple[Bridge, Mac], FdbChanged] = {}
    neighbours: dict[tuple[NodeName, str], NeighbourChanged] = {}
    for event in observation.events:
        if isinstance(event, FdbChanged) and not event.removed:
            learnt.setdefault(((event.node, event.bridge), event.mac), event)
        elif isinstance(event, NeighbourChanged) and event.mac and not event.removed:
            neighbours.setdefault((event.dev.node, event.ip), event)
    return Scene(
        before=before,
        after=after,
        observation=observation,
        packets=tuple(made),
        replied=replied,
        errors=errors or {},
        teachers=_teachers(seen, before),
        learnt=learnt,
        neighbours=neighbours,
        declared=declared,
        fragments=Counter(
            (one.event.dev, ip.src, ip.id)
            for one in seen
            if (ip := one.headers.ip) is not None
            and ip.fragment_offset
            and one.event.direction is Direction.TRANSMIT
        ),
    )


def _sent_by_its_maker(sighting: Sighting, before: Snapshot) -> bool:
    """Whether the device that sends this frame has the packet's source address."""
    if sighting.event.direction is not Direction.TRANSMIT:
        return False
    ref, headers = sighting.event.dev, sighting.headers
    link = before.link(ref)
    if link is None or link.master is not None:
        return False
    if headers.arp is not None:
        return link.mac == headers.arp.sender_mac
    node = before.node(ref.node)
    return headers.ip is not None and local_device(node, headers.ip.src) is not None


def _made(
    key: Key, frames: list[list[Sighting]], ways: list[list[Traversal]], before: Snapshot
) -> Iterable[Packet]:
    for number in range(max(len(frames), len(ways))):
        some = tuple(frames[number]) if number < len(frames) else ()
        way = tuple(ways[number]) if number < len(ways) else ()
        born = next((one for one in some if _sent_by_its_maker(one, before)), None)
        headers = (born or some[0]).headers if some else way[0].headers
        yield Packet(key=key, headers=headers, sightings=some, traversals=way, birth=born)


def _by_packet(
    found: Iterable[Traversal], frames: Mapping[Key, list[list[Sighting]]]
) -> dict[Key, list[list[Traversal]]]:
    """Hook traversals by key, and of several packets of one key by the packet.

    IP headers tell these apart; ARP is told by how often a hook was met, and in one node a
    later packet never falls back behind the first hook that it met, although an earlier one
    may have ended before.
    """
    sorted_out: dict[Key, list[list[Traversal]]] = {}
    passed: dict[tuple[object, ...], int] = {}
    reached: dict[tuple[Key, NodeName], int] = {}
    for traversal in found:
        key = key_of(traversal.headers)
        if key is None:
            continue
        firsts = [some[0].headers for some in frames.get(key, ())]
        hook = (traversal.family, traversal.hook, traversal.iif, traversal.oif)
        where = (key, traversal.node, *hook)
        number = max(passed.get(where, -1) + 1, reached.get((key, traversal.node), 0))
        if firsts and traversal.headers.ip is not None:
            number = likest(firsts, traversal.headers)
        elif firsts:
            number = min(number, len(firsts) - 1)
        passed[where] = number
        if traversal.hook in (Hook.PREROUTING, Hook.OUTPUT):
            reached[key, traversal.node] = number
        instances = sorted_out.setdefault(key, [])
        while len(instances) <= number:
            instances.append([])
        instances[number].append(traversal)
    return sorted_out


def _teachers(seen: Iterable[Sighting], before: Snapshot) -> dict[tuple[Bridge, Mac], Sighting]:
    """The first frame with each source address that came in through a port of a bridge."""
    found: dict[tuple[Bridge, Mac], Sighting] = {}
    for sighting in seen:
        ref, source = sighting.event.dev, sighting.headers.src_mac
        if sighting.event.direction is Direction.RECEIVE and source is not None:
            link = before.link(DevRef(ref.node, ref.dev))
            if link is not None and link.master is not None:
                found.setdefault(((ref.node, link.master), source), sighting)
    return found
