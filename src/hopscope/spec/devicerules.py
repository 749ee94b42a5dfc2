"""Rules about macvlan, vxlan and tap devices: what each may lie over, and whom it can reach."""

from collections.abc import Iterator

from hopscope.errors import Problem
from hopscope.model.lab import DeviceSpec, NodeSpec
from hopscope.model.limits import MTU, QUEUES, UDP_PORT, VNI
from hopscope.model.vocab import DevRef
from hopscope.spec.faults import Fault, near
from hopscope.spec.names import device_fault, ip_fault, ip_of, mac_fault
from hopscope.spec.scope import LO, Scope, first_of_each, said
from hopscope.spec.topology import limit_fault
from hopscope.spec.tree import Path

__all__ = ["devices"]

_EVERY_OTHER = "00:00:00:00:00:00"


def devices(scope: Scope) -> Iterator[Problem]:
    """What is wrong with the devices that are no ends of links."""
    others = _Others(scope)
    yield from first_of_each(
        (
            (scope.where.node(node.name), device.ref.dev),
            _device(scope, node, device, others),
        )
        for node in scope.lab.nodes
        for device in node.devices
    )


class _Others:
    """What all devices of a lab are asked about each other; gathered once, not for each."""

    def __init__(self, scope: Scope) -> None:
        self.ends = {end.ref for _, end in scope.ends}
        self.ports = {(node, dev) for (node, _), devs in scope.ports.items() for dev in devs}
        self.macvlans: dict[DevRef, list[DeviceSpec]] = {}  # by what they lie over
        for node in scope.lab.nodes:
            for one in node.devices:
                if one.kind == "macvlan" and one.over is not None:
                    self.macvlans.setdefault(one.over, []).append(one)
        self.alone = {
            over
            for over, several in self.macvlans.items()
            if any(one.mode == "passthru" for one in several)
        }


def _device(scope: Scope, node: NodeSpec, device: DeviceSpec, others: _Others) -> Iterator[Problem]:
    path: Path = ("nodes", node.name, "devices", device.ref.dev)
    for fault in (device_fault(device.ref.dev), _taken(scope, node, device, others)):
        if fault is not None:
            yield said(fault, scope.where(path, key=True))
    for fault, key in _parts(scope, node, device, others):
        yield said(fault, scope.where((*path, key)))
    yield from _remotes(scope, device, (*path, "fdb"))


def _taken(scope: Scope, node: NodeSpec, device: DeviceSpec, others: _Others) -> Fault | None:
    """Whether a bridge or a link has that name already."""
    dev = device.ref.dev
    owners = [f"a bridge of {node.name}"] if dev in scope.bridges.get(node.name, ()) else []
    owners += ["the end of a link"] if device.ref in others.ends else []
    if not owners:
        return None
    message = f"{device.ref} is {owners[0]} already"
    return Fault(rule="duplicate-device", message=message, text=dev, hint="choose another name")


def _parts(
    scope: Scope, node: NodeSpec, device: DeviceSpec, others: _Others
) -> Iterator[tuple[Fault, str]]:
    """Faults of its keys, and which key each is of."""
    vxlan = device.vxlan
    for key, what, number, limits in (
        ("mtu", f"the MTU of a {device.kind}", device.mtu, MTU),
        ("queues", "the number of queues", device.queues, QUEUES),
        ("id", "the id of a vxlan", vxlan.id if vxlan else None, VNI),
        ("port", "the port of a vxlan", vxlan.port if vxlan else None, UDP_PORT),
    ):
        if (fault := limit_fault(what, number, limits)) is not None:
            yield fault, key
    if device.bridge is not None:
        if (fault := scope.bridge_fault(node.name, device.bridge)) is not None:
            yield fault, "bridge"
    if device.mac is not None and (fault := mac_fault(device.mac, own=True)) is not None:
        yield fault, "mac"
    if device.mac is not None and device.mode == "passthru":
        message = "a macvlan in mode passthru has the MAC address of the device below"
        yield Fault(rule="bad-mac", message=message, hint="leave 'mac' out"), "mac"
    if (fault := _over(scope, device, others)) is not None:
        yield fault, "over"
    yield from _ends(node, device)


