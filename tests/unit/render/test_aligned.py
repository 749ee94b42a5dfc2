"""Two pings side by side: exactly what differs is said to differ."""

from msgspec.structs import replace

from hopscope.model.vocab import Nanos
from hopscope.render.aligned import comparisons
from htmlpage import page
from reportcases import bridge_record, echo, ping, record


def test_two_pings_differ_in_exactly_the_netfilter_steps() -> None:
    root = page(bridge_record()).by_id("comparison")
    assert "6 steps are in one and not in the other, and each of them is a netfilter step" in (
        root.text
    )
    assert "(prerouting → forward → postrouting)" in root.text
    for table in root.all("table", "diff"):
        added = table.all("tr", "added")
        assert len(added) == 3
        assert all("+" in row.all("td", "sign")[0].text for row in added)
        assert all("netfilter only" in row.text for row in added)
        assert not table.all("tr", "removed")
        assert len(table.all("tr", "same")) == 10
    assert "ARP request: only in ping 1, so there is nothing to compare." in root.text


def test_the_other_order_shows_them_as_removed() -> None:
    one, other = bridge_record().pings
    root = page(record([replace(other, number=1), replace(one, number=2)])).by_id("comparison")
    assert len(root.all("tr", "removed")) == 6
    assert not root.all("tr", "added")
    assert all("−" in row.all("td", "sign")[0].text for row in root.all("tr", "removed"))


def test_a_difference_that_is_not_netfilter_is_not_called_so() -> None:
    """A copy for the capture in one ping only is counted apart."""
    left = ping(1, [echo(copy=False)], switch=0)
    right = ping(2, [echo(switch=1)], switch=1)
    (one,) = comparisons(record([left, right]))
    assert len(one.others) == 2
    text = page(record([left, right])).by_id("comparison").text
    assert "netfilter steps: 3; other steps: 2." in text
    assert "not netfilter" in text


def test_pings_at_the_same_switch_are_not_compared() -> None:
    assert comparisons(record([ping(1, [echo()]), ping(2, [echo()])])) == []
    root = page(record([ping(1, [echo()]), ping(2, [echo()])]))
    assert "comparison" not in [one.attributes.get("id") for one in root]


def test_times_do_not_make_steps_differ() -> None:
    late = replace(echo(), started=Nanos(echo().started - 9_000))
    (one,) = comparisons(record([ping(1, [echo()]), ping(2, [late], switch=1)]))
    assert one.changed == ()


def test_pings_without_a_packet_of_one_kind_cannot_be_compared() -> None:
    root = page(record([ping(1, [echo()]), ping(2, [echo(reply=True)], switch=1)]))
    text = root.by_id("comparison").text
    assert "No packet of one kind was seen in both, so nothing can be compared." in text
    assert "Echo request: only in ping 1" in text
    assert "Echo reply: only in ping 2" in text


def test_the_same_steps_are_called_the_same() -> None:
    root = page(record([ping(1, [echo()]), ping(2, [echo()], switch=1)]))
    assert "Every step is the same in both." in root.by_id("comparison").text
