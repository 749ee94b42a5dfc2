"""Parts of packets and tables for tests of causes: hops and steps by hand, and what is changed."""

from msgspec.structs import replace

from hopscope.model.journey import Hop, Step, TransmitStep
from hopscope.model.snapshot import NodeState, Snapshot
from hopscope.model.vocab import DevName, Mac, Nanos, NodeName, seen

__all__ = ["BASIS", "changed", "hop", "sent", "with_link"]

BASIS = seen("test")


def changed(snapshot: Snapshot, node: str, **changes: object) -> Snapshot:
    """The snapshot with some fields of a node changed."""

    def one(state: NodeState) -> NodeState:
        return replace(state, **changes) if state.name == node else state

    return Snapshot(nodes=tuple(map(one, snapshot.nodes)))


def with_link(snapshot: Snapshot, ref: str, **changes: object) -> Snapshot:
    """The snapshot with some fields of a device changed."""
    node, dev = ref.split("/")
    links = snapshot.node(node).links
    found = tuple(replace(link, **changes) if link.name == dev else link for link in links)
    return changed(snapshot, node, links=found)


def hop(node: str, *steps: Step, came_in: str | None = None, onward: tuple[Hop, ...] = ()) -> Hop:
    """One hop."""
    dev = DevName(came_in) if came_in else None
    return Hop(node=NodeName(node), came_in=dev, came_from=None, steps=steps, onward=onward)


def sent(dev: str, mac: str | None = None) -> TransmitStep:
    """A device sent it."""
    dst = Mac(mac) if mac else None
    return TransmitStep(dev=DevName(dev), at=Nanos(1), basis=BASIS, dst_mac=dst)
