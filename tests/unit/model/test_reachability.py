"""Reachability in a line, as an assertion shows it."""

from msgspec.structs import replace

from hopscope.model.reachability import (
    Group,
    GroupKind,
    Outcome,
    Pair,
    Protocol,
    Reachability,
    Resolution,
)
from hopscope.model.vocab import Nanos, NodeName

A, B, C = NodeName("a"), NodeName("b"), NodeName("c")


def group(example: tuple[NodeName, NodeName], reason: str | None) -> Group:
    return Group(
        kind=GroupKind.BETWEEN,
        node=None,
        sources=(example[0],),
        targets=(example[1],),
        pairs=1,
        example=example,
        reason=reason,
    )


def test_a_line_says_how_many_were_reached_and_why_not() -> None:
    """Of the groups, those that were looked into."""
    outcomes = {(A, B): Outcome.SILENT, (A, C): Outcome.REFUSED, (B, C): Outcome.FAILED}
    found = Reachability(
        lab="lab",
        kernel="",
        hopscope="",
        started=Nanos(0),
        took=0,
        protocol=Protocol.ICMP,
        port=None,
        timeout=1.0,
        sources=(A, B),
        targets=(B, C),
        pairs=tuple(
            Pair(source=source, target=target, address="10.0.0.1", outcome=outcome)
            for (source, target), outcome in outcomes.items()
        ),
        groups=(group((A, B), "b is down"), group((B, C), None)),
        resolution=Resolution(how="arp", entries=0),
    )
    assert repr(found) == "<reachability of lab: 1 of 3 pairs reached; a → b: b is down>"


def test_which_failures_are_of_a_group() -> None:
    """Of a node, all from and to it."""
    between = group((A, B), None)
    assert between.has(A, B)
    assert not between.has(B, A)
    node = replace(between, kind=GroupKind.NODE, node=C, sources=(A, C), targets=(C, A))
    assert node.has(A, C)
    assert node.has(C, A)
    assert not node.has(A, B)
