"""The heat map: one square for each pair, whatever their number; shapes besides colours."""

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from hopscope.model.reachability import Outcome, Protocol, Reachability
from hopscope.render.heatmap import _kind, heatmap
from matrices import LOST, reachability

SVG = "{http://www.w3.org/2000/svg}"
NUMBER = r"-?[\d.]+(?:e[-+]\d+)?"
PIECE = re.compile(rf"M({NUMBER}),({NUMBER})h({NUMBER})v({NUMBER})h{NUMBER}z")
ends = st.tuples(st.integers(0, 5), st.integers(0, 5))


def drawn(found: Reachability) -> ET.Element:
    """The picture, parsed."""
    return ET.fromstring(heatmap(found))  # noqa: S314 - our own


def area(picture: ET.Element, kinds: str) -> float:
    """How many squares the paths of these kinds fill."""
    found, side = 0.0, 1.0
    for path in picture.iter(f"{SVG}path"):
        if re.fullmatch(kinds, path.get("class", "")):
            for _x, _y, wide, high in PIECE.findall(path.get("d", "")):
                side = float(high)
                found += float(wide) * side
    return round(found / side**2, 3)


def crosses(picture: ET.Element) -> int:
    """How many failures are crossed out, the legend's aside."""
    paths = [p for p in picture.iter(f"{SVG}path") if p.get("class") == "cross"]
    return sum(path.get("d", "").count("M") for path in paths[:-1])


@given(st.sets(ends), st.sets(ends))
def test_each_pair_is_a_square(lost: set[tuple[int, int]], refused: set[tuple[int, int]]) -> None:
    """Each failure a cross too, and each refusal a ring; the diagonal is of its own."""
    outcomes = dict.fromkeys(refused, Outcome.REFUSED) | dict.fromkeys(lost, LOST)
    found = reachability(6, outcomes)
    picture = drawn(found)
    failures = len(found.failures)
    assert area(picture, r"s\d") == 30 - failures
    assert area(picture, "fail") == failures
    assert area(picture, "self") == 6
    assert crosses(picture) == failures
    rings = [c for c in picture.iter(f"{SVG}circle") if c.get("stroke-width") is None]
    assert len(rings) == sum(pair.outcome is Outcome.REFUSED for pair in found.pairs)


@pytest.mark.parametrize("count", [2, 30, 200])
def test_names_do_not_overlap(count: int) -> None:
    """As many as have room, from the first on."""
    picture = drawn(reachability(count))
    rows = [t for t in picture.iter(f"{SVG}text") if t.get("text-anchor") == "end"]
    heights = [float(t.get("y", "")) for t in rows]
    assert rows[0].text == "n0"
    assert all(b - a >= 13 for a, b in pairwise(heights))
    assert len(rows) >= min(count, 20)


def test_a_large_matrix_is_no_large_file() -> None:
    """Two hundred nodes are forty thousand squares."""
    text = heatmap(reachability(200, {(a, 7): LOST for a in range(200)}))
    assert len(text) < 1_500_000
    assert int(ET.fromstring(text).get("width", "0")) < 1200  # noqa: S314 - our own


def test_pairs_tell_themselves() -> None:
    """Of few all do when pointed at; of many, those that fail."""
    few = {t.text for t in drawn(reachability(3, {(0, 1): LOST})).iter(f"{SVG}title")}
    assert {"n0 → n1: no answer within 0.5 s", "n1 → n2: 13.0 µs"} <= few
    many = [t.text for t in drawn(reachability(60, {(0, 1): LOST})).iter(f"{SVG}title")]
    assert many[1:] == ["n0 → n1: no answer within 0.5 s"]


def test_what_cannot_be_seen_is_described() -> None:
    """For those who hear the picture."""
    (told,) = drawn(reachability(3, {(0, 1): LOST})).iter(f"{SVG}desc")
    assert told.text == "Not reached: n0 to n1."


def test_the_legend_has_what_is_drawn() -> None:
    """A colour that no square has is not explained."""
    found = reachability(4, {(0, 1): LOST})
    texts = [t.text for t in drawn(found).iter(f"{SVG}text")]
    assert "not reached" in texts
    assert "reached, and refused" not in texts
    fast = replace(found, pairs=tuple(replace(pair, rtt=5_000) for pair in found.pairs))
    assert "reached" in [t.text for t in drawn(fast).iter(f"{SVG}text")]


def test_refusals_are_ringed_and_explained() -> None:
    """They did reach their target: a colour as well as a ring."""
    picture = drawn(reachability(3, {(0, 1): Outcome.REFUSED}))
    assert area(picture, r"s\d") == 6
    assert crosses(picture) == 0
    assert len(list(picture.iter(f"{SVG}circle"))) == 2  # the square's, and the legend's
    assert "reached, and refused" in [t.text for t in picture.iter(f"{SVG}text")]


def test_one_without_a_round_trip_is_as_slow_as_any() -> None:
    """It was asked again before it answered."""
    (pair, *_rest) = reachability(2).pairs
    assert _kind(replace(pair, rtt=1), [10, 20]) == "s0"
    assert (
        _kind(replace(pair, rtt=None), [10, 20]) == _kind(replace(pair, rtt=30), [10, 20]) == "s2"
    )


def test_nothing_was_reached() -> None:
    """There is no time to colour by: each pair is crossed out, and that alone is explained."""
    outcomes = {(a, b): LOST for a in range(3) for b in range(3) if a != b}
    found = reachability(3, outcomes)
    picture = drawn(found)
    assert (area(picture, r"s\d"), area(picture, "fail"), crosses(picture)) == (0, 6, 6)
    assert "not reached" in [t.text for t in picture.iter(f"{SVG}text")]
    silent = [t.text for t in drawn(replace(found, protocol=Protocol.UDP)).iter(f"{SVG}text")]
    assert "no answer" in silent
    assert "not reached" not in silent
