"""Rules about addresses, routes and neighbours: what the kernel takes, and what is there twice."""

from collections.abc import Iterator, Mapping
from functools import partial
from ipaddress import ip_interface, ip_network
from typing import Final

from hopscope.errors import Problem
from hopscope.model.lab import AddressSpec, NodeSpec, RouteSpec
from hopscope.model.limits import METRIC, NEXT_HOPS, TABLE, WEIGHT
from hopscope.model.naming import cut
from hopscope.model.snapshot import NextHop
from hopscope.model.vocab import DevRef
from hopscope.spec.faults import Fault, near
from hopscope.spec.names import address_fault, ip_fault, ip_of, mac_fault, network_of
from hopscope.spec.reach import Reach
from hopscope.spec.scope import LO, Scope, first_of_each, said
from hopscope.spec.topology import limit_fault
from hopscope.spec.tree import Path

__all__ = ["layer3"]

_Owner = tuple[str, str, Path]
"""A node, its device, and where this is said."""

_DEFAULT_METRIC: Final = {4: 0, 6: 1024}  # IP6_RT_PRIO_USER
_HOW_MANY: Final = "the number of next hops of a route"
_DEFAULTS: Final = ("0.0.0.0/0", "::/0")
_LEAST_SIX: Final = 1280  # IPV6_MIN_MTU


class _Seen:
    """The addresses met so far. Few kinds of owner matter, so each is told at once."""

    def __init__(self) -> None:
        self._owners: dict[str, dict[tuple[str, ...], _Owner]] = {}

    def used(self, scope: Scope, node: str, address: AddressSpec, path: Path) -> Fault | None:
        """Whether the lab has the address already; from now on it has.

        Link-local addresses belong to their link; one on lo may be shared by several nodes.
        """
        alone, dev = _alone(address), address.dev
        owners = self._owners.setdefault(alone, {})
        if len(owners) == 0:
            earlier = None
        elif (ip := ip_of(alone)) is not None and ip.is_link_local:
            earlier = owners.get((node, dev))
        else:
            earlier = owners.get((node,)) or (owners.get(()) if dev != LO else None)
        keys: list[tuple[str, ...]] = [(node, dev), (node,)]
        for key in [*keys, ()] if dev != LO else keys:
            owners.setdefault(key, (node, dev, path))
        return None if earlier is None else _twice(scope, node, address, earlier)


def _twice(scope: Scope, node: str, address: AddressSpec, earlier: _Owner) -> Fault:
    alone, (owner, dev, path) = _alone(address), earlier
    message = f"{alone} is an address of {owner}/{dev} already"
    hint = scope.first(path)
    written = scope.where.node(node)
    if node not in (owner, written) and written == scope.where.node(owner):
        message = f"each of {written} would have the address {alone}"
        hint = f"draw one for each: {{{address.dev}: {{pool: {_subnet(address)}}}}}"
    return Fault(rule="duplicate-address", message=message, text=address.cidr, hint=hint)


def _subnet(address: AddressSpec) -> str:
    return str(ip_interface(address.cidr).network)


def layer3(scope: Scope) -> Iterator[Problem]:
    """What is wrong with addresses, routes and neighbours."""
    seen, small = _Seen(), dict(_small(scope))
    for judge in (partial(_addresses, seen=seen, small=small), _routes):
        yield from first_of_each(
            (scope.where.node(node.name), judge(scope, node)) for node in scope.lab.nodes
        )
    for node in scope.alike():
        yield from _neighbours(scope, node)


def _small(scope: Scope) -> Iterator[tuple[tuple[str, str], int]]:
    """The devices whose MTU is below that of IPv6: the kernel gives them no address of it."""
    given = [
        *((end.ref, scope.lab.links[int(path[1])].mtu) for path, end in scope.ends),
        *((one.ref, one.mtu) for node in scope.lab.nodes for one in node.devices),
        *((DevRef(n.name, one.name), one.mtu) for n in scope.lab.nodes for one in n.bridges),
    ]
    for ref, mtu in given:
        if mtu is not None and mtu < _LEAST_SIX:
            yield (ref.node, ref.dev), mtu


def _addresses(
    scope: Scope, node: NodeSpec, *, seen: _Seen, small: Mapping[tuple[str, str], int]
) -> Iterator[Problem]:
    number: dict[str, int] = {}
    for address in node.addresses:
        item = number.get(address.dev, 0)
        number[address.dev] = item + 1
        path: Path = ("nodes", node.name, "addresses", address.dev, item)
        if (fault := scope.device_fault(node.name, address.dev)) is not None:
            yield said(fault, scope.where(path[:-1], key=True))
        mtu = small.get((node.name, address.dev))
        fault = address_fault(address.cidr) or _loopback(node, address) or _six(address, mtu)
        if fault is None:
            fault = seen.used(scope, node.name, address, path)
        if fault is not None:
            yield said(fault, scope.where(path))


