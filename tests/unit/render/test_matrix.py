"""Reachability as text: a matrix of few, groups of many; every outcome in words."""

import pytest
from msgspec.structs import replace
from rich.console import Console

from hopscope.model.reachability import (
    Group,
    GroupKind,
    Look,
    Outcome,
    Protocol,
    Reachability,
    Resolution,
)
from hopscope.model.vocab import NodeName
from hopscope.render.matrix import fate, group_words, matrix
from matrices import LOST, reachability


def lines(found: Reachability) -> list[str]:
    """As printed, without what fills lines up."""
    console = Console(width=400, record=True, force_terminal=False)
    with console.capture() as printed:
        console.print(matrix(found))
    return [line.rstrip() for line in printed.get().splitlines()]


def test_few_nodes_are_a_matrix() -> None:
    """Sources down, targets across; a failure is a cross as well as a colour."""
    told = lines(reachability(3, {(0, 1): LOST, (2, 0): Outcome.REFUSED, (2, 1): Outcome.FAILED}))
    assert told[0] == "● pods: 4 of 6 pairs reached  icmp, in 1.50 ms"
    rows = [line.split() for line in told[1:5]]
    assert rows[0] == ["from", "\\", "to", "n0", "n1", "n2"]
    assert rows[1] == ["n0", "·", "✗", "silent", "12.0", "µs"]
    assert rows[3] == ["n2", "refused", "✗", "·"]


def test_an_answer_without_a_round_trip_is_one() -> None:
    """It was asked again before it answered."""
    found = reachability(2)
    told = lines(replace(found, pairs=tuple(replace(one, rtt=None) for one in found.pairs)))
    assert [line.split()[1:] for line in told[2:4]] == [["·", "answered"], ["answered", "·"]]


def test_who_refused_is_told() -> None:
    """Where it was seen, or no rule can have done so; and else what it may be."""
    refused = dict.fromkeys(((0, 1), (1, 0), (1, 2), (2, 0), (2, 1)), Outcome.REFUSED)
    found = reachability(3, refused)
    by = {
        ("n0", "n1"): ("n1", None),
        ("n1", "n0"): ("n2", "another does"),
        ("n1", "n2"): ("n2", "another does"),
        ("n2", "n0"): ("n0", "a rule does"),
    }
    pairs = tuple(
        replace(one, refused_by=by[ends][0], refusal=by[ends][1])
        if (ends := (one.source, one.target)) in by
        else one
        for one in found.pairs
    )
    told = [line.strip() for line in lines(replace(found, pairs=pairs)) if "and refused" in line]
    assert told == [
        "1 pair reached and refused: nothing listens there",
        "1 pair reached and refused: nothing listens there, or a firewall answers in its name",
        "2 pairs reached and refused (n1 → n0, n1 → n2): another does",
        "1 pair reached and refused (n2 → n0): a rule does",
    ]
    assert fate(pairs[2], 1) == "reached, and refused: another does"


def test_of_many_ways_to_be_refused_the_first_are_told() -> None:
    """And how many more there are."""
    ends = [(a, b) for a in range(4) for b in range(4) if a != b]
    found = reachability(4, dict.fromkeys(ends, Outcome.REFUSED))
    pairs = tuple(
        replace(one, refused_by=one.target, refusal=f"rule {number}")
        for number, one in enumerate(found.pairs)
    )
    told = lines(replace(found, pairs=pairs))
    assert "  1 pair reached and refused (n2 → n3): rule 9" not in told
    assert "  … and 2 more pairs that are refused, by 2 others: --json has all" in told


def test_many_nodes_are_told_by_groups() -> None:
    """No matrix, and the failures by what they share; one that was not probed again says so."""
    down = {(a, b): LOST for a in range(20) for b in range(20) if 4 in (a, b)}
    told = lines(reachability(20, down))
    assert told[0].startswith("● pods: 342 of 380 pairs reached")
    assert not any("from \\ to" in line for line in told)
    at = told.index("  ✗ all from and to n4: 38 pairs")
    assert told[at + 1] == "      for example n0 → n4 (10.0.0.5): no answer within 0.5 s"
    assert "hopscope ping pods n0 n4" in told[at + 2]


def test_a_reason_and_what_mends_it() -> None:
    """Beneath the example."""
    found = reachability(2, {(0, 1): LOST})
    (group,) = found.groups
    found = replace(found, groups=(replace(group, reason="a rule drops it", mend="delete it"),))
    told = lines(found)
    assert "      why: a rule drops it" in told
    assert "      mend it with: delete it" in told


