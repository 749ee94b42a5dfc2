"""Where a frame that left by a device may come in again, as the snapshot's devices are joined."""

from collections.abc import Iterator

from hopscope.model.lookup import is_group
from hopscope.model.snapshot import LinkState, Snapshot
from hopscope.model.vocab import DevRef, Mac

__all__ = ["lies_over", "ways_in"]


def ways_in(snapshot: Snapshot, link: LinkState, ref: DevRef) -> Iterator[DevRef]:
    """A veth end's peer; of a macvlan its like and the one below; of a vxlan its network."""
    if link.peer is not None:
        yield link.peer
    for node in snapshot.nodes:
        for other in node.links:
            there = DevRef(node.name, other.name)
            if there == ref:
                continue
            mates = link.macvlan is not None and other.over == link.over and other.macvlan
            if mates or there == link.over or _one_network(link, other):
                yield there


def _one_network(one: LinkState, other: LinkState) -> bool:
    """Whether both are of the same vxlan."""
    if one.vxlan is None or other.vxlan is None:
        return False
    return (one.vxlan.id, one.vxlan.port) == (other.vxlan.id, other.vxlan.port)


def lies_over(snapshot: Snapshot, ref: DevRef, mac: Mac | None) -> list[DevRef]:
    """The macvlan devices over *ref* that take a frame for *mac* (macvlan_handle_frame())."""
    return [
        DevRef(node.name, link.name)
        for node in snapshot.nodes
        for link in node.links
        if link.macvlan is not None
        and link.over == ref
        and (is_group(mac) or link.mac == mac or link.macvlan == "passthru")
    ]
