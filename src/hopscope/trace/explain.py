"""Why a journey ended short of its goal: one sentence, the place, and what would change it.

Each cause is a small function that looks at what was seen and at the tables, and answers
with a reason or with nothing. They are asked in order, the surest evidence first.
"""

from collections.abc import Callable, Iterator

from hopscope.model.flow import Headers
from hopscope.model.journey import (
    DeliverStep,
    DropStep,
    HookStep,
    Hop,
    Reason,
    ReceiveStep,
    RouteStep,
    TransmitStep,
)
from hopscope.model.lookup import (
    local_device,
    neighbour,
    next_hop,
    owner_of,
    route_to,
    sysctl_int,
)
from hopscope.model.snapshot import LinkState, NodeState
from hopscope.model.vocab import (
    BasisKind,
    DevRef,
    Fate,
    Hook,
    NeighbourState,
    NodeName,
    Verdict,
    computed,
    inferred,
    seen,
)
from hopscope.trace.scene import Packet, Scene

__all__ = ["all_hops", "explain"]

Cause = Callable[[Packet, Hop, Scene], Reason | None]


def explain(packet: Packet, first: Hop, scene: Scene) -> tuple[Fate, Reason | None]:
    """The fate of a woven packet, and the reason when it was not delivered."""
    if any(isinstance(step, DeliverStep) for hop in all_hops(first) for step in hop.steps):
        return Fate.DELIVERED, None
    for cause in CAUSES:
        reason = cause(packet, first, scene)
        if reason is not None:
            sure = reason.code != "unseen" and reason.basis.kind is not BasisKind.INFERRED
            held = reason.code == "unresolved"  # still in the neighbour's queue when we stopped
            return (Fate.DROPPED if sure and not held else Fate.UNSEEN), reason
    return Fate.UNSEEN, None


def all_hops(first: Hop) -> Iterator[Hop]:
    """A hop and all that follow it."""
    yield first
    for hop in first.onward:
        yield from all_hops(hop)


def _rule_drop(_packet: Packet, first: Hop, _scene: Scene) -> Reason | None:
    for hop in all_hops(first):
        for step in hop.steps:
            if not isinstance(step, HookStep) or step.verdict is not Verdict.DROP:
                continue
            visit = next((v for v in step.chains if v.verdict is Verdict.DROP), None)
            if visit is None:
                continue
            chain = f"{visit.family} {visit.table} {visit.chain}"
            rule = next((r for r in visit.rules if r.verdict is Verdict.DROP), None)
            if rule is not None:
                what = f"the rule `{rule.text}` ({chain}, handle {rule.handle})"
                mend = f"delete that rule, or accept this packet before it, in {hop.node}"
            else:
                what = f"the policy of {chain}"
                mend = f"accept this packet in {chain} of {hop.node}, or set its policy to accept"
            return Reason(
                code="rule-drop",
                sentence=f"{what} in {hop.node} dropped it",
                at=_last_device(hop),
                basis=step.basis,
                mend=mend,
            )
    return None


def _last_device(hop: Hop) -> DevRef | None:
    devices = [s.dev for s in hop.steps if isinstance(s, TransmitStep | ReceiveStep)]
    return DevRef(hop.node, devices[-1]) if devices else None