def test_what_another_pair_of_a_group_showed() -> None:
    """The same, which is said in a word, or something else."""
    found = reachability(3, {(0, 1): LOST, (0, 2): LOST})
    (group,) = found.groups
    look = Look(source=NodeName("n0"), target=NodeName("n2"), alike=True, reason="x", mend="y")
    for alike, said in (
        (True, ["likewise n0 → n2"]),
        (False, ["but n0 → n2 (10.0.0.3): no answer within 0.5 s", "why: x", "mend it with: y"]),
    ):
        also = (replace(look, alike=alike),)
        told = lines(replace(found, groups=(replace(group, reason="a rule", also=also),)))
        at = told.index("      for example n0 → n1 (10.0.0.2): no answer within 0.5 s")
        assert told[at + 1] == "      why: a rule"
        assert [line.strip() for line in told[at + 2 :]] == said


def test_of_many_groups_the_first_are_told() -> None:
    """And how many pairs the others have."""
    found = reachability(30, {(number, number + 1): LOST for number in range(24)})
    told = lines(found)
    assert len(found.groups) == 24
    assert sum(line.startswith("  ✗ ") for line in told) == 10
    assert "  … and 14 pairs more, in 14 groups: --json has them all" in told


def test_udp_silence_is_no_verdict() -> None:
    """It may be open."""
    found = replace(reachability(2, {(0, 1): LOST}), protocol=Protocol.UDP, port=53)
    assert any("open (a listener need not answer), or filtered" in line for line in lines(found))


def test_entries_of_ours_are_told() -> None:
    """With the room that they did not fit."""
    standing = Resolution(how="permanent", entries=39_800, room=1024)
    told = lines(replace(reachability(2), resolution=standing))
    assert any("39800 permanent entries stood in for ARP" in line for line in told)
    assert any("more than half the table of 1024" in line for line in told)
    assert not any("permanent" in line for line in lines(reachability(2)))


def test_nothing_was_reached() -> None:
    """No round trip is told, and all failures are one group."""
    told = lines(reachability(2, {(0, 1): LOST, (1, 0): LOST}))
    assert told[0] == "● pods: 0 of 2 pairs reached  icmp, in 1.50 ms"
    assert not any("round trips" in line for line in told)
    assert "  ✗ every pair: 2 pairs" in told


def test_an_error_that_says_why_is_not_said_twice() -> None:
    """The reason that was looked for is the error that the pair told."""
    found = reachability(3, {(0, 1): Outcome.FAILED})
    (group,) = found.groups
    error = "no route (ENETUNREACH)"
    told = lines(replace(found, groups=(replace(group, reason=error),)))
    assert sum(error in line for line in told) == 1
    assert not any("why:" in line for line in told)
    assert not any("not looked into" in line for line in told)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (GroupKind.OVERFLOW, "pairs that did not fit the neighbour table"),
        (GroupKind.EVERY, "every pair"),
        (GroupKind.NODE, "all from and to n3"),
        (GroupKind.SOURCE, "all from n3"),
        (GroupKind.TARGET, "all to n3"),
        (GroupKind.AMONG, "all among n0, n1, n2, n3 and 1 more"),
        (GroupKind.BETWEEN, "n0, n1, n2, n3 and 1 more → n7"),
    ],
)
def test_what_a_group_shares(kind: GroupKind, words: str) -> None:
    """In words; of many nodes the first, and how many more."""
    group = Group(
        kind=kind,
        node=NodeName("n3"),
        sources=tuple(NodeName(f"n{number}") for number in range(5)),
        targets=(NodeName("n7"),),
        pairs=5,
        example=(NodeName("n0"), NodeName("n7")),
    )
    assert group_words(group) == words


@pytest.mark.parametrize(
    ("outcome", "rtt", "error", "words"),
    [
        (Outcome.ANSWERED, 1_500, None, "1.5 µs"),
        (Outcome.ANSWERED, None, None, "answered"),
        (Outcome.REFUSED, 1_500, None, "reached, and refused"),
        (Outcome.SILENT, None, None, "no answer within 0.5 s"),
        (Outcome.FAILED, None, "no route", "no route"),
        (Outcome.FAILED, None, None, "failed"),
    ],
)
def test_what_became_of_a_pair(
    outcome: Outcome, rtt: int | None, error: str | None, words: str
) -> None:
    found = reachability(2).pairs[0]
    assert fate(replace(found, outcome=outcome, rtt=rtt, error=error), 0.5) == words
