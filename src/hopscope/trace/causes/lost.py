"""What the lab file gives a node and the kernel took away with a device: addresses and routes."""

from msgspec import Struct
from msgspec.structs import replace

from hopscope.model.journey import Reason
from hopscope.model.lab import MAIN_TABLE, RouteSpec
from hopscope.model.lookup import in_subnet, sysctl_int, ways_text
from hopscope.model.snapshot import LinkState
from hopscope.model.vocab import DevRef, NodeName, computed
from hopscope.trace.causes.declared import (
    SUBNET,
    declared_by,
    declared_ways,
    giving_back,
    out_of,
    route_command,
    which,
    wrong_prefix,
)
from hopscope.trace.causes.evidence import command, device_command, sysctl_command
from hopscope.trace.scene import Scene
from hopscope.trace.ways import Lookup

__all__ = ["declared_owner", "lost_address", "lost_route", "mistaken", "with_lost_route"]

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
        return Reason(
            code=fault.code,
            sentence=f"{ref}, which the lab file gives {ip}, {fault.what}",
            at=ref,
            basis=computed(f"links of {ref.node} as read, and what the lab file declares"),
            mend=_and_back(scene, fault, ref),
        )
    return Reason(
        code="no-such-address",
        sentence=f"{ref}, which the lab file gives {ip}, no longer has it",
        at=ref,
        basis=computed(f"addresses of {ref.node} as read, and as declared"),
        mend="; ".join(giving_back(scene, ref)),
    )


def lost_route(scene: Scene, lookup: Lookup) -> Reason | None:
    """Why a node has no route that the lab file gives it, where it would have been taken."""
    found = _lost_way(scene, lookup)
    if found is None:
        return None
    node = lookup.state.name
    gone = f"the one that the lab file gives it, {found.text}," if found.text else found.which
    return Reason(
        code=found.code,
        sentence=f"{node} has no route to {lookup.destination}: {gone} is gone{found.why}",
        at=found.ref,
        basis=computed(f"routes and links of {node} as read, and as declared"),
        mend=found.mend,
    )


def with_lost_route(reason: Reason, scene: Scene, lookup: Lookup) -> Reason:
    """The reason, and that a route is gone by which the node would have sent the packet."""
    found = _lost_way(scene, lookup)
    if found is None:
        return reason
    node = lookup.state.name
    says = f"; by the lab file {node} has another route for it, {found.which}, which is gone"
    return replace(reason, sentence=reason.sentence + says + found.why, mend=found.mend)


class _Lost(Struct, frozen=True, kw_only=True):
    """A route that is not there: as ``ip route`` writes it, or "" for the subnet's own."""

    text: str
    mend: str
    code: str = "no-route"
    why: str = ""
    ref: DevRef | None = None

    @property
    def which(self) -> str:
        return self.text or "that of its subnet"


def _lost_way(scene: Scene, lookup: Lookup) -> _Lost | None:
    """The declared route that the lookup would have found if all were there."""
    spec = declared_by(scene, lookup.state.name)
    if spec is None:
        return None
    there = {which(route) for route in lookup.state.routes}
    gone = [one for one in declared_ways(spec) if which(one[1]) not in there]
    routes = (*lookup.state.routes, *(route for _said, route in gone))
    taken = replace(lookup, state=replace(lookup.state, routes=routes)).route()
    said = next((said for said, route in gone if route is taken), None)
    if said is None:
        return None
    text = _text(said) if said.type != SUBNET else ""
    refs = [DevRef(spec.name, dev) for dev in out_of(spec, said)]
    for ref in refs:
        link = scene.before.link(ref)
        fault = _fault(scene, ref, link, six=":" in said.to) if link is not None else None
        if fault is not None:
            why, mend = f", because {ref} {fault.what}", _and_back(scene, fault, ref)
            return _Lost(text=text, code=fault.code, why=why, ref=ref, mend=mend)
    back = [line for ref in refs for line in giving_back(scene, ref)]
    if not refs:  # nobody knows by which device it leads
        back = [command(spec.name, route_command(said))]
    if text:
        return _Lost(text=text, mend="; ".join(dict.fromkeys(back)))
    wrong = wrong_prefix(scene, spec.name, lookup.destination)
    if wrong is not None:
        why, mend = f", because {wrong.sentence}", "; ".join(giving_back(scene, wrong.ref))
        return _Lost(text="", code="wrong-prefix", why=why, ref=wrong.ref, mend=mend)
    if not back:
        return None  # there is no such device
    why = f", because {refs[0]} no longer has {said.to}"
    return _Lost(text="", why=why, ref=refs[0], mend="; ".join(back))


def mistaken(scene: Scene, node: NodeName, ip: str) -> Reason | None:
    """A node takes *ip* to be on its link, by an address whose prefix the lab file gives longer."""
    wrong = wrong_prefix(scene, node, ip)
    if wrong is None or not in_subnet(wrong.has, ip):
        return None
    spec, state = declared_by(scene, node), scene.node(node)
    there = {which(route) for route in state.routes}
    gone = [
        _text(said)
        for said, route in (declared_ways(spec) if spec is not None else ())
        if said.type != SUBNET and which(route) not in there and in_subnet(route.destination, ip)
    ]
    also = f"; its route {gone[0]} is gone, too" if gone else ""
    return Reason(
        code="wrong-prefix",
        sentence=f"{node} takes it to be on its link, because {wrong.sentence}{also}",
        at=wrong.ref,
        basis=computed(f"addresses and routes of {node} as read, and as declared"),
        mend="; ".join(giving_back(scene, wrong.ref)),
    )


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


def _and_back(scene: Scene, fault: _Fault, ref: DevRef) -> str:
    """What ends the fault, and gives back what was lost with it."""
    return "; ".join((fault.mend, *giving_back(scene, ref)))
