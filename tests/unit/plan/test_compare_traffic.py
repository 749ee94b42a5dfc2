"""Rates and lines that are declared against those that there are."""

from typing import Any

import pytest
from msgspec.structs import replace

from comparing import ETH0, GUEST, found, lab, snapshot, told, work, world
from hopscope.model.change import Action
from hopscope.model.snapshot import Snapshot
from hopscope.model.traffic import Htb, Netem, Qdisc, Tbf
from hopscope.model.vocab import DevName
from hopscope.plan.compare import differences
from hopscope.plan.ops import AddQdisc, RemoveQdisc
from hopscope.plan.restore import plan_of
from hopscope.plan.wanted import wanted

RATED = lab(end="rate: {rate: 10mbit, burst: 5000, latency: 8ms}")
TBF = Tbf(rate=10_000_000, burst=5000, limit=15_000)


def shaped(*qdiscs: Qdisc) -> Snapshot:
    """With these of the guest's device."""
    return snapshot(guest={"qdiscs": qdiscs})


def one(options: Tbf | Htb | Netem | None, kind: str = "", handle: str = "1:") -> Qdisc:
    """At the root."""
    kind = kind or (options.kind if options else "")
    return Qdisc(dev=ETH0, kind=kind, handle=handle, parent="root", options=options)


def test_the_kernels_rounding_is_no_difference() -> None:
    """It counts a rate in bytes a second, and keeps a burst as a time."""
    assert told(found(RATED, shaped(one(TBF)))) == []
    assert told(found(RATED, shaped(one(Tbf(rate=10_000_000, burst=4999, limit=15_000))))) == []


def test_an_htb_is_the_same_but_for_what_is_rounded() -> None:
    """Its rate, its ceiling and its burst."""
    text = lab(end="rate: {rate: 10mbit, kind: htb, ceil: 20mbit, burst: 5000}")
    same = Htb(rate=10_000_000, ceil=20_000_000, burst=4999)
    assert told(found(text, shaped(one(same)))) == []
    for key, value in (("rate", 9_000_000), ("ceil", 10_000_000), ("burst", 9000)):
        assert len(found(text, shaped(one(replace(same, **{key: value}))))) == 1


def test_a_slow_rate_is_told_in_bits() -> None:
    """Beneath a thousand there is no shorter word."""
    now = shaped(one(Tbf(rate=800, burst=5000, limit=15_000)))
    ((*_, before, _after),) = told(found(RATED, now))
    assert before == "tbf 800bit, burst 5000, limit 15000"


def test_those_of_a_device_that_no_lab_declares_are_not_told() -> None:
    """Going back cannot make it again: its device is not made either."""
    now = shaped(replace(one(TBF), dev=DevName("dummy0")), one(TBF))
    plan = plan_of(now, world(now).sysctls, {})
    assert [op.dev for op in plan.ops if isinstance(op, AddQdisc)] == [ETH0]


def test_what_the_kernel_gives_by_itself_is_none() -> None:
    assert told(found(lab(), shaped(one(None, "fq_codel", "0:")))) == []


def test_a_device_is_given_all_again() -> None:
    now = shaped(one(Tbf(rate=20_000_000, burst=5000, limit=15_000)))
    assert told(found(RATED, now)) == [
        (
            Action.CHANGE,
            "eth0",
            "",
            "tbf 20mbit, burst 5000, limit 15000",
            "tbf 10mbit, burst 5000, limit 15000",
        )
    ]
    assert work(RATED, now) == [
        RemoveQdisc(node=GUEST, dev=ETH0),
        AddQdisc(node=GUEST, dev=ETH0, options=TBF),
    ]


LINE = {"delay": 20_000_000, "loss": 0.1, "limit": 1000}


@pytest.mark.parametrize(("key", "value"), [("delay", 20_000_030), ("loss", 0.1000001)])
def test_a_line_does_not_differ_by_what_is_not_kept(key: str, value: Any) -> None:
    """Times are kept in ticks of 64 ns, shares in parts of 2 to the 32nd."""
    text = lab(end="delay: 20ms, loss: 0.1%")
    assert told(found(text, shaped(one(Netem(**(LINE | {key: value})))))) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("delay", 21_000_000), ("jitter", 1_000_000), ("loss", 0.2), ("reorder", 1.0)],
        *[("duplicate", 1.0), ("corrupt", 1.0), ("limit", 900)],
    ],
)
def test_a_line_differs_in_each_part(key: str, value: Any) -> None:
    text = lab(end="delay: 20ms, loss: 0.1%")
    assert told(found(text, shaped(one(Netem(**(LINE | {key: value}))))))


def test_an_htb_without_its_class_is_made_again() -> None:
    """A change that failed half-way left it; going back too sees that."""
    text = lab(end="rate: {rate: 10mbit, kind: htb}")
    (seen,) = told(found(text, shaped(one(None, "htb")), only_told=True))
    assert seen[:3] == (Action.CHANGE, "eth0", "")


def test_one_that_no_lab_declares_is_removed_but_on_the_way_back() -> None:
    """Going back could not have made it, so it was there before."""
    now = shaped(one(None, "sfq", "8001:"))
    assert told(found(lab(), now)) == [(Action.REMOVE, "eth0", "", "sfq", None)]
    assert work(lab(), now) == [RemoveQdisc(node=GUEST, dev=ETH0)]
    before = wanted(plan_of(now, world(now).sysctls, {}))
    assert before.qdiscs == {}
    assert told(differences(before, world(now, only_told=True))) == []


def test_what_there_was_is_told_as_a_plan() -> None:
    now = shaped(one(TBF))
    plan = plan_of(now, world(now).sysctls, {})
    assert told(differences(wanted(plan), world(now))) == []
