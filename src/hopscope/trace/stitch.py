"""One packet's sightings and hooks → the tree of its hops.

The tree follows what was seen: a hop goes on through a device only if a frame was seen
there. Tables (FDB, routes, neighbours) only say which entry decided, and each such step
says that it is computed.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from hopscope.model.flow import Headers, Ip
from hopscope.model.journey import BridgeStep, HookStep, Hop, RouteStep, Step, UnrecognisedStep
from hopscope.model.lookup import is_group, is_local
from hopscope.model.snapshot import LinkState
from hopscope.model.vocab import (
    Action,
    DevName,
    DevRef,
    Direction,
    Family,
    Hook,
    NodeName,
    PktType,
    seen,
)
from hopscope.trace import steps as make
from hopscope.trace.arrival import arrival
from hopscope.trace.carried import lies_over, ways_in
from hopscope.trace.hooks import Traversal, hook_step
from hopscope.trace.identify import Sighting
from hopscope.trace.rewritten import rewritten, turned_back
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.ways import LOOPBACK, Lookup, mark_of, way_awaited, way_taken

__all__ = ["Woven", "weave"]

_MOST_HOPS: Final = 64  # a loop of bridges or routers ends here, and is said


class Woven(Struct, frozen=True, kw_only=True):
    """The first hop, with all that follow it, and the sightings that found no place in it."""

    first: Hop
    unplaced: tuple[Sighting, ...] = ()
    cut: int | None = None  # after so many hops, of more


def weave(packet: Packet, scene: Scene) -> Woven:
    """The tree of a packet."""
    weaver = _Weaver(packet, scene)
    first = weaver.first()
    left = tuple(frame for frames in weaver.frames.values() for frame in frames)
    return Woven(first=first, unplaced=left, cut=weaver.most if weaver.full else None)


class _Weaver:
    """Consumes sightings and traversals as it places them, so that none is told twice."""

    def __init__(self, packet: Packet, scene: Scene) -> None:
        self.packet = packet
        self.scene = scene
        self.frames: dict[tuple[DevRef, Direction], list[Sighting]] = {}
        for sighting in packet.sightings:
            where = (sighting.event.dev, sighting.event.direction)
            self.frames.setdefault(where, []).append(sighting)
        self.senders: dict[NodeName, list[DevRef]] = {}
        for ref, direction in self.frames:
            if direction is Direction.TRANSMIT:
                self.senders.setdefault(ref.node, []).append(ref)
        self.ways: dict[NodeName, list[Traversal]] = {}
        for way in packet.traversals:
            self.ways.setdefault(way.node, []).append(way)
        self.hops = 0
        devices = sum(len(node.links) for node in scene.before.nodes)
        self.most = max(_MOST_HOPS, 2 * devices)  # a flood enters each device once

    @property
    def full(self) -> bool:
        """Whether no more hops are told."""
        return self.hops >= self.most

    def first(self) -> Hop:
        packet = self.packet
        if packet.birth is not None:
            return self.birth(packet.born_in, self.take(packet.birth))
        if not packet.sightings:
            return self.birth(packet.born_in, None)
        frame = self.take(packet.sightings[0])
        if frame.event.direction is Direction.RECEIVE:
            return self.enter(frame, None)
        return self.birth(frame.event.dev.node, frame)

    # -- what is left to place -------------------------------------------------------

    def take(self, frame: Sighting) -> Sighting:
        """The same frame, which is placed now."""
        self.frames[frame.event.dev, frame.event.direction].remove(frame)
        return frame

    def leaving(
        self, node: NodeName, after: Sighting | None, wanted: Callable[[LinkState], bool]
    ) -> Iterator[Sighting]:
        """Per wanted device of the node, the next frame that it sent after another one."""
        since = after.event.at if after is not None else 0
        for ref in self.senders.get(node, ()):
            link = self.scene.before.link(ref)
            if link is not None and wanted(link):
                frames = self.frames[ref, Direction.TRANSMIT]
                yield from [frame for frame in frames if frame.event.at >= since][:1]

    def here(self, node: NodeName) -> Sequence[Traversal]:
        """The node's traversals that were not told, in the kernel's order."""
        return self.ways.get(node, ())

    def received(self, ref: DevRef, after: Sighting) -> Sighting | None:
        """The next frame that came in there and was not told."""
        frames = self.frames.get((ref, Direction.RECEIVE), ())
        return next((frame for frame in frames if frame.event.at >= after.event.at), None)

    def before_going_up(self, node: NodeName, port: DevName, bridge: DevName) -> set[int]:
        """The traversals here, by identity, until the bridge's input hook; the stack's follow.

        With br_netfilter the IP prerouting hook is met before it, without, behind it.
        """
        mine = [way for way in self.here(node) if way.iif in (port, bridge)]
        ups = (
            number
            for number, way in enumerate(mine)
            if way.family is Family.BRIDGE and way.hook is Hook.INPUT and way.iif == port
        )
        return set(map(id, mine[: next(ups, len(mine))]))

    def hooks(
        self, node: NodeName, wanted: Callable[[Traversal], bool], *, copies: int = 1
    ) -> list[HookStep]:
        """The traversals in this node that are wanted, as steps, in the kernel's order.

        One hook is met as often as there are *copies* of the packet.
        """
        met: Counter[tuple[object, ...]] = Counter()
        found: list[HookStep] = []
        left: list[Traversal] = []
        for way in self.here(node):
            where = (way.family, way.hook, way.iif, way.oif)
            if wanted(way) and met[where] < copies:
                met[where] += 1
                found.append(hook_step(way, self.scene.node(node)))
            else:
                left.append(way)
        self.ways[node] = left
        return found

    # -- hops ------------------------------------------------------------------------

    def birth(self, node: NodeName, frame: Sighting | None) -> Hop:
        """A packet that this node's own stack made."""
        self.hops += 1
        out = frame.event.dev.dev if frame is not None else None
        last = [
            way
            for way in self.here(node)
            if way.hook is Hook.POSTROUTING and way.family is not Family.BRIDGE
        ]
        hooks = self.hooks(
            node,
            lambda way: (
                way.hook in (Hook.OUTPUT, Hook.POSTROUTING)
                and way.family is not Family.BRIDGE
                and (out is None or way.oif in (None, out))
            ),
        )
        if frame is not None:
            return self.sent_off(frame, hooks)
        steps: list[Step] = []
        ip = self.packet.headers.ip
        new = rewritten(ip, hooks, last) if ip is not None else None
        if new is not None:
            steps.append(new.step)
            ip = new.ip
        lookup = self.lookup(node, ip, None, last[0].oif if last else None) if ip else None
        looped = any(way.iif == LOOPBACK for way in self.here(node))
        held = bool(last) and not looped and not make.dropped(hooks)
        way = way_awaited(self.scene, lookup) if lookup is not None and held else None
        steps += [make.route_step(lookup, way)] if lookup is not None else []
        steps += hooks
        if looped:
            return self.to_itself(node, steps)
        if lookup is not None:
            steps += make.waiting(lookup, self.scene.after.node(node), way)
        return Hop(node=node, came_in=None, came_from=None, steps=tuple(steps))

    def sent_off(self, frame: Sighting, hooks: Sequence[HookStep]) -> Hop:
        """A packet that this node's own stack made, and gave to a device."""
        node, ip = frame.event.dev.node, self.packet.headers.ip
        steps: list[Step] = [*hooks]
        if ip is not None:
            lookup = self.lookup(node, ip, None, frame.event.dev.dev)
            way = way_taken(self.scene, lookup, frame)
            steps.insert(0, make.route_step(lookup, way))
            steps += make.neighbour_step(lookup.state, frame, way)
        return self.hop(node, None, None, steps, self.transmit(frame, steps))

    def lookup(
        self, node: NodeName, ip: Ip, came_in: DevName | None, out: DevName | None
    ) -> Lookup:
        """What the node's tables are asked; *came_in* is None for what it made itself."""
        return Lookup(
            state=self.scene.node(node),
            destination=ip.dst,
            source=ip.src,
            came_in=came_in or LOOPBACK,
            mark=mark_of(self.packet, node, came_in),
            out=out,
        )

    def to_itself(self, node: NodeName, steps: list[Step]) -> Hop:
        """A packet for one of its maker's own addresses: out and in through lo."""
        out, back = make.looped(node)
        inner: list[Step] = [back]
        self.stack(node, LOOPBACK, self.packet.headers, None, inner)
        return Hop(
            node=node,
            came_in=None,
            came_from=None,
            steps=(*steps, out),
            onward=(
                Hop(
                    node=node,
                    came_in=LOOPBACK,
                    came_from=LOOPBACK,
                    steps=tuple(inner),
                ),
            ),
        )

    def enter(self, frame: Sighting, came_from: DevName | None) -> Hop:
        """A packet that arrived through a device; its frame is placed already."""
        self.hops += 1
        node, came_in = frame.event.dev.node, frame.event.dev.dev
        steps: list[Step] = [make.receive_step(frame)]
        link = self.scene.before.link(frame.event.dev)
        if link is not None and link.master is not None:
            out = self.bridge(node, link.master, frame, frame, steps)
        elif taken := self.above(frame):
            onward = [self.enter(self.take(one), came_in) for one in taken]
            return Hop(
                node=node,
                came_in=came_in,
                came_from=came_from,
                steps=tuple(steps),
                onward=tuple(onward),
            )
        elif frame.event.pkttype is PktType.OTHERHOST:
            out = []
            steps.append(make.not_for_us(frame, link.mac if link else None))
        else:
            out = self.stack(node, came_in, frame.headers, frame, steps)
        return self.hop(node, came_in, came_from, steps, out)

    def hop(
        self,
        node: NodeName,
        came_in: DevName | None,
        came_from: DevName | None,
        steps: list[Step],
        out: Sequence[Sighting],
    ) -> Hop:
        """Close a hop: follow each frame that left through a device."""
        onward: list[Hop] = []
        for arrived, came_by in self.follow(out, steps):
            if self.full:
                what = f"more than {self.most} hops: a loop; the rest is not told"
                steps.append(UnrecognisedStep(what=what, basis=seen("packet sockets")))
                break
            if arrived.event.direction is Direction.RECEIVE:
                onward.append(self.enter(self.take(arrived), came_by))
            else:
                onward.append(self.below(self.take(arrived), came_by))
        return Hop(
            node=node,
            came_in=came_in,
            came_from=came_from,
            steps=tuple(steps),
            onward=tuple(onward),
        )

    def follow(
        self, out: Sequence[Sighting], steps: list[Step]
    ) -> Iterator[tuple[Sighting, DevName]]:
        """The frames that came of those that left, and the device by which each left."""
        for sent in out:
            ref = sent.event.dev
            link = self.scene.before.link(ref)
            if link is None:
                continue
            if link.over is not None and link.macvlan is not None:
                lower = link.over
                passing = self.leaving(lower.node, sent, lambda one, to=lower: one.name == to.dev)  # type: ignore[misc]
                yield from [(frame, ref.dev) for frame in passing]
            for way in ways_in(self.scene.before, link, ref):
                if (arrived := self.received(way, sent)) is not None:
                    if link.vxlan is not None:
                        steps.append(make.encapsulated(link, arrived))
                    yield arrived, ref.dev

    def below(self, frame: Sighting, came_from: DevName) -> Hop:
        """A macvlan's frame as it leaves by the device below; it is placed already."""
        self.hops += 1
        steps: list[Step] = []
        out = self.transmit(frame, steps)
        return self.hop(frame.event.dev.node, None, came_from, steps, out)

    def above(self, frame: Sighting) -> list[Sighting]:
        """What macvlan devices over a device took of a frame that it received."""
        over = lies_over(self.scene.before, frame.event.dev, frame.headers.dst_mac)
        found = (self.received(ref, frame) for ref in over)
        return [one for one in found if one is not None]

    # -- a bridge --------------------------------------------------------------------

    def bridge(
        self,
        node: NodeName,
        bridge: DevName,
        frame: Sighting,
        came: Sighting | None,
        steps: list[Step],
    ) -> list[Sighting]:
        """A bridge's decision and its hooks; returns the frames that left.

        *came* is the frame on the port where it came in, None when the bridge's own stack
        sent it.
        """
        port = came.event.dev.dev if came is not None else None
        inside = (port, bridge)
        decided = (Hook.FORWARD if port is not None else Hook.OUTPUT, Hook.POSTROUTING)
        if port is not None:
            early = self.before_going_up(node, port, bridge)
            steps += self.hooks(node, lambda w: w.hook is Hook.PREROUTING and id(w) in early)
        sent, up = self.copies(node, bridge, frame, port)
        out = self.chosen(node, bridge, port, sent)
        if not out and up is None and make.dropped(steps):
            return []
        blocked = make.blocked_port(self.scene.node(node), bridge, port) if port else None
        if not out and up is None and blocked is not None:
            steps.append(blocked)
            return []
        if not out and up is None and len(steps) == 1 and self.scene.traced(node):
            return []  # not even the first hook saw it: it never came to the bridge
        within = self.within(node, bridge, frame) if port is not None else None
        behind = [one for one in (*sent, within, up) if one is not None]  # what the hooks left
        translated = list(make.translation(frame.headers, behind[0])) if behind else []
        steps += (step for step in translated if step.field == "destination")
        ruled = behind[0] if out and behind and translated else frame
        steps.append(self.decision(node, bridge, ruled, came, out, up))
        steps += self.hooks(
            node,
            lambda way: (
                way.hook in decided
                and (way.family is Family.BRIDGE or (bool(out) and _bridged(way, bridge)))
                and (way.iif in inside if way.iif else way.oif in (*out, bridge))
            ),
            copies=max(len(out), 1),
        )
        steps += (step for step in translated if step.field == "source")
        steps += [make.transmit_step(self.take(one)) for one in sent]
        if up is not None:
            lent = bool(out) and not is_group(frame.headers.dst_mac)
            way = self.pass_up(node, bridge, port, self.take(up), frame, steps, lent=lent)
            return sent + way
        if port is not None:
            steps += self.hooks(node, lambda w: w.hook is Hook.INPUT and w.iif in inside)
        return sent

    def copies(
        self, node: NodeName, bridge: DevName, frame: Sighting, port: DevName | None
    ) -> tuple[list[Sighting], Sighting | None]:
        """The frames that left by ports, and the one that went up, of one that a port got."""
        source = frame.headers.src_mac
        sent = [
            out
            for out in self.leaving(node, frame, lambda link: link.master == bridge)
            if out.event.dev.dev != port and out.headers.src_mac == source
        ]
        up = self.received(DevRef(node, bridge), frame) if port is not None else None
        return sent, up if up is not None and up.headers.src_mac == source else None

    def within(self, node: NodeName, bridge: DevName, frame: Sighting) -> Sighting | None:
        """A bridged frame whose destination was rewritten may pass the bridge's own device.

        There it is given the new next hop's MAC address, when that must be looked up first
        (br_nf_pre_routing_finish_bridge(), net/bridge/br_netfilter_hooks.c).
        """
        own = self.leaving(node, frame, lambda link: link.name == bridge)
        passing = next((one for one in own if one.headers.src_mac == frame.headers.src_mac), None)
        return self.take(passing) if passing is not None else None

    def chosen(
        self, node: NodeName, bridge: DevName, port: DevName | None, sent: Sequence[Sighting]
    ) -> tuple[DevName, ...]:
        """The ports that the bridge chose: a frame left there, or a hook names it as way out."""
        hook = Hook.FORWARD if port is not None else Hook.OUTPUT
        hooked = [
            way.oif
            for way in self.here(node)
            if way.family is Family.BRIDGE
            and way.hook is hook
            and way.iif == port
            and way.oif is not None
            and (link := self.scene.before.link(DevRef(node, way.oif))) is not None
            and link.master == bridge
        ]
        return tuple(dict.fromkeys((*(frame.event.dev.dev for frame in sent), *hooked)))

    def decision(
        self,
        node: NodeName,
        bridge: DevName,
        frame: Sighting,
        came: Sighting | None,
        out: tuple[DevName, ...],
        up: Sighting | None,
    ) -> BridgeStep:
        """What br_handle_frame_finish() decided, and the entry that it went by."""
        dst = frame.headers.dst_mac
        entry = None
        if dst is not None and not is_group(dst):
            entry = self.scene.fdb(node, bridge, dst, at=frame.event.at)
        if out:
            action = Action.FORWARD if entry is not None else Action.FLOOD
        elif up is not None and up.event.pkttype is not PktType.OTHERHOST:
            action = Action.LOCAL
        else:
            action = Action.DROP
        what = f"frames and hooks on the ports of {node}/{bridge}"
        return BridgeStep(
            bridge=bridge,
            action=action,
            came_in=came.event.dev.dev if came is not None else None,
            out=out,
            entry=entry,
            learnt=self.scene.taught(node, bridge, came) if came is not None else None,
            basis=seen(f"{what}; FDB as read and as notified") if entry else seen(what),
        )

    def pass_up(
        self,
        node: NodeName,
        bridge: DevName,
        port: DevName | None,
        up: Sighting,
        frame: Sighting,
        steps: list[Step],
        *,
        lent: bool,
    ) -> list[Sighting]:
        """The copy that went up into the stack behind the bridge device.

        *lent*: the frame itself went on through a port, and only the capture made the copy.
        """
        step = make.pass_up_step(bridge, up, frame.event.at, lent=lent)
        steps.append(step)
        inside = (port, bridge)
        steps += self.hooks(
            node,
            lambda w: w.family is Family.BRIDGE and w.hook is Hook.INPUT and w.iif in inside,
        )
        if not step.taken:
            steps.append(make.for_the_capture(up))
            return []
        return self.stack(node, bridge, up.headers, up, steps)

    # -- layer 3 ---------------------------------------------------------------------

    def stack(
        self,
        node: NodeName,
        came_in: DevName,
        headers: Headers,
        frame: Sighting | None,
        steps: list[Step],
    ) -> list[Sighting]:
        """Layer 3 of a node: deliver, forward, or end."""
        before = self.hooks(node, lambda w: w.hook is Hook.PREROUTING and w.iif == came_in)
        steps += before
        if make.dropped(steps):
            return []
        later = [
            way
            for way in self.here(node)
            if way.iif == came_in and way.hook in (Hook.FORWARD, Hook.INPUT)
        ]
        new = rewritten(headers.ip, before, later) if headers.ip is not None else None
        through = self.hooks(node, lambda w: w.hook is Hook.FORWARD and w.iif == came_in)
        sent = [*self.leaving(node, frame, lambda link: link.master is None)][:1] if frame else []
        if sent:
            return self.forward(node, came_in, headers, through, sent[0], steps)
        ip = headers.ip
        if ip is not None and before and not later and not self.scene.observation.lost:
            new = new or turned_back(self.packet, self.scene, node, ip)
        if new is not None:
            steps.append(new.step)
            if new.ip is None:
                return []  # nobody knows for whom it is now
            headers = replace(headers, ip=new.ip)
        ip = headers.ip
        if ip is not None and through:
            steps += self.withheld(node, came_in, ip, through)
            return []
        inward = self.hooks(node, lambda w: w.hook is Hook.INPUT and w.iif == came_in)
        if ip is not None and not inward and not is_local(self.scene.node(node), ip.dst):
            asked = make.unconcerned(self.lookup(node, ip, came_in, None), frame)
            if not isinstance(asked, RouteStep) or self.met_hooks(node, steps):
                steps.append(asked)
        steps += inward
        if not make.dropped(steps):
            steps += arrival(self.packet, self.scene, node, came_in, headers, hooks=inward)
        return []

    def met_hooks(self, node: NodeName, steps: Sequence[Step]) -> bool:
        """Whether hooks saw it or may have: what none saw never came so far as to the routes."""
        sure = self.scene.traced(node) and not self.scene.observation.lost
        return not sure or any(isinstance(step, HookStep) for step in steps)

    def forward(
        self,
        node: NodeName,
        came_in: DevName,
        headers: Headers,
        through: list[HookStep],
        sent: Sighting,
        steps: list[Step],
    ) -> list[Sighting]:
        """A router's way: route, hooks, the rewritten addresses, the neighbour, the device."""
        translated = list(make.translation(headers, sent))
        # the destination is rewritten at PREROUTING, the source at POSTROUTING
        steps += (step for step in translated if step.field == "destination")
        out = sent.event.dev.dev
        came, goes = headers.ip, sent.headers.ip
        way = None
        if came is not None and goes is not None:
            lookup = self.lookup(node, replace(came, dst=goes.dst), came_in, out)
            way = way_taken(self.scene, lookup, sent)
            steps.append(make.route_step(lookup, way))
        steps += through
        steps += self.last_hooks(node, out)
        steps += (step for step in translated if step.field == "source")
        if way is not None:
            steps += make.neighbour_step(self.scene.node(node), sent, way)
        return self.transmit(self.take(sent), steps)

    def withheld(
        self, node: NodeName, came_in: DevName, ip: Ip, through: list[HookStep]
    ) -> Iterator[Step]:
        """A router's way that no device shows: it was dropped, or waits for its next hop."""
        out = through[0].oif
        last = self.last_hooks(node, out)
        lookup = self.lookup(node, ip, came_in, out)
        way = None if make.dropped([*through, *last]) else way_awaited(self.scene, lookup)
        yield make.route_step(lookup, way)
        yield from (*through, *last)
        yield from make.waiting(lookup, self.scene.after.node(lookup.state.name), way)

    def last_hooks(self, node: NodeName, out: DevName | None) -> list[HookStep]:
        """Those behind the decision where a router sends it."""
        return self.hooks(
            node,
            lambda w: (
                w.hook is Hook.POSTROUTING
                and w.family is not Family.BRIDGE
                and (out is None or w.oif == out)
            ),
        )

    def transmit(self, frame: Sighting, steps: list[Step]) -> list[Sighting]:
        """Leave through a device of layer 3; a bridge forwards from there."""
        steps.append(make.transmit_step(frame))
        link = self.scene.before.link(frame.event.dev)
        if link is not None and link.kind == "bridge":
            return self.bridge(frame.event.dev.node, link.name, frame, None, steps)
        return [frame]


def _bridged(way: Traversal, bridge: DevName) -> bool:
    """An ip hook that br_netfilter called for a bridged packet: in and out are the bridge."""
    return way.oif == bridge and way.iif == (bridge if way.hook is Hook.FORWARD else None)
