"""The operations that make a lab's macvlan, vxlan and tap devices, and bring them up."""

from collections.abc import Iterator

from hopscope.model.lab import DeviceSpec, LabSpec, NodeSpec
from hopscope.plan.macs import mac_of
from hopscope.plan.ops import AddMacvlan, AddRemote, AddTap, AddVxlan, Op, SetUp

__all__ = ["device_ops", "devices_up"]


def device_ops(spec: LabSpec) -> Iterator[Op]:
    """Those that lie over others after these."""
    devices = {device.ref: device for node in spec.nodes for device in node.devices}

    def depth(device: DeviceSpec) -> int:
        found = 0
        below = device.over
        while below is not None and found <= len(devices):
            found += 1
            below = devices[below].over if below in devices else None
        return found

    for device in sorted(devices.values(), key=depth):
        yield from _made(device)


def _made(device: DeviceSpec) -> Iterator[Op]:
    node, name = device.ref.node, device.ref.dev
    mac = device.mac or mac_of(device.ref)
    if device.kind == "tap":
        yield AddTap(node=node, name=name, place=device.place)
    elif device.vxlan is not None:
        yield AddVxlan(
            node=node,
            name=name,
            vxlan=device.vxlan,
            mac=mac,
            over=device.over.dev if device.over is not None else None,
            mtu=device.mtu,
            queues=device.queues,
            place=device.place,
        )
        for one in device.remotes:
            yield AddRemote(node=node, dev=name, mac=one.mac, remote=one.remote, place=one.place)
    elif device.over is not None:
        yield AddMacvlan(
            node=device.over.node,
            over=device.over.dev,
            ref=device.ref,
            mode=device.mode,
            mac=None if device.mode == "passthru" else mac,  # it takes that of the other
            mtu=device.mtu,
            queues=device.queues,
            place=device.place,
        )


def devices_up(node: NodeSpec) -> Iterator[Op]:
    """None needs another to be up: a macvlan over one that is down has no carrier until then."""
    for device in node.devices:
        tap = device.kind == "tap"
        up = device.ref.dev not in node.down
        if up or tap or device.bridge:
            yield SetUp(
                node=node.name,
                dev=device.ref.dev,
                up=up,
                bridge=device.bridge,
                mac=device.mac or mac_of(device.ref) if tap else None,
                mtu=device.mtu if tap else None,
                place=device.place,
            )
