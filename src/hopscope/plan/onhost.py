"""Of a node that is the machine's real network, what is ours; and what of others hangs on that."""

from collections.abc import Collection

from msgspec.structs import replace

from hopscope.model.snapshot import LinkState, NodeState
from hopscope.model.vocab import DevName, DevRef
from hopscope.plan.names import HOME
from hopscope.plan.ops import Plan, RemoveDevice
from hopscope.plan.world import World

__all__ = ["in_foreign_bridge", "our_part", "torn"]


def our_part(host: NodeState, indexes: Collection[int]) -> NodeState:
    """The host as if there were nothing but the devices of these indexes, and what is on them."""
    links = tuple(link for link in host.links if link.index in indexes)
    names = {link.name for link in links}
    return replace(
        host,
        links=links,
        routes=tuple(route for route in host.routes if route.dev in names),
        policy_rules=(),
        neighbours=tuple(entry for entry in host.neighbours if entry.dev in names),
        fdb=tuple(entry for entry in host.fdb if {entry.bridge, entry.port} <= names),
        remotes=tuple(entry for entry in host.remotes if entry.dev in names),
        qdiscs=tuple(one for one in host.qdiscs if one.dev in names),
        chains=(),
    )


def in_foreign_bridge(host: NodeState, indexes: Collection[int]) -> LinkState | None:
    """A device of ours that someone has put into a bridge of theirs."""
    names = {link.name for link in host.links if link.index in indexes}
    ours = (link for link in host.links if link.name in names)
    return next((link for link in ours if link.master and link.master not in names), None)


def torn(removal: Plan, world: World, host: NodeState) -> tuple[DevName, DevName] | None:
    """A device of others that hangs on one of ours that *removal* removes, and that one."""
    removed = {DevRef(op.node, op.dev) for op in removal.ops if isinstance(op, RemoveDevice)}
    removed |= {peer for ref in removed if (peer := world.links[ref].peer) is not None}
    names = {ref.dev for ref in removed if ref.node == HOME}
    ours = {link.name: link.index for link in world.nodes[HOME].links}
    for link in host.links:
        over = link.over.dev if link.over is not None and link.over.node == HOME else None
        below = next((one for one in (link.master, over) if one in names), None)
        if below is not None and link.index != ours.get(link.name):
            return link.name, below
    return None
