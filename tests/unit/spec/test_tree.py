"""Trees know their places, and what is grown from Python is judged like what was read."""

from ipaddress import ip_address
from math import inf, isnan, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopscope.errors import Place, SpecError
from hopscope.spec.source import read
from hopscope.spec.tree import (
    DEEPEST,
    Listing,
    Mapping,
    Scalar,
    Tree,
    at,
    edited,
    grown,
    listing,
    locate,
    mapping,
    plain,
    trail,
    value,
    words,
)
from labtexts import FILE

HERE = Place("lab.py", 7, 1)
TEXT = """\
links:
  - [a:x, host:y@br0]
  - {ends: [b:x, "host:z@br0"], mtu: 1400}
bridges: [br0, br1]
routes:
  - default via 10.0.0.1
  - to: default
"""


@pytest.fixture
def tree() -> Mapping:
    return read(TEXT, FILE).tree


@pytest.mark.parametrize(
    ("path", "of", "where"),
    [
        (("links",), "", (2, 3)),
        (("links",), "its key", (1, 1)),
        (("links", 0, "ends", 1), "", (2, 11)),
        (("links", 0, "ends", 1), "br0", (2, 18)),
        (("links", 0, "mtu"), "", (2, 5)),
        (("links", 1, "ends", 1), "", (3, 18)),
        (("links", 1, "ends", 1), "br0", (3, 26)),
        (("links", 1, "ends", 1), "br", (3, 18)),
        (("links", 1, "mtu"), "its key", (3, 33)),
        (("links", 1, "mtu"), "", (3, 38)),
        (("links", 1, 1), "its key", (3, 33)),
        (("links", 9), "", (2, 3)),
        (("bridges", "br1"), "its key", (4, 16)),
        (("bridges", "br1"), "", (4, 16)),
        (("routes", 0, "via"), "10.0.0.1", (6, 17)),
        (("routes", 0, "via"), "its key", (6, 5)),
        (("routes", 1, "via"), "10.0.0.1", (7, 5)),
        (("nothing",), "its key", (1, 1)),
        ((), "", (1, 1)),
    ],
)
def test_places_are_found_in_the_long_form_and_in_the_short(
    tree: Mapping, path: tuple[str | int, ...], of: str, where: tuple[int, int]
) -> None:
    key, piece = of == "its key", of.removeprefix("its key")
    assert locate(tree, path, key=key, piece=piece) == Place(FILE, *where)


def test_a_piece_of_a_folded_text_is_only_known_by_the_texts_beginning() -> None:
    folded = read('a: "x\n  y z"\nb: |\n  y\nc: "\\x79"\n', FILE).tree
    assert locate(folded, ("a",), piece="y") == Place(FILE, 1, 4)
    assert locate(folded, ("b",), piece="y") == Place(FILE, 3, 4)
    assert locate(folded, ("c",), piece="y") == Place(FILE, 5, 4)


def test_parts_are_left_out_and_renamed_where_the_trail_leads(tree: Mapping) -> None:
    less = _less(tree, "links", 1, "mtu")
    assert plain(less)["links"][1] == {"ends": ["b:x", "host:z@br0"]}
    assert plain(_less(tree, "links", 0))["links"] == [{"ends": ["b:x", "host:z@br0"], "mtu": 1400}]
    other = edited(tree, {trail(tree, ("links", 1, "mtu")): "mac"})
    assert plain(other)["links"][1]["mac"] == 1400
    assert locate(other, ("links", 1, "mac"), key=True) == Place(FILE, 3, 33)


def test_many_parts_are_changed_in_one_pass(tree: Mapping) -> None:
    """All trails speak of the tree as it was."""
    links = trail(tree, ("links",))
    wishes = {
        trail(tree, ("links", 0)): None,
        trail(tree, ("links", 1, "ends", 0)): None,
        trail(tree, ("links", 1, "mtu")): "mac",
        links: "lines",
        trail(tree, ("bridges", 1)): None,
        trail(tree, ("routes",)): None,
        trail(tree, ("routes", 0)): None,
    }
    assert plain(edited(tree, wishes)) == {
        "lines": [{"ends": ["host:z@br0"], "mac": 1400}],
        "bridges": ["br0"],
    }
    assert edited(tree, {}) == tree


def test_what_was_cut_is_not_whole_and_all_else_is(tree: Mapping) -> None:
    less = _less(tree, "links", 1, "mtu")
    again = edited(less, {trail(less, ("routes",)): "ways"})
    assert [_whole(again, path) for path in ((), ("links",), ("links", 1), ("links", 0))] == [
        True,
        True,
        False,
        True,
    ]
    shorter = _less(again, "links", 0)
    assert [_whole(shorter, path) for path in ((), ("links",), ("links", 0))] == [
        True,
        False,
        False,
    ]


