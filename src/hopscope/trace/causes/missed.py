"""A frame that the device whose address it bears did not get: what keeps it from there.

Where a bridge knows no port for it, it floods: then others have a copy, and ignore it. They are
bystanders, and never where a frame was lost.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from hopscope.model.journey import (
    DropStep,
    HookStep,
    Hop,
    NatStep,
    NeighbourStep,
    Reason,
    Step,
    TransmitStep,
)
from hopscope.model.lookup import is_group, owner_of, owner_of_mac
from hopscope.model.naming import some_of
from hopscope.model.snapshot import Snapshot
from hopscope.model.vocab import DevRef, Family, Mac, inferred
from hopscope.trace.carried import way_between
from hopscope.trace.causes.evidence import (
    Cause,
    all_hops,
    command,
    filters,
    leaves,
    main_steps,
)
from hopscope.trace.causes.links import carries
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.ways import asked

__all__ = ["cut", "nearest", "not_come", "not_seen", "straight"]


def cut(snapshot: Snapshot, start: DevRef | None, goal: DevRef) -> Reason | None:
    """What takes no frames on the way from a device to another: an end of a link, a port, a bridge.

    None where a way leads there through such as take them.
    """
    way, whole = _way(snapshot, start, goal) if start is not None else ([], False)
    if whole:
        return None
    ends = dict.fromkeys((*_ends(snapshot, goal), *way))
    found = [why for why in (carries(snapshot, ref) for ref in ends) if why is not None]
    down = (why for why in found if why.code == "device-down")  # its port is disabled by that
    return next(down, next(iter(found), None))


def _ends(snapshot: Snapshot, goal: DevRef) -> Iterator[DevRef]:
    """A device, the one that it lies over as a macvlan, and the other end of the link."""
    link = snapshot.link(goal)
    yield goal
    below = link.over if link is not None and link.macvlan is not None else None
    if below is not None:
        yield below
        link = snapshot.link(below)
    yield from [link.peer] if link is not None and link.peer is not None else []


def _way(snapshot: Snapshot, start: DevRef, goal: DevRef) -> tuple[list[DevRef], bool]:
    """The devices of a way in layer 2, and whether all of them take frames: such a one, if any."""

    def takes(ref: DevRef) -> bool:
        return carries(snapshot, ref) is None

    way = way_between(snapshot, start, goal, through=takes)
    return (way, True) if way else (way_between(snapshot, start, goal), False)


class _Sent(Struct, frozen=True, kw_only=True):
    """A frame as its last sender gave it to a device: the hop, that device, whom it is for."""

    hop: Hop
    start: DevRef
    mac: Mac
    goal: DevRef | None  # None: no device of the lab has that address

    def way(self, snapshot: Snapshot) -> list[DevRef]:
        """The devices on its way; none where no bridges and links lead there."""
        return _way(snapshot, self.start, self.goal)[0] if self.goal is not None else []

    def got(self, snapshot: Snapshot) -> bool:
        """Whether a device that has its address received it."""
        came = (_came(hop) for hop in all_hops(self.hop) if hop is not self.hop)
        links = (snapshot.link(ref) for ref in came if ref is not None)
        return any(link is not None and link.mac == self.mac for link in links)


def straight(cause: Cause) -> Cause:
    """The cause, of what went towards the goal alone: no end of a bystander's copy is its end."""

    def asked_so(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
        sent = _last_sent(packet, first, scene)
        way = sent.way(scene.before) if sent is not None else []
        alone = _towards(first, sent.hop, way) if sent is not None and way else first
        return cause(packet, alone, scene)

    return asked_so


def not_come(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """What it would have to pass takes no frames; others may have got copies of it."""
    sent = _last_sent(packet, first, scene)
    if asked(packet.headers) is not None or sent is None or sent.goal is None:
        return None
    return None if sent.got(scene.before) else cut(scene.before, sent.start, sent.goal)


def nearest(packet: Packet, first: Hop, scene: Scene) -> Hop:
    """The last hop on its way, and no bystander's: where the evidence stops."""
    sent = _last_sent(packet, first, scene)
    if sent is None:
        return leaves(first)[-1]
    way = sent.way(scene.before)
    near = [hop for hop in all_hops(sent.hop) if hop is sent.hop or not _aside(hop)]
    on = {ref: hop for hop in near if (ref := _came(hop)) in way}
    default = sent.hop if way else near[-1]
    return max(on.items(), key=lambda one: way.index(one[0]))[1] if on else default


def not_seen(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """All who got it ignore it, and nothing shows what keeps it from the one whom it is for."""
    hop, sent = nearest(packet, first, scene), _last_sent(packet, first, scene)
    if sent is None or not hop.onward or sent.got(scene.before):
        return None
    who = some_of([str(ref) for one in leaves(hop) if (ref := _came(one)) is not None])
    whom = f"it is for {sent.goal}" if sent.goal else f"no device in this lab has {sent.mac}"
    at = next((ref for ref in reversed(sent.way(scene.before)) if ref.node == hop.node), None)
    mend = ""
    if at is not None and scene.traced(hop.node):
        look = command(at.node, filters(at.dev, out=True))
        mend = f"see whether a filter of {at.dev} drops it: {look}"
    return Reason(
        code="unseen",
        sentence=f"the evidence stops in {hop.node}: what left it came to {who} only, and {whom}",
        at=at,
        basis=inferred("packet sockets and nf_tables trace"),
        mend=mend,
    )


def _last_sent(packet: Packet, first: Hop, scene: Scene) -> _Sent | None:
    """The frame that was last sent to one device, or asks for it.

    None where rules gave it another goal on its way.
    """
    found = [sent for hop in all_hops(first) if (sent := _sent(packet, hop, scene)) is not None]
    if not found:
        return None
    behind = [
        step for hop in all_hops(found[-1].hop) if hop is not found[-1].hop for step in hop.steps
    ]
    return None if any(isinstance(step, NatStep) for step in behind) else found[-1]


def _sent(packet: Packet, hop: Hop, scene: Scene) -> _Sent | None:
    routed = any(isinstance(step, NeighbourStep) for step in hop.steps)
    out = next((step for step in hop.steps if isinstance(step, TransmitStep)), None)
    if out is None or out.dst_mac is None or (hop.came_in is not None and not routed):
        return None
    target = asked(packet.headers)
    if target is None and is_group(out.dst_mac):
        return None
    before, start = scene.before, DevRef(hop.node, out.dev)
    goal = owner_of_mac(before, out.dst_mac) if target is None else owner_of(before, target)
    return _Sent(hop=hop, start=start, mac=out.dst_mac, goal=goal)


def _towards(hop: Hop, sender: Hop, way: Sequence[DevRef], *, sent: bool = False) -> Hop:
    """The tree without what is behind *sender* and off the way."""
    sent = sent or hop is sender
    onward = [one for one in hop.onward if not sent or _came(one) in (None, *way)]
    steps = [step for step in hop.steps if not sent or not _off(hop, step, way)]
    return replace(
        hop,
        steps=tuple(steps),
        onward=tuple(_towards(one, sender, way, sent=sent) for one in onward),
    )


def _off(hop: Hop, step: Step, way: Sequence[DevRef]) -> bool:
    """Whether it is about a bridge's copy for another port."""
    if not isinstance(step, HookStep) or step.family is not Family.BRIDGE or step.oif is None:
        return False
    return DevRef(hop.node, step.oif) not in way


def _came(hop: Hop) -> DevRef | None:
    return DevRef(hop.node, hop.came_in) if hop.came_in is not None else None


def _aside(hop: Hop) -> bool:
    """Whether it ended there as it should: it is for another."""
    last = main_steps(hop)[-1:]
    return any(isinstance(step, DropStep) and step.expected for step in last)
