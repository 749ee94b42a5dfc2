"""One packet's sightings and hooks → the tree of its hops.

The tree follows what was seen: a hop goes on through a device only if a frame was seen
there. Tables (FDB, routes, neighbours) only say which entry decided, and each such step
says that it is computed.
"""

from collections.abc import Callable, Sequence

from hopscope.model.flow import Headers
from hopscope.model.journey import (
    BridgeStep,
    DropStep,
    HookStep,
    Hop,
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
    local_device,
    neighbour,
    next_hop,
    route_text,
    route_to,
)
from hopscope.model.snapshot import NodeState
from hopscope.model.vocab import (
    Action,
    DevName,
    DevRef,
    Direction,
    Family,
    Hook,
    Mac,
    NeighbourState,
    NodeName,
    PktType,
    Verdict,
    computed,
    seen,
)
from hopscope.trace.arrival import arrival
from hopscope.trace.hooks import Traversal, hook_step
from hopscope.trace.identify import Sighting
from hopscope.trace.scene import Packet, Scene

__all__ = ["weave"]

_MOST_HOPS = 64  # a loop of bridges ends here, and is said


def weave(packet: Packet, scene: Scene) -> Hop:
    """The first hop, with all that follow it."""
    return _Weaver(packet, scene).first()


class _Weaver:
    """Consumes sightings and traversals as it places them, so that none is told twice."""

    def __init__(self, packet: Packet, scene: Scene) -> None:
        self.packet = packet
        self.scene = scene
        self.frames: dict[tuple[DevRef, Direction], Sighting] = {
            (sighting.event.dev, sighting.event.direction): sighting
            for sighting in packet.sightings
        }
        self.ways: list[Traversal] = list(packet.traversals)
        self.hops = 0

    def first(self) -> Hop:
        sightings = self.packet.sightings
        if sightings and sightings[0].event.direction is Direction.RECEIVE:
            ref = sightings[0].event.dev  # its birth was not seen
            return self.enter(ref.node, ref.dev, None)
        return self.birth(self.packet.born_in)

    # -- one hop ---------------------------------------------------------------------

    def birth(self, node: NodeName) -> Hop:
        """A packet that this node's own stack made."""
        steps: list[Step] = []
        state = self.scene.node(node)
        device = next(
            (ref.dev for ref, way in self.frames if way is Direction.TRANSMIT and ref.node == node),
            None,
        )
        if (ip := self.packet.headers.ip) is not None:
            steps.append(_route_step(state, ip.dst))
        leaving = (None, device)
        steps += self.hooks(
            node,
            lambda t: (
                t.hook in (Hook.OUTPUT, Hook.POSTROUTING)
                and t.family is not Family.BRIDGE
                and (device is None or t.oif in leaving)
            ),
        )
        if device is None:
            steps += self.stuck(state)
            return Hop(node=node, came_in=None, came_from=None, steps=tuple(steps))
        if self.packet.headers.ip is not None:
            steps.append(self.neighbour_step(state, device))
        out = self.transmit(node, device, steps)
        return self.hop(node, None, None, steps, out)

    def enter(self, node: NodeName, came_in: DevName, came_from: DevName | None) -> Hop:
        """A packet that arrived through a device."""
        self.hops += 1
        frame = self.frames.pop((DevRef(node, came_in), Direction.RECEIVE))
        steps: list[Step] = [
            ReceiveStep(
                dev=came_in,
                at=frame.event.at,
                pkttype=frame.event.pkttype,
                basis=seen(f"packet socket on {node}/{came_in}"),
            )
        ]
        link = self.scene.before.link(DevRef(node, came_in))
        if link is not None and link.master is not None:
            out = self.bridge(node, link.master, came_in, frame.headers, steps)
        elif frame.event.pkttype is PktType.OTHERHOST:
            out = []
            steps.append(_not_for_us(frame, link.mac if link else None, came_in))
        else:
            out = self.stack(node, came_in, steps)
        return self.hop(node, came_in, came_from, steps, out)

    def hop(
        self,
        node: NodeName,
        came_in: DevName | None,
        came_from: DevName | None,
        steps: list[Step],
        out: Sequence[DevName],
    ) -> Hop:
        """Close a hop: follow each device that the packet left through."""
        onward: list[Hop] = []
        for dev in out:
            link = self.scene.before.link(DevRef(node, dev))
            peer = link.peer if link is not None else None
            if peer is None or (peer, Direction.RECEIVE) not in self.frames:
                continue
            if self.hops >= _MOST_HOPS:
                what = f"more than {_MOST_HOPS} hops: a loop? the rest is not told"
                steps.append(UnrecognisedStep(what=what, basis=seen("packet sockets")))
                break
            onward.append(self.enter(peer.node, peer.dev, dev))
        return Hop(
            node=node,
            came_in=came_in,
            came_from=came_from,
            steps=tuple(steps),
            onward=tuple(onward),
        )

    # -- parts of a hop --------------------------------------------------------------

    def bridge(
        self,
        node: NodeName,
        bridge: DevName,
        came_in: DevName | None,
        headers: Headers,
        steps: list[Step],
    ) -> list[DevName]:
        """A bridge's decision and its hooks; returns the devices that the packet left through."""
        inside = (came_in, bridge)
        if came_in is not None:
            steps += self.hooks(node, lambda t: t.hook is Hook.PREROUTING and t.iif in inside)
        ports = [
            ref.dev
            for ref, way in list(self.frames)
            if way is Direction.TRANSMIT
            and ref.node == node
            and ref.dev != came_in
            and (link := self.scene.before.link(ref)) is not None
            and link.master == bridge
        ]
        up = self.frames.pop((DevRef(node, bridge), Direction.RECEIVE), None)
        steps.append(self.decision(node, bridge, came_in, headers, ports, up))
        leaving = (*ports, bridge)
        steps += self.hooks(
            node,
            lambda t: (
                t.hook in (Hook.FORWARD, Hook.POSTROUTING, Hook.OUTPUT)
                and (t.family is Family.BRIDGE or _bridged(t, bridge))
                and (t.iif in inside if t.iif else t.oif in leaving)
            ),
        )
        for port in ports:
            self.transmit_step(node, port, steps)
        out = list(ports)
        if up is not None:
            out += self.pass_up(node, bridge, came_in, up, steps)
        elif came_in is not None:
            steps += self.hooks(node, lambda t: t.hook is Hook.INPUT and t.iif in inside)
        return out

    def decision(
        self,
        node: NodeName,
        bridge: DevName,
        came_in: DevName | None,
        headers: Headers,
        ports: Sequence[DevName],
        up: Sighting | None,
    ) -> BridgeStep:
        """What br_handle_frame_finish() decided, and the entry that it went by."""
        dst, src = headers.dst_mac, headers.src_mac
        entry = None
        if dst is not None and not is_group(dst):
            entry = self.scene.fdb(node, bridge, dst)
        if ports:
            action = Action.FORWARD if entry is not None else Action.FLOOD
        elif up is not None and up.event.pkttype is not PktType.OTHERHOST:
            action = Action.LOCAL
        else:
            action = Action.DROP
        taught = src is not None and self.scene.learnt(node, bridge, src)
        learnt = src if taught and taught.port == came_in else None
        what = f"frames on the ports of {node}/{bridge}"
        basis = seen(f"{what}; FDB as read and as notified") if entry else seen(what)
        return BridgeStep(
            bridge=bridge,
            action=action,
            came_in=came_in,
            out=tuple(ports),
            entry=entry,
            learnt=learnt,
            basis=basis,
        )

    def pass_up(
        self,
        node: NodeName,
        bridge: DevName,
        came_in: DevName | None,
        up: Sighting,
        steps: list[Step],
    ) -> list[DevName]:
        """The copy that went up into the stack behind the bridge device."""
        kind = up.event.pkttype
        because = {PktType.HOST: "own-address", PktType.OTHERHOST: "promiscuous"}.get(kind, "group")
        steps.append(
            PassUpStep(
                bridge=bridge,
                at=up.event.at,
                because=because,  # type: ignore[arg-type]  # one of its three words
                pkttype=kind,
                basis=seen(f"packet socket on {node}/{bridge}, packet type {kind}"),
            )
        )
        inside = (came_in, bridge)
        steps += self.hooks(
            node, lambda t: t.family is Family.BRIDGE and t.hook is Hook.INPUT and t.iif in inside
        )
        if because == "promiscuous":
            steps.append(
                DropStep(
                    reason="made for the capture only: it is for another host, so the stack "
                    "behind the bridge ignores it",
                    where=f"{node}/{bridge}",
                    basis=seen("the kernel classed this copy as for another host"),
                    expected=True,
                )
            )
            return []
        return self.stack(node, bridge, steps)

    def stack(self, node: NodeName, came_in: DevName, steps: list[Step]) -> list[DevName]:
        """Layer 3 of a node: deliver, forward, or end."""
        state = self.scene.node(node)
        steps += self.hooks(node, lambda t: t.hook is Hook.PREROUTING and t.iif == came_in)
        ip = self.packet.headers.ip
        inward = self.hooks(node, lambda t: t.hook is Hook.INPUT and t.iif == came_in)
        devices = [
            ref.dev
            for ref, way in list(self.frames)
            if way is Direction.TRANSMIT
            and ref.node == node
            and (link := self.scene.before.link(ref)) is not None
            and link.master is None
        ]
        through = self.hooks(node, lambda t: t.hook is Hook.FORWARD and t.iif == came_in)
        if devices or through:
            if ip is not None:
                steps.append(_route_step(state, ip.dst))
            steps += through
            out: list[DevName] = []
            for dev in devices:
                steps += self.hooks(
                    node, lambda t, dev=dev: t.hook is Hook.POSTROUTING and t.oif == dev
                )
                steps += self.translation(node, came_in, dev)
                steps.append(self.neighbour_step(state, dev))
                out += self.transmit(node, dev, steps)
            return out
        steps += inward
        dropped = any(isinstance(s, HookStep) and s.verdict is Verdict.DROP for s in steps)
        if not dropped:
            steps += arrival(self.packet, self.scene, node, came_in, hooks=inward)
        return []

    def transmit(self, node: NodeName, dev: DevName, steps: list[Step]) -> list[DevName]:
        """Leave through a device of layer 3; a bridge forwards from there."""
        frame = self.transmit_step(node, dev, steps)
        link = self.scene.before.link(DevRef(node, dev))
        if link is not None and link.kind == "bridge":
            return self.bridge(node, dev, None, frame.headers, steps)
        return [dev]

    # -- single steps ----------------------------------------------------------------

    def hooks(self, node: NodeName, wanted: Callable[[Traversal], bool]) -> list[HookStep]:
        """The traversals in this node that are wanted, as steps, in the kernel's order."""
        mine = [t for t in self.ways if t.node == node and wanted(t)]
        self.ways = [t for t in self.ways if not any(t is one for one in mine)]
        return [hook_step(t, self.scene.node(node)) for t in mine]

    def transmit_step(self, node: NodeName, dev: DevName, steps: list[Step]) -> Sighting:
        frame = self.frames.pop((DevRef(node, dev), Direction.TRANSMIT))
        steps.append(
            TransmitStep(
                dev=dev,
                at=frame.event.at,
                basis=seen(f"packet socket on {node}/{dev}"),
                src_mac=frame.headers.src_mac,
                dst_mac=frame.headers.dst_mac,
            )
        )
        return frame

    def neighbour_step(self, state: NodeState, dev: DevName) -> Step:
        """The link-layer address that the frame was sent to is the resolution."""
        frame = self.frames[(DevRef(state.name, dev), Direction.TRANSMIT)]
        frame_ip = frame.headers.ip
        target = frame_ip.dst if frame_ip else ""
        hop = next_hop(state, target) if target else None
        ip = hop[1] if hop else target
        mac = frame.headers.dst_mac
        basis = seen(f"destination of the frame on {state.name}/{dev}")
        entry = neighbour(state, dev, ip) if ip else None
        known = NeighbourState.REACHABLE
        if entry is not None and entry.state is not NeighbourState.FAILED:
            known = entry.state
        if is_group(mac):
            known = NeighbourState.NOARP
        return NeighbourStep(dev=dev, ip=ip, mac=mac, state=known, basis=basis)

    def stuck(self, state: NodeState) -> list[Step]:
        """A packet that met hooks and was then given to no device."""
        ip = self.packet.headers.ip
        hop = next_hop(state, ip.dst) if ip else None
        if hop is None or any(t.dropped for t in self.packet.traversals):
            return []
        dev, address = hop
        return [
            NeighbourStep(
                dev=dev,
                ip=address,
                mac=None,
                state=NeighbourState.INCOMPLETE,
                basis=computed(f"hooks of {state.name} saw it, no device was given it"),
            )
        ]

    def translation(self, node: NodeName, came_in: DevName, dev: DevName) -> list[Step]:
        """Addresses that differ between the frame that came in and the one that goes out."""
        after = self.frames[(DevRef(node, dev), Direction.TRANSMIT)].headers.ip
        before = next(
            (s.headers.ip for s in self.packet.sightings if s.event.dev == DevRef(node, came_in)),
            None,
        )
        if before is None or after is None:
            return []
        basis = seen(f"frames on {node}/{came_in} and {node}/{dev}")
        pairs = (("source", before.src, after.src), ("destination", before.dst, after.dst))
        return [
            NatStep(field=name, before=old, after=new, basis=basis)
            for name, old, new in pairs
            if old != new
        ]


def _bridged(traversal: Traversal, bridge: DevName) -> bool:
    """An ip hook that br_netfilter called for a bridged packet: in and out are the bridge."""
    return bridge in (traversal.iif, traversal.oif) and traversal.iif in (bridge, None)


def _route_step(state: NodeState, destination: str) -> RouteStep:
    local = local_device(state, destination)
    route = route_to(state, destination)
    text = route_text(route) if route else (f"local {destination}" if local else None)
    return RouteStep(
        destination=destination,
        route=text,
        dev=route.dev if route else local,
        via=route.via if route else None,
        basis=computed(f"routes of {state.name} as read"),
    )


def _not_for_us(frame: Sighting, own: Mac | None, dev: DevName) -> DropStep:
    return DropStep(
        reason=f"its destination {frame.headers.dst_mac} is not {dev}'s address {own}: "
        "IP ignores frames for other hosts",
        where=str(frame.event.dev),
        basis=seen("the kernel classed the frame as for another host"),
        expected=True,
    )
