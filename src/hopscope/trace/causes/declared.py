"""What the lab file gives a node, and the commands that give back what is gone of it."""

from collections.abc import Iterator
from ipaddress import ip_interface
from typing import Final

from msgspec import Struct

from hopscope.model.lab import MAIN_TABLE, AddressSpec, NodeSpec, RouteSpec
from hopscope.model.lookup import in_subnet, ways_text
from hopscope.model.snapshot import NodeState, Route
from hopscope.model.vocab import DevName, DevRef, Family, NodeName
from hopscope.trace.causes.evidence import command
from hopscope.trace.scene import Scene

__all__ = [
    "SUBNET",
    "WrongPrefix",
    "declared_by",
    "declared_ways",
    "giving_back",
    "out_of",
    "route_command",
    "which",
    "wrong_prefix",
]

SUBNET: Final = "subnet"
_MOST: Final = 12  # commands to be pasted; more are nothing to read


class WrongPrefix(Struct, frozen=True, kw_only=True):
    """An address that has another prefix length than the lab file gives it."""

    ref: DevRef
    has: str
    given: str

    @property
    def sentence(self) -> str:
        """What is wrong."""
        return f"{self.ref} has {self.has}, which the lab file gives as {self.given}"


def declared_by(scene: Scene, node: NodeName) -> NodeSpec | None:
    """The node, by the lab file; None where there is none."""
    return next((one for one in scene.declared if one.name == node), None)


def declared_ways(spec: NodeSpec) -> Iterator[tuple[RouteSpec, Route]]:
    """The ways that a node has by the lab file: those of its subnets, and its own routes."""
    for one in spec.addresses:
        metric = 256 if ":" in one.cidr else 0  # IP6_RT_PRIO_ADDRCONF
        said = RouteSpec(to=one.cidr, type=SUBNET, dev=one.dev, metric=metric)
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


def which(route: Route) -> tuple[str, int, str, int]:
    """What tells a route from others."""
    return route.destination, route.table, route.type, route.metric


def out_of(spec: NodeSpec, route: RouteSpec) -> Iterator[DevName]:
    """The devices by which it leads; of a gateway, the one in its subnet."""
    for dev, via in [(one.dev, one.via) for one in route.hops] or [(route.dev, route.via)]:
        if dev is not None:
            yield dev
        else:
            yield from (one.dev for one in spec.addresses if in_subnet(one.cidr, via or ""))


def wrong_prefix(scene: Scene, node: NodeName, ip: str) -> WrongPrefix | None:
    """The address by which a node takes *ip* to be on its link, or not, unlike the lab file."""
    spec = declared_by(scene, node)
    return next(
        (
            one
            for one in _wrong(spec, scene.node(node))
            if in_subnet(one.has, ip) != in_subnet(one.given, ip)
        ),
        None,
    )


def _wrong(spec: NodeSpec | None, state: NodeState) -> Iterator[WrongPrefix]:
    for given in spec.addresses if spec is not None else ():
        link = state.link(given.dev)
        wanted = ip_interface(given.cidr)
        own = [ip_interface(str(one)) for one in link.addresses] if link is not None else []
        if wanted not in own:
            for one in own:
                if one.ip == wanted.ip:
                    ref = DevRef(state.name, given.dev)
                    yield WrongPrefix(ref=ref, has=str(one), given=given.cidr)


def giving_back(scene: Scene, ref: DevRef) -> list[str]:
    """The commands that give a device back its addresses and the routes that lead by it."""
    spec, state = declared_by(scene, ref.node), scene.node(ref.node)
    link = state.link(ref.dev)
    if spec is None or link is None:
        return []
    own = [ip_interface(str(one)) for one in link.addresses]
    wrong = {one.given: one.has for one in _wrong(spec, state)}
    words = [
        line
        for given in spec.addresses
        if given.dev == ref.dev and ip_interface(given.cidr) not in own
        for line in _address(given, wrong.get(given.cidr), dad=spec.dad)
    ]
    there = {which(route) for route in state.routes}
    words += [
        route_command(said)
        for said, route in declared_ways(spec)
        if said.type != SUBNET and which(route) not in there and ref.dev in out_of(spec, said)
    ]
    if len(words) > _MOST:
        return [f"hopscope up, with the lab file, gives back {len(words)} addresses and routes"]
    return [command(ref.node, line) for line in words]


def _address(given: AddressSpec, instead_of: str | None, *, dad: bool) -> list[str]:
    """IPv6 has an address once, and IPv4 forgets routes with a device's last address."""
    six = ":" in given.cidr
    add = f"ip address add {given.cidr} dev {given.dev}" + (" nodad" if six and not dad else "")
    if instead_of is None:
        return [add]
    remove = f"ip address del {instead_of} dev {given.dev}"
    return [remove, add] if six else [add, remove]


def route_command(said: RouteSpec) -> str:
    """The command that adds a declared route, as `up` does it."""
    default = said.to in ("0.0.0.0/0", "::/0")
    six = " -6" if default and ":" in said.to else ""
    way = ways_text(said.dev, said.via, (), onlink=said.onlink) if not said.hops else ""
    told = {
        "src": said.source,
        "metric": said.metric,
        "table": said.table if said.table != MAIN_TABLE else None,
        "proto": "static",
    }
    more = "".join(f" {word} {value}" for word, value in told.items() if value is not None)
    hops = ways_text(None, None, said.hops, onlink=False)
    return f"ip{six} route add {'default' if default else said.to}{way}{more}{hops}"
