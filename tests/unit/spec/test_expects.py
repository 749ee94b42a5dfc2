"""What a story expects must be something that can be; a slip is told where it stands."""

import pytest

from hopscope import spec
from hopscope.errors import Place, SpecError
from hopscope.model.lab import Count, DropExpect, Expect, ExpectStep, PingStep
from labtexts import PAIR, parsed, problems, wrong

LAB = PAIR.replace(
    "bridges: {br0: {}}",
    "bridges: {br0: {}}\n    iptables: ['-A FORWARD -j LOG --log-prefix \"Fwd-1-\"']"
    "\n    nft: 'table ip t { chain c { log prefix \"nft \" } }'",
)

PINGS = [
    # expect, rule, message, hint
    ("drop: ▸rule-dorp", "unknown-cause", "no cause 'rule-dorp'", "did you mean 'rule-drop'?"),
    ("drop: ▸rain", "unknown-cause", "no cause 'rain' of a drop", "docs/journeys.md lists them"),
    ("drop: {cause: ▸rule-dorp}", "unknown-cause", "no cause 'rule-dorp'", "'rule-drop'?"),
    ("drop: {at: ▸hots}", "unknown-node", "there is no node 'hots'", "did you mean 'host'?"),
    ("drop: {at: ▸host/br9}", "unknown-device", "host has no device 'br9'", "'br0'?"),
    ("drop: {at: ▸br0}", "unknown-node", "no node 'br0'", "with its node: host/br0"),
    ("drop: {at: ▸host/}", "bad-device", "'host/' is neither a node", "write host, or host/br0"),
    ("drop: ▸{}", "missing-key", "a drop needs a cause or a place", "{cause: rule-drop, at: host}"),
    ("drop: ▸[rule-drop]", "wrong-type", "'drop' must be a cause such as 'rule-drop'", ""),
    ("drop: {▸couse: rule-drop}", "unknown-key", "not a key of 'drop'", "'cause'?"),
    ("path: [ns1, ▸nz2]", "unknown-node", "there is no node 'nz2'", "'ns2'?"),
    ("path: [ns1, ..., ▸host/br1]", "unknown-device", "no device 'br1'", "'br0'?"),
    ("path: [ns1, ▸br0, ns2]", "unknown-node", "there is no node 'br0'", "host/br0"),
    ("path: ▸ns1", "wrong-type", "'path' must be a list", "write [ns1]"),
    ("latency: ▸5", "bad-time", "'5' is not a time with its unit", "write it as 20ms"),
    ("latency: ▸5min", "bad-time", "'5min' is not a time", "write it as 20ms"),
    ("latency: ▸-1ms", "bad-time", "'-1ms' is not a time", "write it as 20ms"),
    ("loss: ▸5", "bad-share", "'5' is not a share", "write it as 1%"),
    ("loss: ▸100.1%", "bad-share", "'100.1%' is not a share", "write it as 1%"),
    ("crosses: [▸host/ip5/filter/FORWARD]", "bad-hook", "no family 'ip5'", "'ip'?"),
]
TABLES = [
    ("addresses: {▸ns3/eth0: 10.0.0.1}", "unknown-node", "no node 'ns3'", "'ns2'?"),
    ("addresses: {▸ns1/veth1b: 10.0.0.1}", "unknown-device", "no device 'veth1b'", "'veth1a'?"),
    ("addresses: {▸ns1: 10.0.0.1}", "bad-device", "does not name a device", "as host/br0"),
    ("addresses: {ns1/veth1a: ▸10.0.0}", "bad-address", "is not an IP address", "10.244.1.4"),
    ("addresses: {ns1/veth1a: [10.0.0.1, ▸10.0.0.2/33]}", "bad-address", "/33 is not", "0 to 32"),
    ("routes: {▸ns3: {default: none}}", "unknown-node", "no node 'ns3'", "'ns2'?"),
    ("routes: {ns1: {▸10.0.0.1/24: none}}", "bad-route", "names a host", "'10.0.0.0/24'?"),
    ("routes: {ns1: {▸ns2: none}}", "bad-address", "'ns2' is not an IP address", "10.244.1.4"),
    ("routes: {ns1: {default: ▸via ns2}}", "bad-address", "which a gateway is", "10.244.1.4"),
    ("routes: {ns1: {default: ▸via}}", "bad-address", "which a gateway is", "10.244.1.4"),
    ("routes: {ns1: {default: ▸dev eth9}}", "unknown-device", "no device 'eth9'", "'veth1a'?"),
    ("routes: {ns1: {default: ▸10.0.0.1}}", "bad-route", "does not say which way", "'via 10."),
    ("routes: {ns1: {default: ▸''}}", "bad-route", "does not say which way", "or 'none'"),
    ("hits: {▸Fwd-2-: 1}", "unknown-prefix", "with the prefix 'Fwd-2-'", "did you mean 'Fwd-1-'?"),
    ("hits: {▸hots/filter/FORWARD: 1}", "unknown-node", "no node 'hots'", "'host'?"),
    ("hits: {▸host/filter/FOWARD/1: 1}", "unknown-chain", "no chain FOWARD", "FORWARD'?"),
    ("hits: {▸host/filter/FORWARD/0: 1}", "bad-hook", "counted from 1", "host/filter/FORWARD/1"),
    ("hits: {▸host/filter: 1}", "bad-hook", "does not name a chain", "NODE/TABLE/CHAIN"),
    (
        "hits: {host/filter/FORWARD: ▸many}",
        "bad-count",
        "'many' is not a number",
        "write 2, or 1+",
    ),
    ("hits: {host/filter/FORWARD: ▸-1}", "bad-count", "'-1' is not a number", "write 2, or 1+"),
    ("hits: {host/filter/FORWARD: ▸true}", "wrong-type", "must be a number, or a text", ""),
]


