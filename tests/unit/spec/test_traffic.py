"""Rates and lines: units as ``tc`` has them, an end before its link, and what cannot work."""

import pytest

from hopscope.model.traffic import Netem, RateLimit, Traffic
from labtexts import changed, parsed, wrong

FIRST = "[ns1:veth1a, host:veth1b@br0]"
NS1 = "    addresses: {veth1a: 10.244.1.2/24}\n"


def of_first(link: str) -> tuple[Traffic, Traffic]:
    made = parsed(changed(FIRST, link)).links[0]
    return made.a.traffic, made.b.traffic


@pytest.mark.parametrize(
    ("written", "bits"),
    [("10mbit", 10_000_000), ("1.5Gbit", 1_500_000_000), ("64 kbit", 64_000), ("9600bit", 9600)],
)
def test_rates(written: str, bits: int) -> None:
    both = of_first(f"{{ends: {FIRST}, rate: {written}}}")
    assert both == (Traffic(rate=RateLimit(kind="tbf", rate=bits)),) * 2


def test_a_rate_in_its_parts() -> None:
    """Sizes are of 1024; htb may borrow."""
    first, second = of_first(
        "[{end: ns1:veth1a, rate: {rate: 1mbit, burst: 32kb, latency: 100ms}},"
        " {end: host:veth1b@br0, rate: {rate: 1mbit, kind: htb, ceil: 2mbit, burst: 4096}}]"
    )
    limit = RateLimit(kind="tbf", rate=1_000_000, burst=32768, latency=100_000_000)
    assert first == Traffic(rate=limit)
    borrowing = RateLimit(kind="htb", rate=1_000_000, ceil=2_000_000, burst=4096)
    assert second == Traffic(rate=borrowing)


def test_an_end_says_it_before_its_link() -> None:
    """Key by key."""
    first, second = of_first(
        "{ends: [ns1:veth1a, {end: host:veth1b@br0, delay: 1s, corrupt: 0.5%}],"
        " delay: 20ms, jitter: 500us, loss: 1%, duplicate: 2%, reorder: 25%}"
    )
    line = Netem(delay=20_000_000, jitter=500_000, loss=1.0, duplicate=2.0, reorder=25.0)
    assert first == Traffic(line=line)
    own = Netem(delay=10**9, jitter=500_000, loss=1.0, duplicate=2.0, reorder=25.0, corrupt=0.5)
    assert second == Traffic(line=own)


def test_a_device_may_be_held_back_too() -> None:
    text = changed(NS1, NS1 + "    devices: {t: {kind: tap, rate: 1mbit, loss: 3%}}\n")
    (tap,) = parsed(text).node("ns1").devices
    assert tap.traffic == Traffic(rate=RateLimit(kind="tbf", rate=1_000_000), line=Netem(loss=3.0))


ONE = [
    # keys of the first link, rule, message, hint
    ("rate: ▸10", "bad-rate", "'10' is not a rate with its unit", "write it as 10mbit"),
    ("rate: ▸fast", "bad-rate", "'fast' is not a rate with its unit", "10mbit"),
    ("rate: ▸10mbps", "bad-rate", "10mbps may mean bits or bytes", "10mbit"),
    ("rate: ▸1bit", "out-of-range", "a rate, in bits a second, cannot be 1", "1000 to"),
    ("delay: ▸20", "bad-time", "'20' is not a time with its unit", "20ms"),
    ("delay: ▸2h", "bad-time", "'2h' is not a time with its unit", "20ms"),
    ("delay: ▸90s", "out-of-range", "the delay, in ns, cannot be", ""),
    ("loss: ▸1", "bad-share", "'1' is not a share with its unit", "1%"),
    ("loss: ▸101%", "bad-share", "'101%' is not a share", "1%"),
    ("jitter: ▸2ms", "no-delay", "'jitter' says how a delay varies", "delay: 20ms"),
    ("reorder: ▸5%", "no-delay", "'reorder' says how a delay varies", "delay: 20ms"),
    ("rate: {rate: 1mbit, ceil: ▸2mbit}", "bad-rate", "a tbf has no ceil", "kind: htb"),
    ("rate: {rate: 2mbit, kind: htb, ceil: ▸1mbit}", "bad-rate", "the ceil is below", ""),
    ("rate: {rate: 2mbit, burst: ▸1000}", "small-burst", "a packet of 1500 bytes", "1514"),
    ("rate: {rate: 2mbit, burst: ▸1gb}", "bad-size", "'1gb' is not a size", "32kb"),
    ("rate: ▸{burst: 32kb}", "missing-key", "a rate needs the key 'rate'", ""),
    ("rate: {rate: 1mbit, ▸brust: 30000}", "unknown-key", "not a key of a rate", "'burst'"),
]


@pytest.mark.parametrize(("keys", "rule", "message", "hint"), ONE)
def test_one_mistake(keys: str, rule: str, message: str, hint: str) -> None:
    """At the link it is told once, though both ends have it."""
    (problem,) = wrong(changed(FIRST, f"{{ends: {FIRST}, {keys}}}"), rule)
    assert message in problem.message
    assert hint in problem.hint


def test_a_mistake_of_one_end_is_told_there() -> None:
    link = "{ends: [{end: ns1:veth1a, jitter: ▸1ms}, host:veth1b@br0], mtu: 1400}"
    wrong(changed(FIRST, link), "no-delay")
