"""Journeys of real packets, where several look alike or the observers change what they watch."""

import json
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import pytest

from hopscope import CannotError, Fate, Lab, StandingLab
from hopscope.lab.declare import built_in
from hopscope.model.journey import HookStep, Journey, PassUpStep, hops
from hopscope.model.lab import PingStep
from hopscope.model.reachability import GroupKind
from hopscope.model.record import PingResult
from journeylabs import JOURNEY_LABS
from strangers import STRANGERS

pytestmark = pytest.mark.kernel


@pytest.fixture
def bridge(records: object) -> Iterator[StandingLab]:
    """ns1 ── br0 ── ns2, with bridge-nf-call-iptables at 1."""
    text = STRANGERS["bridge"].text.replace("iptables: 0", "iptables: 1")
    text = text.replace("-A FORWARD -j DROP", "-A FORWARD -p icmp -j ACCEPT")
    try:
        lab = Lab.from_text(text).up("journeys")
    except CannotError as error:
        pytest.skip(str(error))
    with lab:
        yield lab


def told(ping: PingResult, title: str) -> list[Journey]:
    """The journeys of one kind."""
    return [journey for journey in ping.journeys if journey.title == title]


def path(journey: Journey) -> list[str]:
    """Nodes and hooks in order."""
    return [
        f"{hop.node} {step.family}/{step.hook}" if isinstance(step, HookStep) else str(hop.node)
        for hop in hops(journey)
        for step in hop.steps
        if isinstance(step, HookStep) or step.kind == "receive"
    ]


def test_many_requests_at_once_are_told_apart(bridge: StandingLab) -> None:
    """Each of several pings at the same time finds its own packets, and only those."""
    with ThreadPoolExecutor(4) as pool:
        labs = [StandingLab.named(bridge.name) for _ in range(4)]  # one connection each
        pings = list(pool.map(lambda lab: lab.ping("ns1", "ns2", count=5), labs))
    for ping in pings:
        assert ping.replied
        requests, replies = told(ping, "echo request"), told(ping, "echo reply")
        assert [j.headers.icmp.seq for j in requests if j.headers.icmp] == [1, 2, 3, 4, 5]
        assert len(replies) == 5
        assert {j.fate for j in (*requests, *replies)} == {Fate.DELIVERED}
        assert not any(note.startswith("it was also seen") for j in requests for note in j.notes)
    idents = {
        j.headers.icmp.ident for p in pings for j in told(p, "echo request") if j.headers.icmp
    }
    assert len(idents) == 4


def test_requests_one_after_the_other_take_the_same_way(bridge: StandingLab) -> None:
    """No hook of one request is told of another: trace ids repeat, packets do not."""
    ping = bridge.ping("ns1", "ns2", count=30)
    ways = {tuple(path(journey)) for journey in told(ping, "echo request")}
    assert len(ways) == 1
    assert "host ip/forward" in ways.pop()


def test_questions_asked_again_are_journeys_of_their_own(bridge: StandingLab) -> None:
    """ARP asks three times for an address that nobody has; each question is told."""
    ping = bridge.ping("ns1", "10.244.1.99", count=3, timeout=1.2)
    questions = told(ping, "ARP request")
    assert len(questions) == 3
    assert len({tuple(path(journey)) for journey in questions}) == 1
    assert {j.reason.code for j in questions if j.reason} == {"no-such-address"}
    assert ping.replies[0].error is not None
    assert "did not resolve" in ping.replies[0].error


def pods(count: int) -> str:
    """A lab of as many on one bridge."""
    lab = {
        "name": "many",
        "nodes": {
            "host": {"bridges": {"br0": {}}},
            "pod": {"count": count, "addresses": {"eth0": {"pool": "10.244.0.0/16"}}},
        },
        "links": [["pod:eth0", "host:p@br0"]],
    }
    return json.dumps(lab)


def test_explaining_a_flood_costs_as_much_for_each_node_in_a_larger_lab(records: object) -> None:
    """A question for an address that nobody has: calls of our own that weave and explain it."""
    counts: list[int] = []

    def count(frame: FrameType, event: str, _arg: object) -> None:
        names = ("/trace/", "/model/", "/wire/packet.py")
        if event == "call" and any(name in frame.f_code.co_filename for name in names):
            counts[-1] += 1

    for number in (20, 80):
        with Lab.from_text(pods(number)).up("many") as running:
            counts.append(0)
            sys.setprofile(count)
            try:
                ping = running.ping("pod1", "10.244.200.1", timeout=0.1)
            finally:
                sys.setprofile(None)
        assert not ping.replied
    assert counts[1] < 6 * counts[0]  # four times the nodes


