"""Rules about a lab's names, bridges and links: what exists once, and what may join what."""

from collections.abc import Iterator
from typing import Final

from hopscope.errors import Problem
from hopscope.model.lab import LinkEnd, NodeSpec
from hopscope.model.limits import MTU, Limits
from hopscope.spec.faults import Fault
from hopscope.spec.names import device_fault, mac_fault, name_fault
from hopscope.spec.scope import LO, Scope, first_of_each, said
from hopscope.spec.tree import Path

__all__ = ["limit_fault", "topology"]

_MOST_PORTS: Final = 1023  # BR_MAX_PORTS less port 0


def topology(scope: Scope) -> Iterator[Problem]:
    """What is wrong with the nodes, bridges and links themselves."""
    yield from _name(scope)
    nodes = scope.lab.nodes
    yield from first_of_each((scope.where.node(node.name), _node(scope, node)) for node in nodes)
    links = scope.lab.links
    yield from _ends(scope)
    yield from _ports(scope)
    yield from first_of_each((scope.where.link(n), _link(scope, n)) for n in range(len(links)))
    yield from _macs(scope)


def limit_fault(what: str, number: float | None, limits: Limits) -> Fault | None:
    """Whether *number* is given and out of bounds."""
    if number is None or limits.hold(number):
        return None
    shown = f"{number:.15g}"
    message, hint = f"{what} cannot be {shown}", f"allowed is {limits}"
    return Fault(rule="out-of-range", message=message, text=shown, hint=hint)


def _name(scope: Scope) -> Iterator[Problem]:
    lab = scope.lab
    if lab.name:
        if (fault := name_fault(lab.name, "a lab")) is not None:
            yield said(fault, scope.where(("name",)))
    elif "name" not in scope.believed:
        fault = Fault(rule="no-name", message="the lab has no name", hint="write 'name: my-lab'")
        yield said(fault, scope.where(("name",)))
    if not lab.nodes and "nodes" not in scope.believed:
        hint = "write 'nodes:' and below it a name for each, as 'ns1:'"
        fault = Fault(rule="no-nodes", message="the lab has no nodes", hint=hint)
        yield said(fault, scope.where(("nodes",), key=True))


def _node(scope: Scope, node: NodeSpec) -> Iterator[Problem]:
    path: Path = ("nodes", node.name)
    if (fault := name_fault(node.name, "a node")) is not None:
        yield said(fault, scope.where(path, key=True))
    for bridge in node.bridges:
        inner: Path = (*path, "bridges", bridge.name)
        if (fault := device_fault(bridge.name)) is not None:
            yield said(fault, scope.where(inner, key=True))
        if (fault := limit_fault("the MTU of a bridge", bridge.mtu, MTU)) is not None:
            yield said(fault, scope.where((*inner, "mtu")))
    for number, dev in enumerate(node.down):
        fault = scope.device_fault(node.name, dev, lo=False)
        if dev == LO:
            hint = "write 'lo: false' instead"
            fault = Fault(
                rule="unknown-device", message="'down' is not for lo", text=dev, hint=hint
            )
        if fault is not None:
            yield said(fault, scope.where((*path, "down", number)))


def _link(scope: Scope, number: int) -> Iterator[Problem]:
    mtu = scope.lab.links[number].mtu
    if (fault := limit_fault("the MTU of a link", mtu, MTU)) is not None:
        yield said(fault, scope.where(("links", number, "mtu")))


def _ends(scope: Scope) -> Iterator[Problem]:
    seen: dict[tuple[str, str], Path] = {}
    return first_of_each(
        (scope.where.written(path), _end(scope, seen, path, end)) for path, end in scope.ends
    )


def _end(
    scope: Scope, seen: dict[tuple[str, str], Path], path: Path, end: LinkEnd
) -> Iterator[Problem]:
    node, dev = end.ref.node, end.ref.dev
    for fault, piece in (
        (scope.node_fault(node), node),
        (device_fault(dev), dev),
        (_taken(scope, seen, path, end), dev),
    ):
        if fault is not None:
            yield said(fault, scope.where(path, piece=piece))
    seen.setdefault((node, dev), path)
    if end.bridge is not None and node in scope.nodes:
        if (fault := scope.bridge_fault(node, end.bridge)) is not None:
            yield said(fault, scope.where(path, piece=end.bridge))


