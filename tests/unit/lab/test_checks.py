"""Expectations held against what was measured; those that fail say why."""

import pytest
from msgspec.structs import replace

from hopscope.lab.checks import chains_met, ping_checks, table_checks
from hopscope.model.events import Observation
from hopscope.model.journey import Reason
from hopscope.model.lab import Expect
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
    log: tuple[str, ...] = (),
    observation: Observation | None = None,
) -> list[Check]:
    """The checks of the ping that a policy dropped."""
    lines = [LogLine(at=Nanos(1), node=HOST, prefix=prefix, text="") for prefix in log]
    reason = Reason(code="policy-drop", sentence="the policy is drop", at=None, basis=seen("x"))
    found = ping_checks(
        expect,
        replies=(Reply(seq=1, rtt=rtt),),
        journeys=journeys(DROPPED.scene(), ident=DROPPED.ident),
        log=lines,
        reason=reason,
        before=DROPPED.before,
        observation=observation or DROPPED.observation,
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
