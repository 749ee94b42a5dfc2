"""The nouns' own small answers: names, hops in order, whether a ping replied, what held."""

from enum import StrEnum

import pytest
from hypothesis import given, settings
from msgspec.structs import fields, replace

from hopscope.model import vocab
from hopscope.model.events import Observation
from hopscope.model.flow import Headers
from hopscope.model.journey import Hop, Journey, Reason, hops
from hopscope.model.lab import LabSpec, NodeSpec
from hopscope.model.process import ProcessPhase, ProcessState, Restart
from hopscope.model.record import (
    Check,
    ExpectResult,
    PingResult,
    Record,
    Reply,
    SetResult,
    StepResult,
)
from hopscope.model.snapshot import Address, LinkState, NodeState, Snapshot
from hopscope.model.tried import Case, Outcome, Tried
from hopscope.model.vocab import (
    BasisKind,
    DevName,
    DevRef,
    Fate,
    Nanos,
    NodeName,
    computed,
    inferred,
    seen,
)
from strategies import journeys

HOST, NS1 = NodeName("host"), NodeName("ns1")
EMPTY = Snapshot(nodes=())
LINK = LinkState(
    name=DevName("br0"), index=2, kind="bridge", mac=None, mtu=1500, up=True, carrier=True
)
STATE = Snapshot(nodes=(NodeState(name=HOST, links=(LINK,)), NodeState(name=NS1)))
HELD, BROKEN = (Check(expected="x", seen="y", held=held) for held in (True, False))


def ping(*replies: Reply, checks: tuple[Check, ...] = ()) -> PingResult:
    """A ping with these replies."""
    return PingResult(
        number=1,
        source=NS1,
        source_address=None,
        target="ns2",
        address="10.0.0.2",
        replies=replies,
        journeys=(),
        before=EMPTY,
        after=EMPTY,
        deltas=(),
        log=(),
        checks=checks,
        observation=Observation(events=()),
    )


def record(*steps: StepResult) -> Record:
    """A run of these steps."""
    return Record(
        lab="x",
        description="",
        mode="sandbox",
        kernel="",
        hopscope="",
        started=Nanos(0),
        finished=Nanos(1),
        initial=EMPTY,
        steps=steps,
        conclusion=(),
    )


def test_names() -> None:
    """As people read them."""
    assert str(DevRef(NS1, DevName("veth1a"))) == "ns1/veth1a"
    assert str(Address(ip="10.0.0.1", prefix=24)) == "10.0.0.1/24"
    assert str(seen("packet socket on ns1/veth1a")) == "seen: packet socket on ns1/veth1a"
    process = ProcessState(
        node=NS1,
        name="web",
        argv=("nginx",),
        restart=Restart.NEVER,
        phase=ProcessPhase.RUNNING,
        pid=7,
        code=None,
        restarts=0,
        since=Nanos(0),
    )
    assert str(process) == "ns1/web"


def test_a_basis_says_how_a_step_is_known() -> None:
    """Three ways, and no other."""
    kinds = [make("x").kind for make in (seen, computed, inferred)]
    assert kinds == list(BasisKind)


def test_devices_sort_by_node_then_name() -> None:
    """So tables are stable."""
    pairs = [("b", "a"), ("a", "b"), ("a", "a")]
    refs = sorted(DevRef(NodeName(node), DevName(dev)) for node, dev in pairs)
    assert [str(ref) for ref in refs] == ["a/a", "a/b", "b/a"]


@pytest.mark.parametrize(
    "enum",
    [
        one
        for one in vars(vocab).values()
        if isinstance(one, type) and one in StrEnum.__subclasses__()
    ],
)
def test_vocabularies_are_words(enum: type[StrEnum]) -> None:
    """Each value is its name in lower case, which is how it is printed and stored."""
    for member in enum:
        assert str(member) == member.value == member.name.lower()


def test_a_snapshot_finds_nodes_and_devices() -> None:
    """A node that is not there is a mistake of the caller's; a device may be gone."""
    assert STATE.node("ns1").name == NS1
    assert STATE.node("host").link("br0") == LINK
    assert STATE.node("ns1").link("br0") is None
    assert STATE.link(DevRef(HOST, DevName("br0"))) == LINK
    assert STATE.link(DevRef(NodeName("gone"), DevName("br0"))) is None
    with pytest.raises(KeyError, match="gone"):
        STATE.node("gone")


def test_a_lab_finds_its_nodes() -> None:
    """By name."""
    lab = LabSpec(name="x", nodes=(NodeSpec(name=HOST), NodeSpec(name=NS1)))
    assert lab.node("ns1").name == NS1
    with pytest.raises(KeyError, match="gone"):
        lab.node("gone")


def hop(name: str, *onward: Hop) -> Hop:
    """A hop without steps."""
    return Hop(node=NodeName(name), came_in=None, came_from=None, steps=(), onward=onward)


def test_hops_come_depth_first() -> None:
    """A branch of a flood is told to its end before the next."""
    tree = hop("a", hop("b", hop("c")), hop("d"))
    walked = hops(_journey(tree))
    assert [one.node for one in walked] == ["a", "b", "c", "d"]


def _journey(first: Hop) -> Journey:
    return Journey(title="x", headers=Headers(), started=Nanos(0), first=first, fate=Fate.DELIVERED)


@given(journeys)
@settings(max_examples=50)
def test_no_hop_is_left_out(journey: Journey) -> None:
    """Each is told once, after the one that it followed."""

    def count(one: Hop) -> int:
        return 1 + sum(count(onward) for onward in one.onward)

    walked = list(hops(journey))
    assert len(walked) == count(journey.first)
    assert walked[0] is journey.first


