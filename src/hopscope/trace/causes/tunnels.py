"""Frames that a vxlan device took and that came out at no other end, or at a wrong one.

Which remotes a frame went to, the device's forwarding entries say (vxlan_xmit(),
drivers/net/vxlan/vxlan_core.c). The UDP packet that carried it was seen as any other packet:
what became of that one is what became of the frame.
"""

from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

from hopscope.model.devices import Vxlan
from hopscope.model.journey import Hop, Reason, TransmitStep
from hopscope.model.lookup import (
    in_subnet,
    is_group,
    local_device,
    next_hop,
    owner_of,
    owner_of_mac,
)
from hopscope.model.vocab import Basis, DevRef, Mac, NodeName, computed, inferred, seen
from hopscope.trace.carried import layer_two
from hopscope.trace.causes.evidence import LAB, all_hops, command, device_command
from hopscope.trace.causes.links import carries
from hopscope.trace.causes.lost import lost_address
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.ways import asked

__all__ = ["tunnel"]

_ALL: Final = Mac("00:00:00:00:00:00")
_ETHERNET: Final = 14
_HEADERS: Final = (50, 70)  # what is before the frame in a vxlan packet over IPv4, over IPv6

Explain = Callable[[Packet], Reason | None]


class _Sent(Struct, frozen=True, kw_only=True):
    """A frame as a vxlan device took it, and the other end that it should come out at."""

    ref: DevRef
    vxlan: Vxlan
    mac: Mac
    end: DevRef | None  # None: nobody says
    remotes: tuple[str, ...]  # where it went to

    @property
    def network(self) -> str:
        return f"id {self.vxlan.id}, port {self.vxlan.port}"


