"""Single steps of a journey, each from the frame or the tables that show it; no order, no tree."""

from collections.abc import Iterator

from hopscope.model.flow import Headers, Ip
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
from hopscope.model.lookup import (
    is_group,
    is_local,
    local_device,
    neighbour,
    next_hop,
    route_text,
    route_to,
)
from hopscope.model.snapshot import LinkState, NodeState
from hopscope.model.vocab import (
    Basis,
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

__all__ = [
    "LOOPBACK",
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

LOOPBACK = DevName("lo")


def dropped(steps: list[Step]) -> bool:
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


def route_step(
    state: NodeState,
    destination: str,
    *,
    out: DevName | None = None,
    source: str | None = None,
    came_in: DevName | None = None,
) -> RouteStep:
    """The route that the node's tables have for a destination, or none; see `route_to`.

    A sender asks before it has chosen its address, and then perhaps again: of two routes,
    the one is meant that leads to where the frame was seen.
    """
    local = local_device(state, destination)
    routes = [
        route_to(state, destination, out=out, source=source, came_in=came_in),
        route_to(state, destination, out=out),
    ]
    seen_there = (one for one in routes if one is not None and one.dev == out)
    route = next(seen_there, routes[0])
    text = route_text(route) if route else (f"local {destination}" if local else None)
    return RouteStep(
        destination=destination,
        route=text,
        dev=route.dev if route else local,
        via=route.via if route else None,
        basis=computed(f"routes of {state.name} as read"),
    )


def unconcerned(
    state: NodeState, frame: Sighting | None, ip: Ip, came_in: DevName
) -> RouteStep | DropStep:
    """What becomes of a packet for an address that is not the node's: routed, or left alone."""
    if frame is None or frame.event.pkttype is PktType.HOST:
        return route_step(state, ip.dst, source=ip.src, came_in=came_in)
    return DropStep(
        reason=f"ignored: {state.name} is none of those that {ip.dst} is for",
        where=str(frame.event.dev),
        basis=computed(f"addresses and routes of {state.name} as read"),
        expected=True,
    )


def neighbour_step(state: NodeState, frame: Sighting) -> Iterator[NeighbourStep]:
    """The link-layer address that the frame was sent to is the resolution; a group has none."""
    ip, mac, dev = frame.headers.ip, frame.headers.dst_mac, frame.event.dev.dev
    if ip is None or is_group(mac):
        return
    hops = (next_hop(state, ip.dst, source=ip.src), next_hop(state, ip.dst))
    hop = next((one for one in hops if one is not None and one[0] == dev), hops[0])
    target = hop[1] if hop else ip.dst
    entry = neighbour(state, dev, target)
    known = NeighbourState.REACHABLE
    if entry is not None and entry.state is not NeighbourState.FAILED:
        known = entry.state
    basis = seen(f"destination of the frame on {frame.event.dev}")
    yield NeighbourStep(dev=dev, ip=target, mac=mac, state=known, basis=basis)


def waiting(
    state: NodeState, later: NodeState, destination: str, basis: Basis
) -> Iterator[NeighbourStep]:
    """A packet that met hooks and that no device sent: its next hop, and whether it is resolved.

    One whose next hop has a link-layer address by now (*later*) waits for none.
    """
    way = next_hop(state, destination)
    if way is None or is_local(state, destination):
        return
    dev, address = way
    entry = neighbour(later, dev, address)
    if entry is None or entry.mac is None or entry.state is NeighbourState.FAILED:
        yield NeighbourStep(
            dev=dev, ip=address, mac=None, state=NeighbourState.INCOMPLETE, basis=basis
        )
    else:
        known = computed(f"neighbours of {state.name} as read afterwards")
        yield NeighbourStep(dev=dev, ip=address, mac=entry.mac, state=entry.state, basis=known)


def translation(before: Headers, frame: Sighting) -> Iterator[NatStep]:
    """Addresses that differ between the packet that came in and the frame that goes out."""
    old, new = before.ip, frame.headers.ip
    if old is None or new is None:
        return
    basis = seen(f"the frame that came in, and the one on {frame.event.dev}")
    for field, was, now in (("source", old.src, new.src), ("destination", old.dst, new.dst)):
        if was != now:
            yield NatStep(field=field, before=was, after=now, basis=basis)


def pass_up_step(bridge: DevName, up: Sighting, received: Nanos | None) -> PassUpStep:
    """The copy that went up into the stack behind the bridge device.

    It has a time of its own only when that is another than *received*, that of the frame on
    the port: the kernel stamps a frame once.
    """
    kind = up.event.pkttype
    at = up.event.at if up.event.at != received else None
    basis = seen(f"packet socket on {up.event.dev}, packet type {kind}")
    match kind:
        case PktType.HOST:
            because = "own-address"
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
