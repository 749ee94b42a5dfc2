"""What the lab file gives a node and the kernel took away with a device: addresses and routes."""

from msgspec import Struct

from hopscope.model.journey import Reason
from hopscope.model.lab import MAIN_TABLE, NodeSpec, RouteSpec
from hopscope.model.lookup import in_subnet, sysctl_int, ways_text
from hopscope.model.snapshot import LinkState
from hopscope.model.vocab import DevName, DevRef, NodeName, computed
from hopscope.trace.causes.evidence import device_command, sysctl_command
from hopscope.trace.scene import Scene

__all__ = ["declared_owner", "lost_address", "lost_route"]

_LEAST_MTU = 1280  # IPV6_MIN_MTU: addrconf_notify(), net/ipv6/addrconf.c


class _Fault(Struct, frozen=True, kw_only=True):
    """What keeps a device from having addresses or routes; *mend* is what ends it."""

    code: str
    what: str
    mend: str


def declared_owner(scene: Scene, ip: str) -> DevRef | None:
    """The device that the lab file gives this address."""
    for node in scene.declared:
        for one in node.addresses:
            if in_subnet(one.cidr.partition("/")[0], ip):
                return DevRef(node.name, one.dev)
    return None


def lost_address(scene: Scene, ip: str) -> Reason | None:
    """Why no device has an address that the lab file gives to one."""
    ref = declared_owner(scene, ip)
    link = scene.before.link(ref) if ref is not None else None
    if ref is None or link is None:
        return None
    fault = _fault(scene, ref, link, six=":" in ip)
    if fault is not None:
        return _reason(ref, fault, f"{ref}, which the lab file gives {ip}, {fault.what}")
    return Reason(
        code="no-such-address",
        sentence=f"{ref}, which the lab file gives {ip}, no longer has it",
        at=ref,
        basis=computed(f"addresses of {ref.node} as read, and as declared"),
        mend="give it back: hopscope up, with the lab file",
    )


def lost_route(scene: Scene, node: NodeName, destination: str) -> Reason | None:
    """Why a node has no route that the lab file gives it: the device went down, or IPv6 left it."""
    spec = next((one for one in scene.declared if one.name == node), None)
    if spec is None:
        return None
    for dev, route in _declared_ways(spec, destination):
        ref = DevRef(node, dev)
        link = scene.before.link(ref)
        fault = _fault(scene, ref, link, six=":" in destination) if link is not None else None
        if fault is not None:
            way = f"the one that the lab file gives it, {route}," if route else "that of its subnet"
            sentence = f"{node} has no route to {destination}: {way} is gone, because {ref} "
            return _reason(ref, fault, sentence + fault.what)
    return None


def _declared_ways(spec: NodeSpec, destination: str) -> list[tuple[DevName, str]]:
    """Devices that lead there by what is declared, and by which route: "" is the subnet's own."""
    found = [(one.dev, "") for one in spec.addresses if in_subnet(one.cidr, destination)]
    routes = [one for one in spec.routes if one.table == MAIN_TABLE]
    for route in sorted(routes, key=lambda one: -int(one.to.partition("/")[2])):
        if in_subnet(route.to, destination):
            found += [(dev, _text(route)) for dev in _out(spec, route)]
    return found


def _out(spec: NodeSpec, route: RouteSpec) -> list[DevName]:
    if route.dev is not None or route.via is None:
        return [route.dev] if route.dev is not None else []
    return [one.dev for one in spec.addresses if in_subnet(one.cidr, route.via)]


def _text(route: RouteSpec) -> str:
    to = "default" if route.to in ("0.0.0.0/0", "::/0") else route.to
    return to + ways_text(route.dev, route.via, route.hops, onlink=route.onlink)


def _fault(scene: Scene, ref: DevRef, link: LinkState, *, six: bool) -> _Fault | None:
    key = f"net.ipv6.conf.{ref.dev}.disable_ipv6"
    if not link.up:
        return _Fault(code="device-down", what="is down", mend=device_command(ref, "up"))
    if six and sysctl_int(scene.node(ref.node), key):
        mend = sysctl_command(ref.node, key, 0)
        return _Fault(code="ipv6-off", what=f"takes no IPv6: {key} = 1", mend=mend)
    if six and link.mtu < _LEAST_MTU:
        what = f"takes no IPv6: its MTU is {link.mtu}, and IPv6 needs {_LEAST_MTU}"
        mend = device_command(ref, f"mtu {_LEAST_MTU}")
        return _Fault(code="ipv6-off", what=what, mend=mend)
    return None


def _reason(ref: DevRef, fault: _Fault, sentence: str) -> Reason:
    return Reason(
        code=fault.code,
        sentence=sentence,
        at=ref,
        basis=computed(f"links of {ref.node} as read, and what the lab file declares"),
        mend=f"{fault.mend}, and give {ref.node} back what was lost with it: hopscope up, with the "
        "lab file",
    )
