"""A bridge keeps two of its ports apart, because both are isolated."""

from hopscope.model.journey import BridgeStep, Hop, Reason
from hopscope.model.lookup import owner_of, owner_of_mac
from hopscope.model.vocab import DevName, DevRef, computed
from hopscope.trace.causes.evidence import all_hops, command
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.ways import asked

__all__ = ["isolated"]


def isolated(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """It came in by an isolated port, and its goal is behind another of the same bridge.

    Mirrors br_skb_isolated(), net/bridge/br_private.h.
    """
    for hop in all_hops(first):
        for step in hop.steps:
            if isinstance(step, BridgeStep) and step.came_in is not None:
                goal = _goal(packet, hop, step, scene)
                if goal is not None and goal.dev not in step.out:
                    return _apart(hop, step.came_in, goal.dev, step.bridge)
    return None


def _goal(packet: Packet, hop: Hop, step: BridgeStep, scene: Scene) -> DevRef | None:
    """The isolated port that leads to the one whom it is for, when it came in by one, too."""
    target = asked(packet.headers)
    owner = owner_of(scene.before, target) if target is not None else None
    if target is None and packet.headers.dst_mac is not None:
        owner = owner_of_mac(scene.before, packet.headers.dst_mac)
    link = scene.before.link(owner) if owner is not None else None
    port = link.peer if link is not None else None
    far = scene.before.link(port) if port is not None else None
    came = scene.before.link(DevRef(hop.node, step.came_in or DevName("")))
    if port is None or far is None or came is None or port.node != hop.node:
        return None
    both = far.port is not None and far.port.isolated and came.port and came.port.isolated
    return port if both and far.master == step.bridge else None


def _apart(hop: Hop, one: DevName, other: DevName, bridge: DevName) -> Reason:
    return Reason(
        code="isolated-ports",
        sentence=f"{hop.node}/{bridge} passes nothing from {one} to {other}: both ports are "
        "isolated",
        at=DevRef(hop.node, one),
        basis=computed(f"port options of {hop.node} as read"),
        mend=command(hop.node, f"bridge link set dev {other} isolated off"),
    )
