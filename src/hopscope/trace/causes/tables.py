"""How a hop's routes were asked, and how its routes are named and removed; decides nothing."""

import shlex
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from hopscope.model.journey import Hop, RouteStep
from hopscope.model.lookup import route_text, sysctl_int, ways_text
from hopscope.model.policy import asks
from hopscope.model.snapshot import NodeState, PolicyRule, Route
from hopscope.model.vocab import DevName, DevRef, Family, NodeName
from hopscope.trace.causes.evidence import command, sysctl_command
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.ways import LOOPBACK, OWN_TABLES, Lookup, mark_of

__all__ = [
    "Limit",
    "also_says",
    "devices_of",
    "in_table",
    "layer_three",
    "limit_of",
    "lookup_in",
    "no_filter",
    "removal",
    "rule_removal",
    "table_text",
]

_FEATURES: Final = {1: "ecn", 16: "tcp_usec_ts"}  # RTAX_FEATURE_*: those that ip knows


def layer_three(hop: Hop, scene: Scene) -> DevName | None:
    """The device that it came in by for layer 3: of a bridge's port, the bridge."""
    link = scene.before.link(DevRef(hop.node, hop.came_in)) if hop.came_in else None
    return link.master or link.name if link else None


def lookup_in(packet: Packet, hop: Hop, destination: str, scene: Scene) -> Lookup:
    """As that hop's tables were asked."""
    came_in = layer_three(hop, scene)
    return Lookup(
        state=scene.node(hop.node),
        destination=destination,
        source=packet.headers.ip.src if packet.headers.ip is not None else None,
        came_in=came_in or LOOPBACK,
        mark=mark_of(packet, hop.node, came_in),
    )


class Limit(Struct, frozen=True, kw_only=True):
    """The longest packet that a hop's way takes, what says so, and what would change it."""

    mtu: int
    at: DevRef
    sentence: str
    mend: str


def limit_of(packet: Packet, hop: Hop, scene: Scene) -> Limit | None:
    """The MTU of the route, or else of the device (ip_dst_mtu_maybe_forward)."""
    step = next((s for s in hop.steps if isinstance(s, RouteStep)), None)
    link = scene.node(hop.node).link(step.dev) if step is not None and step.dev else None
    if step is None or link is None:
        return None
    route = lookup_in(packet, hop, step.destination, scene).route()
    at = DevRef(hop.node, link.name)
    if route is None or not route.mtu or link.name not in devices_of(route):
        out = f"through {link.name}, whose MTU is {link.mtu}"
        return Limit(mtu=link.mtu, at=at, sentence=out, mend="raise the MTU of both ends")
    rest = replace(route, metrics=tuple(one for one in route.metrics if one.split()[0] != "mtu"))
    words = f"ip route replace {table_text(route, also_says(rest))}"
    return Limit(
        mtu=route.mtu,
        at=at,
        sentence=f"by its route `{table_text(route)}`, whose MTU is {route.mtu}",
        mend=f"take that MTU from the route: {command(hop.node, words)}",
    )


def devices_of(route: Route | None) -> set[DevName | None]:
    """The devices that a route may lead to."""
    return {route.dev, *(hop.dev for hop in route.hops)} if route is not None else set()


def in_table(route: Route) -> str:
    """The table, where it is another than the usual ones, as ``ip route`` takes it."""
    return f" table {route.table}" if route.table not in OWN_TABLES else ""


def table_text(route: Route, more: str = "") -> str:
    """As ``ip route`` takes it, with its table and *more*: both stand before several next hops."""
    if not route.hops:
        return route_text(route) + in_table(route) + more
    alone = route_text(replace(route, hops=(), dev=None, via=None))
    return alone + in_table(route) + more + ways_text(None, None, route.hops, onlink=False)


def also_says(route: Route) -> str:
    """What it says beside where it leads, as ``ip route`` takes it: what replaces it must, too."""
    protocol = route.protocol if route.protocol != "boot" else ""  # which nobody needs to name
    said = {"proto": protocol, "src": route.source, "metric": route.metric}
    named = "".join(f" {word} {value}" for word, value in said.items() if value)
    return named + "".join(map(_metric, route.metrics))


def _metric(told: str) -> str:
    """Numbers are taken as the kernel has them; ``rto_min`` is locked anyway, and says no more."""
    name, _, value = told.partition(" ")
    if name == "rto_min":
        return f" {name} {value.removeprefix('lock ')}"
    if name == "features":
        return "".join(f" {name} {word}" for bit, word in _FEATURES.items() if int(value) & bit)
    return f" {told}"


def no_filter(state: NodeState, dev: DevName) -> str:
    """A command line that switches a device's reverse path filter off: of two the higher holds."""
    keys = [f"net.ipv4.conf.{scope}.rp_filter" for scope in (dev, "all")]
    first, *more = [key for key in keys if sysctl_int(state, key)] or keys
    return " ".join((sysctl_command(state.name, first, 0), *(f"{key}=0" for key in more)))


def removal(node: NodeName, route: Route) -> str:
    """A command line that takes a route away that forbids."""
    return command(node, f"ip route del {route.type} {route.destination}{in_table(route)}")


def rule_removal(node: NodeName, rule: PolicyRule) -> str:
    """A command line that takes a policy rule away.

    Where not all that it asks is known in words, its priority alone says which it is.
    """
    known = all(one in rule.values for one in rule.conditions)
    asked = " ".join(map(shlex.quote, asks(rule).split()))  # a device may have any name
    does = f"lookup {rule.table}" if rule.table else rule.action
    words = f"{asked} priority {rule.priority} {does}" if known else ""
    six = " -6" if rule.family is Family.IP6 else ""
    return command(node, f"ip{six} rule del {words or f'priority {rule.priority}'}")
