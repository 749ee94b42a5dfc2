"""The account on the terminal: what a person reads of each result, and any result at all."""

from typing import get_args

import pytest
from hypothesis import given, settings
from msgspec.structs import replace
from rich.console import Console, RenderableType

from hopscope.model.events import Observation
from hopscope.model.flow import Headers
from hopscope.model.journey import (
    ChainVisit,
    DeliverStep,
    DropStep,
    HookStep,
    Hop,
    Journey,
    Reason,
    ReceiveStep,
    RuleCheck,
    TransmitStep,
)
from hopscope.model.record import (
    Check,
    ExpectResult,
    Finding,
    FirewallResult,
    LogLine,
    PingResult,
    Reply,
    RuleDelta,
    SetResult,
    ShowResult,
    StepResult,
    ZeroResult,
)
from hopscope.model.snapshot import (
    Address,
    Chain,
    FdbEntry,
    LinkState,
    Neighbour,
    NodeState,
    Route,
    Rule,
    Snapshot,
)
from hopscope.model.vocab import (
    TABLES,
    DevName,
    DevRef,
    Family,
    Fate,
    Hook,
    Mac,
    Nanos,
    NeighbourState,
    NodeName,
    PktType,
    Verdict,
    inferred,
    seen,
)
from hopscope.render.journeytext import journey
from hopscope.render.text import conclusion, result, tables, unasked
from reportcases import record
from strategies import journeys, ping_results, results, snapshots

HOST, NS1, NS2 = NodeName("host"), NodeName("ns1"), NodeName("ns2")
MAC1, MAC2 = Mac("02:00:00:00:00:01"), Mac("02:00:00:00:00:02")
BASIS = seen("the test")


