"""Routes and neighbours that are declared against those that there are."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from hopscope.model.change import Action, Subject
from hopscope.model.lab import MAIN_TABLE
from hopscope.model.lookup import ways_text
from hopscope.model.snapshot import NextHop, NodeState, Route
from hopscope.model.vocab import DevRef, NeighbourState
from hopscope.plan.difference import Difference, stays, told
from hopscope.plan.ops import AddRoute, RemoveNeighbour, RemoveNexthop, RemoveRoute
from hopscope.plan.wanted import Wanted
from hopscope.plan.world import World

__all__ = ["declarable_route", "neighbours", "nexthops", "routes"]

_BY_HAND: Final = ("static", "boot")
"""The protocols of routes that someone added; all others are the kernel's own."""
_TYPES: Final = ("unicast", "blackhole", "unreachable", "prohibit", "throw")
_METRIC_6: Final = 1024  # IP6_RT_PRIO_USER: that of an IPv6 route for which none was given


def routes(wanted: Wanted, world: World) -> Iterator[Difference]:
    """Routes that someone added, of whatever type and table."""
    there = [
        (node.name, route)
        for node in world.snapshot.nodes
        for route in node.routes
        if node.name in wanted.nodes and _added(route) and _held(wanted, world, node, route)
    ]
    for op in wanted.routes:
        found = next(((n, r) for n, r in there if n == op.node and _is(op, r)), None)
        if found is not None:
            there.remove(found)
            continue
        change = told(Action.CREATE, Subject.ROUTE, op.node, _words(op), place=op.place)
        yield Difference(change=change, makes=(op,))
    for name, route in there:
        if world.only_told and not declarable_route(route):
            continue
        gone = RemoveRoute(
            node=name,
            to=route.destination,
            via=route.via,
            dev=route.dev,
            metric=route.metric,
            type=route.type,
            table=route.table,
            tos=route.tos,
            nhid=route.nhid,
            hops=route.hops,
            onlink=route.onlink,
        )
        words = " ".join((_words(gone), *route.metrics))
        change = told(Action.REMOVE, Subject.ROUTE, name, words)
        yield Difference(change=change, removes=(gone,))


def nexthops(wanted: Wanted, world: World) -> Iterator[Difference]:
    """Objects that someone added; no lab declares any. A group goes before what is in it."""
    for name, objects in world.nexthops.items():
        if name not in wanted.nodes:
            continue
        names = {link.index: link.name for link in world.nodes[name].links}
        for one in sorted(objects, key=lambda one: not one.group):
            if one.by_hand:
                dev = f"dev {names[one.dev]}" if one.dev in names else ""
                words = " ".join(filter(None, (str(one.id), one.words, dev)))
                yield Difference(
                    change=told(Action.REMOVE, Subject.NEXTHOP, name, words),
                    removes=(RemoveNexthop(node=name, id=one.id),),
                )


def declarable_route(route: Route) -> bool:
    """Whether a lab file can ask for such a one."""
    return route.plain and route.type in _TYPES


def _added(route: Route) -> bool:
    return route.protocol in _BY_HAND


def _held(wanted: Wanted, world: World, node: NodeState, route: Route) -> bool:
    """Whether it will still be there when the devices are as declared."""
    devs = [route.dev, *(hop.dev for hop in route.hops)]
    return all(dev is None or stays(wanted, world, DevRef(node.name, dev)) for dev in devs)


def _is(op: AddRoute, route: Route) -> bool:
    six = ":" in op.to
    return (
        route.plain
        and (op.to, op.type, op.table) == (route.destination, route.type, route.table)
        and _ip(op.source) == _ip(route.source)
        and _leads_there(op, route)
        and (op.metric or (_METRIC_6 if six else 0)) == route.metric
    )


def _leads_there(op: AddRoute, route: Route) -> bool:
    """Device by device, in their order; the device is the kernel's choice where none is said."""
    wanted = op.hops or (NextHop(dev=op.dev, via=op.via, onlink=op.onlink),)
    found = route.hops or (NextHop(dev=route.dev, via=route.via, onlink=route.onlink),)
    return len(wanted) == len(found) and all(
        (_ip(one.via), one.weight, one.onlink) == (_ip(other.via), other.weight, other.onlink)
        and one.dev in (None, other.dev)
        for one, other in zip(wanted, found, strict=True)
    )


def _ip(text: str | None) -> str | None:
    return None if text is None else str(ip_address(text))


def _words(op: AddRoute | RemoveRoute) -> str:
    kind = "" if op.type == "unicast" else f"{op.type} "
    more = "" if isinstance(op, AddRoute) else _more(op)
    way = ways_text(op.dev, op.via, op.hops, onlink=op.onlink)
    table = f" table {op.table}" if op.table != MAIN_TABLE else ""
    metric = f" metric {op.metric}" if op.metric else ""
    return f"{kind}{_destination(op)}{more}{way}{metric}{table}"


def _destination(op: AddRoute | RemoveRoute) -> str:
    """As lab files write it; that of IPv6 without a gateway would not say of which family it is."""
    vias = (op.via, *(hop.via for hop in op.hops))
    plain = op.to == "0.0.0.0/0" or (op.to == "::/0" and any(":" in via for via in vias if via))
    return "default" if plain else op.to


def _more(op: RemoveRoute) -> str:
    """What no lab file asks of a route."""
    tos = f" tos {op.tos:#04x}" if op.tos else ""
    return tos + (f" nhid {op.nhid}" if op.nhid else "")


def neighbours(wanted: Wanted, world: World) -> Iterator[Difference]:
    """Permanent entries; what was learnt, or stands while somebody probes, nobody declared."""
    there = {
        (DevRef(node.name, entry.dev), str(ip_address(entry.ip))): entry.mac
        for node in world.snapshot.nodes
        for entry in node.neighbours
        if entry.state is NeighbourState.PERMANENT
        and not entry.ours
        and stays(wanted, world, DevRef(node.name, entry.dev))
    }
    for (ref, ip), op in wanted.neighbours.items():
        now = there.get((ref, ip))
        if now != op.mac:
            change = told(
                Action.CREATE if now is None else Action.CHANGE,
                Subject.NEIGHBOUR,
                ref.node,
                f"{ip} on {ref.dev}",
                before=now,
                after=op.mac,
                place=op.place,
            )
            gone = () if now is None else (RemoveNeighbour(node=ref.node, dev=ref.dev, ip=ip),)
            yield Difference(change=change, removes=gone, makes=(op,))
    for ref, ip in sorted(there.keys() - wanted.neighbours.keys()):
        yield Difference(
            change=told(Action.REMOVE, Subject.NEIGHBOUR, ref.node, f"{ip} on {ref.dev}"),
            removes=(RemoveNeighbour(node=ref.node, dev=ref.dev, ip=ip),),
        )
    yield from _proxies(wanted, world)


def _proxies(wanted: Wanted, world: World) -> Iterator[Difference]:
    """By which a node answers for addresses that are not its own; no lab declares any."""
    for name, entries in world.proxies.items():
        names = {link.index: link.name for link in world.nodes[name].links}
        for one in entries:
            dev = names.get(one.index)
            if dev is not None and stays(wanted, world, DevRef(name, dev)):
                gone = RemoveNeighbour(node=name, dev=dev, ip=one.ip, proxy=True)
                told_of = f"proxy {one.ip} on {dev}"
                change = told(Action.REMOVE, Subject.NEIGHBOUR, name, told_of)
                yield Difference(change=change, removes=(gone,))
