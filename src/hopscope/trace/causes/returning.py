"""A packet came back to a node that had sent it on: whose route leads it there, and what mends it.

That it came back is seen. Which of the routes is a wrong one, the tables tell: that of a node
which has the goal in a subnet of its own, or beside another neighbour that leads there.
"""

from collections.abc import Iterator, Sequence
from ipaddress import ip_address, ip_interface
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from hopscope.model.journey import Hop, NatStep, Reason, RouteStep
from hopscope.model.lookup import in_subnet, is_local, next_hop, owner_of, sysctl_int
from hopscope.model.policy import asks
from hopscope.model.snapshot import NodeState, Route
from hopscope.model.vocab import DevName, DevRef, NodeName, computed
from hopscope.trace.causes.evidence import LAB, all_hops, command, last_device, sends
from hopscope.trace.causes.tables import also_says, in_table, lookup_in, table_text
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.ways import Lookup

__all__ = ["Better", "better_way", "came_back", "look_at_routes", "sent_away"]

_NO_FURTHER: Final = ("no-route", "route-forbids", "not-forwarding")
"""Causes for which a node is not to blame when the packet should not have come to it."""
_ROUNDS: Final = 2  # more of them are a loop, wherever it ended


class Better(Struct, frozen=True, kw_only=True):
    """A node's way to the goal that its route passes by: in words, and as a command."""

    at: DevRef
    sentence: str
    mend: str


