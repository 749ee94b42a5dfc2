"""Which column of the picture each node of a lab stands in, by who is joined to whom."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from hopscope.model.snapshot import LinkState, NodeState, Snapshot
from hopscope.model.vocab import NodeName

__all__ = ["Joined", "columns", "devices_of", "joined_nodes", "parts"]

Joined = Mapping[NodeName, Sequence[NodeName]]


def devices_of(node: NodeState) -> Iterator[LinkState]:
    """The devices that the picture shows: no loopback, and bridges elsewhere."""
    return (link for link in node.links if link.kind != "bridge" and link.name != "lo")


def joined_nodes(snapshot: Snapshot) -> dict[NodeName, list[NodeName]]:
    """Each node's neighbours, in the order of its devices."""
    names = {node.name for node in snapshot.nodes}
    found: dict[NodeName, dict[NodeName, None]] = {node.name: {} for node in snapshot.nodes}
    for node in snapshot.nodes:
        for link in devices_of(node):
            if link.peer is not None and link.peer.node in names - {node.name}:
                found[node.name][link.peer.node] = None
                found[link.peer.node][node.name] = None
    return {name: list(others) for name, others in found.items()}


def parts(joined: Joined) -> Iterator[list[NodeName]]:
    """The groups of nodes that are joined to each other, in the snapshot's order."""
    told: set[NodeName] = set()
    for name in joined:
        if name not in told:
            part = set(_distances(name, joined))
            told |= part
            yield [one for one in joined if one in part]


def _distances(start: NodeName, joined: Joined) -> dict[NodeName, int]:
    found = {start: 0}
    waiting = deque([start])
    while waiting:
        name = waiting.popleft()
        for other in joined[name]:
            if other not in found:
                found[other] = found[name] + 1
                waiting.append(other)
    return found


def _spine(part: Sequence[NodeName], joined: Joined) -> list[NodeName]:
    """The longest of the shortest ways; the earliest nodes win a tie."""
    far = {name: _distances(name, joined) for name in part}
    pairs = ((a, b) for i, a in enumerate(part) for b in part[i + 1 :])
    start, end = max(pairs, key=lambda pair: far[pair[0]][pair[1]], default=(part[0], part[0]))
    way = [end]
    while way[-1] != start:
        way.append(min(joined[way[-1]], key=lambda name: (far[start][name], part.index(name))))
    return way[::-1]


def columns(part: Sequence[NodeName], joined: Joined) -> dict[NodeName, int]:
    """A column for each node: beside its neighbours, on the side that has fewer nodes."""
    column = {name: at for at, name in enumerate(_spine(part, joined))}
    waiting = deque(column)
    while waiting:
        name = waiting.popleft()
        for other in joined[name]:
            if other in column:
                continue
            beside = [column[one] for one in joined[other] if one in column]
            crowd = list(column.values())

            def cost(
                at: int, beside: list[int] = beside, crowd: list[int] = crowd
            ) -> tuple[int, ...]:
                away = sum(abs(abs(at - one) - 1) for one in beside)
                outside = 0 if min(crowd) <= at <= max(crowd) else 1
                return away, crowd.count(at) + outside, -at

            column[other] = min((column[name] - 1, column[name] + 1), key=cost)
            waiting.append(other)
    return column