def _over(scope: Scope, device: DeviceSpec, others: _Others) -> Fault | None:
    over = device.over
    if over is None:
        return None

    def fault(message: str, hint: str) -> Fault:
        return Fault(rule="bad-over", message=message, text=over.dev, hint=hint)

    if (missing := scope.device_fault(over.node, over.dev, lo=False)) is not None:
        return missing if over.dev != LO else fault("no device can lie over lo", "name another")
    if device.kind == "vxlan":
        if over.node != device.ref.node:
            return fault(f"the vxlan {device.ref} lies over a device of its own node", "name one")
        return None
    if (over.node, over.dev) in others.ports:
        message = f"{over} is a port of a bridge, and no macvlan can lie over that"
        return fault(message, "let it lie over the bridge")
    lower = scope.nodes.get(over.node)
    if lower is not None and any(
        one.ref == over and one.kind == "macvlan" for one in lower.devices
    ):
        return fault(f"{over} is a macvlan itself", "name the device that it lies over")
    beside = others.macvlans.get(over, ()) if over in others.alone else ()
    if other := next((one for one in beside if one.ref != device.ref), None):
        message = f"{other.ref} lies over {over} too, and mode passthru wants it for itself"
        return fault(message, "choose another mode, or another device")
    return None


def _ends(node: NodeSpec, device: DeviceSpec) -> Iterator[tuple[Fault, str]]:
    """The two ends of a vxlan's tunnel."""
    if device.vxlan is None:
        return
    local, remote = device.vxlan.local, device.vxlan.remote
    ends = [("local", local), ("remote", remote)]
    faults = [(ip_fault(ip, f"the {key} of a vxlan"), key) for key, ip in ends if ip is not None]
    found = [(fault, key) for fault, key in faults if fault is not None]
    yield from found
    if found:
        return
    versions = {address.version for _, ip in ends if ip and (address := ip_of(ip))}
    if len(versions) > 1:
        message = f"{local} and {remote} are of different IP versions"
        yield Fault(rule="bad-address", message=message, text=remote or ""), "remote"
    own = [address.cidr.partition("/")[0] for address in node.addresses]
    if local is not None and all(ip_of(one) != ip_of(local) for one in own):
        message = f"{local} is no address of {node.name}, so it cannot send from there"
        yield Fault(rule="bad-address", message=message, text=local, hint=near(local, own)), "local"
    group = ip_of(remote) if remote is not None else None
    if group is not None and group.is_multicast and device.over is None:
        hint = "add 'over' and the device by which it is reached"
        message = f"{remote} is a group, which exists on every link"
        yield Fault(rule="bad-address", message=message, text=remote or "", hint=hint), "remote"


def _remotes(scope: Scope, device: DeviceSpec, path: Path) -> Iterator[Problem]:
    count: dict[str, int] = {}
    for entry in device.remotes:
        number = count.get(entry.mac, 0)
        count[entry.mac] = number + 1
        if entry.mac != _EVERY_OTHER and number == 0:
            if (fault := mac_fault(entry.mac, own=True)) is not None:
                yield said(fault, scope.where((*path, entry.mac), key=True))
        inner: Path = (*path, entry.mac, number)
        if (fault := ip_fault(entry.remote, "the remote of a vxlan")) is not None:
            yield said(fault, scope.where(inner))
        if entry.mac != _EVERY_OTHER and number == 1:
            message = f"frames for {entry.mac} go to one remote, and this is the second"
            fault = Fault(rule="duplicate-neighbour", message=message, text=entry.remote)
            yield said(fault, scope.where(inner))
