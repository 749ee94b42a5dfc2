"""The routes that the kernel makes of a device's addresses: those that somebody took away."""

from collections.abc import Iterator, Sequence
from ipaddress import ip_interface
from typing import Final

from hopscope.model.lab import MAIN_TABLE
from hopscope.model.vocab import DevRef
from hopscope.plan.world import World

__all__ = ["lacking"]

_LOCAL: Final = 255  # RT_TABLE_LOCAL
_METRIC_6: Final = 256  # IP6_RT_PRIO_ADDRCONF

_Route = tuple[str, int, int]
"""Destination, table and metric."""


def lacking(world: World, ref: DevRef, now: Sequence[str]) -> dict[str, str]:
    """Address → a route of it that is not there, without which nothing reaches its subnet, or it.

    Of a device that is up; loopback's are of another kind, and what leads back asks nothing.
    """
    link = world.links[ref]
    if not link.up or ref.dev == "lo" or world.only_told or not now:
        return {}
    there = _there(world, ref)
    found: dict[str, str] = {}
    for cidr, routes in _made_of(now):
        for destination, table, metric in routes:
            if (destination, table, metric) not in there:
                found[cidr] = destination if table == MAIN_TABLE else f"local {destination}"
                break
    return found


def _there(world: World, ref: DevRef) -> set[_Route]:
    return {
        (route.destination, route.table, route.metric)
        for route in world.nodes[ref.node].routes
        if route.dev == ref.dev and route.protocol == "kernel"
    }


def _made_of(now: Sequence[str]) -> Iterator[tuple[str, list[_Route]]]:
    """See fib_add_ifaddr(), net/ipv4/fib_frontend.c, and addrconf_prefix_route() of IPv6."""
    led: set[str] = set()  # the subnets whose first address has been met
    for cidr in now:
        address = ip_interface(cidr)
        subnet = str(address.network)
        alone = address.network.prefixlen == address.max_prefixlen
        if address.version == 6:
            later = alone or cidr.startswith("fe80:")  # with the carrier, or after detection
            yield cidr, [] if later else [(subnet, MAIN_TABLE, _METRIC_6)]
            continue
        routes = [(f"{address.ip}/32", _LOCAL, 0)]
        if subnet not in led and not alone and not subnet.startswith("0."):
            routes.append((subnet, MAIN_TABLE, 0))
        led.add(subnet)
        yield cidr, routes
