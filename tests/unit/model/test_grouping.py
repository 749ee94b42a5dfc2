"""Failed pairs, grouped: each in one group, and groups that say what is shared."""

from collections.abc import Iterable, Sequence

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from hopscope.model.grouping import grouped
from hopscope.model.reachability import Group, GroupKind, Outcome, Pair
from hopscope.model.vocab import NodeName

NODES = [NodeName(f"n{number}") for number in range(7)]
Ends = tuple[str, str]


def pairs(lost: Iterable[Ends], nodes: Sequence[str] = NODES) -> list[Pair]:
    """All pairs of the nodes, of which some are lost."""
    gone = set(lost)
    return [
        Pair(
            source=NodeName(a),
            target=NodeName(b),
            address="10.0.0.1",
            outcome=Outcome.SILENT if (a, b) in gone else Outcome.ANSWERED,
        )
        for a in nodes
        for b in nodes
        if a != b
    ]


def covered(group: Group) -> set[Ends]:
    """The pairs of all its sources with all its targets, as its kind means them."""
    every: set[Ends] = {(a, b) for a in group.sources for b in group.targets if a != b}
    if group.kind is GroupKind.NODE:
        return {ends for ends in every if group.node in ends}
    return every


def kinds(lost: Iterable[Ends]) -> list[tuple[GroupKind, str | None, int]]:
    return [(group.kind, group.node, group.pairs) for group in grouped(pairs(lost))]


def test_no_failure_no_group() -> None:
    """And no pair at all is no failure."""
    assert grouped(pairs([])) == ()
    assert grouped([]) == ()


def test_all_fail() -> None:
    """One group, whatever the nodes."""
    (group,) = grouped(pairs((a, b) for a in NODES for b in NODES))
    assert (group.kind, group.pairs) == (GroupKind.EVERY, 42)


def test_a_node_that_is_down() -> None:
    """As source and as target; or only one of them."""
    out: list[Ends] = [("n2", other) for other in NODES if other != "n2"]
    into: list[Ends] = [(b, a) for a, b in out]
    assert kinds(out + into) == [(GroupKind.NODE, "n2", 12)]
    assert kinds(out) == [(GroupKind.SOURCE, "n2", 6)]
    assert kinds(into) == [(GroupKind.TARGET, "n2", 6)]


def test_two_nodes_that_are_down() -> None:
    """What lies between them is counted once."""
    lost = [(a, b) for a in NODES for b in NODES if a != b and {"n2", "n5"} & {a, b}]
    assert kinds(lost) == [(GroupKind.NODE, "n2", 12), (GroupKind.NODE, "n5", 10)]


def test_a_target_that_only_failing_sources_ask_is_not_told_again() -> None:
    """Of three nodes, n2 hears from nobody, since n0 and n1 send nothing that arrives."""
    nodes = NODES[:3]
    lost = [(a, b) for a in nodes[:2] for b in nodes if a != b]
    found = [(group.kind, group.node, group.pairs) for group in grouped(pairs(lost, nodes))]
    assert found == [(GroupKind.SOURCE, "n0", 2), (GroupKind.SOURCE, "n1", 2)]


def test_sources_that_miss_the_same_targets() -> None:
    """A wall between two sets, in one direction."""
    lost = [(a, b) for a in ("n0", "n1") for b in ("n4", "n5", "n6")]
    (group,) = grouped(pairs(lost))
    assert group.kind is GroupKind.BETWEEN
    assert (group.sources, group.targets) == (("n0", "n1"), ("n4", "n5", "n6"))


def test_nodes_that_do_not_reach_each_other() -> None:
    """Each misses others: all of the set but itself."""
    ring = ("n1", "n3", "n5")
    (group,) = grouped(pairs((a, b) for a in ring for b in ring if a != b))
    assert (group.kind, group.sources) == (GroupKind.AMONG, ring)


def test_one_pair_shares_nothing() -> None:
    """Not even when its source was asked for that target alone."""
    assert kinds([("n1", "n2")]) == [(GroupKind.BETWEEN, None, 1)]
    (group,) = grouped([pair for pair in pairs([("n1", "n2")]) if not pair.reached])
    assert group.kind is GroupKind.BETWEEN


def test_a_full_table_is_a_group_of_its_own() -> None:
    """Whatever nodes it hit; the others are grouped as ever."""
    full = "the neighbour table is full (ENOBUFS)"
    lost: list[Ends] = [("n1", "n2"), ("n3", "n4"), ("n5", "n6")]
    some = [
        replace(pair, outcome=Outcome.FAILED, error=full) if pair.source == "n1" else pair
        for pair in pairs(lost)
    ]
    found = {group.kind: group for group in grouped(some, overflowed=True)}
    assert found[GroupKind.OVERFLOW].sources == ("n1",)
    assert found[GroupKind.OVERFLOW].pairs == 6
    assert sum(group.pairs for group in grouped(some, overflowed=True)) == 8
    only = pairs([("n1", "n2")])
    assert grouped(only, overflowed=True) == grouped(only)  # it cost these pairs nothing
    assert GroupKind.OVERFLOW not in {group.kind for group in grouped(some)}  # none was counted


@given(st.sets(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES))))
def test_each_failure_is_in_one_group(lost: set[Ends]) -> None:
    """No pair that is reached is in any, the counts are right, and the largest comes first."""
    failed = {(a, b) for a, b in lost if a != b}
    groups = grouped(pairs(failed))
    assert sum(group.pairs for group in groups) == len(failed)
    assert all(covered(group) <= failed for group in groups)
    assert set().union(*map(covered, groups)) == failed
    assert all(group.example in failed for group in groups)
    counts = [group.pairs for group in groups]
    assert counts == sorted(counts, reverse=True)


@given(st.sets(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES))))
def test_groups_of_the_other_direction_mirror(lost: set[Ends]) -> None:
    """Nodes that fail with all are the same ones; what fails as source then fails as target."""
    failed = {(a, b) for a, b in lost if a != b}

    def whole(some: set[Ends], kind: GroupKind) -> set[str | None]:
        return {group.node for group in grouped(pairs(some)) if group.kind is kind}

    back = {(b, a) for a, b in failed}
    assert whole(failed, GroupKind.NODE) == whole(back, GroupKind.NODE)
