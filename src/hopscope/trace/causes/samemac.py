"""Two devices behind one bridge have the same MAC address, and the bridge knows it behind one."""

from collections.abc import Iterator
from itertools import count

from hopscope.model.flow import Headers
from hopscope.model.journey import BridgeStep, Hop, NeighbourStep, Reason
from hopscope.model.snapshot import Snapshot
from hopscope.model.vocab import DevName, DevRef, Mac, computed
from hopscope.trace.causes.evidence import all_hops, bridged, device_command
from hopscope.trace.scene import Packet, Scene

__all__ = ["same_mac"]


def same_mac(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """A bridge had its goal's MAC address behind another port, where a device has the same one.

    A bridge learns an address behind one port, the one where it came in last:
    br_fdb_update(), net/bridge/br_fdb.c.
    """
    goals = _goals(packet, first)
    for hop in all_hops(first):
        for step in hop.steps:
            if not isinstance(step, BridgeStep):
                continue
            frame = bridged(packet, hop, step)
            port = _known(step, frame)
            behind = dict(_behind(scene.before, DevRef(hop.node, step.bridge), frame.dst_mac))
            for other, ref in behind.items():
                missed = other not in (port, *step.out) and _has(ref, goals, scene)
                if missed and port is not None and port in behind:
                    place = DevRef(hop.node, step.bridge)
                    return _reason(place, port, behind[port], ref, scene)
    return None


def _goals(packet: Packet, first: Hop) -> set[str]:
    """The addresses of those whom it was for, on each link of its way."""
    headers = packet.headers
    steps = [step for hop in all_hops(first) for step in hop.steps]
    found = {step.ip for step in steps if isinstance(step, NeighbourStep)}
    found |= {headers.arp.target_ip} if headers.arp is not None else set()
    return found | ({headers.ip.dst} if headers.ip is not None else set())


def _known(step: BridgeStep, frame: Headers) -> DevName | None:
    """The port behind which the bridge knew its destination: it learns before it looks."""
    if frame.src_mac == frame.dst_mac:
        return step.came_in
    return step.entry.port if step.entry is not None else None


def _behind(
    snapshot: Snapshot, bridge: DevRef, mac: Mac | None
) -> Iterator[tuple[DevName, DevRef]]:
    """The ports of a bridge whose other ends have this MAC address."""
    for node in snapshot.nodes:
        for link in node.links:
            port = snapshot.link(link.peer) if link.peer is not None else None
            if link.mac != mac or link.peer is None or port is None:
                continue
            if (link.peer.node, port.master) == (bridge.node, bridge.dev):
                yield port.name, DevRef(node.name, link.name)


def _has(ref: DevRef, goals: set[str], scene: Scene) -> bool:
    link = scene.before.link(ref)
    return link is not None and any(address.ip in goals for address in link.addresses)


def _reason(bridge: DevRef, port: DevName, one: DevRef, missed: DevRef, scene: Scene) -> Reason:
    links = [link for node in scene.before.nodes for link in node.links]
    made = (Mac(f"02:00:00:00:00:{number:02x}") for number in count(1))
    free = next(mac for mac in made if mac not in {link.mac for link in links})
    return Reason(
        code="same-mac",
        sentence=f"{missed} and {one} have the same MAC address, and {bridge} had it behind "
        f"{port}, so it did not come to {missed}",
        at=bridge,
        basis=computed(f"links as read; where {bridge} saw that address last"),
        mend=f"give one of the two another: {device_command(one, f'address {free}')}",
    )
