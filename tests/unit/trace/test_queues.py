"""Queues: what their counters say of a packet that went in and did not come out."""

import pytest
from msgspec.structs import replace

from hopscope.model.events import Observation
from hopscope.model.flow import Arp, Headers, Icmp, Ip
from hopscope.model.journey import HookStep, Hop, TransmitStep
from hopscope.model.snapshot import Address, LinkState, Neighbour, Route, Snapshot
from hopscope.model.traffic import Qdisc
from hopscope.model.vocab import (
    DevName,
    Family,
    Fate,
    Hook,
    Mac,
    NeighbourState,
    NodeName,
    Verdict,
    seen,
)
from hopscope.trace.explain import explain
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.steps import waiting
from hopscope.trace.ways import Lookup, Way
from smalllabs import lab

BASIS = seen("test")
PAIR = lab(
    ["ns1/a = host/p1@br0", "ns2/b = host/p2@br0", "ns3/c = host/p3@br0"],
    addresses={"ns2/b": "10.0.0.2/24"},
)


def with_queue(node: str, dev: str, *, dropped: int = 0, backlog: int = 0) -> Snapshot:
    """The pair with a queue at a device."""
    one = Qdisc(
        dev=DevName(dev), kind="tbf", handle="1:", parent="root", dropped=dropped, backlog=backlog
    )
    nodes = (replace(n, qdiscs=(one,)) if n.name == node else n for n in PAIR.nodes)
    return Snapshot(nodes=tuple(nodes))


def scene(after: Snapshot, *, before: Snapshot = PAIR, error: str = "") -> Scene:
    """A scene in which nothing was seen."""
    return Scene(
        before=before,
        after=after,
        observation=Observation(events=(), lost=0),
        packets=(),
        replied=frozenset(),
        errors={1: error} if error else {},
    )


def echo() -> Packet:
    """An echo request of which nothing was seen."""
    ip = Ip(version=4, src="10.0.0.1", dst="10.0.0.2", proto=1, ttl=64, length=84)
    headers = Headers(ip=ip, icmp=Icmp(type=8, code=0, ident=1, seq=1), stamp=1)
    return Packet(key=("stamp", 8, 1), headers=headers, sightings=(), traversals=())


def question() -> Packet:
    """An ARP request of which nothing was seen."""
    mac = Mac("02:00:00:00:00:01")
    arp = Arp(op=1, sender_mac=mac, sender_ip="10.0.0.1", target_mac=mac, target_ip="10.0.0.2")
    return Packet(key=("arp",), headers=Headers(arp=arp), sightings=(), traversals=())


def out(dev: str, *, family: Family = Family.IP, hook: Hook = Hook.POSTROUTING) -> HookStep:
    """It passed a hook on its way out of a device."""
    return HookStep(
        family=family, hook=hook, chains=(), verdict=Verdict.ACCEPT, basis=BASIS, oif=DevName(dev)
    )


def sent(dev: str) -> TransmitStep:
    """A device sent it."""
    return TransmitStep(dev=DevName(dev), at=None, basis=BASIS)


def hop(
    node: str, *steps: HookStep | TransmitStep, came_in: str | None = None, onward: int = 0
) -> Hop:
    """One hop, with so many after it."""
    return Hop(
        node=NodeName(node),
        came_in=DevName(came_in) if came_in else None,
        came_from=None,
        steps=steps,
        onward=tuple(hop("ns3", came_in="c") for _ in range(onward)),
    )


LEAVES = hop("ns1", out("a", hook=Hook.OUTPUT), out("a"))


@pytest.mark.parametrize(
    ("counts", "fate", "code", "did"),
    [
        ({"dropped": 2}, Fate.DROPPED, "queue-drop", "dropped it"),
        ({"backlog": 1}, Fate.UNSEEN, "queue-wait", "holds it back"),
        ({"dropped": 1, "backlog": 1}, Fate.UNSEEN, "queue-drop", "dropped it, or holds it back"),
    ],
)
def test_what_a_queue_counted(counts: dict[str, int], fate: Fate, code: str, did: str) -> None:
    """It went in, nothing came out: dropped when that count rose, held when packets wait."""
    found, why = explain(echo(), LEAVES, scene(with_queue("ns1", "a", **counts)))
    assert why is not None
    assert (found, why.code) == (fate, code)
    assert why.sentence == f"the queue (tbf) of ns1/a {did}"
    assert ("wait longer" in why.mend) == ("holds" in did)
    assert "ns1 -- tc -s qdisc show dev a" in why.mend