def _less(tree: Tree, *path: str | int) -> Tree:
    return edited(tree, {trail(tree, path): None})


def _whole(tree: Tree, path: tuple[str | int, ...]) -> bool:
    spot = at(tree, trail(tree, path))
    assert not isinstance(spot, Scalar)
    return spot.whole


def test_a_leaf_has_nothing_below_it() -> None:
    leaf = grown("x", HERE)
    with pytest.raises(IndexError):
        at(leaf, (0,))
    with pytest.raises(IndexError):
        edited(leaf, {(0,): None})


def test_the_weight_and_height_of_a_tree_count_all_that_is_below() -> None:
    made = grown({"a": [1, 2], "b": {}}, HERE)
    assert (made.weight, made.height) == (7, 2)
    assert grown(1, HERE).height == 0


def test_words_are_all_names_in_a_tree(tree: Mapping) -> None:
    assert {"a", "x", "host", "y", "br0", "10.0.0.1", "mtu"} <= set(words(tree))


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("12", 12),
        ("-3", -3),
        ("0x1f", 31),
        ("0o17", 15),
        ("017", 17),
        ("1_000", "1_000"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        (".inf", inf),
        ("-.INF", -inf),
        ("12:30:45", "12:30:45"),
        ("1" * 19, 1111111111111111111.0),
        ("1" * 400, inf),
        ("10.0.0.1", "10.0.0.1"),
        ("02:00:00:00:00:01", "02:00:00:00:00:01"),
        ("2001-01-01", "2001-01-01"),
    ],
)
def test_a_leaf_means_what_yaml_1_2_says(text: str, meaning: Any) -> None:
    found = value(Scalar(text=text, unquoted=True, place=HERE))
    assert found == meaning
    assert type(found) is type(meaning)
    assert value(Scalar(text=text, unquoted=False, place=HERE)) == text


def test_not_a_number_is_a_number() -> None:
    found = value(Scalar(text=".nan", unquoted=True, place=HERE))
    assert isinstance(found, float)
    assert isnan(found)


PYTHON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(), below, max_size=4),
    max_leaves=20,
)


@given(PYTHON)
def test_growing_and_reading_back_changes_nothing(given_value: Any) -> None:
    """``"12"`` stays a text and 12 a number, however deep they stand."""
    found = plain(grown(given_value, HERE))
    assert found == given_value
    assert repr(found) == repr(given_value)


@given(PYTHON)
def test_every_part_of_a_grown_tree_is_at_its_place(given_value: Any) -> None:
    def places(tree: Tree) -> set[Place]:
        match tree:
            case Mapping(entries=entries):
                below = [part for pair in entries for part in pair]
            case Listing(items=items):
                below = list(items)
            case Scalar():
                below = []
        return {tree.place}.union(*map(places, below))

    assert places(grown(given_value, HERE)) == {HERE}


def test_trees_within_keep_their_own_places_and_tuples_are_lists() -> None:
    there = Place("lab.py", 9, 1)
    inner = grown({"x": 1}, there)
    made = grown({"a": (inner, "b")}, HERE)
    assert plain(made) == {"a": [{"x": 1}, "b"]}
    assert locate(made, ("a", 0, "x")) == there
    assert locate(made, ("a", 1)) == HERE
    assert grown(inner, HERE) is inner


def test_not_a_number_and_numbers_as_keys_can_be_grown() -> None:
    made = grown({7: nan, True: -inf, None: None, "x": inf}, HERE)
    found = plain(made)
    assert isnan(found.pop("7"))
    assert found == {"true": -inf, "null": None, "x": inf}


def test_a_value_that_no_lab_holds_is_named() -> None:
    with pytest.raises(TypeError, match=r"not IPv4Address\('10.0.0.1'\)"):
        grown({"a": [ip_address("10.0.0.1")]}, HERE)


def test_a_list_that_holds_itself_is_too_deep() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(SpecError) as caught:
        grown(endless, HERE)
    (problem,) = caught.value.problems
    assert (problem.rule, problem.place) == ("too-deep", HERE)
    assert str(DEEPEST) in problem.message


def test_mappings_and_lists_can_be_made_by_hand() -> None:
    leaf = Scalar(text="a", unquoted=True, place=HERE)
    assert plain(mapping([(leaf, listing([leaf], HERE))], HERE)) == {"a": ["a"]}
