"""Single steps of a journey, each from the frame or the tables that show it; no order, no tree."""

from collections.abc import Iterator, Sequence

from hopscope.model.flow import Headers
from hopscope.model.journey import (
    DropStep,
    HookStep,
    NatStep,
    NeighbourStep,
    PassUpStep,
    ReceiveStep,
    RouteStep,
    Step,
    TransmitStep,
    UnrecognisedStep,
)
from hopscope.model.lookup import is_group, is_local, local_device, neighbour, route_text
from hopscope.model.snapshot import LinkState, NodeState
from hopscope.model.vocab import (
    DevName,
    Mac,
    Nanos,
    NeighbourState,
    NodeName,
    PktType,
    Verdict,
    computed,
    inferred,
    seen,
)
from hopscope.trace.identify import Sighting
from hopscope.trace.ways import LOOPBACK, OWN_TABLES, Lookup, Way

__all__ = [
    "blocked_port",
    "dropped",
    "encapsulated",
    "for_the_capture",
    "looped",
    "neighbour_step",
    "not_for_us",
    "pass_up_step",
    "receive_step",
    "route_step",
    "translation",
    "transmit_step",
    "unconcerned",
    "waiting",
]


def dropped(steps: Sequence[Step]) -> bool:
    """Whether a hook among the steps dropped the packet."""
    return any(isinstance(step, HookStep) and step.verdict is Verdict.DROP for step in steps)


def receive_step(frame: Sighting) -> ReceiveStep:
    """A device handed the frame to the stack above it."""
    return ReceiveStep(
        dev=frame.event.dev.dev,
        at=frame.event.at,
        pkttype=frame.event.pkttype,
        basis=seen(f"packet socket on {frame.event.dev}"),
    )


def transmit_step(frame: Sighting) -> TransmitStep:
    """The stack handed the frame to a device."""
    return TransmitStep(
        dev=frame.event.dev.dev,
        at=frame.event.at,
        basis=seen(f"packet socket on {frame.event.dev}"),
        src_mac=frame.headers.src_mac,
        dst_mac=frame.headers.dst_mac,
    )


def encapsulated(link: LinkState, arrived: Sighting) -> UnrecognisedStep:
    """A vxlan device sends the frame on inside a UDP packet, which is a packet of its own."""
    network = link.vxlan.id if link.vxlan is not None else 0
    return UnrecognisedStep(
        what=f"{link.name} carries it on inside UDP, as a frame of the vxlan {network}; "
        "the outer packet is not followed",
        basis=inferred(f"packet socket on {arrived.event.dev}, where the same frame came out"),
    )


def looped(node: NodeName) -> tuple[TransmitStep, ReceiveStep]:
    """Out through the loopback device and in again: no packet socket shows its frames."""
    basis = seen(f"nf_tables trace in {node}: out and in through {LOOPBACK}")
    return (
        TransmitStep(dev=LOOPBACK, at=None, basis=basis),
        ReceiveStep(dev=LOOPBACK, at=None, pkttype=PktType.HOST, basis=basis),
    )


def route_step(lookup: Lookup, way: Way | None = None) -> RouteStep:
    """The route that the node's tables have for a destination, or none; see `Lookup.route`.

    *way* is the one that it took: where that is seen, and another, it stands there instead.
    """
    destination = lookup.destination
    if way is not None and way.basis is not None:
        via = way.ip if way.ip != destination else None
        gateway = f"via {via} " if via else ""
        return RouteStep(
            destination=destination,
            route=f"{gateway}dev {way.dev}",
            dev=way.dev,
            via=via,
            basis=way.basis,
        )
    local = local_device(lookup.state, destination)
    route, rule = lookup.found()
    told = rule if rule is not None and rule.table not in OWN_TABLES else None
    text = route_text(route) if route else (f"local {destination}" if local else None)
    return RouteStep(
        destination=destination,
        route=text,
        dev=route.dev if route else local,
        via=route.via if route else None,
        basis=computed(f"routes of {lookup.state.name} as read"),
        table=(told.table or None) if told is not None else None,  # 0: the rule itself decides
        rule=told.priority if told is not None else None,
    )


def unconcerned(lookup: Lookup, frame: Sighting | None) -> RouteStep | DropStep:
    """What becomes of a packet for an address that is not the node's: routed, or left alone."""
    if frame is None or frame.event.pkttype is PktType.HOST:
        return route_step(lookup)
    name = lookup.state.name
    return DropStep(
        reason=f"ignored: {name} is none of those that {lookup.destination} is for",
        where=str(frame.event.dev),
        basis=computed(f"addresses and routes of {name} as read"),
        expected=True,
    )