def _no_route(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    for hop in all_hops(first):
        route = next((s for s in hop.steps if isinstance(s, RouteStep)), None)
        sent = any(isinstance(s, TransmitStep) for s in hop.steps)
        if route is None or route.route is not None or sent:
            continue
        state = scene.node(hop.node)
        own = ", ".join(str(a) for link in state.links for a in link.addresses if link.name != "lo")
        has = f"it has {own}" if own else "it has no address"
        return Reason(
            code="no-route",
            sentence=f"{hop.node} has no route to {route.destination}: {has}, "
            "and no other route covers it",
            at=None,
            basis=route.basis,
            mend=f"give both ends addresses of one subnet, or add a route in {hop.node}",
        )
    return _forbidding_route(packet, first, scene)


def _forbidding_route(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    ip = packet.headers.ip
    if ip is None:
        return None
    for hop in all_hops(first):
        route = route_to(scene.node(hop.node), ip.dst)
        if route is not None and route.type in ("blackhole", "unreachable", "prohibit"):
            return Reason(
                code="no-route",
                sentence=f"a {route.type} route for {route.destination} in {hop.node} ends it",
                at=None,
                basis=computed(f"routes of {hop.node} as read"),
                mend=f"remove that route in {hop.node}",
            )
    return None


def _asked(headers: Headers) -> str | None:
    """The address that an ARP request or a neighbour solicitation asks for."""
    if headers.arp is not None and headers.arp.op == 1:
        return headers.arp.target_ip
    if headers.icmp is not None and headers.icmp.type == 135:
        return headers.icmp.target
    return None


def _unanswered(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """Why nobody answered an ARP request or a neighbour solicitation."""
    asked = _asked(packet.headers)
    if asked is None:
        return None
    owner = owner_of(scene.before, asked)
    if owner is None:
        return Reason(
            code="no-such-address",
            sentence=f"nobody answers: no device in this lab has the address {asked}",
            at=None,
            basis=computed("addresses of all nodes as read"),
            mend=f"give {asked} to a device, or ping an address that exists",
        )
    for hop in all_hops(first):
        if (hop.node, hop.came_in) == (owner.node, owner.dev):
            return _silent_owner(packet, owner, asked, scene)
    reason = _cut_off(first, owner, asked, scene)
    return reason or _elsewhere(first, owner, asked)


def _silent_owner(packet: Packet, owner: DevRef, asked: str, scene: Scene) -> Reason | None:
    """The question reached the device that has the address, and it kept silent."""
    state = scene.node(owner.node)
    for scope in (str(owner.dev), "all"):
        key = f"net.ipv4.conf.{scope}.arp_ignore"
        value = sysctl_int(state, key)
        if packet.headers.arp is not None and value:
            return Reason(
                code="arp-ignore",
                sentence=f"the ARP request reached {owner}, which does not answer because "
                f"{key} = {value} in {owner.node}",
                at=owner,
                basis=computed(f"sysctls of {owner.node} as read"),
                mend=f"set {key} to 0 in {owner.node}",
            )
    return Reason(
        code="silent",
        sentence=f"the question for {asked} reached {owner}, and no answer left {owner.node}",
        at=owner,
        basis=inferred(f"packet socket on {owner}"),
    )


def _cut_off(first: Hop, owner: DevRef, asked: str, scene: Scene) -> Reason | None:
    """The owner's device, its peer, or the bridge port before it does not carry frames."""
    link = scene.before.link(owner)
    if link is None:
        return None
    for ref, state in ((owner, link), (link.peer, link.peer and scene.before.link(link.peer))):
        if ref is None or state is None or not isinstance(state, LinkState):
            continue
        if not state.up:
            return Reason(
                code="device-down",
                sentence=f"nobody answers for {asked}: {ref} is down"
                + (f", so {link.peer} has no carrier" if ref == owner and link.peer else ""),
                at=ref,
                basis=computed(f"links of {ref.node} as read"),
                mend=f"hopscope exec LAB {ref.node} -- ip link set {ref.dev} up",
            )
    peer = scene.before.link(link.peer) if link.peer else None
    if peer is not None and peer.master is None and link.peer is not None:
        if any(hop.node == link.peer.node for hop in all_hops(first)):
            return None
    bridge = peer.master if peer is not None else None
    if bridge is not None and link.peer is not None:
        above = scene.before.link(DevRef(link.peer.node, bridge))
        if above is not None and not above.up:
            return Reason(
                code="device-down",
                sentence=f"nobody answers for {asked}: the bridge {link.peer.node}/{bridge} is down",
                at=DevRef(link.peer.node, bridge),
                basis=computed(f"links of {link.peer.node} as read"),
                mend=f"hopscope exec LAB {link.peer.node} -- ip link set {bridge} up",
            )
        if peer is not None and peer.port_state not in (None, "forwarding"):
            return Reason(
                code="port-not-forwarding",
                sentence=f"nobody answers for {asked}: port {link.peer} of {bridge} is "
                f"{peer.port_state}, not forwarding",
                at=link.peer,
                basis=computed(f"links of {link.peer.node} as read"),
            )
    return None


def _elsewhere(first: Hop, owner: DevRef, asked: str) -> Reason:
    reached = sorted({str(hop.node) for hop in all_hops(first)})
    return Reason(
        code="no-layer-2-path",
        sentence=f"nobody answers for {asked}: {owner} has it, and no layer-2 path leads there "
        f"(the question reached only {', '.join(reached)})",
        at=owner,
        basis=computed("frames seen, and the links as read"),
        mend="join the two on one bridge, or route between them",
    )


def _unresolved(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """A packet that its own node held back because its next hop did not resolve."""
    ip = packet.headers.ip
    if ip is None:
        return None
    for hop in all_hops(first):
        if hop.onward or any(isinstance(step, TransmitStep) for step in hop.steps):
            continue
        way = next_hop(scene.node(hop.node), ip.dst)
        if way is None:
            continue
        dev, address = way
        why = _why_unresolved(address, scene)
        if why is None and not scene.node(hop.node).link(dev):
            continue
        down = _own_device_down(scene.node(hop.node), hop.node, str(dev))
        if down is not None:
            return down
        because = f": {why.sentence}" if why else ""
        return Reason(
            code="unresolved",
            sentence=f"{hop.node} held it back, because the link-layer address of {address} "
            f"is unknown{because}",
            at=why.at if why else DevRef(hop.node, dev),
            basis=why.basis if why else inferred("no device was given the packet"),
            mend=why.mend if why else "",
        )
    return None


def _own_device_down(state: NodeState, node: NodeName, dev: str) -> Reason | None:
    link = state.link(dev)
    if link is None or (link.up and link.carrier):
        return None
    peer = f" ({link.peer} is down)" if link.up and link.peer else ""
    what = "has no carrier" if link.up else "is down"
    mended = link.peer if link.up and link.peer else DevRef(node, link.name)
    return Reason(
        code="device-down",
        sentence=f"{node}/{dev} {what}{peer}, so nothing can leave through it",
        at=DevRef(node, link.name),
        basis=computed(f"links of {node} as read"),
        mend=f"hopscope exec LAB {mended.node} -- ip link set {mended.dev} up",
    )


def _why_unresolved(address: str, scene: Scene) -> Reason | None:
    from hopscope.trace.stitch import weave  # noqa: PLC0415 - the two look at each other's packets

    for other in scene.packets:
        if _asked(other.headers) == address:
            first = weave(other, scene)
            return explain(other, first, scene)[1]
    owner = owner_of(scene.before, address)
    if owner is None:
        return Reason(
            code="no-such-address",
            sentence=f"no device in this lab has the address {address}",
            at=None,
            basis=computed("addresses of all nodes as read"),
            mend=f"give {address} to a device",
        )
    return None


def _wrong_neighbour(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """The frame carries a MAC address that is not the one of whoever has the next hop's IP."""
    ip = packet.headers.ip
    for hop in all_hops(first):
        sent = [s for s in hop.steps if isinstance(s, TransmitStep)]
        way = next_hop(scene.node(hop.node), ip.dst) if ip else None
        routed = hop.came_in is None or any(isinstance(s, RouteStep) for s in hop.steps)
        if way is None or not sent or not routed:
            continue
        dev, address = way
        owner = owner_of(scene.before, address)
        link = scene.before.link(owner) if owner else None
        used = next((s.dst_mac for s in sent if s.dev == dev), None)
        if link is None or used is None or link.mac is None or used == link.mac:
            continue
        entry = neighbour(scene.node(hop.node), dev, address)
        kind = "permanent " if entry and entry.state is NeighbourState.PERMANENT else ""
        return Reason(
            code="wrong-neighbour",
            sentence=f"{hop.node} sent it to {used}, by its {kind}neighbour entry for {address}, "
            f"but that address lives at {owner}, which has {link.mac}",
            at=DevRef(hop.node, dev),
            basis=seen(f"the frame on {hop.node}/{dev}, and the links as read"),
            mend=f"hopscope exec LAB {hop.node} -- ip neighbour del {address} dev {dev}",
        )
    return None


def _not_forwarded(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """It entered a node that is not its goal, was for that node's MAC, and went no further."""
    ip = packet.headers.ip
    if ip is None:
        return None
    six = ":" in ip.dst
    key = "net.ipv6.conf.all.forwarding" if six else "net.ipv4.ip_forward"
    for hop in all_hops(first):
        state = scene.node(hop.node)
        received = any(isinstance(s, ReceiveStep) and s.pkttype == "host" for s in hop.steps)
        mine = local_device(state, ip.dst)
        if not received or mine or any(isinstance(s, TransmitStep) for s in hop.steps):
            continue
        if sysctl_int(state, key) == 0:
            return Reason(
                code="not-forwarding",
                sentence=f"{hop.node} received it for another address and does not forward: "
                f"{key} = 0",
                at=_last_device(hop),
                basis=computed(f"sysctls of {hop.node} as read"),
                mend=f"hopscope set LAB {hop.node} {key}=1",
            )
    return None


def _reverse_path(_packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    counter = "TcpExt.IPReversePathFilter"
    for hop in all_hops(first):
        before = scene.node(hop.node).counters.get(counter, 0)
        after = scene.after.node(hop.node).counters.get(counter, 0)
        if after > before and hop.came_in is not None:
            return Reason(
                code="reverse-path",
                sentence=f"the reverse path filter of {hop.node} dropped it: no route back to its "
                f"source through {hop.came_in}",
                at=DevRef(hop.node, hop.came_in),
                basis=seen(f"{counter} rose by {after - before} in {hop.node}"),
                mend=f"add a route to the source in {hop.node}, or set rp_filter to 0 there",
            )
    return None


def _seen_drop(_packet: Packet, first: Hop, _scene: Scene) -> Reason | None:
    for hop in all_hops(first):
        for step in hop.steps:
            if isinstance(step, DropStep) and not step.expected:
                return Reason(
                    code="dropped",
                    sentence=f"{step.where}: {step.reason}",
                    at=_last_device(hop),
                    basis=step.basis,
                )
    return None


def _evidence_stops(packet: Packet, first: Hop, _scene: Scene) -> Reason | None:
    *_, last = all_hops(first)
    where = _last_device(last)
    hooks = [s for s in last.steps if isinstance(s, HookStep)]
    after = f"; the last hook it passed there is {hooks[-1].hook}" if hooks else ""
    if hooks and hooks[-1].hook is Hook.INPUT:
        after = "; it passed the input hook there, so the node's own stack had it"
    return Reason(
        code="unseen",
        sentence=f"the evidence stops in {last.node}"
        + (f" at {where}" if where else "")
        + f"{after}: no observer saw it again",
        at=where,
        basis=inferred("packet sockets and nf_tables trace"),
    )


CAUSES: tuple[Cause, ...] = (
    _rule_drop,
    _no_route,
    _unanswered,
    _unresolved,
    _wrong_neighbour,
    _reverse_path,
    _not_forwarded,
    _seen_drop,
    _evidence_stops,
)
"""Asked in this order."""
