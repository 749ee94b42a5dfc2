"""The routes and policy rules of a namespace that neither its addresses nor the kernel brought."""

from collections.abc import Collection, Iterator, Sequence
from ipaddress import ip_address, ip_network
from typing import Any, Final

from hopscope.model.lookup import in_subnet
from hopscope.model.snapshot import NextHop, NodeState, PolicyRule, Route
from hopscope.model.vocab import DevName, Family

__all__ = ["made_rules", "policy_of", "route_text", "routes_of", "rule_text"]

_MAIN, _LOCAL = 254, 255
_AUTOMATIC: Final = ("kernel", "ra", "redirect")

_USUAL_METRIC_6: Final = 1024
_TYPES: Final = ("unicast", "blackhole", "unreachable", "prohibit", "throw")
_ACTIONS: Final = ("lookup", "blackhole", "unreachable", "prohibit")
_STANDARD: Final = ((0, _LOCAL), (32766, _MAIN), (32767, 253))
_FILLED: Final = (253, _MAIN, _LOCAL)
_SAYABLE: Final = frozenset({"iif", "oif", "fwmark"})
_DEFAULTS: Final = ("0.0.0.0/0", "::/0")


def routes_of(
    state: NodeState, kept: Collection[DevName], notes: list[str]
) -> list[dict[str, Any]]:
    """Those that a lab file can say, the ones without a gateway first, as others may need them."""
    found = sorted(
        (r for r in state.routes if r.table != _LOCAL and r.protocol not in _AUTOMATIC),
        key=lambda route: route.via is not None,
    )
    told: list[Route] = []
    for route in found:
        if why := _why_not(route, state, kept, told):
            notes.append(f"{state.name}: the route to {_named(route)} {why}")
        else:
            told.append(route)
    return [_tree(route, state) for route in told]


def _named(route: Route) -> str:
    """Which route is meant, as `told.things` names it."""
    default = route.destination in _DEFAULTS
    name = "default" if default else _plain(route.destination)
    name += f" of metric {route.metric}" if route.metric not in (0, _USUAL_METRIC_6) else ""
    return name + (f" in table {route.table}" if route.table != _MAIN else "")


def _why_not(
    route: Route, state: NodeState, kept: Collection[DevName], told: Sequence[Route]
) -> str:
    """Why no lab file says the route; "" when one does."""
    if route.type not in _TYPES:
        return f"is left out: it is of type {route.type}"
    if any(_key(route) == _key(other) for other in told):
        return "is left out: another one of the same metric leads there"
    if route.type != "unicast":
        return ""
    for hop in _hops(route):
        if hop.dev is not None and hop.dev not in kept:
            return f"is left out: its device {hop.dev} is"
        if hop.via is not None and not _is_reached(route, hop, state, told):
            return f"is left out: its gateway {hop.via} is in no subnet of {state.name}"
    return ""


def _hops(route: Route) -> tuple[NextHop, ...]:
    """Where it leads, be it one way or several."""
    return route.hops or (NextHop(dev=route.dev, via=route.via, onlink=route.onlink),)


def _key(route: Route) -> tuple[str, int, int]:
    six = route.family == Family.IP6
    return route.destination, route.metric or (_USUAL_METRIC_6 if six else 0), route.table


def _is_reached(route: Route, hop: NextHop, state: NodeState, told: Sequence[Route]) -> bool:
    via = ip_address(hop.via or "")
    if via.version != ip_network(route.destination).version:
        return False
    if hop.onlink or (via.is_link_local and via.version == 6):
        return True
    near = (str(one) for link in state.links if link.name == hop.dev for one in link.addresses)
    on_link = (one.destination for one in told if one.via is None and one.dev == hop.dev)
    return any(in_subnet(cidr, str(via)) for cidr in (*near, *on_link))


def _tree(route: Route, state: NodeState) -> dict[str, Any]:
    six = route.family == Family.IP6
    default = route.destination in _DEFAULTS
    plain = default and not (six and route.via is None)
    found: dict[str, Any] = {} if route.type == "unicast" else {"type": route.type}
    found["to"] = "default" if plain else _plain(route.destination)
    if route.type == "unicast":
        found |= {} if route.hops else _way(_hops(route)[0], state)
        if route.source is not None:
            found["src"] = route.source
    if route.metric and not (six and route.metric == _USUAL_METRIC_6):
        found["metric"] = route.metric
    if route.table != _MAIN:
        found["table"] = route.table
    if route.type == "unicast" and route.hops:
        found["nexthops"] = [_way(hop, state) for hop in route.hops]
    return found