def tunnel(explain: Explain) -> Callable[[Packet, Hop, Scene], Reason | None]:
    """Why it was lost in a vxlan; *explain* tells about the packet that carried it."""

    def cause(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
        for hop in all_hops(first):
            for sent in _taken(packet, hop, scene):
                reason = _not_sent(sent, scene) or _sent_elsewhere(sent, scene)
                if reason is None and (remote := _remote(sent, scene)) is not None:
                    reason = _lost(packet, sent, remote, scene, explain)
                if reason is not None:
                    return reason
        return None

    return cause


def _taken(packet: Packet, hop: Hop, scene: Scene) -> Iterator[_Sent]:
    """What the hop's vxlan devices took and did not bring to its end."""
    for step in hop.steps:
        ref = DevRef(hop.node, step.dev) if isinstance(step, TransmitStep) else None
        link = scene.before.link(ref) if ref is not None else None
        if not isinstance(step, TransmitStep) or ref is None or link is None or not link.vxlan:
            continue
        ip = packet.headers.ip
        goal = asked(packet.headers) or (ip.dst if ip is not None else None)
        owner = owner_of(scene.before, goal) if goal is not None else None
        if (owner is not None and owner.node == hop.node) or step.dst_mac is None:
            continue
        end = owner if is_group(step.dst_mac) else owner_of_mac(scene.before, step.dst_mac)
        end = _end(end, ref, scene) if end is not None else None
        came = {one.node for one in hop.onward if one.came_from == step.dev}
        if came and (end is None or end.node in came):
            continue
        remotes = tuple(_remotes(ref, step.dst_mac, scene))
        yield _Sent(ref=ref, vxlan=link.vxlan, mac=step.dst_mac, end=end, remotes=remotes)


def _end(goal: DevRef, sent: DevRef, scene: Scene) -> DevRef | None:
    """The vxlan device that is the goal, or that leads there by bridges behind the tunnel."""
    met = layer_two(scene.before, goal)
    ends = (ref for ref in met if _vxlan(ref, scene) is not None)
    return next(ends, None) if sent not in met else None


def _vxlan(ref: DevRef | None, scene: Scene) -> Vxlan | None:
    link = scene.before.link(ref) if ref is not None else None
    return link.vxlan if link is not None else None


def _remotes(ref: DevRef, mac: Mac, scene: Scene) -> list[str]:
    """Those of the entry for its address, or else of that for all others.

    The remote that a device was made with is such an entry, which can be taken away again.
    """
    entries = (*scene.node(ref.node).remotes, *scene.after.node(ref.node).remotes)
    for wanted in (mac, _ALL):
        found = [one.remote for one in entries if one.dev == ref.dev and one.mac == wanted]
        if found:
            return list(dict.fromkeys(found))
    return []


def _remote(sent: _Sent, scene: Scene) -> str | None:
    """The one that leads to its end; of several, when that is unknown, nobody says which."""
    if len(sent.remotes) == 1:
        return sent.remotes[0]
    ends = [one for one in sent.remotes if sent.end and _node(one, scene) == sent.end.node]
    return next(iter(ends), None)


def _node(ip: str, scene: Scene) -> NodeName | None:
    owner = owner_of(scene.before, ip)
    return owner.node if owner is not None else None


def _local(sent: _Sent, scene: Scene) -> str | None:
    """The address of its end: that end's own, or the one that the sender was made with."""
    vxlan, remote = _vxlan(sent.end, scene), sent.vxlan.remote
    if vxlan is None or vxlan.local is not None:
        return vxlan.local if vxlan is not None else None
    there = remote is not None and sent.end is not None and _node(remote, scene) == sent.end.node
    return remote if there else None


def _not_sent(sent: _Sent, scene: Scene) -> Reason | None:
    """It has no entry that says where to send it."""
    if sent.remotes:
        return None
    local = _local(sent, scene)
    mac = _ALL if is_group(sent.mac) else sent.mac
    own = f"for {sent.mac}, nor " if mac == sent.mac else ""
    add = command(sent.ref.node, f"bridge fdb append {mac} dev {sent.ref.dev} dst {local}")
    return Reason(
        code="tunnel",
        sentence=f"{sent.ref} dropped it: it has no forwarding entry {own}for all other "
        "addresses, and so no remote to send it to",
        at=sent.ref,
        basis=_dropped(sent.ref, scene),
        mend=add if local is not None else "",
    )


def _dropped(ref: DevRef, scene: Scene) -> Basis:
    counts = [
        link.counters.get("tx_dropped", 0) if (link := one.link(ref)) is not None else 0
        for one in (scene.before, scene.after)
    ]
    if counts[1] > counts[0]:
        return seen(f"tx_dropped of {ref} rose by {counts[1] - counts[0]}")
    return computed(f"forwarding entries of {ref} as read")


def _sent_elsewhere(sent: _Sent, scene: Scene) -> Reason | None:
    """Its entries lead to other nodes than the one that has its address."""
    local, end = _local(sent, scene), sent.end
    if end is None or local is None or end.node in [_node(one, scene) for one in sent.remotes]:
        return None
    group = is_group(sent.mac)
    what = "what is for all" if group else sent.mac
    words = (
        f"append {_ALL} dev {sent.ref.dev} dst {local}"
        if group
        else f"replace {sent.mac} dev {sent.ref.dev} dst {local}"
    )
    return Reason(
        code="tunnel",
        sentence=f"{sent.ref} sent it on to {' and '.join(sent.remotes)}, by its forwarding entry "
        f"for {what}, and {end} is at {local}",
        at=sent.ref,
        basis=computed(f"forwarding entries of {sent.ref}, and the links as read"),
        mend=command(sent.ref.node, f"bridge fdb {words}"),
    )


def _lost(packet: Packet, sent: _Sent, remote: str, scene: Scene, explain: Explain) -> Reason:
    """It went to a remote, and came out nowhere."""
    no_way = _foreign_source(sent, remote, scene) or _no_way(sent, remote, scene)
    if no_way is not None:
        return no_way
    outer = _carrier(packet, sent, remote, scene)
    why = _no_such_end(sent, remote, scene)
    if why is None:
        why = explain(outer) if outer is not None else _question(sent, remote, scene, explain)
    told = "it came out nowhere: the way below lost it"
    if why is not None:
        told = why.sentence
    elif outer is None:
        told = f"no device of {sent.ref.node} was seen to send that packet"
    rules = f"look at the way below, and at rules about UDP port {sent.vxlan.port} on it: "
    return Reason(
        code="tunnel",
        sentence=f"{sent.ref} sent it on to {remote} as a frame of its vxlan ({sent.network}), "
        f"and {told}",
        at=why.at if why is not None else sent.ref,
        basis=why.basis
        if why is not None
        else inferred(f"packet socket on {sent.ref}; no vxlan device received it"),
        mend=(why.mend if why is not None else "")
        or f"{rules}hopscope ping {LAB} {sent.ref.node} {remote}",
    )


def _no_such_end(sent: _Sent, remote: str, scene: Scene) -> Reason | None:
    """The node there has no vxlan of that network, or has it down."""
    node = _node(remote, scene)
    if node is None:
        return None
    ends = [(one.name, one.vxlan) for one in scene.node(node).links if one.vxlan is not None]
    for name, one in ends:
        if (one.id, one.port) == (sent.vxlan.id, sent.vxlan.port):
            return carries(scene.before, DevRef(node, name))
    has = " and ".join(f"one of id {one.id}, port {one.port}" for _, one in ends) or "none"
    return Reason(
        code="tunnel",
        sentence=f"{node} has no vxlan of these: it has {has}",
        at=sent.ref,
        basis=computed(f"links of {sent.ref.node} and {node} as read"),
        mend="give both ends of the vxlan one id and one port",
    )


def _foreign_source(sent: _Sent, remote: str, scene: Scene) -> Reason | None:
    """Its packets are to come from an address that its node does not have.

    Mirrors ip_route_output_key_hash_rcu(), net/ipv4/route.c; IPv6 sends them all the same.
    """
    state, local = scene.node(sent.ref.node), sent.vxlan.local
    if local is None or ":" in local or local_device(state, local) is not None:
        return None
    lost = lost_address(scene, local)
    if lost is None or lost.at is None or lost.at.node != state.name:
        lost = None
    way = next_hop(state, remote)
    link = state.link(way[0]) if way is not None else None
    own = [one.ip for one in link.addresses if ":" not in one.ip] if link is not None else []
    mend = device_command(sent.ref, f"type vxlan local {own[0]}") if own else ""
    return Reason(
        code="tunnel",
        sentence=f"{sent.ref} could not send it on to {remote}, because its packets are to come "
        f"from {local}, and {state.name} does not have that address"
        + (f": {lost.sentence}" if lost is not None else ""),
        at=lost.at if lost is not None else sent.ref,
        basis=computed(f"links and addresses of {state.name} as read"),
        mend=lost.mend if lost is not None else mend,
    )


def _no_way(sent: _Sent, remote: str, scene: Scene) -> Reason | None:
    """Its node has no route for the UDP packet."""
    state = scene.node(sent.ref.node)
    if next_hop(state, remote, source=sent.vxlan.local) is not None:
        return None
    down = next(
        (
            DevRef(state.name, link.name)
            for link in state.links
            if not link.up and any(in_subnet(str(one), remote) for one in link.addresses)
        ),
        None,
    )
    because = f": {down}, which is in that subnet, is down" if down is not None else ""
    return Reason(
        code="tunnel",
        sentence=f"{sent.ref} could not send it on to {remote}, because {state.name} has no route "
        f"there{because}",
        at=down or sent.ref,
        basis=computed(f"routes and links of {state.name} as read"),
        mend=device_command(down, "up") if down else f"add a route to {remote} in {state.name}",
    )


def _carrier(packet: Packet, sent: _Sent, remote: str, scene: Scene) -> Packet | None:
    """The UDP packet that the frame travelled in; of one that no device sent, its length tells."""
    frames = [one.event.frame for one in packet.sightings if one.event.dev == sent.ref]
    for other in scene.packets:
        ip, ports = other.headers.ip, other.headers.ports
        if ip is None or ports is None or (ip.dst, ports.dport) != (remote, sent.vxlan.port):
            continue
        if any(one.event.frame[at:] in frames for one in other.sightings for at in _HEADERS):
            return other
        inside = [ip.length + _ETHERNET - at for at in _HEADERS]
        if not other.sightings and any(len(frame) in inside for frame in frames):
            return other
    return None


def _question(sent: _Sent, remote: str, scene: Scene, explain: Explain) -> Reason | None:
    """Why nobody told its node the link-layer address of the next hop to the remote."""
    way = next_hop(scene.node(sent.ref.node), remote, source=sent.vxlan.local)
    questions = (
        one
        for one in scene.packets
        if way is not None and asked(one.headers) == way[1] and one.made_in == sent.ref.node
    )
    return next((why for why in map(explain, questions) if why is not None), None)
