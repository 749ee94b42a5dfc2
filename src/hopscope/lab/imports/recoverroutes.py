"""The routes of a namespace that neither its addresses nor the kernel brought along."""

from collections.abc import Collection
from ipaddress import ip_address
from typing import Any, Final

from hopscope.model.lookup import in_subnet
from hopscope.model.snapshot import NodeState, Route
from hopscope.model.vocab import DevName, Family

__all__ = ["routes_of"]

_MAIN, _LOCAL = 254, 255
_AUTOMATIC: Final = ("kernel", "ra", "redirect")
_USUAL_METRIC_6: Final = 1024
_USUAL_RULES: Final = (0, 32766, 32767)
_DEFAULTS: Final = ("0.0.0.0/0", "::/0")


def routes_of(
    state: NodeState, kept: Collection[DevName], notes: list[str]
) -> list[dict[str, Any]]:
    """Those of the main table, the ones without a gateway first, as others may need them."""
    routes = [route for route in state.routes if _is_told(route, state, kept, notes)]
    notes += [
        f"{state.name}: the policy rule {rule.priority} is left out"
        for rule in state.policy_rules
        if rule.priority not in _USUAL_RULES
    ]
    return [_tree(route, state) for route in sorted(routes, key=lambda r: r.via is not None)]


def _is_told(route: Route, state: NodeState, kept: Collection[DevName], notes: list[str]) -> bool:
    if route.table == _LOCAL or route.protocol in _AUTOMATIC:
        return False
    named = f"{state.name}: the route to {route.destination}"
    if route.table != _MAIN:
        notes.append(f"{named} in table {route.table} is left out")
    elif route.type != "unicast":
        notes.append(f"{named} is left out: it is of type {route.type}")
    elif route.dev is not None and route.dev not in kept:
        notes.append(f"{named} is left out: its device {route.dev} is")
    else:
        if route.source is not None:
            notes.append(f"{named} loses its source address {route.source}")
        return True
    return False


def _tree(route: Route, state: NodeState) -> dict[str, Any]:
    six = route.family == Family.IP6
    default = route.destination in _DEFAULTS
    found: dict[str, Any] = {"to": "default" if default else _plain(route.destination)}
    if default and six and route.via is None:
        found["to"] = "::/0"
    if route.via is not None:
        found["via"] = route.via
    if route.dev is not None and not _is_plain(route, state):
        found["dev"] = route.dev
    if route.metric and not (six and route.metric == _USUAL_METRIC_6):
        found["metric"] = route.metric
    return found


def _plain(destination: str) -> str:
    """One address is written without its length."""
    ip, _, length = destination.partition("/")
    return ip if int(length) == ip_address(ip).max_prefixlen else destination


def _is_plain(route: Route, state: NodeState) -> bool:
    """Whether the gateway's address alone says which device is meant."""
    if route.via is None or ip_address(route.via).is_link_local:
        return False
    near = [
        link.name
        for link in state.links
        for address in link.addresses
        if in_subnet(str(address), route.via)
    ]
    return near[:1] == [route.dev] and len(set(near)) == 1