@pytest.mark.parametrize(
    ("replies", "replied"),
    [
        ((), False),
        ((Reply(seq=1, rtt=5),), True),
        ((Reply(seq=1, rtt=0),), True),
        ((Reply(seq=1, rtt=5), Reply(seq=2, rtt=None)), False),
    ],
)
def test_a_ping_replied_when_every_request_was(
    replies: tuple[Reply, ...],
    replied: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """A reply after no time at all is one; no request is none."""
    assert ping(*replies).replied is replied


def test_a_run_held_when_every_check_did() -> None:
    """Of pings and of expectations; other steps expect nothing."""
    changed = SetResult(node=HOST, key="k", before="0", after="1")
    assert record(changed).held
    assert record(ping(checks=(HELD,)), ExpectResult(checks=(HELD, HELD))).held
    assert not record(ping(checks=(HELD, BROKEN))).held
    assert not record(ping(), ExpectResult(checks=(BROKEN,))).held
    assert [ping(checks=some).held for some in ((), (HELD,), (BROKEN, HELD))] == [True, True, False]


def test_the_pings_of_a_run() -> None:
    """In order, without the other steps."""
    first, second = ping(), replace(ping(), number=2)
    run = record(first, ExpectResult(checks=()), second)
    assert run.pings == (first, second)


def test_nouns_do_not_change() -> None:
    """Frozen, and without room for fields that nobody declared."""
    for noun in (LINK, HELD, STATE, record()):
        with pytest.raises(AttributeError, match="immutable"):
            setattr(noun, fields(noun)[0].name, None)
        with pytest.raises(AttributeError, match="immutable"):
            setattr(noun, "another", None)  # noqa: B010 - as a user might


def test_a_journey_in_a_line() -> None:
    """Its way and its fate, as an assertion that fails shows it; why, when it was lost."""
    whole = _journey(hop("ns1", hop("host", hop("ns2"), hop("ns3"))))
    assert repr(whole) == "<x, ns1 → host → ns2 → ns3, delivered>"
    reason = Reason(code="rule-drop", sentence="a rule drops it", at=None, basis=seen("a trace"))
    lost = replace(whole, first=hop("ns1"), fate=Fate.DROPPED, reason=reason)
    assert repr(lost) == "<x, ns1, dropped: a rule drops it>"


def test_a_ping_in_a_line() -> None:
    """Without its parts, which fill pages: what was expected of it comes before the reason."""
    answered = ping(Reply(seq=1, rtt=5), Reply(seq=2, rtt=0), checks=(HELD,))
    assert repr(answered) == "<ping ns1 → ns2 (10.0.0.2): 2 of 2 requests answered>"
    assert "→ 10.0.0.2:" in repr(replace(answered, target="10.0.0.2"))
    reason = Reason(code="no-route", sentence="it has no route", at=None, basis=seen("its routes"))
    silent = replace(ping(Reply(seq=1, rtt=None)), reason=reason)
    told = "<ping ns1 → ns2 (10.0.0.2): 0 of 1 requests answered; "
    assert repr(silent) == told + "it has no route>"
    assert repr(replace(silent, checks=(HELD, BROKEN))) == told + "expected x, seen y>"


def test_expectations_in_a_line() -> None:
    """Of an ``expect`` step."""
    assert repr(ExpectResult(checks=(HELD,))) == "<expect: 1 of 1 expectations held>"
    told = "<expect: 1 of 2 expectations held; expected x, seen y>"
    assert repr(ExpectResult(checks=(HELD, BROKEN))) == told


def test_a_run_in_a_line() -> None:
    """How many expectations held, and those that did not."""
    assert repr(record()) == "<record of x: 0 of 0 expectations held>"
    run = record(ping(checks=(HELD, BROKEN)), ExpectResult(checks=(HELD,)))
    assert repr(run) == "<record of x: 2 of 3 expectations held; expected x, seen y>"


@pytest.mark.parametrize(("address", "families"), [("10.0.0.2", "ip"), ("fd00::2", "ip6")])
def test_the_switch_of_a_ping_is_that_of_its_family(address: str, families: str) -> None:
    """The sysctl of br_netfilter that decides whether IP hooks see what is bridged."""
    assert replace(ping(), address=address).switch == f"bridge-nf-call-{families}tables"


def test_what_was_not_seen_of_a_node() -> None:
    """A loss concerns every node; what an observer or a reader could not see, its own alone."""
    one = replace(ping(), before=replace(STATE, nodes=(*STATE.nodes[:1], _unread(STATE.nodes[1]))))
    assert (one.gap(HOST), one.gap(NS1)) == ("", "ns1: no rules")
    blind = Observation(events=(), blind=("host: no trace",))
    assert replace(one, observation=blind).gap(HOST) == "host: no trace"
    lossy = replace(one, observation=replace(blind, lost=3))
    assert lossy.gap(HOST) == lossy.gap(NS1) == "3 observations were lost"


def _unread(node: NodeState) -> NodeState:
    return replace(node, unread=(f"{node.name}: no rules",))


def test_what_went_wrong_of_a_lab() -> None:
    """A case that failed, and one that could not be performed."""
    cases = [Case(name=str(one), outcome=one, seconds=0) for one in Outcome]
    tried = Tried(file="x.yml", lab="x", cases=tuple(cases), seconds=0)
    assert [case.outcome for case in tried.went_wrong] == [Outcome.FAILED, Outcome.ERROR]
