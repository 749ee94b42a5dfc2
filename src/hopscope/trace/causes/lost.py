"""What the lab file gives a node and the kernel took away with a device: addresses and routes."""

from collections.abc import Iterator
from ipaddress import ip_interface
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from hopscope.model.journey import Reason
from hopscope.model.lab import MAIN_TABLE, NodeSpec, RouteSpec
from hopscope.model.lookup import in_subnet, sysctl_int, ways_text
from hopscope.model.snapshot import LinkState, Route
from hopscope.model.vocab import DevName, DevRef, Family, NodeName, computed
from hopscope.trace.causes.evidence import device_command, sysctl_command
from hopscope.trace.scene import Scene
from hopscope.trace.ways import Lookup

__all__ = ["declared_owner", "lost_address", "lost_route", "with_lost_route"]

_UP: Final = "hopscope up, with the lab file"
_SUBNET: Final = "subnet"
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
        mend=f"give it back: {_UP}",
    )


def lost_route(scene: Scene, lookup: Lookup) -> Reason | None:
    """Why a node has no route that the lab file gives it, where it would have been taken."""
    found = _lost_way(scene, lookup)
    if found is None:
        return None
    node, fault = lookup.state.name, found.fault
    which = f"the one that the lab file gives it, {found.text}," if found.text else found.which
    sentence = f"{node} has no route to {lookup.destination}: {which} is gone{found.why}"
    if fault is not None and found.ref is not None:
        return _reason(found.ref, fault, sentence)
    return Reason(
        code="no-route",
        sentence=sentence,
        at=None,
        basis=computed(f"routes of {node} as read, and as declared"),
        mend=found.mend(node),
    )


def with_lost_route(reason: Reason, scene: Scene, lookup: Lookup) -> Reason:
    """The reason, and that a route is gone by which the node would have sent the packet."""
    found = _lost_way(scene, lookup)
    if found is None:
        return reason
    node = lookup.state.name
    says = f"; by the lab file {node} has another route for it, {found.which}, which is gone"
    return replace(reason, sentence=reason.sentence + says + found.why, mend=found.mend(node))


class _Lost(Struct, frozen=True, kw_only=True):
    """A route that is not there: as ``ip route`` writes it, or "" for the subnet's own."""

    text: str
    ref: DevRef | None = None
    fault: _Fault | None = None

    @property
    def which(self) -> str:
        return self.text or "that of its subnet"

    @property
    def why(self) -> str:
        return f", because {self.ref} {self.fault.what}" if self.fault is not None else ""

    def mend(self, node: NodeName) -> str:
        """What brings it back."""
        return _and_back(self.fault, node) if self.fault is not None else f"give it back: {_UP}"


def _lost_way(scene: Scene, lookup: Lookup) -> _Lost | None:
    """The declared route that the lookup would have found if all were there."""
    spec = next((one for one in scene.declared if one.name == lookup.state.name), None)
    if spec is None:
        return None
    there = {_which(route) for route in lookup.state.routes}
    gone = [one for one in _declared(spec) if _which(one[1]) not in there]
    routes = (*lookup.state.routes, *(route for _said, route in gone))
    taken = replace(lookup, state=replace(lookup.state, routes=routes)).route()
    said = next((said for said, route in gone if route is taken), None)
    if said is None:
        return None
    found = _Lost(text=_text(said) if said.type != _SUBNET else "")
    for ref in (DevRef(spec.name, dev) for dev in _out(spec, said)):
        link = scene.before.link(ref)
        fault = _fault(scene, ref, link, six=":" in said.to) if link is not None else None
        if fault is not None:
            return replace(found, ref=ref, fault=fault)
    return found if found.text else None  # a subnet's own is gone with its address


def _which(route: Route) -> tuple[str, int, str, int]:
    return route.destination, route.table, route.type, route.metric


def _declared(spec: NodeSpec) -> Iterator[tuple[RouteSpec, Route]]:
    """The ways that a node has by the lab file: those of its subnets, and its own routes."""
    for one in spec.addresses:
        metric = 256 if ":" in one.cidr else 0  # IP6_RT_PRIO_ADDRCONF
        said = RouteSpec(to=one.cidr, type=_SUBNET, dev=one.dev, metric=metric)
        yield said, _route(said)
    for said in spec.routes:
        if said.type == "unicast":
            yield said, _route(said)


def _route(said: RouteSpec) -> Route:
    six = ":" in said.to
    usual = 1024 if six else 0  # IP6_RT_PRIO_USER
    return Route(
        family=Family.IP6 if six else Family.IP,
        destination=str(ip_interface(said.to).network),
        table=said.table,
        type="unicast",
        metric=usual if said.metric is None else said.metric,
    )


def _out(spec: NodeSpec, route: RouteSpec) -> Iterator[DevName]:
    """The devices by which it leads; of a gateway, the one in its subnet."""
    for dev, via in [(one.dev, one.via) for one in route.hops] or [(route.dev, route.via)]:
        if dev is not None:
            yield dev
        else:
            yield from (one.dev for one in spec.addresses if in_subnet(one.cidr, via or ""))


def _text(route: RouteSpec) -> str:
    to = "default" if route.to in ("0.0.0.0/0", "::/0") else route.to
    table = f" table {route.table}" if route.table != MAIN_TABLE else ""
    return to + ways_text(route.dev, route.via, route.hops, onlink=route.onlink) + table


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
        mend=_and_back(fault, ref.node),
    )


def _and_back(fault: _Fault, node: NodeName) -> str:
    return f"{fault.mend}, and give {node} back what was lost with it: {_UP}"