def neighbour_step(state: NodeState, frame: Sighting, way: Way) -> Iterator[NeighbourStep]:
    """The link-layer address that the frame was sent to is the resolution; a group has none."""
    mac = frame.headers.dst_mac
    if frame.headers.ip is None or is_group(mac):
        return
    entry = neighbour(state, way.dev, way.ip)
    known = NeighbourState.REACHABLE
    if entry is not None and entry.state is not NeighbourState.FAILED:
        known = entry.state
    basis = seen(f"destination of the frame on {frame.event.dev}")
    yield NeighbourStep(dev=way.dev, ip=way.ip, mac=mac, state=known, basis=basis)


def waiting(lookup: Lookup, later: NodeState, way: Way | None) -> Iterator[NeighbourStep]:
    """A packet that met hooks and that no device sent: its next hop, and whether it is resolved.

    One whose next hop has a link-layer address by now (*later*) waits for none.
    """
    if way is None or is_local(lookup.state, lookup.destination):
        return
    entry = neighbour(later, way.dev, way.ip)
    if entry is None or entry.mac is None or entry.state is NeighbourState.FAILED:
        basis = computed(f"hooks of {lookup.state.name} saw it, no device was given it")
        yield NeighbourStep(
            dev=way.dev,
            ip=way.ip,
            mac=None,
            state=NeighbourState.INCOMPLETE,
            basis=way.basis or basis,
        )
    else:
        known = computed(f"neighbours of {later.name} as read afterwards")
        yield NeighbourStep(dev=way.dev, ip=way.ip, mac=entry.mac, state=entry.state, basis=known)


def translation(before: Headers, frame: Sighting) -> Iterator[NatStep]:
    """Addresses that differ between the packet that came in and the frame that goes out."""
    old, new = before.ip, frame.headers.ip
    if old is None or new is None:
        return
    basis = seen(f"the frame that came in, and the one on {frame.event.dev}")
    for field, was, now in (("source", old.src, new.src), ("destination", old.dst, new.dst)):
        if was != now:
            yield NatStep(field=field, before=was, after=now, basis=basis)


def pass_up_step(
    bridge: DevName, up: Sighting, received: Nanos | None, *, lent: bool
) -> PassUpStep:
    """The copy that went up into the stack behind the bridge device; *lent*: for a capture.

    It has a time of its own only when that is another than *received*, that of the frame on
    the port: the kernel stamps a frame once.
    """
    kind = up.event.pkttype
    at = up.event.at if up.event.at != received else None
    basis = seen(f"packet socket on {up.event.dev}, packet type {kind}")
    match kind:
        case PktType.HOST:  # of a frame whose destination was rewritten, the capture's copy, too
            because = "promiscuous" if lent else "own-address"
        case PktType.OTHERHOST:
            because = "promiscuous"
        case _:
            because = "group"
    return PassUpStep(
        bridge=bridge,
        at=at,
        because=because,  # type: ignore[arg-type]  # one of its three words
        pkttype=kind,
        basis=basis,
    )


def for_the_capture(up: Sighting) -> DropStep:
    """The end of the copy that only a capture on the bridge made."""
    return DropStep(
        reason="made for the capture only: it is for another host, so the stack "
        "behind the bridge ignores it",
        where=str(up.event.dev),
        basis=seen("the kernel classed this copy as for another host"),
        expected=True,
    )


def not_for_us(frame: Sighting, own: Mac | None) -> DropStep:
    """The end of a frame whose destination is another host's address."""
    ref = frame.event.dev
    return DropStep(
        reason=f"its destination {frame.headers.dst_mac} is not {ref.dev}'s address {own}: "
        "IP ignores frames for other hosts",
        where=str(ref),
        basis=seen("the kernel classed the frame as for another host"),
        expected=True,
    )


def blocked_port(node: NodeState, bridge: DevName, port: DevName) -> DropStep | None:
    """The end of a frame that came in through a port which takes none; None if it takes them."""
    above, link = node.link(bridge), node.link(port)
    basis = computed(f"links of {node.name} as read")
    where = f"{node.name}/{port}"
    if above is not None and not above.up:
        return DropStep(
            reason=f"the bridge {bridge} is down, and its ports take no frames",
            where=where,
            basis=basis,
        )
    if link is not None and link.port_state not in (None, "forwarding"):
        reason = f"as a port of {bridge} it is {link.port_state}, and takes no frames to forward"
        return DropStep(reason=reason, where=where, basis=basis)
    return None