def printed(what: RenderableType) -> str:
    """What stands on a wide terminal, line by line without trailing spaces."""
    console = Console(width=160, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(what)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def link(name: str, **more: object) -> LinkState:
    """A veth device that is up."""
    usual = {"index": 2, "kind": "veth", "mac": MAC1, "mtu": 1500, "up": True, "carrier": True}
    return LinkState(name=DevName(name), **(usual | more))  # type: ignore[arg-type] # by name


NAT_LOG = Rule(handle=1, text="-j LOG", packets=0, log_prefix="Nat-")
FILTER_LOG = Rule(handle=2, text="-p icmp -j LOG", packets=None)
SNAPSHOT = Snapshot(
    nodes=(
        NodeState(
            name=HOST,
            links=(
                link("br0", kind="bridge", mac=Mac("02:00:00:00:00:ff"), carrier=False),
                link("veth1b", master=DevName("br0"), peer=DevRef(NS1, DevName("veth1a"))),
                link("eth0", kind="", mac=None, up=False, carrier=False),
                link("br1", kind="bridge"),
            ),
            fdb=(
                FdbEntry(bridge=DevName("br0"), mac=MAC1, port=DevName("veth1b")),
                FdbEntry(bridge=DevName("br0"), mac=MAC2, port=DevName("veth1b"), static=True),
                FdbEntry(bridge=DevName("br0"), mac=MAC2, port=DevName("br0"), local=True),
            ),
            chains=(
                Chain(
                    family=Family.IP,
                    table="nat",
                    name="PREROUTING",
                    hook=Hook.PREROUTING,
                    type="nat",
                    rules=(NAT_LOG,),
                ),
                Chain(family=Family.IP, table="filter", name="FORWARD", rules=(FILTER_LOG,)),
                Chain(
                    family=Family.INET, table="hopscope-1", name="x", rules=(NAT_LOG,), ours=True
                ),
            ),
            sysctls={"net.b": "0", "net.a": "1"},
            unread=("routes: cut short",),
        ),
        NodeState(
            name=NS1,
            links=(
                link(
                    "veth1a",
                    mac=MAC1,
                    peer=DevRef(HOST, DevName("veth1b")),
                    addresses=(Address(ip="10.0.0.1", prefix=24),),
                ),
            ),
            routes=(
                Route(
                    family=Family.IP,
                    destination="0.0.0.0/0",
                    table=254,
                    type="unicast",
                    via="10.0.0.9",
                    dev=DevName("veth1a"),
                    protocol="static",
                ),
                Route(family=Family.IP, destination="10.0.0.1/32", table=255, type="local"),
            ),
            neighbours=(
                Neighbour(
                    dev=DevName("veth1a"), ip="10.0.0.2", mac=MAC2, state=NeighbourState.REACHABLE
                ),
                Neighbour(
                    dev=DevName("veth1a"), ip="10.0.0.3", mac=None, state=NeighbourState.FAILED
                ),
                Neighbour(
                    dev=DevName("veth1a"), ip="10.0.0.4", mac=MAC1, state=NeighbourState.STALE
                ),
            ),
        ),
    )
)


def row(text: str, first: str) -> list[str]:
    """The cells of the row whose first cells are these."""
    (found,) = [line for line in text.splitlines() if line.strip().startswith(first)]
    return [cell.strip() for cell in found.strip().split("  ") if cell]


def test_neighbours_say_whose_mac_it_is() -> None:
    """A device of the lab, where the address is one's; a dash where there is none."""
    text = printed(tables(["neighbours"], SNAPSHOT))
    assert row(text, "ns1   10.0.0.4") == [
        *("ns1", "10.0.0.4", MAC1, "host/veth1b", "veth1a", "stale")
    ]
    assert row(text, "ns1   10.0.0.3") == ["ns1", "10.0.0.3", "—", "veth1a", "failed"]


def test_fdb_says_how_an_entry_came() -> None:
    """Learnt, static, or the bridge's own."""
    text = printed(tables(["fdb"], SNAPSHOT))
    ends = [line.split()[-1] for line in text.splitlines() if "host/br0" in line]
    assert ends == ["learnt", "static", "local"]


def test_links_routes_sysctls() -> None:
    """A line each; the local table is left out, keys are sorted."""
    text = printed(tables(["links", "routes", "sysctls"], SNAPSHOT))
    assert row(text, "host/br0 ")[:3] == ["host/br0", "bridge", "up, no carrier"]
    assert row(text, "host/eth0")[:3] == ["host/eth0", "device", "down"]
    assert row(text, "ns1/veth1a")[-2:] == ["host/veth1b", "10.0.0.1/24"]
    assert row(text, "ns1 ") == ["ns1", "default via 10.0.0.9 dev veth1a", "main", "static"]
    assert "10.0.0.1/32" not in text
    assert text.index("net.a") < text.index("net.b")


def test_rules_tell_their_traps() -> None:
    """LOG in nat that nothing wakes, and what could not be read; our own table is not shown."""
    text = printed(tables(["rules"], SNAPSHOT))
    assert row(text, "host  ip nat PREROUTING")[-2:] == ["0", "-j LOG"]
    assert row(text, "host  ip filter FORWARD")[-2:] == ["—", "-p icmp -j LOG"]
    assert "note: host: LOG rules in nat print nothing here" in text
    assert "note: routes: cut short" in text
    assert "hopscope" not in text


@pytest.mark.parametrize("name", TABLES)
def test_an_empty_table_says_so(name: str) -> None:
    """Rather than print a heading over nothing."""
    assert printed(tables([name], Snapshot(nodes=()))).strip() == f"{name}: empty"


HOOKED = HookStep(
    family=Family.IP,
    hook=Hook.FORWARD,
    chains=(
        ChainVisit(
            family=Family.IP,
            table="filter",
            chain="FORWARD",
            priority=0,
            rules=(
                RuleCheck(handle=1, text="-p icmp -j LOG", matched=True, verdict=Verdict.CONTINUE),
                RuleCheck(handle=2, text="-p tcp -j DROP", matched=False, verdict=None),
            ),
            policy=Verdict.ACCEPT,
            verdict=Verdict.ACCEPT,
        ),
    ),
    verdict=Verdict.ACCEPT,
    basis=BASIS,
    skipped=("nat PREROUTING: not the first packet",),
)
BARE = replace(HOOKED, hook=Hook.PREROUTING, chains=(), skipped=())
ARRIVED = Hop(
    node=NS2,
    came_in=DevName("veth2a"),
    came_from=DevName("veth2b"),
    steps=(
        ReceiveStep(dev=DevName("veth2a"), at=Nanos(12_300), pkttype=PktType.HOST, basis=BASIS),
        DeliverStep(to="the ICMP code", basis=inferred("its reply")),
    ),
)
JOURNEY = Journey(
    title="echo request",
    headers=Headers(),
    started=Nanos(0),
    first=Hop(
        node=HOST,
        came_in=None,
        came_from=None,
        steps=(TransmitStep(dev=DevName("veth1b"), at=Nanos(0), basis=BASIS), BARE, HOOKED),
        onward=(ARRIVED,),
    ),
    fate=Fate.DELIVERED,
)


def test_a_journey() -> None:
    """Times from its start, its nodes, its steps; only the rules that matched."""
    assert printed(journey(JOURNEY)).splitlines() == [
        "echo request  delivered",
        " 0.0 µs host sent through veth1b",
        "             hook ip forward: filter FORWARD: 1 of 2 rules matched, policy accept",
        "                 ✓ -p icmp -j LOG",
        "12.3 µs ns2  received on veth2a",
        "             delivered to the ICMP code  [inferred]",
    ]


def test_a_journey_in_detail() -> None:
    """Hooks without a chain, rules that did not match, and what was not consulted."""
    text = printed(journey(JOURNEY, verbose=True))
    assert "hook ip prerouting: no chain" in text
    assert "· -p tcp -j DROP" in text
    assert "- nat PREROUTING: not the first packet" in text
    two = replace(HOOKED, chains=HOOKED.chains * 2)
    both = replace(JOURNEY, first=replace(JOURNEY.first, steps=(two,)))
    assert printed(journey(both, verbose=True)).count("filter FORWARD: 1 of 2") == 4


def test_a_flood_is_indented() -> None:
    """Each branch below the hop that it came from."""
    flood = replace(JOURNEY, first=replace(JOURNEY.first, onward=(ARRIVED, ARRIVED)))
    assert [line for line in printed(journey(flood)).splitlines() if " ns2 " in line] == [
        "12.3 µs   ns2 received on veth2a"
    ] * 2


def _flooded(copies: int) -> Journey:
    """A question to so many nodes that ignore it, and to ns2, the last one."""
    names = [f"pod{number}" for number in range(copies)]
    end = DropStep(reason="ignored", where="ARP", basis=BASIS, expected=True)
    ignored = [
        replace(
            ARRIVED,
            node=NodeName(name),
            came_from=DevName(f"to-{name}"),
            steps=(replace(ARRIVED.steps[0], at=Nanos(1000)), end),
        )
        for name in names
    ]
    sent = [TransmitStep(dev=DevName(f"to-{name}"), at=Nanos(1), basis=BASIS) for name in names]
    onward = (*ignored, ARRIVED)
    return replace(JOURNEY, first=replace(JOURNEY.first, steps=tuple(sent), onward=onward))


def test_of_many_copies_that_are_ignored_two_are_told() -> None:
    text = printed(journey(_flooded(9)))
    assert "7 more copies are received and ignored like these" in text
    assert text.count(" pod") == text.count("sent through") == 2
    assert "veth2a" in text
    whole = printed(journey(_flooded(9), verbose=True))
    assert whole.count(" pod") == whole.count("sent through") == 9
    assert "more copies" not in whole


def test_a_few_copies_are_all_told() -> None:
    text = printed(journey(_flooded(3)))
    assert text.count(" pod") == text.count("sent through") == 3
    assert "more copies" not in text


def test_a_drop_says_why() -> None:
    """At the journey's head; a hook that drops is shown although no chain is known."""
    why = Reason(code="rule-drop", sentence="a rule dropped it", at=None, basis=BASIS)
    gone = replace(BARE, verdict=Verdict.DROP)
    first = replace(JOURNEY.first, steps=(gone,), onward=())
    text = printed(journey(replace(JOURNEY, fate=Fate.DROPPED, reason=why, first=first)))
    assert text.splitlines()[0] == "echo request  dropped: a rule dropped it"
    assert "hook ip prerouting: DROPPED" in text


def test_a_journey_s_notes_follow_it() -> None:
    """What several of a ping's journeys share is told once, with their names."""
    noted = replace(JOURNEY, notes=("it was watched", "in 3 fragments"))
    assert printed(journey(noted)).splitlines()[-2:] == [
        "note: it was watched",
        "note: in 3 fragments",
    ]
    both = (noted, replace(JOURNEY, title="echo reply", notes=("it was watched",)))
    text = printed(result(replace(PING, journeys=both)))
    assert text.count("it was watched") == 1
    assert "\n  note (echo request, echo reply): it was watched\n" in text
    assert "\n  note: in 3 fragments\n" in text


def test_a_log_line_is_one_line_on_any_terminal() -> None:
    """However narrow; nor is an address cut."""
    long = LogLine(at=Nanos(0), node=HOST, prefix="x", text="word " * 40 + "end")
    console = Console(width=40, color_system=None, force_terminal=True)
    with console.capture() as capture:
        console.print(result(replace(PING, log=(long,))), crop=False)
    assert f"  log  {long.text}" in capture.get().splitlines()


DELTA = RuleDelta(
    node=HOST,
    family=Family.IP,
    table="filter",
    chain="FORWARD",
    handle=1,
    text="-p icmp -j LOG",
    before=0,
    after=1,
)
PING = PingResult(
    number=1,
    source=NS1,
    source_address="10.0.0.1",
    target="ns2",
    address="10.0.0.2",
    replies=(
        Reply(seq=1, rtt=123_456),
        Reply(seq=2, rtt=None),
        Reply(seq=3, rtt=None, error="host unreachable"),
    ),
    journeys=(JOURNEY,),
    before=SNAPSHOT,
    after=SNAPSHOT,
    deltas=(DELTA, replace(DELTA, text="-j DROP", after=0)),
    log=(LogLine(at=Nanos(0), node=HOST, prefix="Filter-", text="Filter-IN=br0"),),
    checks=(
        Check(expected="a reply", seen="a reply", held=True),
        Check(expected="crosses host/filter/FORWARD", seen="nothing", held=False, why="bridged"),
        Check(expected="no log", seen="one line", held=False),
    ),
    observation=Observation(events=()),
    switches={"host/br0": "1"},
    reason=Reason(
        code="no-route",
        sentence="ns1 has no route",
        at=None,
        basis=BASIS,
        mend="ip route add default via 10.0.0.9",
    ),
    notes=("two events were lost",),
)


def test_a_ping() -> None:
    """Outcome, cause and cure, journeys, rules, log, notes and checks, in that order."""
    lines = [line.strip() for line in printed(result(PING)).splitlines()]
    assert lines[:6] == [
        "● ping 1: ns1 (10.0.0.1) → ns2 (10.0.0.2)   bridge-nf-call-iptables host/br0: 1",
        "✓ reply 1 after 123.5 µs",
        "✗ no reply to request 2",
        "✗ no reply to request 3 (host unreachable)",
        "why: ns1 has no route",
        "mend: ip route add default via 10.0.0.9",
    ]
    assert lines[-6:] == [
        "rules hit: 1 of 2 counted rules, 1 hit in all",
        "log  Filter-IN=br0",
        "note: two events were lost",
        "✓ as expected: a reply",
        "✗ expected: crosses host/filter/FORWARD; seen: nothing — bridged",
        "✗ expected: no log; seen: one line",
    ]


def test_a_ping_in_detail() -> None:
    """The rules that were hit, with their counters."""
    text = printed(result(PING, verbose=True))
    assert "host filter FORWARD: 0 → 1  -p icmp -j LOG" in text
    assert "-j DROP" in text  # among the journey's rules; not as one that was hit
    assert "0 → 0" not in text


def test_a_bare_ping() -> None:
    """To an address, from a node without one, on a lab without bridges."""
    bare = replace(
        PING, source_address=None, target="10.0.0.2", switches={}, reason=None, deltas=()
    )
    text = printed(result(bare))
    assert text.splitlines()[0] == "● ping 1: ns1 → 10.0.0.2"
    assert "why:" not in text
    assert "rules hit" not in text
    without = replace(PING, reason=replace(PING.reason, mend=""))  # type: ignore[type-var] # set above
    assert "mend:" not in printed(result(without))


@pytest.mark.parametrize(
    ("step", "lines"),
    [
        (
            SetResult(node=HOST, key="net.bridge.x", before="0", after="1"),
            ["● set host: net.bridge.x = 1   was 0"],
        ),
        (
            FirewallResult(tool="iptables", node=HOST, lines=("-A FORWARD", "-A [bold]INPUT")),
            ["● iptables in host", "  -A FORWARD", "  -A [bold]INPUT"],
        ),
        (ZeroResult(nodes=(HOST, NS1)), ["● zero the rule counters of host, ns1"]),
        (
            ExpectResult(checks=(Check(expected="a", seen="a", held=True),)),
            ["● expect", "  ✓ as expected: a"],
        ),
        (
            ShowResult(what=("fdb",), nodes=(), tables=Snapshot(nodes=())),
            ["● show fdb", "  fdb: empty"],
        ),
    ],
)
def test_other_results(step: StepResult, lines: list[str]) -> None:
    """A heading, and what belongs below it; rules are text, never markup."""
    assert printed(result(step)).splitlines() == lines


def test_the_conclusion() -> None:
    """Each sentence with its measurement."""
    findings = [
        Finding(sentence="No address is needed.", evidence="br0 has none"),
        Finding(sentence="The firewall was met.", evidence="computed: 0 hits", held=False),
    ]
    assert printed(conclusion(findings)).splitlines() == [
        "● conclusion",
        "  ✓ No address is needed.",
        "    measured: br0 has none",
        "  ✗ The firewall was met.",
        "    computed: 0 hits",
    ]


def test_silence_that_nobody_expected_is_pointed_out() -> None:
    """When no expectation failed: else that is what counts."""
    silent = replace(PING, checks=(), replies=(Reply(seq=1, rtt=None),))
    asked = replace(silent, checks=(Check(expected="no reply", seen="none", held=True),))
    told = unasked(record([silent, asked]))
    assert told is not None
    assert told.plain.startswith("1 of 2 pings got no reply; no expectation asked for it")
    assert unasked(record([asked])) is None
    failed = Check(expected="a", seen="b", held=False)
    assert unasked(record([silent, ExpectResult(checks=(failed,))])) is None


def test_a_topology_is_drawn() -> None:
    """Below its title, as a tree."""
    told = printed(tables(["topology"], SNAPSHOT)).splitlines()
    assert [line.strip() for line in told[:3]] == [
        "topology",
        "host",
        "├── br0  no address  no carrier",
    ]


def test_tables_of_nothing() -> None:
    """Each says that it is empty."""
    told = printed(tables(["topology", "links"], Snapshot(nodes=())))
    assert [line.strip() for line in told.splitlines() if line] == [
        "topology: empty",
        "links: empty",
    ]


@given(results)
@settings(max_examples=25)  # each draws a whole document
def test_any_result_prints(step: StepResult) -> None:
    """Whatever a lab holds, also in detail."""
    assert printed(result(step))
    assert printed(result(step, verbose=True))


def test_every_kind_of_result_was_tried() -> None:
    """The property above draws from all of them."""
    kinds = set(get_args(StepResult))
    named = {SetResult, FirewallResult, ZeroResult, ExpectResult, ShowResult, PingResult}
    assert kinds == named


@given(ping_results)
@settings(max_examples=25)  # each draws a whole document
def test_any_ping_prints(step: PingResult) -> None:
    """With its title first."""
    assert printed(result(step, verbose=True)).startswith(f"● ping {step.number}: ")


@given(journeys)
@settings(max_examples=25)  # each draws a whole document
def test_any_journey_prints(one: Journey) -> None:
    """With its fate."""
    assert str(one.fate) in printed(journey(one, verbose=True))


@given(snapshots)
@settings(max_examples=25)  # each draws a whole document
def test_any_snapshot_prints(snapshot: Snapshot) -> None:
    """All tables of it."""
    assert printed(tables(TABLES, snapshot))
