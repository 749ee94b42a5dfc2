"""Loops of bridges: what joins them twice, so that one broadcast goes round for ever."""

from hopscope.model.snapshot import LinkState, Snapshot
from hopscope.model.vocab import DevRef

__all__ = ["bridge_loop"]

_CARRYING = (None, "forwarding", "learning")


def bridge_loop(snapshot: Snapshot) -> tuple[DevRef, DevRef] | None:
    """The two ends of a link that closes a ring of bridges; None when there is no ring."""
    groups: dict[DevRef, DevRef] = {}

    def leader(bridge: DevRef) -> DevRef:
        while (above := groups.get(bridge, bridge)) != bridge:
            bridge = above
        return bridge

    done: set[DevRef] = set()
    for node in snapshot.nodes:
        for link in node.links:
            ref = DevRef(node.name, link.name)
            far = snapshot.link(link.peer) if link.peer is not None else None
            if link.peer is None or far is None or ref in done:
                continue
            done |= {ref, link.peer}
            if not (_carries(link) and _carries(far)):
                continue
            one, other = _bridge(ref, link), _bridge(link.peer, far)
            if one is None or other is None:
                continue
            if leader(one) == leader(other):
                return ref, link.peer
            groups[leader(one)] = leader(other)
    return None


def _carries(link: LinkState) -> bool:
    return link.up and link.port_state in _CARRYING


def _bridge(ref: DevRef, link: LinkState) -> DevRef | None:
    return DevRef(ref.node, link.master) if link.master is not None else None
