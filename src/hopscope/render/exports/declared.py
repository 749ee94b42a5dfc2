"""What a lab will look like when it stands, as far as its declaration tells; for pictures."""

from collections.abc import Mapping
from ipaddress import ip_interface

from hopscope.model.lab import BridgeSpec, DeviceSpec, LabSpec, LinkEnd, LinkSpec, NodeSpec
from hopscope.model.snapshot import Address, LinkState, NodeState, Snapshot
from hopscope.model.vocab import DevName, DevRef, NodeName
from hopscope.plan.compile import compile_lab, mac_of

__all__ = ["declared"]

_MTU = 1500


def declared(lab: LabSpec) -> Snapshot:
    """The devices of every node, with what the lab file says of them."""
    indexes = compile_lab(lab).indexes
    return Snapshot(nodes=tuple(_node(lab, node, indexes) for node in lab.nodes))


def _node(lab: LabSpec, node: NodeSpec, indexes: Mapping[DevRef, int]) -> NodeState:
    links = [_bridge(lab, node, bridge, indexes) for bridge in node.bridges]
    for link in lab.links:
        for end, far in ((link.a, link.b), (link.b, link.a)):
            if end.ref.node == node.name:
                links.append(_end(lab, node, link, end, far, indexes))
    links += [_device(lab, node, device, indexes) for device in node.devices]
    return NodeState(name=node.name, links=tuple(links))


def _bridge(
    lab: LabSpec, node: NodeSpec, bridge: BridgeSpec, indexes: Mapping[DevRef, int]
) -> LinkState:
    up = bridge.up and bridge.name not in node.down
    ports = [
        (end, far)
        for link in lab.links
        for end, far in ((link.a, link.b), (link.b, link.a))
        if end.ref.node == node.name and end.bridge == bridge.name
    ]
    return LinkState(
        name=bridge.name,
        index=indexes[DevRef(node.name, bridge.name)],
        kind="bridge",
        mac=bridge.mac,
        mtu=bridge.mtu or _MTU,
        up=up,
        carrier=up and any(_works(lab, end, far) for end, far in ports),
        addresses=_addresses(node, bridge.name),
        nf_call=bridge.nf_call_iptables,
    )


def _end(
    lab: LabSpec,
    node: NodeSpec,
    link: LinkSpec,
    end: LinkEnd,
    far: LinkEnd,
    indexes: Mapping[DevRef, int],
) -> LinkState:
    works = _works(lab, end, far)
    return LinkState(
        name=end.ref.dev,
        index=indexes[end.ref],
        kind="veth",
        mac=end.mac or mac_of(end.ref),
        mtu=link.mtu or _MTU,
        up=_up(lab, end.ref.node, end.ref.dev),
        carrier=works,
        master=end.bridge,
        port_state=None if end.bridge is None else "forwarding" if works else "disabled",
        peer=far.ref,
        addresses=_addresses(node, end.ref.dev),
    )


def _device(
    lab: LabSpec, node: NodeSpec, device: DeviceSpec, indexes: Mapping[DevRef, int]
) -> LinkState:
    """A macvlan carries when what it lies over does; a tap needs a program for that."""
    up = _up(lab, node.name, device.ref.dev)
    carrier = (
        up
        and device.kind != "tap"
        and (device.over is None or _up(lab, device.over.node, device.over.dev))
    )
    return LinkState(
        name=device.ref.dev,
        index=indexes[device.ref],
        kind=device.kind,
        mac=device.mac or mac_of(device.ref),
        mtu=device.mtu or _MTU,
        up=up,
        carrier=carrier,
        master=device.bridge,
        port_state=None if device.bridge is None else "forwarding" if carrier else "disabled",
        addresses=_addresses(node, device.ref.dev),
        over=device.over,
        macvlan=device.mode if device.kind == "macvlan" else None,
        vxlan=device.vxlan,
    )


def _works(lab: LabSpec, end: LinkEnd, far: LinkEnd) -> bool:
    """A veth pair carries when both its ends are up."""
    return all(_up(lab, one.ref.node, one.ref.dev) for one in (end, far))


def _up(lab: LabSpec, node: NodeName, dev: DevName) -> bool:
    return dev not in lab.node(node).down


def _addresses(node: NodeSpec, dev: DevName) -> tuple[Address, ...]:
    interfaces = (ip_interface(address.cidr) for address in node.addresses if address.dev == dev)
    return tuple(Address(ip=str(i.ip), prefix=i.network.prefixlen) for i in interfaces)
