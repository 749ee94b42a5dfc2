"""The next hop's link-layer address: nobody answers for it, or the entry is a wrong one."""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from hopscope.model.journey import BridgeStep, Hop, NeighbourStep, PassUpStep, Reason
from hopscope.model.lookup import in_subnet, owner_of, route_to, sysctl_int
from hopscope.model.naming import some_of
from hopscope.model.snapshot import NodeState, Route
from hopscope.model.vocab import (
    DevName,
    DevRef,
    NodeName,
    computed,
    inferred,
)
from hopscope.trace.carried import joined
from hopscope.trace.causes.evidence import (
    all_hops,
    command,
    device_command,
    filters,
    last_device,
    leaves,
    sysctl_command,
    waits,
)
from hopscope.trace.causes.firewall import device_chain, question_drop
from hopscope.trace.causes.links import storm
from hopscope.trace.causes.lost import lost_address, lost_route, mistaken
from hopscope.trace.causes.missed import cut
from hopscope.trace.causes.tables import devices_of, no_filter, table_text
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.ways import LOOPBACK, Lookup, answered, asked

__all__ = ["no_arp", "ownerless", "unanswered", "unresolved"]


_NOBODY: Final = "nobody answers for {}: "
_NOBODY_BEHIND: Final = ("dummy", "ifb")


