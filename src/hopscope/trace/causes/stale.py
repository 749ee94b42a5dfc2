"""A neighbour entry that leads to the wrong device: its address moved, or is gone, meanwhile."""

from msgspec.structs import replace

from hopscope.model.journey import Hop, NeighbourStep, Reason
from hopscope.model.lookup import is_local, neighbour, owner_of, owners_of, sysctl_int
from hopscope.model.snapshot import NodeState
from hopscope.model.vocab import DevRef, NeighbourState, seen
from hopscope.trace.carried import joined
from hopscope.trace.causes.evidence import all_hops, command, sends
from hopscope.trace.causes.lost import declared_owner, lost_address
from hopscope.trace.causes.missed import cut
from hopscope.trace.causes.resolution import no_arp, ownerless
from hopscope.trace.scene import Packet, Scene

__all__ = ["wrong_neighbour"]


def wrong_neighbour(_packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """The frame carries a MAC address that is not the one of whoever has the next hop's IP."""
    for hop in all_hops(first):
        step = next((s for s in hop.steps if isinstance(s, NeighbourStep)), None)
        if step is not None and step.mac is not None and _by_entry(hop, step, scene):
            owner = owner_of(scene.before, step.ip)
            why = _moved(hop, step, owner, scene) if owner else _gone(hop, step, scene)
            if why is not None:
                return why
    return None


def _by_entry(hop: Hop, step: NeighbourStep, scene: Scene) -> bool:
    """Whether it went by the entry for this address, as far as the tables show."""
    tables = (scene.node(hop.node), scene.after.node(hop.node))
    entries = [neighbour(table, step.dev, step.ip) for table in tables]
    macs = [entry.mac for entry in entries if entry is not None]
    return not macs or step.mac in macs


def _moved(hop: Hop, step: NeighbourStep, owner: DevRef, scene: Scene) -> Reason | None:
    """Another device has the address."""
    dev, snapshot = DevRef(hop.node, step.dev), scene.before
    links = [link for one in owners_of(snapshot, step.ip) if (link := snapshot.link(one))]
    macs = [link.mac for link in links]
    own = snapshot.link(dev)
    if not any(macs) or step.mac in macs:
        return None
    if own is not None and own.noarp and own.mac == step.mac:
        why = f"{dev} asks for no link-layer address (NOARP), so {hop.node} sent it to that"
        return no_arp(dev, f"{why} device's own, {step.mac}, and not to {owner}", scene)
    permanent = step.state is NeighbourState.PERMANENT
    meant = permanent and not joined(snapshot, dev, owner)  # a router, as somebody wrote it
    if any(meant or _stands_in(one, hop, step, scene) for one in _holders(step, scene)):
        return None
    return Reason(
        code="wrong-neighbour",
        sentence=f"{_said(hop, step, scene)}, but that address lives at {owner}, which has "
        f"{macs[0]}",
        at=dev,
        basis=seen(f"the frame on {dev}, and the links as read"),
        mend=_forget(hop, step),
    )


def _gone(hop: Hop, step: NeighbourStep, scene: Scene) -> Reason | None:
    """No device has the address any more; of one that the lab never had, nobody knows."""
    dev, holders = DevRef(hop.node, step.dev), _holders(step, scene)
    if not holders and declared_owner(scene, step.ip) is None:
        return None
    if any(one.node == hop.node or _stands_in(one, hop, step, scene) for one in holders):
        return None
    why = lost_address(scene, step.ip)
    if why is not None:
        return replace(why, sentence=f"{_said(hop, step, scene)}, but {why.sentence}")
    off = ":" in step.ip and any(_without_six(one, scene) for one in holders)
    if off or any(cut(scene.before, dev, one) is not None for one in holders):
        return None  # which took the address with it
    why = ownerless(step.ip, scene)
    return replace(
        why,
        sentence=f"{_said(hop, step, scene)}, but {why.sentence}",
        at=dev,
        mend=f"{why.mend}; and let {hop.node} ask anew: {_forget(hop, step)}",
    )


def _without_six(holder: DevRef, scene: Scene) -> bool:
    """Whether it takes no IPv6, and so has no address of it."""
    key = f"net.ipv6.conf.{holder.dev}.disable_ipv6"
    return bool(sysctl_int(scene.node(holder.node), key))


def _holders(step: NeighbourStep, scene: Scene) -> list[DevRef]:
    """The devices that have the MAC address to which it was sent."""
    return [
        DevRef(node.name, link.name)
        for node in scene.before.nodes
        for link in node.links
        if link.mac == step.mac
    ]


def _stands_in(holder: DevRef, hop: Hop, step: NeighbourStep, scene: Scene) -> bool:
    """Whether it takes what is for that address: as its own, or to route it on as a proxy."""
    state = scene.node(holder.node)
    return (
        _proxy(state, holder, six=":" in step.ip)
        or is_local(state, step.ip)
        or any(
            behind is not hop
            and behind.node == holder.node
            and sends(behind)
            and any(isinstance(one, NeighbourStep) for one in behind.steps)
            for behind in all_hops(hop)
        )
    )


def _proxy(state: NodeState, holder: DevRef, *, six: bool) -> bool:
    """Whether it answers ARP for others; what answers for single addresses is not read."""
    keys = (f"net.ipv4.conf.{scope}.proxy_arp" for scope in ("all", holder.dev))
    return not six and any(sysctl_int(state, key) for key in keys)


def _said(hop: Hop, step: NeighbourStep, scene: Scene) -> str:
    holders = _holders(step, scene)
    whose = f" ({holders[0]})" if holders else ""
    kind = "permanent " if step.state is NeighbourState.PERMANENT else ""
    return f"{hop.node} sent it to {step.mac}{whose}, by its {kind}neighbour entry for {step.ip}"


def _forget(hop: Hop, step: NeighbourStep) -> str:
    return command(hop.node, f"ip neighbour del {step.ip} dev {step.dev}")
