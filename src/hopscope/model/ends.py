"""Where nodes can be reached: their addresses, whose MAC each has, and which one another takes."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from msgspec import Struct

from hopscope.model.vocab import Mac, NodeName

__all__ = ["Chooser", "End", "NodeEnds", "lone", "neighbours"]

Network = IPv4Network | IPv6Network


class End(Struct, frozen=True, kw_only=True):
    """An address of a node, by the index of the device that has it."""

    index: int
    ip: str
    network: Network
    mac: Mac | None = None


class NodeEnds(Struct, frozen=True, kw_only=True):
    """All addresses of a node that lead to others, and the routers that its routes name.

    *linked*: some device of it but lo is up, and its other end lets it work.
    """

    name: NodeName
    ends: tuple[End, ...] = ()
    linked: bool = True
    gateways: frozenset[str] = frozenset()


def lone(ip: str) -> NodeEnds:
    """An address that is aimed at by itself, whoever has it, in the place of a node."""
    return NodeEnds(name=NodeName(ip), ends=(End(index=0, ip=ip, network=ip_network(ip)),))


class Chooser:
    """Which address of each node another one takes: one in a subnet of its own, else the first.

    That is what ``hopscope ping`` takes, but that a node takes none of a family that it lacks.
    """

    def __init__(self, there: Sequence[NodeEnds]) -> None:
        self._there = there
        self._known: dict[frozenset[Network], Mapping[NodeName, str | None]] = {}

    def addresses(self, here: NodeEnds) -> Mapping[NodeName, str | None]:
        """By node, the address that *here* takes; None when it has none."""
        networks = frozenset(end.network for end in here.ends)
        if networks not in self._known:
            self._known[networks] = {one.name: _nearest(networks, one) for one in self._there}
        return self._known[networks]


def _nearest(networks: frozenset[Network], there: NodeEnds) -> str | None:
    versions = {network.version for network in networks}
    found = [end.ip for end in there.ends if end.network.version in versions]
    near = (ip for ip in found if any(ip_address(ip) in network for network in networks))
    return next(near, next(iter(found), None))


def neighbours(
    ends: Sequence[NodeEnds],
    sources: frozenset[NodeName],
    targets: frozenset[NodeName],
) -> Iterator[tuple[NodeName, int, Mapping[str, Mac]]]:
    """Whom each device resolves when every source probes every target: address → MAC.

    A source resolves the targets in its subnets and its gateways, a target the sources, a
    gateway both. Addresses that several devices have are left to ARP.
    """
    by_network: dict[Network, dict[NodeName, dict[str, Mac]]] = {}
    owners: dict[str, int] = {}
    for one in ends:
        for end in one.ends:
            owners[end.ip] = owners.get(end.ip, 0) + 1
    gateways = frozenset(ip for one in ends for ip in one.gateways)
    routers = frozenset(one.name for one in ends for end in one.ends if end.ip in gateways)
    for one in ends:
        for end in one.ends:
            if end.mac is not None and owners[end.ip] == 1:
                by_network.setdefault(end.network, {}).setdefault(one.name, {})[end.ip] = end.mac
    for one in ends:
        wanted = _whom(one.name, sources, targets, routers)
        for index, network in dict.fromkeys((end.index, end.network) for end in one.ends):
            members = by_network.get(network, {})
            others = [n for n in members if n in wanted and n != one.name]
            macs = {ip: mac for name in others for ip, mac in members[name].items()}
            if macs:
                yield one.name, index, macs


def _whom(
    name: NodeName,
    sources: frozenset[NodeName],
    targets: frozenset[NodeName],
    routers: frozenset[NodeName],
) -> frozenset[NodeName]:
    if name in routers:
        return sources | targets | routers
    if name in sources and name in targets:
        return sources | targets | routers
    if name in sources:
        return targets | routers
    return sources | routers if name in targets else frozenset()
