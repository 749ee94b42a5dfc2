"""What is held back, compiled: one operation a queueing discipline, with all that follows."""

import pytest

from hopscope.model.traffic import Htb, Netem, RateLimit, Tbf
from hopscope.model.vocab import DevName, NodeName
from hopscope.plan.compile import compile_lab
from hopscope.plan.ops import AddQdisc
from hopscope.plan.traffic import shaped
from hopscope.spec import parse
from labtexts import FILE, changed

FIRST = "[ns1:veth1a, host:veth1b@br0]"


def qdiscs(keys: str) -> list[AddQdisc]:
    spec = parse(changed(FIRST, f"{{ends: {FIRST}, {keys}}}"), FILE)
    return [op for op in compile_lab(spec).ops if isinstance(op, AddQdisc)]


@pytest.mark.parametrize(
    ("limit", "mtu", "wanted"),
    [
        (
            RateLimit(kind="tbf", rate=10_000_000),
            1500,
            Tbf(rate=10_000_000, burst=12_500, limit=75_000),
        ),
        (RateLimit(kind="tbf", rate=8000), 1500, Tbf(rate=8000, burst=3036, limit=3086)),
        (
            RateLimit(kind="tbf", rate=8_000_000, burst=32_768, latency=10_000_000),
            1500,
            Tbf(rate=8_000_000, burst=32_768, limit=42_768),
        ),
        (RateLimit(kind="htb", rate=8000), 9000, Htb(rate=8000, ceil=8000, burst=18_036)),
        (
            RateLimit(kind="htb", rate=8000, ceil=16_000, burst=5000),
            1500,
            Htb(rate=8000, ceil=16_000, burst=5000),
        ),
    ],
)
def test_what_follows_from_a_rate(limit: RateLimit, mtu: int, wanted: Tbf | Htb) -> None:
    """Ten milliseconds at once, and never less than two packets."""
    assert shaped(limit, mtu) == wanted


def test_each_end_has_its_own() -> None:
    both = qdiscs("rate: 10mbit")
    assert [(op.node, op.dev) for op in both] == [
        (NodeName("host"), DevName("veth1b")),
        (NodeName("ns1"), DevName("veth1a")),
    ]
    assert {(op.handle, op.parent) for op in both} == {("1:", "root")}
    assert str(both[0]) == "host/veth1b: adding the queueing discipline tbf"
    assert [op.place.line for op in both if op.place] == [10, 10]


def test_a_rate_hangs_below_a_line() -> None:
    line, rate, *_others = qdiscs("rate: 10mbit, delay: 20ms")
    assert (line.handle, line.parent, line.options) == ("1:", "root", Netem(delay=20_000_000))
    assert (rate.handle, rate.parent, rate.options.kind) == ("10:", "1:1", "tbf")
