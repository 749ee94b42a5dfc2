"""The operations that set a node's bridges and ports, once all of them are joined."""

from collections.abc import Iterator, Sequence

from hopscope.model.devices import PortOptions
from hopscope.model.lab import DeviceSpec, LinkEnd, NodeSpec
from hopscope.plan.ops import AddFdb, Op, SetPort, SetVlans

__all__ = ["port_ops"]


def port_ops(node: NodeSpec, ends: Sequence[LinkEnd]) -> Iterator[Op]:
    """Port options, VLANs, and last the entries, which the kernel keeps for each VLAN."""
    ports: list[LinkEnd | DeviceSpec] = [*ends, *node.devices]
    for port in ports:
        if port.bridge is None:
            continue
        dev, place = port.ref.dev, port.place
        if port.port != PortOptions():
            yield SetPort(node=node.name, dev=dev, options=port.port, place=place)
        if port.vlans:
            yield SetVlans(node=node.name, dev=dev, vlans=port.vlans, place=place)
    for bridge in node.bridges:
        if bridge.vlans:
            yield SetVlans(
                node=node.name,
                dev=bridge.name,
                vlans=bridge.vlans,
                itself=True,
                place=bridge.place,
            )
        for entry in bridge.fdb:
            yield AddFdb(node=node.name, dev=entry.port, mac=entry.mac, place=entry.place)
