"""A bridge keeps a frame from the port that leads to its goal: by isolation, or by not flooding."""

from hopscope.model.journey import BridgeStep, Hop, Reason
from hopscope.model.lookup import is_group, owner_of, owner_of_mac, ports
from hopscope.model.snapshot import LinkState
from hopscope.model.vocab import DevName, DevRef, Mac, computed
from hopscope.trace.carried import layer_two
from hopscope.trace.causes.evidence import all_hops, bridged, command
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.ways import asked

__all__ = ["isolated", "not_flooded"]


def isolated(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """It came in by an isolated port, and its goal is behind another of the same bridge.

    Mirrors br_skb_isolated(), net/bridge/br_private.h.
    """
    for hop in all_hops(first):
        for step in hop.steps:
            if isinstance(step, BridgeStep) and step.came_in is not None:
                port = _missed(packet, hop, step, scene)
                came = scene.before.link(DevRef(hop.node, step.came_in))
                if port is not None and _isolated(port) and came is not None and _isolated(came):
                    return _apart(hop, step.came_in, port.name, step.bridge)
    return None


def not_flooded(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """A bridge floods it, and not to the port that leads to its goal.

    Mirrors br_flood(), net/bridge/br_forward.c: groups of the bridge's own stack go everywhere.
    """
    for hop in all_hops(first):
        for step in hop.steps:
            port = _missed(packet, hop, step, scene) if isinstance(step, BridgeStep) else None
            if isinstance(step, BridgeStep) and port is not None and step.entry is None:
                mac = bridged(packet, hop, step).dst_mac
                switch, what = _switch(mac, port)
                if switch and not (is_group(mac) and step.came_in is None):
                    return _closed(hop, step.bridge, port.name, switch, what)
    return None


def _missed(packet: Packet, hop: Hop, step: BridgeStep, scene: Scene) -> LinkState | None:
    """The port of the bridge that leads to its goal, where it did not leave by one that does.

    None where no port keeps any frame back, which is soon known.
    """
    if not any(map(_keeps, ports(scene.node(hop.node), step.bridge))):
        return None
    target, mac = asked(packet.headers), bridged(packet, hop, step).dst_mac
    owner = owner_of(scene.before, target) if target is not None else None
    if target is None and mac is not None:
        owner = owner_of_mac(scene.before, mac)
    if owner is None:
        return None
    met = layer_two(scene.before, owner, but=DevRef(hop.node, step.bridge))
    links = (scene.before.link(ref) for ref in met if ref.node == hop.node)
    leading = [link for link in links if link is not None and link.master == step.bridge]
    if any(link.name in (*step.out, step.came_in) for link in leading):
        return None
    return next(iter(leading), None)


def _keeps(port: LinkState) -> bool:
    flooding = port.bcast_flood and port.mcast_flood and (port.port is None or port.port.flood)
    return _isolated(port) or not flooding


def _isolated(port: LinkState) -> bool:
    return port.port is not None and port.port.isolated


def _switch(mac: Mac | None, port: LinkState) -> tuple[str, str]:
    """The option that keeps such a frame from the port, and what it floods; "" when none does."""
    if mac == "ff:ff:ff:ff:ff:ff":
        return ("" if port.bcast_flood else "bcast_flood"), "broadcasts"
    if is_group(mac):
        return ("" if port.mcast_flood else "mcast_flood"), "frames for groups"
    flooded = port.port is None or port.port.flood
    return ("" if flooded else "flood"), "frames for addresses that it has not learnt"


def _apart(hop: Hop, one: DevName, other: DevName, bridge: DevName) -> Reason:
    return Reason(
        code="isolated-ports",
        sentence=f"{hop.node}/{bridge} passes nothing from {one} to {other}: both ports are "
        "isolated",
        at=DevRef(hop.node, one),
        basis=computed(f"port options of {hop.node} as read"),
        mend=command(hop.node, f"bridge link set dev {other} isolated off"),
    )


def _closed(hop: Hop, bridge: DevName, port: DevName, switch: str, what: str) -> Reason:
    return Reason(
        code="not-flooded",
        sentence=f"{hop.node}/{bridge} does not flood {what} to {port}: that port has {switch} off",
        at=DevRef(hop.node, port),
        basis=computed(f"port options of {hop.node} as read; no frame on {hop.node}/{port}"),
        mend=command(hop.node, f"bridge link set dev {port} {switch} on"),
    )
