"""Snapshots of small labs, written as the links that make them."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_interface

from msgspec.structs import replace

from hopscope.model.snapshot import Address, LinkState, NodeState, Snapshot
from hopscope.model.vocab import DevName, DevRef, Mac, NodeName

__all__ = ["lab", "mac_of"]


def lab(
    links: Sequence[str],
    *,
    addresses: Mapping[str, str] | None = None,
    nodes: Sequence[str] = (),
    down: Sequence[str] = (),
) -> Snapshot:
    """A snapshot from links such as ``ns1/a = host/b@br0``; bridges are made as they are named."""
    found: dict[str, dict[str, LinkState]] = {name: {} for name in nodes}
    for text in links:
        ends = [end.strip() for end in text.split("=")]
        refs = [_ref(end) for end in ends]
        for (ref, master), (peer, _) in zip(refs, reversed(refs), strict=True):
            devices = found.setdefault(ref.node, {})
            if master:
                devices.setdefault(master, _link(DevRef(ref.node, master), kind="bridge"))
            devices[ref.dev] = _link(ref, peer=peer, master=master)
    for name, cidr in (addresses or {}).items():
        ref, _ = _ref(name)
        interface = ip_interface(cidr)
        address = Address(ip=str(interface.ip), prefix=interface.network.prefixlen)
        devices = found.setdefault(ref.node, {})
        link = devices.get(ref.dev) or _link(ref, kind="dummy")
        devices[ref.dev] = replace(link, addresses=(*link.addresses, address))
    for name in down:
        ref, _ = _ref(name)
        link = found[ref.node][ref.dev]
        found[ref.node][ref.dev] = replace(link, up=False, carrier=False)
    return Snapshot(
        nodes=tuple(
            NodeState(name=NodeName(name), links=tuple(devices.values()))
            for name, devices in found.items()
        )
    )


def _ref(text: str) -> tuple[DevRef, DevName | None]:
    name, _, master = text.partition("@")
    node, _, dev = name.partition("/")
    return DevRef(NodeName(node), DevName(dev)), DevName(master) if master else None


def _link(
    ref: DevRef,
    *,
    kind: str = "veth",
    peer: DevRef | None = None,
    master: DevName | None = None,
) -> LinkState:
    return LinkState(
        name=ref.dev,
        index=1,
        kind=kind,
        mac=mac_of(ref),
        mtu=1500,
        up=True,
        carrier=True,
        peer=peer,
        master=master,
        port_state="forwarding" if master else None,
    )


def mac_of(ref: DevRef) -> Mac:
    octets = sum(str(ref).encode()) % 256, len(str(ref)), str(ref).encode()[-1]
    return Mac("02:00:00:" + ":".join(f"{octet:02x}" for octet in octets))
