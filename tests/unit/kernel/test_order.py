"""Batches in their order: each as soon as what it needs is there, and never sooner."""

from hypothesis import given
from hypothesis import strategies as st

from hopscope.kernel.apply.order import soonest
from hopscope.model.vocab import NodeName


def nodes(*names: str) -> list[NodeName]:
    return [NodeName(name) for name in names]


def test_a_node_is_filled_as_soon_as_its_links_are_made() -> None:
    """Not when all links are; what brings up the bridge stays behind all of them."""
    batches = ["links of a", "links of b and c", "bridge up", "a", "b", "c"]
    touched = [
        nodes("host", "a"),
        nodes("host", "b", "c"),
        nodes("host"),
        nodes("a"),
        nodes("b"),
        nodes("c"),
    ]
    assert soonest(batches, touched) == [
        *("links of a", "a"),
        *("links of b and c", "c", "b", "bridge up"),
    ]


def test_a_batch_that_touches_nothing_stays() -> None:
    assert soonest(["x", "y"], [[], []]) == ["x", "y"]


@given(st.lists(st.sets(st.sampled_from("abcd"), max_size=3), max_size=12))
def test_of_two_that_share_a_node_the_first_is_first(sets: list[set[str]]) -> None:
    touched = [nodes(*sorted(names)) for names in sets]
    order = soonest(range(len(sets)), touched)
    assert sorted(order) == list(range(len(sets)))
    place = {number: at for at, number in enumerate(order)}
    for first in range(len(sets)):
        for then in range(first + 1, len(sets)):
            if sets[first] & sets[then]:
                assert place[first] < place[then]