def came_back(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """It ended in a node that had sent it to the same goal before, or went round and round."""
    for path in _paths(first):
        last, ring = path[-1], _ring(path)
        rounds = [hop.node for hop in path].count(last.node)
        if not ring or (sends(last) and rounds <= _ROUNDS):
            continue
        found = better_way(packet, ring, scene)
        names = " and ".join(dict.fromkeys(hop.node for hop in ring))
        why = f"the routes of {names} to {_goal(last)} lead to each other"
        return Reason(
            code="routing-loop",
            sentence=f"it came back to {last.node}, which had sent it on: "
            + (found.sentence if found is not None else why),
            at=found.at if found is not None else last_device(last),
            basis=computed(f"frames seen, and the routes of {names} as read"),
            mend=found.mend if found is not None else look_at_routes(names),
        )
    return None


def sent_away(reason: Reason, packet: Packet, first: Hop, scene: Scene) -> Reason:
    """The reason, and who had the goal in a subnet of its own and sent it to where it ended."""
    if reason.code not in _NO_FURTHER:
        return reason
    for hop in all_hops(first):
        goal = _goal(hop) if sends(hop) and hop.onward else None
        asked = lookup_in(packet, hop, goal, scene) if goal is not None else None
        route = asked.route() if asked is not None else None
        if asked is not None and route is not None and route.via is not None:
            better = _own_subnet(asked, route)
            if better is not None:
                sentence = f"{reason.sentence}; {better.sentence}"
                return replace(reason, sentence=sentence, mend=better.mend)
    return reason


def look_at_routes(names: str) -> str:
    """What can be done when no route is known to be the wrong one."""
    return f"look at the routes of {names}: hopscope show {LAB} routes"


def _paths(hop: Hop, before: tuple[Hop, ...] = ()) -> Iterator[tuple[Hop, ...]]:
    """The hops up to each that has none behind it."""
    here = (*before, hop)
    if not hop.onward:
        yield here
    for onward in hop.onward:
        yield from _paths(onward, here)


def _way(hop: Hop) -> tuple[str, DevName | None, str | None] | None:
    """Its goal, and where the node sends that; None where nobody asked its routes."""
    steps = (step for step in hop.steps if isinstance(step, RouteStep))
    return next(((step.destination, step.dev, step.via) for step in steps), None)


def _goal(hop: Hop) -> str | None:
    way = _way(hop)
    return way[0] if way is not None else None


def _ring(path: Sequence[Hop]) -> list[Hop]:
    """The hops that routed it, from the last one's node back to it; empty when it did not return.

    A node that would send it elsewhere the second time is no ring, unless it is its maker:
    nobody takes a packet that has an address of his own as its source.
    """
    last = path[-1]
    for number, hop in enumerate(path[:-1]):
        if hop.node == last.node and _goal(hop) is not None and _goal(hop) == _goal(last):
            ring = [one for one in path[number:-1] if _goal(one) is not None]
            altered = any(isinstance(step, NatStep) for one in ring for step in one.steps)
            made = hop.came_in is None and not altered
            return ring if made or _way(hop) == _way(last) else []
    return []


def better_way(packet: Packet, ring: Sequence[Hop], scene: Scene) -> Better | None:
    """The way that one of the nodes which sent it round has by its tables; None: none is known."""
    round_ = frozenset(hop.node for hop in ring)
    asked = [lookup_in(packet, hop, goal, scene) for hop in reversed(ring) if (goal := _goal(hop))]
    found = [(one, route) for one in asked if (route := one.route()) is not None]
    routes = [(one, route) for one, route in found if not _straight(one, route)]
    ways = (
        *(_own_subnet(one, route) for one, route in routes),
        *(_neighbour(one, route, round_, scene) for one, route in routes),
    )
    return next((way for way in ways if way is not None), None)


def _straight(asked: Lookup, route: Route) -> bool:
    """Whether it leads into the goal's own subnet, where no way is better."""
    subnets = _subnets(asked.state, asked.destination)
    return route.via is None and any(dev == route.dev for dev, _subnet in subnets)


def _own_subnet(asked: Lookup, route: Route) -> Better | None:
    """A device of its own is in the goal's subnet, and the route passes it by."""
    state, goal = asked.state, asked.destination
    for dev, subnet in _subnets(state, goal):
        there = any(
            (one.dev, one.via, one.table) == (dev, None, route.table)
            and in_subnet(one.destination, goal)
            for one in state.routes
        )
        words = f"del {table_text(route)}" if there else f"add {subnet} dev {dev}{in_table(route)}"
        return Better(
            at=DevRef(state.name, dev),
            sentence=f"{state.name} sent it away by {_chosen(asked, route)}, although "
            f"{goal} is in the subnet of {state.name}/{dev}",
            mend=command(state.name, f"ip route {words}"),
        )
    return None


def _chosen(asked: Lookup, route: Route) -> str:
    """The route, and of a table that not every packet asks the policy rule that led there."""
    rule = asked.found()[1] if in_table(route) else None
    by = f"its policy rule {rule.priority} ({asks(rule)}) and " if rule is not None else ""
    return f"{by}its route `{table_text(route)}`"


def _subnets(state: NodeState, ip: str) -> Iterator[tuple[DevName, str]]:
    """The devices that are up and have an address in the same subnet."""
    for link in state.links:
        for address in link.addresses if link.up and link.kind != "loopback" else ():
            if in_subnet(str(address), ip):
                yield link.name, str(ip_interface(str(address)).network)


def _neighbour(
    asked: Lookup, route: Route, ring: frozenset[NodeName], scene: Scene
) -> Better | None:
    """A node beside it, and outside the ring, leads to the goal."""
    state, goal = asked.state, asked.destination
    for node, dev, ip in _beside(state, scene, six=":" in goal):
        if not _leads(node, asked, ring, scene):
            continue
        target = route.destination if not route.destination.endswith("/0") else goal
        return Better(
            at=DevRef(state.name, dev),
            sentence=f"{state.name} sent it there by {_chosen(asked, route)}, although "
            f"{node} ({ip}) leads to {goal}",
            mend=command(
                state.name,
                f"ip route replace {target} via {ip}{in_table(route)}{also_says(route)}",
            ),
        )
    return None


def _beside(
    state: NodeState, scene: Scene, *, six: bool
) -> Iterator[tuple[NodeName, DevName, str]]:
    """The addresses of other nodes in a node's own subnets, and its device there."""
    for node in scene.before.nodes:
        for link in node.links:
            for address in link.addresses:
                if (":" in address.ip) == six and not ip_address(address.ip).is_link_local:
                    for dev, _subnet in _subnets(state, address.ip):
                        yield node.name, dev, address.ip


def _leads(node: NodeName, asked: Lookup, passed: frozenset[NodeName], scene: Scene) -> bool:
    """Whether the tables from there on lead to the goal, through none that it has passed."""
    state, goal = scene.node(node), asked.destination
    if node in passed or is_local(state, goal):
        return node not in passed
    six = ":" in goal
    key = "net.ipv6.conf.all.forwarding" if six else "net.ipv4.ip_forward"
    way = next_hop(state, goal, source=asked.source)
    owner = owner_of(scene.before, way[1]) if way is not None else None
    if owner is None or sysctl_int(state, key) == 0:
        return False
    return _leads(owner.node, asked, passed | {node}, scene)
