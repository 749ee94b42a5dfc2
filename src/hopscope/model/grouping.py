"""Failed pairs, grouped by what they share: a node, a set of targets, a set that is cut apart."""

from collections import Counter
from collections.abc import Iterator, Sequence

from hopscope.model.reachability import Ends, Group, GroupKind, Pair
from hopscope.model.vocab import NodeName

__all__ = ["grouped"]


def grouped(pairs: Sequence[Pair], *, overflowed: bool = False) -> tuple[Group, ...]:
    """The failures of all *pairs* that were asked for, each in one group; the largest first.

    *overflowed*: the neighbour table was full meanwhile, as the kernel counted.
    """
    asked = [(pair.source, pair.target) for pair in pairs]
    left = dict.fromkeys((pair.source, pair.target) for pair in pairs if not pair.reached)
    if not left:
        return ()
    if len(left) == len(asked) > 1:
        return (_group(GroupKind.EVERY, list(left)),)
    full = _overflowed(pairs, left) if overflowed else ()
    found = [*full, *_whole_nodes(asked, left), *_alike(left)]
    return tuple(sorted(found, key=lambda group: -group.pairs))


def _overflowed(pairs: Sequence[Pair], left: dict[Ends, None]) -> Iterator[Group]:
    """Those that were not even sent, which nodes have no part in; they leave *left*."""
    taken = [(p.source, p.target) for p in pairs if p.error and p.error.endswith("(ENOBUFS)")]
    for ends in taken:
        del left[ends]
    if taken:
        yield _group(GroupKind.OVERFLOW, taken)


def _whole_nodes(asked: Sequence[Ends], left: dict[Ends, None]) -> Iterator[Group]:
    """Nodes that fail as source with every target, or as target with every source, or both.

    What they explain is taken out of *left*.
    """
    out, into = _wholly(asked, left, 0), _wholly(asked, left, 1)
    both = {node: None for node in out if node in into}
    for kind, nodes in (
        (GroupKind.NODE, both),
        (GroupKind.SOURCE, out),
        (GroupKind.TARGET, into),
    ):
        for node in nodes:
            if kind is not GroupKind.NODE and node in both:
                continue
            taken = [
                ends
                for ends in left
                if (ends[0] == node and kind is not GroupKind.TARGET)
                or (ends[1] == node and kind is not GroupKind.SOURCE)
            ]
            if not taken:  # another node explains them all
                continue
            for ends in taken:
                del left[ends]
            yield _group(kind, taken, node)


def _wholly(asked: Sequence[Ends], left: dict[Ends, None], end: int) -> dict[NodeName, None]:
    """The nodes of which, at that end, every pair of several fails."""
    wanted = Counter(ends[end] for ends in asked)
    failed = Counter(ends[end] for ends in left)
    return {node: None for node, count in failed.items() if count == wanted[node] > 1}


def _alike(left: dict[Ends, None]) -> Iterator[Group]:
    """Sources that fail with the same targets; or with the same ones and themselves."""
    rows: dict[NodeName, dict[NodeName, None]] = {}
    for source, target in left:
        rows.setdefault(source, {})[target] = None
    circles: dict[frozenset[NodeName], list[NodeName]] = {}
    for source, targets in rows.items():
        circles.setdefault(frozenset((*targets, source)), []).append(source)
    for circle, sources in circles.items():
        if circle == frozenset(sources):
            taken = [(source, target) for source in sources for target in rows.pop(source)]
            yield _group(GroupKind.AMONG, taken)
    same: dict[frozenset[NodeName], list[NodeName]] = {}
    for source, targets in rows.items():
        same.setdefault(frozenset(targets), []).append(source)
    for sources in same.values():
        taken = [(source, target) for source in sources for target in rows[source]]
        yield _group(GroupKind.BETWEEN, taken)


def _group(kind: GroupKind, ends: Sequence[Ends], node: NodeName | None = None) -> Group:
    return Group(
        kind=kind,
        node=node,
        sources=tuple(dict.fromkeys(source for source, _ in ends)),
        targets=tuple(dict.fromkeys(target for _, target in ends)),
        pairs=len(ends),
        example=ends[0],
    )
