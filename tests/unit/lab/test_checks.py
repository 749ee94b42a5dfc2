"""Expectations held against what was measured; those that fail say why."""

import pytest
from msgspec.structs import replace

from hopscope.lab.checks import chains_met, ping_checks
from hopscope.lab.tablechecks import table_checks
from hopscope.model.events import Observation
from hopscope.model.journey import Reason
from hopscope.model.lab import DropExpect, Expect
from hopscope.model.record import Check, LogLine, Reply
from hopscope.model.snapshot import Chain, Snapshot
from hopscope.model.vocab import DevName, DevRef, Family, Hook, Nanos, NodeName, seen
from hopscope.trace.journeys import journeys
from journeycases import CASES

DROPPED = next(case for case in CASES if case.name == "drop-policy-1")
BRIDGED = next(case for case in CASES if case.name == "bridge-1")
HOST, NS1 = NodeName("host"), NodeName("ns1")


def checks(
    expect: Expect | None,
    *,
    rtt: int | None = None,
    replies: tuple[Reply, ...] = (),
    six: bool = False,
    log: tuple[str, ...] = (),
    observation: Observation | None = None,
) -> list[Check]:
    """The checks of the ping that a policy dropped."""
    lines = [LogLine(at=Nanos(1), node=HOST, prefix=prefix, text="") for prefix in log]
    reason = Reason(code="policy-drop", sentence="the policy is drop", at=None, basis=seen("x"))
    found = ping_checks(
        expect,
        replies=replies or (Reply(seq=1, rtt=rtt),),
        journeys=journeys(DROPPED.scene(), ident=DROPPED.ident),
        log=lines,
        reason=reason,
        before=DROPPED.before,
        observation=observation or DROPPED.observation,
        six=six,
    )
    return list(found)


def test_nothing_expected_nothing_checked() -> None:
    assert checks(None) == []
    assert checks(Expect()) == []


@pytest.mark.parametrize(("rtt", "reply", "held"), [
    (None, False, True), (None, True, False), (5, True, True), (5, False, False),
])  # fmt: skip
def test_replies(rtt: int | None, reply: bool, held: bool) -> None:  # noqa: FBT001 - a table
    """A reply that is wanted and missing is explained."""
    (check,) = checks(Expect(reply=reply), rtt=rtt)
    assert check.held is held
    assert (check.why == "the policy is drop") is (reply is True)


def test_chains_that_were_met() -> None:
    """As the trace tells them, jumped ones included."""
    assert chains_met(journeys(DROPPED.scene(), ident=DROPPED.ident)) == {"host/filter/FORWARD"}
    crossed, avoided = checks(
        Expect(crosses=("host/filter/FORWARD",), avoids=("host/filter/FORWARD",))
    )
    assert (crossed.held, avoided.held) == (True, False)
    assert avoided.why == "the trace of nf_tables shows a visit to host/filter/FORWARD"


@pytest.mark.parametrize(("chain", "why"), [
    ("nowhere/filter/FORWARD", "there is no node nowhere"),
    ("host/filter/NONE", "host has no chain NONE in table filter"),
    ("host/nat/PREROUTING", "no rule in host uses connection tracking"),
    ("host/mangle/INPUT", "the trace of nf_tables shows no visit"),
])  # fmt: skip
def test_a_chain_that_was_not_met_says_why(chain: str, why: str) -> None:
    """The trap that it fell into."""
    (check,) = with_chains(Expect(crosses=(chain,)), DROPPED.before)
    assert not check.held
    assert check.why.startswith(why)


def with_chains(expect: Expect, before: Snapshot) -> tuple[Check, ...]:
    """Checks beside a ruleset in which host has a nat and a mangle chain, too."""
    more = (
        Chain(family=Family.IP, table="nat", name="PREROUTING", hook=Hook.PREROUTING, type="nat"),
        Chain(family=Family.IP, table="mangle", name="INPUT", hook=Hook.INPUT, type="filter"),
    )
    nodes = tuple(
        replace(n, chains=(*n.chains, *more)) if n.name == HOST else n for n in before.nodes
    )
    changed = Snapshot(nodes=nodes)
    return ping_checks(
        expect,
        replies=(),
        journeys=(),
        log=(),
        reason=None,
        before=changed,
        observation=Observation(events=()),
    )


def test_the_switch_explains_why_a_bridged_packet_met_nothing() -> None:
    """At 0, a chain of the host is not met by what its bridge carries."""
    key = "net.bridge.bridge-nf-call-iptables"
    off = tuple(replace(node, sysctls={**node.sysctls, key: "0"}) for node in DROPPED.before.nodes)
    (check,) = with_chains(Expect(crosses=("host/mangle/INPUT",)), Snapshot(nodes=off))
    assert check.why.startswith("bridged packets meet host's iptables rules only when")


def test_log_lines_are_held_in_order() -> None:
    """Prefixes, all of them, in order; () means none."""
    assert checks(Expect(log=("a", "b")), log=("a", "b"))[0].held
    assert not checks(Expect(log=("a", "b")), log=("b", "a"))[0].held
    assert checks(Expect(log=()))[0].held
    (check,) = checks(Expect(log=()), log=("a",))
    assert (check.held, check.seen) == (False, "a")


def test_what_was_lost_avoids_nothing() -> None:
    """A chain that was not seen is not avoided while observations were lost."""
    whole = checks(Expect(avoids=("host/nat/PREROUTING",)))[0]
    lossy = checks(
        Expect(avoids=("host/nat/PREROUTING",)), observation=Observation(events=(), lost=3)
    )[0]
    assert (whole.held, lossy.held) == (True, False)
    assert lossy.why.startswith("it cannot be told: ")