def _alone(address: AddressSpec) -> str:
    return address.cidr.partition("/")[0]


def _loopback(node: NodeSpec, address: AddressSpec) -> Fault | None:
    """The kernel itself gives these to a loopback device that comes up."""
    if not (node.lo and address.dev == LO and address.cidr in ("127.0.0.1/8", "::1/128")):
        return None
    message = f"lo has {address.cidr} already, as soon as it is up"
    return Fault(rule="duplicate-address", message=message, text=address.cidr, hint="remove it")


def _six(address: AddressSpec, mtu: int | None) -> Fault | None:
    if mtu is None or ":" not in address.cidr:
        return None
    message = f"{address.dev} has an MTU of {mtu}, and IPv6 takes no less than {_LEAST_SIX}"
    return Fault(rule="small-mtu", message=message, text=address.cidr, hint="raise that MTU")


def _routes(scope: Scope, node: NodeSpec) -> Iterator[Problem]:
    seen: dict[tuple[str, int, int], Path] = {}
    if not node.routes:
        return
    reach = Reach(node)
    for number, route in enumerate(node.routes):
        path: Path = ("nodes", node.name, "routes", number)
        wrong = list(_route(scope, node, route, reach))
        for fault, part, piece in wrong:
            yield said(fault, scope.where((*path, *part), piece=piece))
        if wrong:
            continue
        metric = route.metric or _DEFAULT_METRIC[ip_network(route.to).version]
        key = (route.to, metric, route.table)
        if key in seen:
            message = f"{node.name} has a route to {_shown(route)} of that metric already"
            hint = f"{scope.first(seen[key])}; give one another metric or table"
            fault = Fault(rule="duplicate-route", message=message, text=route.to, hint=hint)
            yield said(fault, scope.where(path))
        seen.setdefault(key, path)


def _route(
    scope: Scope, node: NodeSpec, route: RouteSpec, reach: Reach
) -> Iterator[tuple[Fault, Path, str]]:
    """Faults of one route, where in it each is, and the word that is wrong."""
    if (fault := network_of(route.to)) is not None:
        yield fault, ("to",), route.to
    if (fault := limit_fault("the metric of a route", route.metric, METRIC)) is not None:
        yield fault, ("metric",), str(route.metric)
    if (fault := limit_fault("the number of a table", route.table, TABLE)) is not None:
        yield fault, ("table",), str(route.table)
    if route.source is not None and (fault := _source(node, route.source)) is not None:
        yield fault, ("src",), route.source
    beside = [one for one in _said(route) if route.hops and one[0] in ("via", "dev", "onlink")]
    if route.type != "unicast":
        for word, text in _said(route):
            message = f"a {route.type} route leads nowhere, and this one says {word}"
            hint = f"write '{route.type} {_shown(route)}'"
            yield Fault(rule="bad-route", message=message, text=text, hint=hint), (word,), text
    elif beside:
        word, text = beside[0]
        message = f"the route to {_shown(route)} says both nexthops and {word}"
        hint = "make it one of the next hops"
        yield Fault(rule="bad-route", message=message, text=text, hint=hint), (word,), text
    elif route.hops:
        if (fault := limit_fault(_HOW_MANY, len(route.hops), NEXT_HOPS)) is not None:
            yield fault, ("nexthops",), "nexthop"
            return
        for number, hop in enumerate(route.hops):
            for fault, part, piece in _way(scope, node, route, hop, reach):
                yield fault, ("nexthops", number, *part), piece
    else:
        hop = NextHop(via=route.via, dev=route.dev, onlink=route.onlink)
        yield from _way(scope, node, route, hop, reach)


def _said(route: RouteSpec) -> list[tuple[str, str]]:
    """What the route says of where it leads: the words, and what stands there."""
    found = [("via", route.via), ("dev", route.dev), ("src", route.source)]
    found += [("nexthops", "nexthop" if route.hops else None)]
    found += [("onlink", "onlink" if route.onlink else None)]
    return [(word, text) for word, text in found if text is not None]


