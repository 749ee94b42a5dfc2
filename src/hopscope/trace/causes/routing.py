"""Layer 3 ended the packet: no route, a router that does not forward, a limit it ran into."""

import re
from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from hopscope.model.journey import (
    ChainVisit,
    HookStep,
    Hop,
    Reason,
    RouteStep,
    RuleCheck,
)
from hopscope.model.lookup import in_subnet, is_local, route_to, sysctl_int
from hopscope.model.policy import asks
from hopscope.model.snapshot import LinkState, NodeState, PolicyRule, Route
from hopscope.model.vocab import Basis, DevName, DevRef, NodeName, computed, seen
from hopscope.trace.causes.evidence import (
    all_hops,
    command,
    device_command,
    routed,
    sends,
    sysctl_command,
)
from hopscope.trace.causes.firewall import deletion
from hopscope.trace.causes.lost import lost_route, with_lost_route
from hopscope.trace.causes.returning import better_way, look_at_routes
from hopscope.trace.causes.tables import (
    in_table,
    layer_three,
    limit_of,
    lookup_in,
    no_filter,
    removal,
    rule_removal,
)
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.ways import LOOPBACK, Lookup
from hopscope.wire.packet import title

__all__ = [
    "led_elsewhere",
    "lowering",
    "no_route",
    "not_forwarding",
    "reverse_path",
    "time_exceeded",
    "told",
]

_FORBIDDING = ("blackhole", "unreachable", "prohibit")
_TIME_EXCEEDED, _UNREACHABLE = {11, 3}, {3, 1}
_SETS_TTL: Final = re.compile(r"-j (TTL|HL)\b(?!.*-inc)|\b(ttl|hoplimit) set\b")
_PACKET_TOO_BIG = 2  # ICMPv6