def _taken(
    scope: Scope, seen: dict[tuple[str, str], Path], path: Path, end: LinkEnd
) -> Fault | None:
    """Whether another thing of that name stands in the same node."""
    node, dev = end.ref.node, end.ref.dev
    if dev in scope.bridges.get(node, ()):
        hint = f"for a port of {dev} write {node}:PORT@{dev}"
        message = f"{dev} is a bridge of {node}, and cannot be the end of a link too"
        return Fault(rule="duplicate-device", message=message, text=dev, hint=hint)
    earlier = seen.get((node, dev))
    if earlier is None:
        return None
    if earlier[:2] == path[:2]:
        message = f"both ends of this link are {end.ref}"
        return Fault(rule="same-ends", message=message, text=dev, hint="give one another name")
    message = f"{end.ref} is an end of two links"
    return Fault(rule="device-in-two-links", message=message, text=dev, hint=scope.first(earlier))


def _ports(scope: Scope) -> Iterator[Problem]:
    count: dict[tuple[str, str], int] = {}
    for path, end in scope.ends:
        if end.bridge is None:
            continue
        key = (end.ref.node, end.bridge)
        count[key] = count.get(key, 0) + 1
        if count[key] == _MOST_PORTS + 1:
            message = f"{end.ref.node}/{end.bridge} has more than {_MOST_PORTS} ports"
            hint = "join two bridges by a link"
            fault = Fault(rule="too-many-ports", message=message, text=end.bridge, hint=hint)
            yield said(fault, scope.where(path))


def _macs(scope: Scope) -> Iterator[Problem]:
    """A bridge may share the address of one of its ports, as it does when it has none chosen."""
    seen: dict[str, tuple[str, Path]] = {}
    return first_of_each(
        (scope.where.written(path), _mac(scope, seen, mac, (owner, bridge, path)))
        for mac, owner, bridge, path in _chosen(scope)
    )


def _mac(
    scope: Scope, seen: dict[str, tuple[str, Path]], mac: str, whose: tuple[str, str, Path]
) -> Iterator[Problem]:
    owner, bridge, path = whose
    other, earlier = seen.get(mac, (bridge, path))
    if (fault := mac_fault(mac, own=True)) is not None:
        yield said(fault, scope.where(path))
    elif other != bridge:
        message = f"{owner} has the MAC address of {other}"
        hint = scope.first(earlier)
        if scope.where(earlier) == scope.where(path):
            hint = "leave it out: each replica then has one of its own"
        fault = Fault(rule="duplicate-mac", message=message, text=mac, hint=hint)
        yield said(fault, scope.where(path))
    else:
        seen[mac] = (owner, path)


def _chosen(scope: Scope) -> Iterator[tuple[str, str, str, Path]]:
    """The MAC addresses that the lab chooses: address, owner, the owner's bridge, path."""
    for node in scope.lab.nodes:
        for bridge in node.bridges:
            if bridge.mac is not None:
                path: Path = ("nodes", node.name, "bridges", bridge.name, "mac")
                yield bridge.mac, f"{node.name}/{bridge.name}", "", path
        for device in node.devices:
            if device.mac is not None:
                bridge_of = f"{node.name}/{device.bridge}" if device.bridge else ""
                path = ("nodes", node.name, "devices", device.ref.dev, "mac")
                yield device.mac, str(device.ref), bridge_of, path
    for path, end in scope.ends:
        if end.mac is not None:
            bridge_of = f"{end.ref.node}/{end.bridge}" if end.bridge else ""
            own: Path = (*path[:-1], "mac")
            if scope.where(own) == scope.where(path[:-1]):  # it stands at the link
                own = (*path[:2], "mac", f"{end.ref.node}:{end.ref.dev}")
            yield end.mac, str(end.ref), bridge_of, own