def unanswered(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """Why nobody answered an ARP request or a neighbour solicitation."""
    target = asked(packet.headers)
    if target is None:
        return None
    owner = owner_of(scene.before, target)
    if owner is None:
        why = ownerless(target, scene)
        return replace(why, sentence=f"{_NOBODY.format(target)}{why.sentence}")
    filtering = device_chain(packet, first, scene)
    if filtering is not None and _on_the_way(filtering, owner, first, scene):
        return replace(filtering, sentence=f"{_NOBODY.format(target)}{filtering.sentence}")
    for hop in all_hops(first):
        if hop.node == owner.node and (came_in := _stack_device(hop, scene)) is not None:
            return _silent_owner(packet, owner, target, came_in, scene)
    return (
        _mistaken(first.node, last_device(first), owner, target, scene)
        or _cut_off(last_device(first), owner, target, scene)
        or _elsewhere(first, owner, target, scene)
    )


def _mistaken(
    node: NodeName, start: DevRef | None, owner: DevRef, target: str, scene: Scene
) -> Reason | None:
    """Its maker takes the owner to be on its link by a wrong prefix length."""
    why = mistaken(scene, node, target)
    if why is None or (start is not None and joined(scene.before, start, owner)):
        return None
    return replace(why, sentence=f"{_NOBODY.format(target)}{why.sentence}")


def _on_the_way(reason: Reason, owner: DevRef, first: Hop, scene: Scene) -> bool:
    """Whether it is about a port, the owner's node or the first: the others were only flooded."""
    at = reason.at or owner
    link = scene.before.link(at)
    return at.node in (owner.node, first.node) or (link is not None and link.master is not None)


def _stack_device(hop: Hop, scene: Scene) -> DevName | None:
    """The device through which a hop's own stack got it; None when only its bridge did."""
    if hop.came_in is None:
        return None
    link = scene.before.link(DevRef(hop.node, hop.came_in))
    if link is None or link.master is None:
        return hop.came_in
    ups = (step for step in hop.steps if isinstance(step, PassUpStep))
    return next((step.bridge for step in ups if step.because != "promiscuous"), None)


def _silent_owner(
    packet: Packet, owner: DevRef, target: str, came_in: DevName, scene: Scene
) -> Reason:
    """The question reached the node that has the address, and it kept silent."""
    state = scene.node(owner.node)
    asked_at = DevRef(owner.node, came_in)
    link = state.link(came_in)
    if packet.headers.arp is not None and link is not None and link.noarp:
        told = f"the ARP request reached {asked_at}, which takes no part in ARP (NOARP)"
        return no_arp(asked_at, told, scene)
    arp = packet.headers.arp
    back = route_to(state, arp.sender_ip, source=target, came_in=LOOPBACK) if arp else None
    if arp is not None:
        why = (
            _from_itself(state, asked_at, arp.sender_ip)
            or _ignoring(state, owner, asked_at, target, arp.sender_ip)
            or _filtered(state, came_in, arp.sender_ip, back)
            or _answering_elsewhere(state, asked_at, target, arp.sender_ip)
        )
        if why is not None:
            return why
    if arp is not None and back is None:
        way = Lookup(state=state, destination=arp.sender_ip, source=target, came_in=LOOPBACK)
        gone = lost_route(scene, way)
        return Reason(
            code="no-route-back",
            sentence=f"the ARP request reached {asked_at}, and {owner.node}, which has no route to "
            f"{arp.sender_ip}, did not answer it" + (f": {gone.sentence}" if gone else ""),
            at=asked_at,
            basis=inferred(f"routes of {owner.node} as read, and no answer seen"),
            mend=gone.mend if gone else f"add a route to {arp.sender_ip} in {owner.node}",
        )
    return Reason(
        code="silent",
        sentence=f"the question for {target} reached {asked_at}, and no answer left {owner.node}",
        at=asked_at,
        basis=inferred(f"packet socket on {asked_at}"),
        mend=f"see whether a filter of {came_in}, or a policy rule, drops it: "
        + "; ".join(command(owner.node, words) for words in (filters(came_in), "ip rule")),
    )


def _from_itself(state: NodeState, asked_at: DevRef, sender: str) -> Reason | None:
    """The node has the asker's address, too. Mirrors arp_process(), which asks for a route."""
    own = next(
        (
            (link.name, str(address))
            for link in state.links
            for address in link.addresses
            if address.ip == sender
        ),
        None,
    )
    if own is None:
        return None
    dev, cidr = own
    return Reason(
        code="martian-source",
        sentence=f"the ARP request reached {asked_at}, and {state.name} does not answer its own "
        f"address: it has {sender}, too, on {dev}",
        at=asked_at,
        basis=computed(f"addresses of {state.name} as read"),
        mend=command(state.name, f"ip addr del {cidr} dev {dev}"),
    )


def _ignoring(
    state: NodeState, owner: DevRef, asked_at: DevRef, target: str, sender: str
) -> Reason | None:
    """The higher of two switches decides. Mirrors arp_ignore(), net/ipv4/arp.c."""
    keys = [f"net.ipv4.conf.{scope}.arp_ignore" for scope in (asked_at.dev, "all")]
    value, key = max((sysctl_int(state, key) or 0, key) for key in keys)
    elsewhere = owner.dev != asked_at.dev
    link = state.link(asked_at.dev)
    near = link is not None and any(
        one.ip == target and in_subnet(str(one), sender) for one in link.addresses
    )
    if not {1: elsewhere, 2: elsewhere or not near, 8: True}.get(value, False):
        return None
    return Reason(
        code="arp-ignore",
        sentence=f"the ARP request reached {asked_at}, which does not answer because {key} = "
        f"{value} in {owner.node}",
        at=asked_at,
        basis=computed(f"sysctls of {owner.node} as read"),
        mend=sysctl_command(owner.node, key, 0),
    )


def _answering_elsewhere(
    state: NodeState, asked_at: DevRef, target: str, sender: str
) -> Reason | None:
    """With arp_filter the device answers that leads back. Mirrors arp_filter()."""
    keys = [f"net.ipv4.conf.{scope}.arp_filter" for scope in (asked_at.dev, "all")]
    key = next((key for key in keys if sysctl_int(state, key)), None)
    route = route_to(state, sender, source=target)
    if key is None or route is None or route.dev == asked_at.dev:
        return None
    return Reason(
        code="arp-ignore",
        sentence=f"the ARP request reached {asked_at}, which does not answer because {key} = 1 in "
        f"{state.name}, whose route to {sender} leads through {route.dev}",
        at=asked_at,
        basis=computed(f"routes and sysctls of {state.name} as read"),
        mend=sysctl_command(state.name, key, 0),
    )


def no_arp(ref: DevRef, sentence: str, scene: Scene) -> Reason:
    """That a device asks for no link-layer address, and answers for none."""
    link = scene.before.link(ref)
    alone = link is not None and link.kind in _NOBODY_BEHIND
    return Reason(
        code="no-arp",
        sentence=sentence,
        at=ref,
        basis=computed(f"links of {ref.node} as read"),
        mend=f"nobody is behind {ref}: let the route lead through another device"
        if alone
        else device_command(ref, "arp on"),
    )


def _filtered(state: NodeState, came_in: DevName, sender: str, back: Route | None) -> Reason | None:
    """The reverse path filter keeps ARP silent, too (arp_process asks ip_route_input)."""
    keys = [f"net.ipv4.conf.{scope}.rp_filter" for scope in (came_in, "all")]
    strict = max(sysctl_int(state, key) or 0 for key in keys) == 1
    if not strict or came_in in devices_of(back):
        return None
    key = keys[0] if sysctl_int(state, keys[0]) else keys[1]
    told = f", {table_text(back)}," if back is not None else ""
    return Reason(
        code="reverse-path",
        sentence=f"the ARP request reached {state.name}/{came_in}, and the reverse path filter "
        f"keeps {state.name} silent ({key} = 1): its route to the sender {sender}{told} does not "
        f"lead through {came_in}",
        at=DevRef(state.name, came_in),
        basis=computed(f"routes and sysctls of {state.name} as read"),
        mend=no_filter(state, came_in),
    )


def _cut_off(start: DevRef | None, owner: DevRef, target: str, scene: Scene) -> Reason | None:
    """A device on the way to the owner, or that port's bridge, carries no frames."""
    why = cut(scene.before, start, owner)
    return replace(why, sentence=f"{_NOBODY.format(target)}{why.sentence}") if why else None


def _elsewhere(first: Hop, owner: DevRef, target: str, scene: Scene) -> Reason:
    reached = list(dict.fromkeys(str(hop.node) for hop in all_hops(first)))
    link = scene.before.link(owner)
    peer = link.peer if link is not None else None
    far = scene.before.link(peer) if peer is not None else None
    bridges = [
        DevRef(hop.node, step.bridge)
        for hop in all_hops(first)
        for step in hop.steps
        if isinstance(step, BridgeStep)
    ]
    mend = "join the two on one bridge, or route between them"
    if peer is not None and far is not None and far.master is None and far.kind != "bridge":
        near = next((bridge for bridge in bridges if bridge.node == peer.node), None)
        if near is not None and not far.addresses:
            mend = f"make {peer} a port of {near.dev}: " + device_command(
                peer, f"master {near.dev}"
            )
    evidence = "frames seen, and the links as read"
    lost = scene.observation.lost
    start = last_device(first)
    if start is not None and joined(scene.before, start, owner):
        return Reason(
            code="unseen",
            sentence=f"{_NOBODY.format(target)}{owner} has it, and links and bridges lead there, "
            f"but the question was seen in {some_of(reached)} only",
            at=last_device(leaves(first)[-1]),
            basis=inferred(evidence),
            mend="see whether a filter of a device on that way drops it: "
            + command(leaves(first)[-1].node, "nft list ruleset"),
        )
    return Reason(
        code="no-layer-2-path",
        sentence=f"{_NOBODY.format(target)}{owner} has it, and no layer-2 path leads there "
        f"(the question reached only {some_of(reached)})",
        at=owner,
        basis=inferred(f"{evidence}; {lost} observations were lost")
        if lost
        else computed(evidence),
        mend=mend,
    )


def unresolved(explain: Callable[[Packet], Reason | None]) -> Callable[..., Reason | None]:
    """The cause of a packet that waits in its own node; *explain* tells about another packet."""

    def cause(_packet: Packet, first: Hop, scene: Scene) -> Reason | None:
        for hop in all_hops(first):
            step = waits(hop)
            if step is not None:
                return _held(hop, step, scene, explain)
        return None

    return cause


def _held(
    hop: Hop,
    step: NeighbourStep,
    scene: Scene,
    explain: Callable[[Packet], Reason | None],
) -> Reason:
    dev, address = step.dev, step.ip
    questions = (p for p in scene.packets if asked(p.headers) == address)
    question = next((p for p in questions if p.made_in == hop.node), None)
    if question is not None:
        why = explain(question)
    else:
        why = question_drop(hop, step, scene) or _nobody(DevRef(hop.node, dev), address, scene)
    why = why or _unheard(address, scene, explain)
    why = why or storm(scene.before)  # asked and answered, and the answer may have drowned
    because = f": {why.sentence.removeprefix(_NOBODY.format(address))}" if why is not None else ""
    return Reason(
        code="unresolved",
        sentence=f"{hop.node} holds it back, because nobody told it the link-layer address of "
        f"{address}{because}",
        at=why.at if why is not None else DevRef(hop.node, dev),
        basis=why.basis if why is not None else inferred("no device was given the packet"),
        mend=why.mend if why is not None else "",
    )


def _unheard(
    address: str, scene: Scene, explain: Callable[[Packet], Reason | None]
) -> Reason | None:
    """Why the answer of an owner who was asked did not arrive."""
    answers = (packet for packet in scene.packets if answered(packet.headers) == address)
    why = next((why for why in map(explain, answers) if why is not None), None)
    if why is None:
        return None
    return replace(why, sentence=f"its owner's answer did not arrive: {why.sentence}")


def _nobody(asker: DevRef, address: str, scene: Scene) -> Reason | None:
    owner = owner_of(scene.before, address)
    if owner is not None:  # it was asked before anybody watched
        why = _mistaken(asker.node, asker, owner, address, scene)
        return why or _cut_off(asker, owner, address, scene)
    return ownerless(address, scene)


def ownerless(address: str, scene: Scene) -> Reason:
    """Why no device has an address: one lost it, or nothing ever gave it to one."""
    return lost_address(scene, address) or Reason(
        code="no-such-address",
        sentence="no device in this lab has that address",
        at=None,
        basis=computed("addresses of all nodes as read"),
        mend=f"give {address} to a device, or ping an address that exists",
    )
