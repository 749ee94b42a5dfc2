"""The time axis: lanes in the order of the way, dots in proportion, gaps said."""

import pytest
from msgspec.structs import replace

from hopscope.render.axis import axis
from hopscope.render.way import way
from htmlpage import page
from reportcases import bridge_record, echo, flood, ping, record


def test_lanes_stand_in_the_order_of_the_way() -> None:
    """With the capture's copy where it happened, between the ports."""
    lanes = axis(echo()).lanes
    assert [str(lane.point.dev) for lane in lanes] == [
        "ns1/veth1a",
        "host/veth1b",
        "host/br0",
        "host/veth2b",
        "ns2/veth2a",
    ]
    assert [lane.time for lane in lanes] == ["0.0 µs", "0.6 µs", "0.6 µs", "35.0 µs", "35.4 µs"]
    assert [lane.since for lane in lanes] == [
        "",
        "+0.6 µs",
        "same stamp",
        "+34.4 µs",
        "+0.4 µs",
    ]
    assert [lane.point.lent for lane in lanes] == [False, False, True, False, False]
    assert [lane.point.arrives for lane in lanes] == [True, True, False, True, True]


def test_dots_are_in_proportion_to_their_times() -> None:
    lanes = axis(echo()).lanes
    places = [lane.at for lane in lanes]
    assert places[0] == 3
    assert places[-1] == 97
    assert places[3] == pytest.approx(3 + 94 * 35.0 / 35.4, abs=0.02)
    assert lanes[3].bar == pytest.approx((places[1], places[3] - places[1]))  # type: ignore[operator]


def test_hooks_are_marked_between_two_times_and_said_to_have_none() -> None:
    whole = axis(echo(switch=1))
    sent = whole.lanes[3]
    assert len(sent.marks) == 3
    assert sent.start is not None
    assert sent.at is not None
    assert sent.start < min(sent.marks) <= max(sent.marks) < sent.at
    text = page(bridge_record()).by_id("step-4").text
    assert "netfilter hooks: their order is known, their times are not" in text


def test_a_missing_time_is_said() -> None:
    whole = axis(echo(timeless=True))
    assert whole.timeless == 5
    assert {lane.time for lane in whole.lanes} == {"no time"}
    text = page(record([ping(1, [echo(timeless=True)])])).by_id("step-1").text
    assert "5 points have no recorded time" in text


def test_a_flood_branches_from_the_port_that_it_came_in_by() -> None:
    points = way(replace(echo(), first=flood(3)))
    assert [point.parent for point in points] == [None, 0, 1, 0, 3, 0, 5]
    root = page(record([ping(1, [replace(echo(), first=flood(3))])]))
    (fork,) = root.all("li", "fork")
    assert "The packet was copied: 3 branches." in fork.text
    assert "copy 2 of 3, through v1" in fork.text
