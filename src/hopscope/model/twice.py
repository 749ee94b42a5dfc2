"""Addresses that several nodes have, and whose answer a probe of one got; pure."""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address

from msgspec import Struct

from hopscope.model.ends import NodeEnds
from hopscope.model.vocab import Mac, NodeName

__all__ = ["Resolved", "answerers", "holders"]


class Resolved(Struct, frozen=True, kw_only=True):
    """An entry of a node's neighbour table, of the device with that index."""

    node: NodeName
    index: int
    ip: str
    mac: Mac


def holders(ends: Iterable[NodeEnds]) -> Mapping[str, tuple[NodeName, ...]]:
    """Each address that more than one node has, and these nodes."""
    found: dict[str, dict[NodeName, None]] = {}
    for one in ends:
        for end in one.ends:
            found.setdefault(end.ip, {})[one.name] = None
    return {ip: tuple(names) for ip, names in found.items() if len(names) > 1}


def answerers(
    source: NodeEnds, ip: str, there: Sequence[NodeEnds], entries: Iterable[Resolved]
) -> tuple[NodeName, ...]:
    """Which of those that have the address may have answered; one where it is known.

    A node answers itself, and none without a link answers others. Where the address is in a subnet
    of its own, its own neighbour table says to whom it sent; else whoever is nearer, if all that
    know the address agree.
    """
    if any(end.ip == ip for end in source.ends):
        return (source.name,)
    linked = [one for one in there if one.linked]
    near = {end.index for end in source.ends if ip_address(ip) in end.network}
    macs = {
        entry.mac
        for entry in entries
        if entry.ip == ip and (not near or (entry.node == source.name and entry.index in near))
    }
    whose = [one.name for one in linked if macs & {end.mac for end in one.ends}]
    if len(macs) == len(whose) == 1:
        return (whose[0],)
    return tuple(one.name for one in linked)