@pytest.mark.parametrize(
    ("first", "after"),
    [
        (LEAVES, with_queue("ns1", "a", dropped=3)),  # as before
        (LEAVES, with_queue("ns1", "b", dropped=4)),  # of another device
        (hop("ns1", out("a"), sent("a")), with_queue("ns1", "a", dropped=4)),
        (hop("ns1", out("a", hook=Hook.OUTPUT)), with_queue("ns1", "a", dropped=4)),
    ],
)
def test_a_queue_that_has_no_part_in_it(first: Hop, after: Snapshot) -> None:
    """Its counts are as before, another's rose, the packet left it, or never came to it."""
    before = with_queue("ns1", "a", dropped=3)
    _fate, why = explain(echo(), first, scene(after, before=before))
    assert why is not None
    assert not why.code.startswith("queue")


def test_a_question_that_a_queue_dropped() -> None:
    """ARP has no hook behind its output."""
    first = hop("ns1", out("a", family=Family.ARP, hook=Hook.OUTPUT))
    _fate, why = explain(question(), first, scene(with_queue("ns1", "a", dropped=1)))
    assert why is not None
    assert why.code == "queue-drop"


@pytest.mark.parametrize(("port", "code"), [("p2", "queue-drop"), ("p3", "no-layer-2-path")])
def test_the_copy_of_a_flood_that_is_missed(port: str, code: str) -> None:
    """Where other copies went on, the queue of the port that leads to its goal tells."""
    first = hop("host", out(port, family=Family.BRIDGE), came_in="p1", onward=1)
    _fate, why = explain(question(), first, scene(with_queue("host", port, dropped=1)))
    assert why is not None
    assert why.code == code


@pytest.mark.parametrize(("port", "code"), [("p2", "queue-drop"), ("p3", "no-layer-2-path")])
def test_the_copy_of_a_solicitation_that_is_missed(port: str, code: str) -> None:
    """Its goal is the one that it asks for, not the group that it is sent to."""
    first = hop("host", out(port, family=Family.BRIDGE), came_in="p1", onward=1)
    tables = [
        Snapshot(nodes=tuple(replace(n, links=tuple(map(with_six, n.links))) for n in one.nodes))
        for one in (with_queue("host", port, dropped=1), PAIR)
    ]
    _fate, why = explain(solicitation(), first, scene(tables[0], before=tables[1]))
    assert why is not None
    assert why.code == code


def with_six(link: LinkState) -> LinkState:
    """ns2/b has an address of IPv6, too."""
    six = (Address(ip="fd00::2", prefix=64),) if link.name == "b" else ()
    return replace(link, addresses=(*link.addresses, *six))


def solicitation() -> Packet:
    """A neighbour solicitation of which nothing was seen."""
    ip = Ip(version=6, src="fd00::1", dst="ff02::1:ff00:2", proto=58, ttl=255, length=72)
    headers = Headers(ip=ip, icmp=Icmp(type=135, code=0, target="fd00::2"))
    return Packet(key=("nd",), headers=headers, sightings=(), traversals=())


def test_no_room_for_it() -> None:
    """The sender's own kernel said so, and no queue counted it: as it was told."""
    error = "the table is full (ENOBUFS)"
    _fate, why = explain(echo(), LEAVES, scene(PAIR, error=error))
    assert why is not None
    assert (why.code, why.sentence) == ("refused", f"ns1 refused to send it: {error}")


@pytest.mark.parametrize("state", ["", "incomplete", "failed", "stale", "permanent"])
def test_a_next_hop_that_is_resolved_by_now(state: str) -> None:
    """What did not leave then waits for no link-layer address."""
    a, goal, near = DevName("a"), "10.0.0.2", "10.0.0.0/24"
    route = Route(family=Family.IP, destination=near, table=254, type="unicast", dev=a)
    ns1 = replace(PAIR.node("ns1"), routes=(route,))
    mac = Mac("02:00:00:00:00:02") if state in ("failed", "stale", "permanent") else None
    some = [Neighbour(dev=a, ip=goal, mac=mac, state=NeighbourState(state))] if state else []
    lookup = Lookup(state=ns1, destination=goal)
    (step,) = waiting(lookup, replace(ns1, neighbours=tuple(some)), Way(dev=a, ip=goal))
    assert (step.mac is not None) == (state in ("stale", "permanent"))