def told(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """A router told the sender why: its time to live, or its length."""
    for error in scene.errors_about(packet):
        icmp = error.headers.icmp
        router = error.born_in
        hop = next((h for h in reversed([*all_hops(first)]) if h.node == router), None)
        if icmp is None or hop is None:
            continue
        basis = seen(f"{router} sent its maker: {title(error.headers)}")
        six = error.headers.ip is not None and error.headers.ip.version == 6
        if icmp.type == (3 if six else 11) and icmp.code == 0:
            return time_exceeded(packet, first, hop, scene, basis)
        if (six and icmp.type == _PACKET_TOO_BIG) or (not six and (icmp.type, icmp.code) == (3, 4)):
            return _too_big(packet, hop, icmp.mtu, scene, basis)
    return None


def time_exceeded(packet: Packet, first: Hop, hop: Hop, scene: Scene, basis: Basis) -> Reason:
    """Its time to live ran out in *hop*: in a loop, by a rule, or as it began with too little."""
    came = DevRef(hop.node, hop.came_in) if hop.came_in else None
    nodes = [h.node for h in all_hops(first)]
    again = sorted({node for node in nodes if nodes.count(node) > 2})
    if again:
        goal = packet.headers.ip.dst if packet.headers.ip else ""
        better = better_way(packet, [h for h in all_hops(first) if h.node in again], scene)
        names = " and ".join(again)
        return Reason(
            code="routing-loop",
            sentence=f"it went round between {names} until its time to live ran out in {hop.node}: "
            + (better.sentence if better else f"their routes to {goal} lead to each other"),
            at=came,
            basis=basis,
            mend=better.mend if better else look_at_routes(names),
        )
    for node, visit, rule in lowering(first):
        chain = f"{visit.family} {visit.table} {visit.chain}"
        return Reason(
            code="time-exceeded",
            sentence=f"{hop.node} dropped it because its time to live ran out there, which the "
            f"rule `{rule.text}` of {chain} in {node} had set",
            at=came,
            basis=basis,
            mend=f"delete that rule: {command(node, deletion(visit, rule))}",
        )
    ip = packet.headers.ip
    ttl = ip.ttl if ip is not None else 0
    six = ip is not None and ip.version == 6
    more = 64 if ttl < 64 else min(2 * ttl, 255)
    key = "net.ipv6.conf.all.hop_limit" if six else "net.ipv4.ip_default_ttl"
    return Reason(
        code="time-exceeded",
        sentence=f"{hop.node} dropped it because its time to live ran out there: it began "
        f"with {ttl}",
        at=came,
        basis=basis,
        mend=f"let {packet.born_in} begin with more: {sysctl_command(packet.born_in, key, more)}",
    )


def lowering(first: Hop) -> Iterator[tuple[NodeName, ChainVisit, RuleCheck]]:
    """The rules that set its time to live."""
    for hop in all_hops(first):
        for step in hop.steps:
            for visit in step.chains if isinstance(step, HookStep) else ():
                for rule in visit.rules:
                    if rule.matched and _SETS_TTL.search(rule.text):
                        yield hop.node, visit, rule


def _too_big(packet: Packet, hop: Hop, told: int | None, scene: Scene, basis: Basis) -> Reason:
    ip = packet.headers.ip
    limit = limit_of(packet, hop, scene)
    mtu = told or (limit.mtu if limit is not None else 0)
    out = limit.sentence if limit is not None else "on"
    if limit is not None and told and told < limit.mtu:
        out = f"further: {told} is the MTU that it has learnt of the way"
    most = (
        f" (at most {mtu - 28 if ip and ip.version == 4 else mtu - 48} bytes of payload)"
        if mtu
        else ""
    )
    more = limit.mend if limit is not None else "raise the MTU of both ends"
    return Reason(
        code="too-big",
        sentence=f"{hop.node} cannot send it {out}: it is {ip.length if ip else 0} bytes long and "
        "must not be fragmented",
        at=limit.at if limit is not None else None,
        basis=basis,
        mend=f"send it again, smaller: its sender knows now{most}; or {more}",
    )


def no_route(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """A node had no route for it, or one that forbids it."""
    for hop in all_hops(first):
        step = next((s for s in hop.steps if isinstance(s, RouteStep)), None)
        if step is None or sends(hop):
            continue
        lookup = lookup_in(packet, hop, step.destination, scene)
        route, rule = lookup.found()
        if route is not None and route.type in _FORBIDDING:
            return with_lost_route(_forbidden(hop, route, rule), scene, lookup)
        if step.route is not None or not _forwards(hop, step.destination, scene):
            continue
        thrown = _thrown(hop, lookup)
        if thrown is not None:
            return with_lost_route(thrown, scene, lookup)
        return _missing(hop, lookup, step, scene, packet)
    return None


def led_elsewhere(reason: Reason, packet: Packet, first: Hop, scene: Scene) -> Reason:
    """The reason, and the lost route for want of which a node had sent the packet that way."""
    for hop in all_hops(first):
        step = next((s for s in hop.steps if isinstance(s, RouteStep)), None)
        if step is None or not sends(hop):
            continue
        lookup = lookup_in(packet, hop, step.destination, scene)
        found = with_lost_route(reason, scene, lookup)
        if found is not reason:
            also = f"; or {reason.mend}" if reason.mend else ""
            return replace(found, mend=found.mend + also)
    return reason


def _forbidden(hop: Hop, route: Route, rule: PolicyRule | None) -> Reason:
    does = {"blackhole": "drops it silently"}
    if rule is not None and route.table == 0:  # it stands for a policy rule
        return Reason(
            code="route-forbids",
            sentence=f"in {hop.node}, the policy rule {rule.priority} ({asks(rule)}) "
            f"{does.get(route.type, 'refuses it')} ({route.type})",
            at=None,
            basis=computed(f"policy rules of {hop.node} as read"),
            mend=rule_removal(hop.node, rule),
        )
    return Reason(
        code="route-forbids",
        sentence=f"in {hop.node}, the {route.type} route for {route.destination} "
        f"{does.get(route.type, 'refuses it')}",
        at=None,
        basis=computed(f"routes of {hop.node} as read"),
        mend=removal(hop.node, route),
    )


def _thrown(hop: Hop, lookup: Lookup) -> Reason | None:
    """A throw route ended the lookup in a table that has another route for it."""
    routes = lookup.state.routes
    rest = replace(lookup.state, routes=tuple(one for one in routes if one.type != "throw"))
    other = replace(lookup, state=rest).route()
    if other is None:
        return None
    throws = [
        one
        for one in routes
        if (one.type, one.table) == ("throw", other.table)
        and in_subnet(one.destination, lookup.destination)
    ]
    throw = max(throws, key=lambda one: int(one.destination.partition("/")[2]))
    return Reason(
        code="route-forbids",
        sentence=f"in {hop.node}, the throw route for {throw.destination} sends the lookup on to "
        f"the next table, and none has a route for {lookup.destination}",
        at=None,
        basis=computed(f"routes of {hop.node} as read"),
        mend=removal(hop.node, throw),
    )


def _missing(hop: Hop, lookup: Lookup, step: RouteStep, scene: Scene, packet: Packet) -> Reason:
    state = lookup.state
    errors = [e for e in scene.errors_about(packet) if e.born_in == hop.node]
    basis = seen(f"{hop.node} sent its maker: {title(errors[0].headers)}") if errors else step.basis
    down = next((link for link in state.links if _would_lead(link, step.destination)), None)
    if down is not None:
        ref = DevRef(state.name, down.name)
        return Reason(
            code="device-down",
            sentence=f"{hop.node} has no route to {step.destination}, because {ref}, which is "
            "in that subnet, is down",
            at=ref,
            basis=basis,
            mend=device_command(ref, "up"),
        )
    lost = lost_route(scene, lookup)
    if lost is not None:
        return lost
    six = ":" in step.destination
    own = [
        str(address)
        for link in state.links
        for address in link.addresses
        if link.kind != "loopback" and (":" in address.ip) == six
    ]
    has = f"it has {', '.join(own)}" if own else f"it has no {'IPv6' if six else 'IPv4'} address"
    return Reason(
        code="no-route",
        sentence=f"{hop.node} has no route to {step.destination}: {has}, and no other route "
        "covers it",
        at=None,
        basis=basis,
        mend=f"give both ends addresses of one subnet, or add a route in {hop.node}",
    )


def _would_lead(link: LinkState, destination: str) -> bool:
    if link.up:
        return False
    loopback = link.kind == "loopback" and in_subnet("127.0.0.1/8", destination)
    return loopback or any(in_subnet(str(address), destination) for address in link.addresses)


def not_forwarding(_packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """It entered a node that is not its goal, was sent to that node, and went no further."""
    for hop in all_hops(first):
        goal = next((s.destination for s in hop.steps if isinstance(s, RouteStep)), None)
        dev = layer_three(hop, scene)
        if dev is None or sends(hop) or routed(hop) or goal is None:
            continue
        state = scene.node(hop.node)
        key = _forwarding_key(dev, six=":" in goal, state=state)
        if is_local(state, goal) or key is None:
            continue
        return Reason(
            code="not-forwarding",
            sentence=f"{hop.node} received it for another address, {goal}, and does not forward: "
            f"{key} = 0",
            at=DevRef(hop.node, dev),
            basis=computed(f"sysctls of {hop.node} as read"),
            mend=sysctl_command(hop.node, key, 1),
        )
    return None


def _forwarding_key(came_in: DevName, *, six: bool, state: NodeState) -> str | None:
    """The switch that is off: IPv4 asks that of the device that it came in by, IPv6 the node's.

    The node's switches those of all devices; that of one is named where the node's is on.
    """
    of_all = "net.ipv6.conf.all.forwarding" if six else "net.ipv4.ip_forward"
    own = f"net.ipv4.conf.{came_in}.forwarding"
    everywhere = sysctl_int(state, of_all)
    here = everywhere if six else sysctl_int(state, own)
    if here is None:
        here = everywhere
    if here != 0:
        return None
    return of_all if everywhere == 0 else own


def _forwards(hop: Hop, destination: str, scene: Scene) -> bool:
    """Whether a missing route is what ended it here: a node that does not forward asks none."""
    dev, state = layer_three(hop, scene), scene.node(hop.node)
    return dev is None or _forwarding_key(dev, six=":" in destination, state=state) is None


def reverse_path(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """The reverse path filter's counter rose where the packet was last."""
    counter = "TcpExt.IPReversePathFilter"
    ip = packet.headers.ip
    for hop in all_hops(first):
        if ip is None or hop.came_in is None or sends(hop) or routed(hop):
            continue
        before = scene.node(hop.node).counters.get(counter, 0)
        after = scene.after.node(hop.node).counters.get(counter, 0)
        if after > before:
            ref = DevRef(hop.node, layer_three(hop, scene) or hop.came_in)
            state = scene.node(hop.node)
            back = route_to(state, ip.src, source=ip.dst, came_in=LOOPBACK)
            table = f", in{in_table(back)}," if back is not None and in_table(back) else ""
            return Reason(
                code="reverse-path",
                sentence=f"the reverse path filter of {hop.node} dropped it: the route back to "
                f"its source {ip.src}{table} does not lead through {ref.dev}",
                at=ref,
                basis=seen(f"{counter} rose by {after - before} in {hop.node}"),
                mend=no_filter(state, ref.dev),
            )
    return None
