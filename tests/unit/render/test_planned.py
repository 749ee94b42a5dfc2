"""Changes as lines: a mark, what, from what to what, and why."""

import re

import pytest
from msgspec.structs import replace

from hopscope.errors import Place
from hopscope.model.change import Action, Change, Subject
from hopscope.model.vocab import NodeName
from hopscope.render.planned import lines, summary

PLACE = Place("lab.yaml", 7, 3)
ADDRESS = Change(
    action=Action.CREATE,
    subject=Subject.ADDRESS,
    node=NodeName("ns1"),
    name="10.0.0.1/24 on e",
    why="declared",
    place=PLACE,
)
MTU = Change(
    action=Action.CHANGE,
    subject=Subject.DEVICE,
    node=NodeName("ns1"),
    name="e",
    attribute="mtu",
    before="1500",
    after="1400",
    why="declared",
)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (ADDRESS, "+ ns1: address 10.0.0.1/24 on e  lab.yaml:7:3"),
        (replace(ADDRESS, place=None), "+ ns1: address 10.0.0.1/24 on e  declared"),
        (
            replace(ADDRESS, why="its device is made anew"),
            "+ ns1: address 10.0.0.1/24 on e  lab.yaml:7:3, its device is made anew",
        ),
        (MTU, "~ ns1: device e mtu 1500 → 1400  declared"),
        (replace(MTU, before=None), "~ ns1: device e mtu none → 1400  declared"),
        (replace(MTU, after=None, before=None), "~ ns1: device e mtu  declared"),
        (
            replace(MTU, action=Action.CREATE, attribute="", after="1", subject=Subject.SYSCTL),
            "+ ns1: sysctl e = 1  declared",
        ),
        (
            replace(ADDRESS, action=Action.REMOVE, subject=Subject.QDISC, name="e", before="tbf 1"),
            "- ns1: qdisc e = tbf 1  lab.yaml:7:3",
        ),
        (
            replace(ADDRESS, action=Action.REMOVE, subject=Subject.NODE, name="ns1", why="x"),
            "- node ns1  lab.yaml:7:3, x",
        ),
    ],
)
def test_a_change_in_a_line(change: Change, line: str) -> None:
    """The place alone says that the lab asks for it."""
    (told,) = lines([change])
    assert told.plain == line


def test_rules_that_differ_stand_below_their_change() -> None:
    """Those that go in red, those that come in green."""
    rules = replace(MTU, subject=Subject.RULES, name="firewall rules", lines=("- a", "+ b"))
    _first, gone, come = lines([rules])
    assert (gone.plain, gone.style) == ("    - a", "red")
    assert (come.plain, come.style) == ("    + b", "green")


def test_reasons_stand_in_a_column() -> None:
    """Of the widest, but one that is very long does not push the others away."""
    short, long = replace(ADDRESS, name="a"), replace(ADDRESS, name="a" * 90)
    told = [one.plain for one in lines([short, MTU])]
    assert {one.index("  ") > 0 for one in told} == {True}
    assert [one.rindex("  ") for one in told] == [len("~ ns1: device e mtu 1500 → 1400")] * 2
    first, second = (one.plain for one in lines([short, long]))
    assert first.index("lab.yaml") == 82
    assert second.endswith(f"{'a' * 90}  lab.yaml:7:3")
    assert list(lines([])) == []


def test_how_many() -> None:
    """In the order create, change, remove; what there is none of is not told."""
    gone = replace(ADDRESS, action=Action.REMOVE)
    assert summary([MTU, ADDRESS, gone, ADDRESS]) == "2 to create, 1 to change, 1 to remove"
    assert summary([gone], done=True) == "1 removed"
    assert summary([]) == "nothing to change"


def of_pods(change: Change, count: int) -> list[Change]:
    """The same of so many nodes."""
    return [replace(change, node=NodeName(f"pod{number}")) for number in range(1, count + 1)]


def told(changes: list[Change]) -> list[str]:
    """Each line without the blanks between what and why."""
    return [re.sub(" {2,}", "  ", line.plain) for line in lines(changes)]


def test_what_is_alike_of_many_nodes_is_told_once() -> None:
    """In the place of the first; of a few nodes each by itself."""
    nodes = [replace(one, subject=Subject.NODE, name=one.node) for one in of_pods(ADDRESS, 300)]
    few = of_pods(replace(MTU, name="f"), 4)
    assert told([*nodes, ADDRESS, *of_pods(MTU, 5), *few]) == [
        "+ node pod1, pod2, pod3, pod4 and 296 more  lab.yaml:7:3",
        "+ ns1: address 10.0.0.1/24 on e  lab.yaml:7:3",
        "~ pod1, pod2, pod3, pod4, pod5: device e mtu 1500 → 1400  declared",
        *(f"~ pod{number}: device f mtu 1500 → 1400  declared" for number in (1, 2, 3, 4)),
    ]
    assert summary(nodes) == "300 to create"


def test_what_one_line_asks_for_is_told_once() -> None:
    """Of one node, or of each replica another; but not what nobody declares."""
    ports = [replace(MTU, name=f"p{number}", place=PLACE) for number in range(1, 6)]
    drawn = [
        replace(one, name=f"10.0.0.{number}/24 on e")
        for number, one in enumerate(of_pods(ADDRESS, 9))
    ]
    assert told([*ports, *drawn]) == [
        "~ ns1: device p1, p2, p3, p4, p5 mtu 1500 → 1400  lab.yaml:7:3",
        (
            "+ pod1, pod2, pod3, pod4 and 5 more: address 10.0.0.0/24 on e, 10.0.0.1/24 on e, "
            "10.0.0.2/24 on e, 10.0.0.3/24 on e and 5 more  lab.yaml:7:3"
        ),
    ]
    strange = [replace(one, place=None, why="not declared") for one in (*ports, *drawn)]
    assert len(told(strange)) == len(strange)