@pytest.mark.parametrize(("expect", "rule", "message", "hint"), PINGS)
def test_what_no_ping_can_do(expect: str, rule: str, message: str, hint: str) -> None:
    (found,) = wrong(f"{LAB}  - ping: {{from: ns1, to: ns2, expect: {{{expect}}}}}\n", rule)
    assert message in found.message
    assert hint in found.hint


@pytest.mark.parametrize(("expect", "rule", "message", "hint"), TABLES)
def test_what_no_table_can_hold(expect: str, rule: str, message: str, hint: str) -> None:
    (found,) = wrong(f"{LAB}  - expect: {{{expect}}}\n", rule)
    assert message in found.message
    assert hint in found.hint


def test_what_a_ping_may_be_expected_to_do() -> None:
    """In the short form and the long one, with any unit."""
    text = f"""{LAB}\
  - ping: {{from: ns1, to: ns2, expect: {{drop: policy-drop, latency: 1.5ms, loss: 12.5 %}}}}
  - ping: {{from: ns1, to: ns2, expect: {{drop: {{at: host/br0}}, latency: 20 us,
            path: [ns1, ..., host/br0, ns2/veth2a]}}}}
"""
    short, long = (s.expect for s in parsed(text).story[1:] if isinstance(s, PingStep))
    assert short is not None
    assert long is not None
    assert (short.drop, short.latency, short.loss) == (
        DropExpect(cause="policy-drop"),
        1_500_000,
        12.5,
    )
    assert (long.drop, long.latency) == (DropExpect(at="host/br0"), 20_000)
    assert long.path == ("ns1", "...", "host/br0", "ns2/veth2a")


def test_what_tables_may_be_expected_to_hold() -> None:
    """Each thing in one spelling, so that it can be compared."""
    text = f"""{LAB}  - expect:
      addresses: {{ns1/veth1a: [10.244.1.2, 'FD00::1/64']}}
      routes: {{ns1: {{default: via fd00::9, 10.9.9.9: dev veth1a, 10.8.0.0/16: blackhole}}}}
      hits: {{Fwd-1-: 3, 'nft ': 0, host/ip6/filter/FORWARD/2: 1+}}
"""
    (step,) = (s for s in parsed(text).story if isinstance(s, ExpectStep))
    assert step.expect.addresses == {"ns1/veth1a": ("10.244.1.2", "fd00::1/64")}
    routes = {"::/0": "via fd00::9", "10.9.9.9": "dev veth1a", "10.8.0.0/16": "blackhole"}
    assert step.expect.routes == {"ns1": routes}
    assert step.expect.hits == {
        "Fwd-1-": Count(least=3, most=3),
        "nft ": Count(least=0, most=0),
        "host/ip6/filter/FORWARD/2": Count(least=1, most=None),
    }


@pytest.mark.parametrize(
    ("count", "number", "holds"),
    [("3", 3, True), ("3", 4, False), ("1+", 4, True), ("1+", 0, False)],
)
def test_how_many(count: str, number: int, *, holds: bool) -> None:
    """Exactly, or at least."""
    text = f"{LAB}  - expect: {{hits: {{Fwd-1-: {count}}}}}\n"
    (step,) = (s for s in parsed(text).story if isinstance(s, ExpectStep))
    assert step.expect.hits["Fwd-1-"].holds(number) is holds
    assert str(step.expect.hits["Fwd-1-"]) == count.replace("+", " or more")


def test_a_prefix_that_a_step_of_the_story_brings() -> None:
    """It need not stand in a node."""
    rule = "  - iptables: {ns1: ['-A INPUT -j LOG --log-prefix Late-']}\n"
    assert problems(f"{LAB}{rule}  - expect: {{hits: {{Late-: 0}}}}\n") == ()


def test_what_a_ping_expects_that_is_no_step_of_the_story() -> None:
    """It is read as a step's, with the lab's own names, and without its story."""
    place = Place("test.py", 7, 1)
    lab = LAB.replace("ns1 -> ns2", "{from: ns1, to: ns2, expect: {reply: false}}")

    def asked(**expect: object) -> object:
        ping = {"from": "ns1", "to": "ns2", **({"expect": expect} if expect else {})}
        return spec.parse_expect(lab, "lab.yaml", ping, place)

    assert asked(drop="rule-drop") == Expect(drop=DropExpect(cause="rule-drop"), place=place)
    assert asked(path=["ns1", "ns2"]) == Expect(path=("ns1", "ns2"), place=place)
    assert asked() is None
    with pytest.raises(SpecError) as caught:
        asked(drop="rule-dorp", path=["ns1", "nz2"])
    assert [problem.place for problem in caught.value.problems] == [place, place]
    assert "did you mean 'rule-drop'?" in str(caught.value)