def _way(hop: NextHop, state: NodeState) -> dict[str, Any]:
    found: dict[str, Any] = {} if hop.via is None else {"via": hop.via}
    if hop.dev is not None and not _is_plain(hop, state):
        found["dev"] = hop.dev
    found |= {"weight": hop.weight} if hop.weight > 1 else {}
    return found | ({"onlink": True} if hop.onlink else {})


def route_text(tree: dict[str, Any]) -> str:
    """As ``ip route`` reads it."""
    words = [tree[key] for key in ("type", "to") if key in tree]
    rest = {key: value for key, value in tree.items() if key not in ("type", "to", "nexthops")}
    words += _texts(rest)
    for hop in tree.get("nexthops", ()):
        words += ["nexthop", *_texts(hop)]
    return " ".join(words)


def _texts(tree: dict[str, Any]) -> list[str]:
    return [key if value is True else f"{key} {value}" for key, value in tree.items()]


def rule_text(tree: dict[str, Any]) -> str:
    """As ``ip rule`` reads it."""
    return " ".join(value if key == "action" else f"{key} {value}" for key, value in tree.items())


def _plain(destination: str) -> str:
    """One address is written without its length."""
    ip, _, length = destination.partition("/")
    return ip if int(length) == ip_address(ip).max_prefixlen else destination


def _is_plain(hop: NextHop, state: NodeState) -> bool:
    """Whether the gateway's address alone says which device is meant."""
    if hop.via is None or hop.onlink or ip_address(hop.via).is_link_local:
        return False
    near = [
        link.name
        for link in state.links
        for address in link.addresses
        if in_subnet(str(address), hop.via)
    ]
    return near[:1] == [hop.dev] and len(set(near)) == 1


def made_rules(state: NodeState) -> Iterator[PolicyRule]:
    """The policy rules beside those that every namespace has."""
    for rule in state.policy_rules:
        standard = (rule.priority, rule.table) in _STANDARD
        if not (standard and rule.source is rule.destination is None and not rule.conditions):
            yield rule


def policy_of(
    state: NodeState,
    routes: Sequence[dict[str, Any]],
    kept: Collection[DevName],
    notes: list[str],
) -> list[dict[str, Any]]:
    """The rules that somebody made; *routes* and *kept* devices are those that the lab has."""
    filled = {*_FILLED, *(route.get("table", _MAIN) for route in routes)}
    found: dict[tuple[Family, int], dict[str, Any]] = {}
    for rule in made_rules(state):
        key = (rule.family, rule.priority)
        why = _why_no_rule(rule, filled, kept)
        if not why and key in found:
            why = "another one has that priority"
        if why:
            notes.append(f"{state.name}: the policy rule {rule.priority} is left out: {why}")
        else:
            found[key] = dict(_rule(rule))
    return list(found.values())


def _why_no_rule(rule: PolicyRule, filled: Collection[int], kept: Collection[DevName]) -> str:
    if rule.action not in _ACTIONS:
        return f"it does {rule.action}"
    if foreign := [one for one in rule.conditions if one not in _SAYABLE]:
        return f"it asks for {', '.join(foreign)}"
    for key in ("iif", "oif"):
        if (dev := rule.values.get(key)) is not None and dev not in kept:
            return f"the lab has no device {dev}"
    if rule.action == "lookup" and rule.table not in filled:
        return f"the table {rule.table} has no route in the lab"
    return ""


def _rule(rule: PolicyRule) -> Iterator[tuple[str, Any]]:
    """A rule of IPv6 must name an address: all of them, when it names none."""
    source = rule.source
    if rule.family == Family.IP6 and source is None and rule.destination is None:
        source = "::/0"
    if source is not None:
        yield "from", source
    if rule.destination is not None:
        yield "to", rule.destination
    yield from rule.values.items()
    yield ("lookup", rule.table) if rule.action == "lookup" else ("action", rule.action)
    yield "priority", rule.priority