def test_tables() -> None:
    """Neighbours, forwarding entries and addresses, by device or by MAC."""
    after = BRIDGED.after
    link = after.link(DevRef(NodeName("ns2"), DevName("veth2a")))
    assert link is not None
    assert link.mac is not None
    right = Expect(
        neighbours={"ns1": {"10.244.1.4": "ns2/veth2a", "10.244.1.9": "none"}},
        fdb={"host/br0": {"ns2/veth2a": "veth2b", link.mac.upper(): "veth2b"}},
        no_address=(DevRef(HOST, DevName("br0")),),
    )
    assert [check.held for check in table_checks(right, after)] == [True] * 5
    wrong = Expect(
        neighbours={"ns1": {"10.244.1.4": "none", "10.244.1.9": "ns2/veth2a"}},
        fdb={"host/br0": {"ns2/veth2a": "veth1b", "ns1/nowhere": "veth1b"}},
        no_address=(DevRef(NS1, DevName("veth1a")), DevRef(NS1, DevName("nowhere"))),
    )
    found = table_checks(wrong, after)
    assert [check.held for check in found] == [False] * 6
    assert [check.seen for check in found[-2:]] == ["10.244.1.2/24", "no such device"]


MS = 1_000_000


@pytest.mark.parametrize(("times", "loss", "latency", "held"), [
    ((1 * MS, 2 * MS), 0.0, 2 * MS, (True, True)),
    ((1 * MS, 3 * MS), 0.0, 2 * MS, (True, False)),
    ((1 * MS, None), 0.0, 2 * MS, (False, True)),  # a reply that is missing is not late
    ((1 * MS, None), 50.0, 2 * MS, (True, True)),
    ((None, None), 50.0, 2 * MS, (False, False)),
    ((None, None), 100.0, 2 * MS, (True, False)),
])  # fmt: skip
def test_loss_and_latency(
    times: tuple[int | None, ...], loss: float, latency: int, held: tuple[bool, bool]
) -> None:
    """Bounds of two things: how many replies are missing, how late the others are."""
    replies = tuple(Reply(seq=n, rtt=rtt) for n, rtt in enumerate(times, 1))
    found = checks(Expect(loss=loss, latency=latency), replies=replies)
    assert tuple(check.held for check in found) == held


def test_what_was_measured_is_shown() -> None:
    """The bounds, the share, the span."""
    replies = tuple(Reply(seq=n, rtt=rtt) for n, rtt in enumerate((MS, 3 * MS, None), 1))
    lost, late = checks(Expect(loss=5, latency=2 * MS), replies=replies)
    assert (lost.expected, lost.seen, lost.why) == (
        "loss: at most 5 %",
        "1 of 3 requests without a reply (33.3 %)",
        "the policy is drop",
    )
    assert (late.expected, late.seen) == (
        "latency: at most 2.00 ms",
        "2 of 3 requests answered, after 1.00 ms to 3.00 ms",
    )


@pytest.mark.parametrize(("cause", "at", "held"), [
    ("policy-drop", None, True),
    ("policy-drop", "host", True),
    (None, "host", True),
    ("policy-drop", "ns1", False),
    ("rule-drop", "host", False),
    ("policy-drop", "host/br0", False),
])  # fmt: skip
def test_drops(cause: str | None, at: str | None, *, held: bool) -> None:
    """By cause, by node, by device; what ended the packet instead is told."""
    (check,) = checks(Expect(drop=DropExpect(cause=cause, at=at)))
    assert check.held is held, check.seen
    assert "policy-drop at host/" in check.seen
    assert bool(check.why) is not held


def test_a_drop_that_did_not_happen() -> None:
    """Says so; and that it may have been missed."""
    fine = journeys(BRIDGED.scene(), ident=BRIDGED.ident)

    def check(observation: Observation) -> Check:
        (found,) = ping_checks(
            Expect(drop=DropExpect(cause="rule-drop")),
            replies=(Reply(seq=1, rtt=5),),
            journeys=fine,
            log=(),
            reason=None,
            before=BRIDGED.before,
            observation=observation,
        )
        return found

    whole = check(Observation(events=()))
    assert (whole.held, whole.seen, whole.why) == (False, "every packet reached its goal", "")
    assert check(Observation(events=(), lost=2)).why == "2 observations were lost"


@pytest.mark.parametrize(("chain", "six", "crossed"), [
    ("host/filter/FORWARD", False, True),
    ("host/ip/filter/FORWARD", False, True),
    ("host/ip6/filter/FORWARD", False, False),
    ("host/inet/filter/FORWARD", False, False),
    ("host/filter/FORWARD", True, False),  # the visit was of an IPv4 packet
    ("host/ip/filter/FORWARD", True, True),
])  # fmt: skip
def test_chains_of_families(chain: str, *, six: bool, crossed: bool) -> None:
    """The short form is of the ping's own; the long form says which."""
    found = checks(Expect(crosses=(chain,), avoids=(chain,)), six=six)
    assert [check.held for check in found] == [crossed, not crossed]
    shown = "met host/ip/filter/FORWARD" if six else "met host/filter/FORWARD"
    assert {check.seen for check in found} == {shown}


def test_a_chain_that_only_the_other_family_has() -> None:
    """That is said."""
    (check,) = checks(Expect(crosses=("host/ip6/filter/FORWARD",)))
    assert check.why == (
        "host has no chain FORWARD in table filter of family ip6; it has one of family ip"
    )
