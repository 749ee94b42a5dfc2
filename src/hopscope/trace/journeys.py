"""All journeys of one ping: which packets belong to it, and what became of each."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address

from msgspec.structs import replace

from hopscope.model.flow import Headers
from hopscope.model.journey import (
    Hop,
    Journey,
    NeighbourStep,
    PassUpStep,
    Reason,
    RouteStep,
    TransmitStep,
    hops,
)
from hopscope.model.lookup import owner_of, owners_of, route_text, route_to
from hopscope.model.vocab import DevRef, Fate, Nanos, NodeName, seen
from hopscope.trace.causes.evidence import all_hops
from hopscope.trace.explain import explain
from hopscope.trace.identify import Key
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.stitch import Woven, weave
from hopscope.wire.packet import title

__all__ = ["MOST_ALIKE", "journey_of", "journeys", "unsent"]

MOST_ALIKE = 5
"""So many packets of one key are told; more of them only a loop makes."""


def journeys(scene: Scene, *, ident: int) -> tuple[Journey, ...]:
    """The journeys of the probes numbered *ident*, and of the ARP and ND they needed."""
    told: Counter[Key] = Counter()
    found: list[tuple[Key, Journey]] = []
    ours = [packet for packet in scene.packets if _stamped(packet.headers, ident)]
    alike: dict[Key, list[Packet]] = {}
    for packet in ours:
        alike.setdefault(packet.key, []).append(packet)
    known = {id(p): journey_of(p, scene) for some in alike.values() for p in some[:MOST_ALIKE]}
    resolved = _to_resolve(ours, known.values(), scene)
    for packet in scene.packets:
        mine = _stamped(packet.headers, ident)
        if not mine and not _belongs(packet.headers, scene, resolved):
            continue
        told[packet.key] += 1
        if told[packet.key] <= MOST_ALIKE:
            found.append((packet.key, known.get(id(packet)) or journey_of(packet, scene)))
    return tuple(_with_untold(journey, told[key]) for key, journey in found)


def _with_untold(journey: Journey, number: int) -> Journey:
    """The journey; when more packets were like it than are told, it says so."""
    if number <= MOST_ALIKE:
        return journey
    note = f"{number} packets like this one were seen; the first {MOST_ALIKE} are told"
    return replace(journey, notes=(*journey.notes, note))


def journey_of(packet: Packet, scene: Scene) -> Journey:
    """What became of a packet, woven and explained."""
    woven = weave(packet, scene)
    fate, reason = explain(packet, woven.first, scene)
    return Journey(
        title=title(packet.headers),
        headers=packet.headers,
        started=packet.started,
        first=woven.first,
        fate=fate,
        reason=reason,
        lost=scene.observation.lost,
        notes=tuple(_notes(packet, woven, scene)),
    )


def _notes(packet: Packet, woven: Woven, scene: Scene) -> Iterator[str]:
    lost = scene.observation.lost
    if lost:
        yield f"{lost} observations were lost meanwhile: there may be gaps"
    if packet.birth is None and packet.sightings:
        yield "where it began was not seen"
    pieces = _fragments(packet, scene)
    if pieces:
        yield f"it travelled in {pieces + 1} fragments; the way of the first one is told"
    if woven.cut is not None:
        yield f"it went on after {woven.cut} hops, in a loop: {len(woven.unplaced)} more sightings"
    elif woven.unplaced:
        places = ", ".join(dict.fromkeys(str(one.event.dev) for one in woven.unplaced))
        yield f"it was also seen on {places}, which no step here explains"
    yield from _shared(packet, woven.first, scene)
    yield from _changed(woven.first, scene)


def _changed(first: Hop, scene: Scene) -> Iterator[str]:
    """That the capture made a bridge pass itself a copy, which it would not have done."""
    only_ours = {
        ref: goes_on
        for ref, goes_on in _lent(first)
        if (link := scene.before.link(ref)) and link.promiscuity <= 1
    }
    if only_ours:
        names = ", ".join(map(str, only_ours))
        again = ", which its stack sent on: so it arrives twice"
        yield (
            f"watching changed the path: the capture made {names} promiscuous, and so the bridge "
            f"passed itself a copy{again if True in only_ours.values() else ''}; "
            "--no-promiscuous avoids that"
        )


def _shared(packet: Packet, first: Hop, scene: Scene) -> Iterator[str]:
    """That several nodes have the address that it was for at last, and which of them got it."""
    steps = [step for hop in all_hops(first) for step in hop.steps]
    goals = [step.destination for step in steps if isinstance(step, RouteStep)]
    if packet.headers.ip is None or not goals or ip_address(goals[-1]).is_loopback:
        return
    owners = [*owners_of(scene.before, goals[-1])]
    if len(owners) > 1:
        macs = [s.mac for s in steps if isinstance(s, NeighbourStep) and s.ip == goals[-1]]
        links = {owner: scene.before.link(owner) for owner in owners}
        took = [ref for ref, link in links.items() if link is not None and link.mac in macs]
        told = f"; this packet was sent to {took[0]}" if len(took) == 1 else ""
        yield f"{goals[-1]} is on {' and '.join(map(str, owners))}{told}"


def _lent(first: Hop) -> Iterator[tuple[DevRef, bool]]:
    """The bridges, and whether the stack behind sent the copy on."""
    for hop in all_hops(first):
        for number, step in enumerate(hop.steps):
            if isinstance(step, PassUpStep) and step.because == "promiscuous":
                sent = any(isinstance(one, TransmitStep) for one in hop.steps[number:])
                yield DevRef(hop.node, step.bridge), sent


def _fragments(packet: Packet, scene: Scene) -> int:
    """How many further fragments of it its first device sent."""
    ip, birth = packet.headers.ip, packet.birth
    if ip is None or birth is None or ip.id == 0:
        return 0
    return scene.fragments.get((birth.event.dev, ip.src, ip.id), 0)


def _stamped(headers: Headers, ident: int) -> bool:
    stamps = (headers.stamp, headers.inner.stamp if headers.inner else None)
    return any(stamp is not None and stamp >> 32 == ident for stamp in stamps)


def _to_resolve(ours: Sequence[Packet], told: Iterable[Journey], scene: Scene) -> frozenset[str]:
    """The addresses that somebody on the way had to resolve, or may have: ends and gateways."""
    ends = {
        ip
        for packet in ours
        for headers in (packet.headers, *(one.headers for one in packet.sightings))
        if headers.ip is not None
        for ip in (headers.ip.src, headers.ip.dst)
    }
    routes = (route_to(node, ip) for node in scene.before.nodes for ip in ends)
    gateways = {route.via for route in routes if route is not None and route.via}
    nearest = {
        step.ip
        for journey in told
        for hop in hops(journey)
        for step in hop.steps
        if isinstance(step, NeighbourStep)
    }
    return frozenset(ends | gateways | nearest)


def _belongs(headers: Headers, scene: Scene, resolved: frozenset[str]) -> bool:
    """Whether it is ARP or ND about one of these addresses; about any, when none is known."""
    if (arp := headers.arp) is not None:
        return not resolved or (arp.target_ip if arp.op == 1 else arp.sender_ip) in resolved
    if headers.icmp is None or headers.icmp.target is None or headers.ip is None:
        return False
    unspecified = headers.ip.src == "::"  # duplicate address detection, not ours
    about = not resolved or headers.icmp.target in resolved
    return about and not unspecified and owner_of(scene.before, headers.ip.src) is not None


def unsent(scene: Scene, node: NodeName, headers: Headers, error: str, *, at: Nanos) -> Journey:
    """The journey of a request that its own kernel refused to send."""
    destination = headers.ip.dst if headers.ip is not None else ""
    route = route_to(scene.node(node), destination)
    step = RouteStep(
        destination=destination,
        route=route_text(route) if route is not None and route.type == "unicast" else None,
        dev=None,
        via=None,
        basis=seen(f"sendto() in {node}: {error}"),
    )
    first = Hop(node=node, came_in=None, came_from=None, steps=(step,))
    packet = Packet(key=("unsent",), headers=headers, sightings=(), traversals=())
    fate, reason = explain(packet, first, scene)
    if reason is None or reason.code == "unseen":
        reason = Reason(
            code="refused",
            sentence=f"{node} refused to send it: {error}",
            at=None,
            basis=seen(f"sendto() in {node}"),
        )
        fate = Fate.DROPPED
    return Journey(
        title=title(headers), headers=headers, started=at, first=first, fate=fate, reason=reason
    )