def test_a_flood_to_many_is_no_loop(records: object) -> None:
    """A question reaches each of a hundred nodes once, and the one that is meant answers."""
    with Lab.from_text(pods(100)).up("many") as running:
        ping = running.ping("pod1", "pod100")
    assert ping.replied
    assert {journey.fate for journey in ping.journeys} == {Fate.DELIVERED}
    (question,) = told(ping, "ARP request")
    assert len({hop.node for hop in hops(question)}) == 101
    assert not any("loop" in note for note in question.notes)


def test_watching_without_promiscuous_mode_makes_no_copy(bridge: StandingLab) -> None:
    """The note says that watching changed the path, and how it does not."""
    bridge.ping("ns1", "ns2")
    watched = told(bridge.ping("ns1", "ns2"), "echo request")[0]
    assert any("watching changed the path" in note for note in watched.notes)
    left = told(bridge.ping("ns1", "ns2", promiscuous=False), "echo request")[0]
    assert not any(isinstance(step, PassUpStep) for hop in hops(left) for step in hop.steps)
    assert not left.notes
    ours = [step for step in path(watched) if step != "host bridge/input"]
    assert path(left) == ours


def test_a_reply_that_skips_nat_is_told_so(records: object) -> None:
    """The built-in lab: PREROUTING of nat is not asked about the reply, and the step says why."""
    try:
        record = Lab.from_text(built_in()["bridge"]).run(name="journeys-nat")
    except CannotError as error:
        pytest.skip(str(error))
    reply = told(record.pings[-1], "echo reply")[0]
    skipped = [
        text
        for hop in hops(reply)
        if hop.node == "host"
        for step in hop.steps
        if isinstance(step, HookStep)
        for text in step.skipped
    ]
    assert [text.split(":")[0] for text in skipped] == ["ip nat PREROUTING", "ip nat POSTROUTING"]
    assert all("only the first packet of a connection" in text for text in skipped)


def test_a_queue_that_drops(records: object) -> None:
    """The kernel says ENOBUFS, and the queue's own count tells why; no neighbour is blamed."""
    lab = Lab("queue").node("a", addresses={"e": "10.0.0.1/24"})
    lab.node("b", addresses={"e": "10.0.0.2/24"}).link("a:e", "b:e")
    with lab.up() as running:
        assert running.ping("a", "b").replied
        running.run("a", ["tc", "qdisc", "replace", "dev", "e", "root", "pfifo", "limit", "0"])
        ping = running.ping("a", "b", timeout=0.3)
        found = running.reachability(["a"], ["b"], timeout=0.3)
    assert ping.reason is not None
    assert ping.reason.code == "queue-drop"
    assert ping.reason.sentence == "the queue (pfifo) of a/e dropped it"
    assert (ping.replies[0].error or "").startswith("a device's queue dropped it")
    assert [group.kind for group in found.groups] == [GroupKind.BETWEEN]
    assert found.groups[0].reason == ping.reason.sentence


@pytest.mark.parametrize(
    "name",
    [
        *("hairpin", "unbridged", "astray", "wrong-port-back", "macvlans", "short-lived"),
        *("led-back", "by-another-table", "rule-back"),
        *("vxlan-no-entry", "vxlan-wrong-remote", "vxlan-no-remote", "vxlan-dropped"),
        "vxlan-output",
        *("dnat-loopback", "expired-unheard", "expired-kept"),
    ],
)
def test_what_is_said_to_mend_it_does(records: object, name: str) -> None:
    """The command, as it is told, and then the ping is answered."""
    spec = Lab.from_text(JOURNEY_LABS[name])
    step = spec.spec().story[0]
    assert isinstance(step, PingStep)
    with spec.up() as lab:
        ping = lab.ping(step.source, step.address, timeout=0.3)
        assert ping.reason is not None
        told = re.search(rf"hopscope \w+ {lab.name} (\S+) (-- )?(.*)", ping.reason.mend)
        assert told is not None
        if told[2]:
            lab.run(told[1], told[3].split())
        else:
            lab.set_sysctl(told[1], *told[3].split("="))
        assert lab.ping(step.source, step.address).replied
