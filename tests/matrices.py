"""Reachability of a few nodes or many, written as what became of some pairs."""

from collections.abc import Mapping

from hopscope.model.grouping import grouped
from hopscope.model.reachability import Outcome, Pair, Protocol, Reachability, Resolution
from hopscope.model.vocab import Nanos, NodeName

__all__ = ["LOST", "reachability"]

LOST = Outcome.SILENT


def reachability(
    count: int, outcomes: Mapping[tuple[int, int], Outcome] | None = None
) -> Reachability:
    """Of so many nodes n0, n1 …, of whose pairs some ended otherwise."""
    nodes = tuple(NodeName(f"n{number}") for number in range(count))
    pairs = tuple(
        Pair(
            source=nodes[a],
            target=nodes[b],
            address=f"10.0.0.{b + 1}",
            outcome=(outcome := (outcomes or {}).get((a, b), Outcome.ANSWERED)),
            rtt=None if outcome in (LOST, Outcome.FAILED) else 10_000 + 1_000 * (a + b),
            error="no route (ENETUNREACH)" if outcome is Outcome.FAILED else None,
        )
        for a in range(count)
        for b in range(count)
        if a != b
    )
    return Reachability(
        lab="pods",
        kernel="6.18",
        hopscope="0",
        started=Nanos(0),
        took=1_500_000,
        protocol=Protocol.ICMP,
        port=None,
        timeout=0.5,
        sources=nodes,
        targets=nodes,
        pairs=pairs,
        groups=grouped(pairs),
        resolution=Resolution(how="arp", entries=count * (count - 1), room=1024, overflows=0),
    )
