"""Which column of the picture each node of a lab stands in, by who is joined to whom."""

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from hopscope.model.snapshot import LinkState, NodeState, Snapshot
from hopscope.model.vocab import NodeName

__all__ = ["Joined", "columns", "devices_of", "joined_nodes", "parts"]

Joined = Mapping[NodeName, Sequence[NodeName]]


def devices_of(node: NodeState) -> Iterator[LinkState]:
    """The devices that the picture shows: no loopback, and bridges elsewhere."""
    return (link for link in node.links if link.kind != "bridge" and link.name != "lo")


def joined_nodes(snapshot: Snapshot) -> dict[NodeName, list[NodeName]]:
    """Each node's neighbours, in the order of its devices."""
    found: dict[NodeName, dict[NodeName, None]] = {node.name: {} for node in snapshot.nodes}
    for node in snapshot.nodes:
        for link in devices_of(node):
            if link.peer is not None and link.peer.node in found and link.peer.node != node.name:
                found[node.name][link.peer.node] = None
                found[link.peer.node][node.name] = None
    return {name: list(others) for name, others in found.items()}


def parts(joined: Joined) -> Iterator[list[NodeName]]:
    """The groups of nodes that are joined to each other, in the snapshot's order."""
    order = {name: at for at, name in enumerate(joined)}
    told: set[NodeName] = set()
    for name in joined:
        if name not in told:
            part = _distances(name, joined)
            told.update(part)
            yield sorted(part, key=order.__getitem__)


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
    order = {name: at for at, name in enumerate(part)}
    ends = list(_ends(part, joined))
    far = {name: _distances(name, joined) for name in ends}
    pairs = combinations(ends, 2)
    start, end = max(pairs, key=lambda pair: far[pair[0]][pair[1]], default=(part[0], part[0]))
    way = [end]
    while way[-1] != start:
        way.append(min(joined[way[-1]], key=lambda name: (far[start][name], order[name])))
    return way[::-1]


def _ends(part: Sequence[NodeName], joined: Joined) -> Iterator[NodeName]:
    """Where the longest way may begin or end: of the leaves of one node, its first two do."""
    leaves: Counter[NodeName] = Counter()
    for name in part:
        if len(joined[name]) == 1:
            leaves[joined[name][0]] += 1
            if leaves[joined[name][0]] > 2:
                continue
        yield name


def columns(part: Sequence[NodeName], joined: Joined) -> dict[NodeName, int]:
    """A column for each node: beside its neighbours, on the side that has fewer nodes."""
    column = {name: at for at, name in enumerate(_spine(part, joined))}
    crowd = Counter(column.values())
    waiting = deque(column)
    while waiting:
        name = waiting.popleft()
        for other in joined[name]:
            if other in column:
                continue
            beside = [column[one] for one in joined[other] if one in column]

            def cost(at: int, beside: list[int] = beside) -> tuple[int, ...]:
                away = sum(abs(abs(at - one) - 1) for one in beside)
                return away, crowd[at] or 1, -at  # an empty one counts as one node's

            column[other] = min((column[name] - 1, column[name] + 1), key=cost)
            crowd[column[other]] += 1
            waiting.append(other)
    return column