def _way(
    scope: Scope, node: NodeSpec, route: RouteSpec, hop: NextHop, reach: Reach
) -> Iterator[tuple[Fault, Path, str]]:
    """Faults of where a route, or one of its next hops, leads."""
    if hop.dev is not None and (fault := scope.device_fault(node.name, hop.dev)) is not None:
        yield fault, ("dev",), hop.dev
    elif hop.dev in reach.down:
        yield _asleep(node, hop.dev, hop.dev), ("dev",), hop.dev
        return
    if (fault := limit_fault("the weight of a next hop", hop.weight, WEIGHT)) is not None:
        yield fault, ("weight",), str(hop.weight)
    if hop.onlink and (hop.via is None or hop.dev is None):
        message = "onlink says that a gateway is on a device, and this names not both"
        hint = "write 'via 10.0.0.1 dev eth0 onlink'"
        yield Fault(rule="bad-route", message=message, hint=hint), ("onlink",), "onlink"
    elif hop.via is None:
        if hop.dev is None:
            hint = "write 'via' and a gateway, or 'dev' and a device"
            what = "a next hop of the route" if route.hops else "the route"
            message = f"{what} to {_shown(route)} says neither via nor dev"
            yield Fault(rule="bad-route", message=message, text=route.to, hint=hint), (), ""
    elif (fault := _gateway(scope, node, route, hop, reach)) is not None:
        yield fault, ("via",), hop.via


def _source(node: NodeSpec, source: str) -> Fault | None:
    """Whether the node can send from there (fib_valid_prefsrc(), net/ipv4/fib_semantics.c)."""
    if (fault := ip_fault(source, "the src of a route")) is not None:
        return fault
    own = [_alone(address) for address in node.addresses]
    if any(ip_of(one) == ip_of(source) for one in own):
        return None
    message = f"{source} is no address of {node.name}, so it cannot send from there"
    return Fault(rule="bad-route", message=message, text=source, hint=near(source, own))


def _shown(route: RouteSpec) -> str:
    return "default" if route.to in _DEFAULTS else cut(route.to)


def _gateway(
    scope: Scope, node: NodeSpec, route: RouteSpec, hop: NextHop, reach: Reach
) -> Fault | None:
    """Whether the kernel takes the gateway. Mirrors fib_check_nh(), net/ipv4/fib_semantics.c."""
    via, dev = hop.via or "", hop.dev
    gateway = ip_of(via)
    if gateway is None:
        return ip_fault(via, "the gateway of a route")
    if network_of(route.to) is not None:
        return None

    def fault(message: str, hint: str) -> Fault:
        return Fault(rule="bad-route", message=message, text=via, hint=hint)

    network = ip_network(route.to)
    if network.version != gateway.version:
        message = f"{network} is IPv{network.version}, and its gateway {via} is not"
        return fault(message, f"name a gateway of IPv{network.version}")
    if gateway.version == 6 and gateway.is_link_local:
        hint = "add 'dev' and the device"
        message = f"{via} exists on every link, so the route must say which one is meant"
        return None if dev is not None else fault(message, hint)
    unsure = node.name in scope.believed or reach.unsure
    if unsure or hop.onlink or reach.holds(gateway, dev):
        return None
    if (asleep := reach.asleep(gateway)) is not None:
        return _asleep(node, asleep, via)
    through = f" of {dev}" if dev else ""
    message = f"the gateway {via} is in no subnet{through} of {node.name}"
    return fault(message, "the kernel refuses such a route: name a neighbour, or add an address")


def _asleep(node: NodeSpec, dev: str, text: str) -> Fault:
    message = f"{dev} of {node.name} stays down, and the kernel takes no route through it then"
    hint = f"let it come up, and take it down later: hopscope exec LAB {node.name} -- "
    hint += f"ip link set {dev} down"
    return Fault(rule="bad-route", message=message, text=text, hint=hint)


def _neighbours(scope: Scope, node: NodeSpec) -> Iterator[Problem]:
    seen: set[tuple[str, str]] = set()
    numbers: dict[str, int] = {}
    for entry in node.neighbours:
        path: Path = ("nodes", node.name, "neighbours", entry.dev)
        number = numbers.get(entry.dev, 0)
        numbers[entry.dev] = number + 1
        place = scope.where((*path, number), key=True)
        fault = scope.device_fault(node.name, entry.dev)
        if fault is not None:
            yield said(fault, scope.where(path, key=True))
        if (fault := ip_fault(entry.ip, "a neighbour")) is not None:
            yield said(fault, place)
        elif (entry.dev, entry.ip) in seen:
            message = f"{entry.dev} has the neighbour {entry.ip} already"
            yield said(Fault(rule="duplicate-neighbour", message=message, text=entry.ip), place)
        seen.add((entry.dev, entry.ip))
        if (fault := mac_fault(entry.mac)) is not None:
            yield said(fault, scope.where((*path, number)))
