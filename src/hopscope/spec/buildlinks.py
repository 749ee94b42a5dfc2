"""Bridges and links that fit the schema → their parts of a LabSpec; judges nothing."""

from collections.abc import Sequence
from typing import Any, Final

from msgspec.structs import replace

from hopscope.errors import Place
from hopscope.model.devices import PortOptions, Vlan, Vxlan
from hopscope.model.lab import BridgeSpec, DeviceSpec, FdbSpec, LinkEnd, LinkSpec, RemoteSpec
from hopscope.model.traffic import Netem, RateLimit, Traffic
from hopscope.model.vocab import DevName, DevRef, Mac, NodeName
from hopscope.spec import network
from hopscope.spec.devices import Device
from hopscope.spec.names import ip_of, is_mac
from hopscope.spec.trafficparts import Rate, Sending
from hopscope.spec.tree import Locate, Path

_LINE: Final = ("delay", "jitter", "loss", "duplicate", "corrupt", "reorder")

__all__ = ["built_bridge", "built_device", "built_link", "written_mac"]


def built_bridge(name: str, bridge: network.Bridge, path: Path, where: Locate) -> BridgeSpec:
    """The bridge that stands at *path*."""
    return BridgeSpec(
        name=DevName(name),
        nf_call_iptables=bridge.nf_call_iptables,
        stp=bridge.stp,
        ageing=bridge.ageing,
        forward_delay=bridge.forward_delay,
        priority=bridge.priority,
        vlan_filtering=bridge.vlan_filtering,
        vlans=_vlans(bridge.vlans),
        fdb=tuple(
            FdbSpec(
                mac=written_mac(mac), port=DevName(port), place=where((*path, "fdb", mac), key=True)
            )
            for mac, port in bridge.fdb.items()
        ),
        mac=None if bridge.mac is None else written_mac(bridge.mac),
        mtu=bridge.mtu,
        up=bridge.up,
        place=where(path, key=True),
    )


def built_device(ref: DevRef, device: Device, path: Path, where: Locate) -> DeviceSpec:
    """The device that stands at *path*."""
    over = None
    if device.over is not None:
        node = ref.node if device.over.node is None else NodeName(device.over.node)
        over = DevRef(node, DevName(device.over.dev))
    return DeviceSpec(
        ref=ref,
        kind=device.kind,
        over=over,
        mode=device.mode,
        vxlan=_vxlan(device) if device.kind == "vxlan" else None,
        remotes=_remotes(device, (*path, "fdb"), where),
        bridge=None if device.bridge is None else DevName(device.bridge),
        port=_port(device),
        vlans=_vlans(device.vlans),
        mac=None if device.mac is None else written_mac(device.mac),
        mtu=device.mtu,
        queues=device.queues,
        traffic=_traffic(device),
        place=where(path, key=True),
    )


def _vxlan(device: Device) -> Vxlan:
    return Vxlan(
        id=device.id or 0,
        local=_ip(device.local),
        remote=_ip(device.remote),
        port=device.port,
        learning=device.mac_learning,
    )


def _ip(text: str | None) -> str | None:
    return None if text is None else str(ip_of(text) or text)


def _remotes(device: Device, path: Path, where: Locate) -> tuple[RemoteSpec, ...]:
    return tuple(
        RemoteSpec(
            mac=written_mac(mac),
            remote=str(ip_of(remote) or remote),
            place=where((*path, mac, number)),
        )
        for mac, remotes in device.fdb.items()
        for number, remote in enumerate(remotes)
    )


def written_mac(text: str) -> Mac:
    """One spelling for one address, so that it can be compared."""
    return Mac(text.lower() if is_mac(text) else text)


def built_link(link: network.Link, path: Path, where: Locate) -> LinkSpec:
    """The link that stands at *path*."""
    a, b = (
        _end(link, end, where((*path, "ends", number, "end")))
        for number, end in enumerate(link.ends)
    )
    return LinkSpec(a=a, b=b, mtu=link.mtu, place=where(path))


def _end(link: network.Link, end: network.End, place: Place) -> LinkEnd:
    name = end.end
    mac = end.mac or link.mac.get(f"{name.node}:{name.dev}")
    return LinkEnd(
        ref=DevRef(NodeName(name.node), DevName(name.dev)),
        bridge=None if name.bridge is None else DevName(name.bridge),
        port=_port(end),
        vlans=_vlans(end.vlans),
        mac=None if mac is None else written_mac(mac),
        queues=next(n for n in (end.queues, link.queues, 1) if n is not None),
        traffic=_traffic(end, link),
        place=place,
    )


def _traffic(*given: Sending) -> Traffic:
    """Of each key, what the first says that says anything."""

    def said(key: str) -> Any:
        return next((one for part in given if (one := getattr(part, key)) is not None), None)

    rate: Rate | None = said("rate")
    line = {key: value for key in _LINE if (value := said(key)) is not None}
    return Traffic(rate=None if rate is None else _rate(rate), line=Netem(**line) if line else None)


def _rate(rate: Rate) -> RateLimit:
    made = RateLimit(kind=rate.kind, rate=rate.rate, ceil=rate.ceil, burst=rate.burst)
    return made if rate.latency is None else replace(made, latency=rate.latency)


def _port(port: network.Port) -> PortOptions:
    return PortOptions(
        hairpin=port.hairpin,
        isolated=port.isolated,
        learning=port.learning,
        flood=port.flood,
        cost=port.cost,
    )


def _vlans(given: Sequence[network.Vlan]) -> tuple[Vlan, ...]:
    return tuple(Vlan(vid=one.vid, pvid=one.pvid, untagged=one.untagged) for one in given)
