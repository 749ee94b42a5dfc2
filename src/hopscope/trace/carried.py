"""Where a frame that left by a device may come in again, as the snapshot's devices are joined."""

from collections.abc import Callable, Iterator

from hopscope.model.lookup import is_group, ports
from hopscope.model.snapshot import LinkState, Snapshot
from hopscope.model.vocab import DevRef, Mac

__all__ = ["joined", "layer_two", "lies_over", "way_between", "ways_in"]


def ways_in(snapshot: Snapshot, link: LinkState, ref: DevRef) -> Iterator[DevRef]:
    """A veth end's peer; of a macvlan its like and the one below; of a vxlan its network."""
    if link.peer is not None:
        yield link.peer
    if link.macvlan is None and link.over is None and link.vxlan is None:
        return
    for node in snapshot.nodes:
        for other in node.links:
            there = DevRef(node.name, other.name)
            if there == ref:
                continue
            mates = link.macvlan is not None and other.over == link.over and other.macvlan
            if mates or there == link.over or _one_network(link, other):
                yield there


def joined(snapshot: Snapshot, one: DevRef, other: DevRef) -> bool:
    """Whether veth pairs and bridges lead from one to the other, and none filters VLANs."""
    return other in layer_two(snapshot, one)


def layer_two(
    snapshot: Snapshot, start: DevRef, *, but: DevRef | None = None, tunnels: bool = False
) -> list[DevRef]:
    """The devices to which veth pairs and bridges lead, the nearest first; *but* leads no further.

    Nor does a bridge that filters VLANs. *tunnels*: macvlan and vxlan devices lead on, too.
    """
    return [*_met(snapshot, start, but=but, tunnels=tunnels)]


def way_between(
    snapshot: Snapshot,
    start: DevRef,
    goal: DevRef,
    *,
    through: Callable[[DevRef], bool] = lambda _ref: True,
) -> list[DevRef]:
    """The devices of a shortest such way, both ends with it; none where nothing leads there.

    It leads *through* devices of which that holds.
    """
    met = _met(snapshot, start, through=through)
    way = [goal] if goal in met else []
    while way and (before := met[way[0]]) is not None:
        way.insert(0, before)
    return way


def _met(
    snapshot: Snapshot,
    start: DevRef,
    *,
    but: DevRef | None = None,
    tunnels: bool = False,
    through: Callable[[DevRef], bool] = lambda _ref: True,
) -> dict[DevRef, DevRef | None]:
    """The devices that layer 2 leads to, and from which each was come to."""
    met: dict[DevRef, DevRef | None] = {start: None}
    todo = [start]
    crossed = {but}
    for ref in todo:  # grows while it is walked
        link = snapshot.link(ref)
        if link is None:
            continue
        near = {link.peer} if link.peer is not None else set()
        near |= set(ways_in(snapshot, link, ref)) if tunnels else set()
        bridge = link.name if link.kind == "bridge" else link.master
        above = snapshot.link(DevRef(ref.node, bridge)) if bridge is not None else None
        filters = above is not None and above.bridge is not None and above.bridge.vlan_filtering
        if above is not None and not filters and DevRef(ref.node, above.name) not in crossed:
            crossed.add(DevRef(ref.node, above.name))
            ends = (above, *ports(snapshot.node(ref.node), above.name))
            near |= {DevRef(ref.node, end.name) for end in ends}
        new = [one for one in sorted(near) if one not in met and through(one)]
        todo += new
        met |= dict.fromkeys(new, ref)
    return met


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
