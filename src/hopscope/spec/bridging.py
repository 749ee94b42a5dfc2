"""Rules about bridges and their ports: numbers, forwarding entries, VLANs, and who is no port."""

from collections.abc import Iterator, Sequence

from hopscope.errors import Problem
from hopscope.model.devices import PortOptions, Vlan
from hopscope.model.lab import BridgeSpec, DeviceSpec, LinkEnd, NodeSpec
from hopscope.model.limits import AGEING, COST, FORWARD_DELAY, PRIORITY, QUEUES, VID, Limits
from hopscope.model.naming import cut
from hopscope.spec.faults import Fault, near
from hopscope.spec.names import mac_fault
from hopscope.spec.scope import Scope, first_of_each, said
from hopscope.spec.topology import limit_fault
from hopscope.spec.tree import Path

__all__ = ["bridging"]


def bridging(scope: Scope) -> Iterator[Problem]:
    """What is wrong with how bridges and their ports are set."""
    for node in scope.alike():
        for bridge in node.bridges:
            yield from _bridge(scope, node, bridge)
    yield from first_of_each(
        (scope.where.written(path), _end(scope, path[:-1], end)) for path, end in scope.ends
    )
    for node in scope.alike():
        for device in node.devices:
            yield from _port(scope, ("nodes", node.name, "devices", device.ref.dev), device)


def _end(scope: Scope, path: Path, end: LinkEnd) -> Iterator[Problem]:
    yield from _within(scope, (*path, "queues"), "the number of queues", end.queues, QUEUES)
    yield from _port(scope, path, end)


def _within(
    scope: Scope, path: Path, what: str, number: float | None, limits: Limits
) -> Iterator[Problem]:
    if (fault := limit_fault(what, number, limits)) is not None:
        yield said(fault, scope.where(path))


def _bridge(scope: Scope, node: NodeSpec, bridge: BridgeSpec) -> Iterator[Problem]:
    path: Path = ("nodes", node.name, "bridges", bridge.name)
    for key, what, number, limits in (
        ("ageing", "the ageing of a bridge", bridge.ageing, AGEING),
        ("forward_delay", "the forward_delay of a bridge", bridge.forward_delay, FORWARD_DELAY),
        ("priority", "the priority of a bridge", bridge.priority, PRIORITY),
    ):
        yield from _within(scope, (*path, key), what, number, limits)
    yield from _fdb(scope, node, bridge, (*path, "fdb"))
    yield from _vlans(
        scope, (*path, "vlans"), bridge.vlans, bridge.name, filters=bridge.vlan_filtering
    )


def _fdb(scope: Scope, node: NodeSpec, bridge: BridgeSpec, path: Path) -> Iterator[Problem]:
    ports = scope.ports.get((node.name, bridge.name), ())
    for number, entry in enumerate(bridge.fdb):
        if (fault := mac_fault(entry.mac, own=True)) is not None:
            yield said(fault, scope.where((*path, number), key=True))
        if entry.port not in ports and not scope.believes(node.name, entry.port):
            hint = near(entry.port, ports) or f"a port is an end {node.name}:DEVICE@{bridge.name}"
            message = f"{entry.port!r} is no port of {node.name}/{bridge.name}"
            fault = Fault(rule="unknown-port", message=message, text=entry.port, hint=hint)
            yield said(fault, scope.where((*path, number)))


def _port(scope: Scope, path: Path, end: LinkEnd | DeviceSpec) -> Iterator[Problem]:
    yield from _within(scope, (*path, "cost"), "the cost of a port", end.port.cost, COST)
    if end.bridge is not None:
        filters = _filters(scope, end.ref.node, end.bridge)
        yield from _vlans(scope, (*path, "vlans"), end.vlans, end.bridge, filters=filters)
        return
    usual = PortOptions()
    changed = [key for key in PortOptions.__struct_fields__ if _differ(end.port, usual, key)]
    for key in [*changed, *(["vlans"] if end.vlans else [])]:
        message = f"{cut(str(end.ref))} is no port of a bridge, and {key!r} is for ports"
        hint = "add @BRIDGE to its name" if isinstance(end, LinkEnd) else "add 'bridge'"
        fault = Fault(rule="no-port", message=message, text=key, hint=hint)
        yield said(fault, scope.where((*path, key), key=True))


def _differ(one: PortOptions, other: PortOptions, key: str) -> bool:
    return bool(getattr(one, key) != getattr(other, key))


def _filters(scope: Scope, node: str, name: str) -> bool:
    """Whether the bridge filters VLANs; so it is believed of one that is not known."""
    bridges = scope.nodes[node].bridges if node in scope.nodes else ()
    return next((bridge.vlan_filtering for bridge in bridges if bridge.name == name), True)


def _vlans(
    scope: Scope,
    path: Path,
    vlans: Sequence[Vlan],
    bridge: str,
    *,
    filters: bool,
) -> Iterator[Problem]:
    if vlans and not filters:
        message = f"{bridge} does not filter VLANs, so its ports are in none"
        hint = f"write {bridge}: {{vlan_filtering: true}}"
        yield said(Fault(rule="no-vlans", message=message, hint=hint), scope.where(path, key=True))
    for number, vlan in enumerate(vlans):
        inner: Path = (*path, number, "vid")
        yield from _within(scope, inner, "the number of a VLAN", vlan.vid, VID)
        if vlan.vid in {earlier.vid for earlier in vlans[:number]}:
            message = f"the VLAN {vlan.vid} stands here twice"
            fault = Fault(rule="duplicate-vlan", message=message, text=str(vlan.vid))
            yield said(fault, scope.where(inner))
        if vlan.pvid and any(earlier.pvid for earlier in vlans[:number]):
            message = "a port has one pvid, and this is the second"
            fault = Fault(rule="duplicate-vlan", message=message, text=str(vlan.vid))
            yield said(fault, scope.where(inner))
