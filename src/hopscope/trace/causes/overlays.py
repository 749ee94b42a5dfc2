"""Devices that lie over others: macvlans that never meet, and tunnels whose frames get lost."""

from collections.abc import Iterator
from typing import Final

from hopscope.model.devices import Vxlan
from hopscope.model.journey import Hop, NeighbourStep, Reason, TransmitStep
from hopscope.model.lookup import owner_of
from hopscope.model.vocab import DevRef, computed, inferred
from hopscope.trace.causes.evidence import LAB, all_hops, command, devices
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.ways import asked

__all__ = ["apart", "tunnel"]

_BRIDGING: Final = "type macvlan mode bridge"


def apart(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """It is from one macvlan to another, or to the device below, and these keep apart.

    Mirrors macvlan_queue_xmit(), drivers/net/macvlan.c.
    """
    steps = [step.ip for step in first.steps if isinstance(step, NeighbourStep)]
    target = next(iter(steps), asked(packet.headers))
    here, goal = next(iter(devices(first)), None), _owner(target, scene)
    if here is None or goal is None:
        return None
    own = DevRef(first.node, here)
    one, other = scene.before.link(own), scene.before.link(goal)
    if one is None or other is None:
        return None
    found = None
    if one.macvlan and one.over == goal:
        found = _from_below(own, goal)
    elif other.macvlan and other.over == own:
        found = _from_below(goal, own)
    elif one.macvlan and other.macvlan and one.over is not None and one.over == other.over:
        found = _closed({own: one.macvlan, goal: other.macvlan})
    if found is None:
        return None
    basis = computed(f"links of {own.node} and {goal.node} as read")
    return Reason(code="macvlan-apart", sentence=found[0], at=own, basis=basis, mend=found[1])


def _owner(ip: str | None, scene: Scene) -> DevRef | None:
    return owner_of(scene.before, ip) if ip is not None else None


def _from_below(upper: DevRef, lower: DevRef) -> tuple[str, str]:
    return (
        f"{upper} lies over {lower}, and a macvlan never reaches the device below it",
        f"give the address of {lower} to another macvlan over it",
    )


def _closed(modes: dict[DevRef, str]) -> tuple[str, str] | None:
    """Two macvlans over one device reach each other if both are of mode bridge."""
    some = [ref for ref, mode in modes.items() if mode != "bridge"]
    if not some:
        return None
    mends = [command(one.node, f"ip link set dev {one.dev} {_BRIDGING}") for one in some]
    why = (
        f"{' and '.join(map(str, modes))} lie over one device and keep apart: their modes are "
        f"{' and '.join(modes.values())}, and not both bridge"
    )
    return why, "; ".join(mends)


def tunnel(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """A vxlan device sent it on inside UDP, and it came out at no other end."""
    ip = packet.headers.ip
    goal = _owner(asked(packet.headers) or (ip.dst if ip is not None else None), scene)
    for hop in all_hops(first):
        if goal is None or goal.node != hop.node:
            for ref, vxlan in _swallowed(hop, scene):
                for remote in _remotes(ref, vxlan, scene):
                    return _lost(ref, vxlan, remote, scene)
    return None


def _swallowed(hop: Hop, scene: Scene) -> Iterator[tuple[DevRef, Vxlan]]:
    """The vxlan devices that sent it, and after which nothing follows."""
    followed = {onward.came_from for onward in hop.onward}
    for step in hop.steps:
        if isinstance(step, TransmitStep) and step.dev not in followed:
            ref = DevRef(hop.node, step.dev)
            link = scene.before.link(ref)
            if link is not None and link.vxlan is not None:
                yield ref, link.vxlan


def _remotes(ref: DevRef, vxlan: Vxlan, scene: Scene) -> Iterator[str]:
    """Where it sends to, if that is one place; of several, nobody says which it was."""
    told = {one.remote for one in scene.node(ref.node).remotes if one.dev == ref.dev}
    found = told | ({vxlan.remote} if vxlan.remote is not None else set())
    if len(found) == 1:
        yield from found


def _lost(ref: DevRef, vxlan: Vxlan, remote: str, scene: Scene) -> Reason:
    end = owner_of(scene.before, remote)
    links = scene.node(end.node).links if end is not None else ()
    ends = [one.vxlan for one in links if one.vxlan is not None]
    network = f"id {vxlan.id}, port {vxlan.port}"
    if end is not None and all((one.id, one.port) != (vxlan.id, vxlan.port) for one in ends):
        has = " and ".join(f"one of id {one.id}, port {one.port}" for one in ends) or "none"
        return Reason(
            code="tunnel",
            sentence=f"{ref} sent it on to {remote} as a frame of its vxlan ({network}), and "
            f"{end.node} has no vxlan of these: it has {has}",
            at=ref,
            basis=computed(f"links of {ref.node} and {end.node} as read"),
            mend="give both ends of the vxlan one id and one port",
        )
    return Reason(
        code="tunnel",
        sentence=f"{ref} sent it on to {remote} as a frame of its vxlan ({network}), and it came "
        "out nowhere: the way below, which is not followed, lost it",
        at=ref,
        basis=inferred(f"packet socket on {ref}; no vxlan device received it"),
        mend=f"look at the way below, and at rules about UDP port {vxlan.port} on it: "
        f"hopscope ping {LAB} {ref.node} {remote}",
    )
