"""Every step in words; a kind of step that is new and has none must not pass."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from hopscope.model.journey import (
    BridgeStep,
    ChainVisit,
    DeliverStep,
    DropStep,
    HookStep,
    NatStep,
    NeighbourStep,
    PassUpStep,
    ReceiveStep,
    RouteStep,
    RuleCheck,
    Step,
    TransmitStep,
    UnrecognisedStep,
)
from hopscope.model.snapshot import FdbEntry
from hopscope.model.vocab import (
    Action,
    DevName,
    Family,
    Hook,
    Mac,
    Nanos,
    NeighbourState,
    PktType,
    Verdict,
    seen,
)
from hopscope.render.journeytext import _STEP_STYLE
from hopscope.render.words import (
    counted,
    duration,
    headline,
    known_by,
    routing_table,
    rule_lines,
    visit_words,
)
from strategies import steps_by_kind

KINDS: tuple[type[Step], ...] = get_args(Step)
HERE, THERE, BR0 = DevName("veth1a"), DevName("veth2b"), DevName("br0")
MAC = Mac("02:00:00:00:00:02")
BASIS = seen("the test")

SENT = TransmitStep(dev=HERE, at=Nanos(1), basis=BASIS)
RECEIVED = ReceiveStep(dev=HERE, at=Nanos(1), pkttype=PktType.HOST, basis=BASIS)
BRIDGED = BridgeStep(
    bridge=BR0,
    action=Action.FORWARD,
    came_in=DevName("veth1b"),
    out=(THERE,),
    entry=FdbEntry(bridge=BR0, mac=MAC, port=THERE),
    learnt=None,
    basis=BASIS,
)
PASSED = PassUpStep(bridge=BR0, at=None, because="group", pkttype=PktType.BROADCAST, basis=BASIS)
LOGS = RuleCheck(handle=3, text="-j LOG", matched=True, verdict=Verdict.CONTINUE)
DROPS = RuleCheck(handle=4, text="-j DROP", matched=True, verdict=Verdict.DROP)
MISSED = RuleCheck(handle=5, text="-p tcp -j DROP", matched=False, verdict=None)
VISIT = ChainVisit(
    family=Family.IP,
    table="filter",
    chain="FORWARD",
    priority=0,
    rules=(LOGS, MISSED),
    policy=Verdict.ACCEPT,
    verdict=Verdict.ACCEPT,
)
DROPPING = replace(VISIT, rules=(DROPS,), policy=None, verdict=Verdict.DROP)
HOOKED = HookStep(
    family=Family.IP, hook=Hook.FORWARD, chains=(VISIT,), verdict=Verdict.ACCEPT, basis=BASIS
)
ROUTED = RouteStep(
    destination="10.0.0.9", route="default via 10.0.0.1 dev eth0", dev=None, via=None, basis=BASIS
)
KNOWN = NeighbourStep(dev=HERE, ip="10.0.0.2", mac=MAC, state=NeighbourState.REACHABLE, basis=BASIS)

HEADLINES: list[tuple[Step, str]] = [
    (SENT, "sent through veth1a"),
    (replace(SENT, dst_mac=MAC), f"sent through veth1a to {MAC}"),
    (RECEIVED, "received on veth1a"),
    (
        replace(RECEIVED, pkttype=PktType.OTHERHOST),
        "received on veth1a (its MAC is for another host)",
    ),
    (replace(RECEIVED, pkttype=PktType.BROADCAST), "received on veth1a (for all)"),
    (replace(RECEIVED, pkttype=PktType.MULTICAST), "received on veth1a (for a group)"),
    (replace(RECEIVED, pkttype=PktType.OUTGOING), "received on veth1a (for outgoing)"),
    (BRIDGED, f"br0 forwards to veth2b ({MAC} is behind veth2b)"),
    (replace(BRIDGED, entry=None), "br0 forwards to veth2b"),
    (
        replace(BRIDGED, action=Action.FLOOD, out=(HERE, THERE), learnt=MAC),
        f"br0 floods to veth1a, veth2b; learns {MAC} behind veth1b",
    ),
    (replace(BRIDGED, action=Action.LOCAL, out=()), "br0 takes it up its own stack"),
    (replace(BRIDGED, action=Action.DROP, out=()), "br0 forwards to no port"),
    (PASSED, "br0: a copy goes up the stack (it is for all)"),
    (
        replace(PASSED, pkttype=PktType.MULTICAST),
        "br0: a copy goes up the stack (it is for a group)",
    ),
    (
        replace(PASSED, because="promiscuous"),
        "br0: a copy goes up the stack (only because the capture made it promiscuous)",
    ),
    (
        replace(PASSED, because="own-address"),
        "br0: a copy goes up the stack (it is for the bridge's own address)",
    ),
    (HOOKED, "hook ip forward: filter FORWARD: 1 of 2 rules matched, policy accept"),
    (replace(HOOKED, chains=()), "hook ip forward: no chain"),
    (
        replace(HOOKED, chains=(), skipped=("ip nat POSTROUTING: not asked: only the first",)),
        "hook ip forward: no chain asked (ip nat POSTROUTING: only the first)",
    ),
    (replace(HOOKED, chains=(), verdict=Verdict.DROP), "hook ip forward: DROPPED"),
    (
        replace(HOOKED, chains=(DROPPING,), verdict=Verdict.DROP),
        "hook ip forward: DROPPED by filter FORWARD: 1 of 1 rules matched, drop",
    ),
    (
        replace(ROUTED, table=102, rule=1002),
        "route to 10.0.0.9: default via 10.0.0.1 dev eth0 table 102, by policy rule 1002",
    ),
    (
        replace(ROUTED, route="blackhole default", rule=77),
        "route to 10.0.0.9: blackhole default, by policy rule 77",
    ),
    (ROUTED, "route to 10.0.0.9: default via 10.0.0.1 dev eth0"),
    (replace(ROUTED, route=None), "no route to 10.0.0.9"),
    (KNOWN, f"neighbour 10.0.0.2 is at {MAC}"),
    (replace(KNOWN, state=NeighbourState.PERMANENT), f"neighbour 10.0.0.2 is at {MAC} (permanent)"),
    (replace(KNOWN, mac=None), "10.0.0.2: link-layer address unknown, the packet waits"),
    (
        NatStep(field="source", before="10.0.0.1", after="192.0.2.1", basis=BASIS),
        "source rewritten: 10.0.0.1 → 192.0.2.1",
    ),
    (DeliverStep(to="the ICMP code of ns2", basis=BASIS), "delivered to the ICMP code of ns2"),
    (DropStep(reason="no carrier", where="veth1a", basis=BASIS), "dropped: no carrier"),
    (
        DropStep(reason="a copy nobody asked for", where="br0", basis=BASIS, expected=True),
        "ends: a copy nobody asked for",
    ),
    (UnrecognisedStep(what="hook 9", basis=BASIS), "unrecognised: hook 9"),
]


@pytest.mark.parametrize(("step", "words"), HEADLINES, ids=[words for _step, words in HEADLINES])
def test_headlines(step: Step, words: str) -> None:
    """One line that says what happened."""
    assert headline(step) == words


def test_every_kind_of_step_is_among_the_cases() -> None:
    """A new one must be given words here, and a style on the terminal."""
    assert {type(step) for step, _words in HEADLINES} == set(KINDS)
    assert set(_STEP_STYLE) == {step.kind for step, _words in HEADLINES}


@given(st.tuples(*steps_by_kind))
def test_every_step_has_one(drawn: tuple[Step, ...]) -> None:
    """Whatever its fields hold: one of each kind."""
    assert {type(step) for step in drawn} == set(KINDS)
    assert all(headline(step) for step in drawn)


@pytest.mark.parametrize(
    ("visit", "words"),
    [
        (VISIT, "filter FORWARD: 1 of 2 rules matched, policy accept"),
        (replace(VISIT, rules=()), "filter FORWARD: no rules, policy accept"),
        (
            replace(VISIT, rules=(LOGS, DROPS), policy=None, verdict=Verdict.DROP),
            "filter FORWARD: 2 of 2 rules matched, drop",
        ),
    ],
)
def test_visits(visit: ChainVisit, words: str) -> None:
    """A chain, how many of its rules matched, and who decided."""
    assert visit_words(visit) == words


def test_rule_lines() -> None:
    """Those that matched are marked; a verdict is told when it ended something."""
    assert rule_lines(replace(VISIT, rules=(LOGS, DROPS, MISSED))) == [
        "✓ -j LOG",
        "✓ -j DROP  ⇒ drop",
        "· -p tcp -j DROP",
    ]


@pytest.mark.parametrize(
    ("nanoseconds", "words"),
    [
        (0, "0.0 µs"),
        (12_345, "12.3 µs"),
        (999_949, "999.9 µs"),
        (999_950, "1.00 ms"),
        (999_994_999, "999.99 ms"),
        (999_995_000, "1.00 s"),
        (1_000_000, "1.00 ms"),
        (1_254_321, "1.25 ms"),
        (1_000_000_000, "1.00 s"),
        (61_020_000_000, "61.02 s"),
    ],
)
def test_durations(nanoseconds: int, words: str) -> None:
    """In the unit that suits them."""
    assert duration(nanoseconds) == words


@given(st.integers(0, 10**12))
def test_no_duration_reaches_the_next_unit(nanoseconds: int) -> None:
    """Never ``1000.0 µs``, which is a millisecond."""
    number, unit = duration(nanoseconds).split()
    assert unit == "s" or float(number) < 1000


def test_counted() -> None:
    assert [counted(number, "link") for number in (0, 1, 2)] == ["0 links", "1 link", "2 links"]


def test_routing_tables_have_the_names_of_iproute2() -> None:
    assert [routing_table(number) for number in (253, 254, 255, 7)] == [
        *("default", "main", "local", "7")
    ]


@pytest.mark.parametrize(
    ("evidence", "known"),
    [
        ("computed: routes of ns1", ("computed", "routes of ns1")),
        ("ping 1: 1 of 1 answered", ("measured", "ping 1: 1 of 1 answered")),
        ("seen", ("measured", "seen")),
    ],
)
def test_how_a_finding_is_known_is_said_once(evidence: str, known: tuple[str, str]) -> None:
    assert known_by(evidence) == known
