"""What a lab will look like when it stands, as far as its declaration tells; for pictures."""

from collections import defaultdict
from collections.abc import Iterator
from ipaddress import ip_interface

from hopscope.model.lab import BridgeSpec, DeviceSpec, LabSpec, LinkEnd, LinkSpec, NodeSpec
from hopscope.model.snapshot import Address, LinkState, NodeState, Snapshot
from hopscope.model.vocab import DevName, DevRef, NodeName
from hopscope.plan.compile import compile_lab
from hopscope.plan.macs import mac_of

__all__ = ["declared"]

_MTU = 1500


def declared(lab: LabSpec) -> Snapshot:
    """The devices of every node, with what the lab file says of them."""
    whole = _Whole(lab)
    return Snapshot(nodes=tuple(_node(whole, node) for node in lab.nodes))


class _Whole:
    """What is asked of the whole lab for each of its devices, looked up once."""

    def __init__(self, lab: LabSpec) -> None:
        self.indexes = compile_lab(lab).indexes
        self.down = {DevRef(node.name, dev) for node in lab.nodes for dev in node.down}
        self.ends: defaultdict[NodeName, list[tuple[LinkSpec, LinkEnd, LinkEnd]]]
        self.ends = defaultdict(list)
        for link in lab.links:
            for end, far in ((link.a, link.b), (link.b, link.a)):
                self.ends[end.ref.node].append((link, end, far))

    def up(self, ref: DevRef) -> bool:
        """Whether it is declared to be."""
        return ref not in self.down

    def works(self, end: LinkEnd, far: LinkEnd) -> bool:
        """A veth pair carries when both its ends are up."""
        return self.up(end.ref) and self.up(far.ref)


def _node(whole: _Whole, node: NodeSpec) -> NodeState:
    links = [
        *_bridges(whole, node),
        *(_end(whole, node, link, end, far) for link, end, far in whole.ends[node.name]),
        *(_device(whole, node, device) for device in node.devices),
    ]
    return NodeState(name=node.name, links=tuple(links))


def _bridges(whole: _Whole, node: NodeSpec) -> Iterator[LinkState]:
    """A bridge carries when any of its ports does."""
    ends = whole.ends[node.name]
    carrying = {end.bridge for _link, end, far in ends if whole.works(end, far)}
    for bridge in node.bridges:
        yield _bridge(whole, node, bridge, carries=bridge.name in carrying)


def _bridge(whole: _Whole, node: NodeSpec, bridge: BridgeSpec, *, carries: bool) -> LinkState:
    ref = DevRef(node.name, bridge.name)
    up = bridge.up and whole.up(ref)
    return LinkState(
        name=bridge.name,
        index=whole.indexes[ref],
        kind="bridge",
        mac=bridge.mac,
        mtu=bridge.mtu or _MTU,
        up=up,
        carrier=up and carries,
        addresses=_addresses(node, bridge.name),
        nf_call=bridge.nf_call_iptables,
    )


def _end(whole: _Whole, node: NodeSpec, link: LinkSpec, end: LinkEnd, far: LinkEnd) -> LinkState:
    works = whole.works(end, far)
    return LinkState(
        name=end.ref.dev,
        index=whole.indexes[end.ref],
        kind="veth",
        mac=end.mac or mac_of(end.ref),
        mtu=link.mtu or _MTU,
        up=whole.up(end.ref),
        carrier=works,
        master=end.bridge,
        port_state=None if end.bridge is None else "forwarding" if works else "disabled",
        peer=far.ref,
        addresses=_addresses(node, end.ref.dev),
    )


def _device(whole: _Whole, node: NodeSpec, device: DeviceSpec) -> LinkState:
    """A macvlan carries when what it lies over does; a tap needs a program for that."""
    up = whole.up(device.ref)
    over = device.over is None or whole.up(device.over)
    carrier = up and device.kind != "tap" and over
    return LinkState(
        name=device.ref.dev,
        index=whole.indexes[device.ref],
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


def _addresses(node: NodeSpec, dev: DevName) -> tuple[Address, ...]:
    interfaces = (ip_interface(address.cidr) for address in node.addresses if address.dev == dev)
    return tuple(Address(ip=str(i.ip), prefix=i.network.prefixlen) for i in interfaces)
