"""Filters of devices: what their counters say of a packet that no hook saw again."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from hopscope.model.events import Observation
from hopscope.model.flow import Arp, Headers, Ip
from hopscope.model.journey import Hop, ReceiveStep
from hopscope.model.snapshot import Snapshot
from hopscope.model.traffic import Filter, Filtering
from hopscope.model.vocab import DevName, Mac, NodeName, PktType, seen
from hopscope.trace.causes.filters import filtered
from hopscope.trace.scene import Packet, Scene
from smalllabs import lab

BASIS = seen("test")
LAB = lab(
    ["ns1/a = host/p1@br0", "ns2/b = host/p2@br0", "ns3/c = host/p3@br0"],
    addresses={"ns1/a": "10.0.0.1/24", "ns2/b": "10.0.0.2/24"},
)
IP = Ip(version=4, src="10.0.0.1", dst="10.0.0.2", proto=1, ttl=64, length=84)
ASKS = Arp(
    op=1,
    sender_mac=Mac("02:00:00:00:00:01"),
    sender_ip="10.0.0.1",
    target_mac=Mac("00:00:00:00:00:00"),
    target_ip="10.0.0.2",
)


def one(protocol: str, ends: str | None, *, taken: int = 0, out: bool = False) -> Filter:
    """A filter."""
    text = f"protocol {protocol} pref 5 handle 0x1 x"
    side = "egress" if out else "ingress"
    return Filter(direction=side, text=text, ends=ends, taken=taken)  # type: ignore[arg-type]


def state(where: str, dropped: int, filters: Sequence[Filter]) -> Snapshot:
    """The lab with filters of a device."""
    node, _, dev = where.partition("/")
    here = Filtering(dev=DevName(dev), dropped=dropped, filters=tuple(filters))
    nodes = (replace(n, filtering=(here,)) if n.name == node else n for n in LAB.nodes)
    return Snapshot(nodes=tuple(nodes))


def told(
    first: Hop,
    *now: Filter,
    where: str = "ns2/b",
    dropped: int = 0,
    before: Snapshot | None = None,
    headers: Headers = Headers(ip=IP),  # noqa: B008 - it is frozen
) -> tuple[str, str] | None:
    """What is told, and on which basis; before, nothing was counted."""
    was = state(where, 0, [replace(filter_, taken=0) for filter_ in now])
    scene = Scene(
        before=was if before is None else before,
        after=state(where, dropped, now),
        observation=Observation(events=(), lost=0),
        packets=(),
        replied=frozenset(),
    )
    packet = Packet(key=("x",), headers=headers, sightings=(), traversals=())
    reason = filtered(packet, first, scene)
    return None if reason is None else (reason.sentence, reason.basis.kind.value)


def received(node: str, dev: str, *onward: Hop) -> Hop:
    """A hop in which a device received it, and nothing saw it again."""
    step = ReceiveStep(dev=DevName(dev), at=None, basis=BASIS, pkttype=PktType.BROADCAST)
    return Hop(
        node=NodeName(node),
        came_in=DevName(dev),
        came_from=None,
        steps=(step,),
        onward=onward,
    )


AT_B = received("ns2", "b")
DROPPED = "dropped it"
ONE_OF = (
    "in ns2, one of the filters of b (ingress) took it: `protocol ip pref 5 handle 0x1 x`, "
    "`protocol all pref 5 handle 0x1 x`"
)
IN_B = "in ns2, the filter `protocol {} pref 5 handle 0x1 x` of b (ingress) "


@pytest.mark.parametrize(
    ("now", "dropped", "sentence", "basis"),
    [
        ((one("ip", "dropped it", taken=1),), 1, IN_B.format("ip") + "dropped it", "seen"),
        ((one("all", "went", taken=1),), 0, IN_B.format("all") + "went", "seen"),
        ((one("ip", None),), 1, IN_B.format("ip") + "dropped it", "seen"),
        ((one("ip", ""),), 1, IN_B.format("ip") + "dropped it", "seen"),
        ((one("ip", None), one("arp", None)), 1, IN_B.format("ip") + "dropped it", "seen"),
        (
            (one("ip", None), one("ip", "", out=True)),
            1,
            IN_B.format("ip") + "dropped it",
            "inferred",
        ),
        (
            (one("ip", "went", taken=1), one("all", "went", taken=2)),
            0,
            ONE_OF,
            "inferred",
        ),
    ],
)
def test_the_filter_that_counts_it(
    now: tuple[Filter, ...], dropped: int, sentence: str, basis: str
) -> None:
    """By its action's own count, or by that of all filters together."""
    assert told(AT_B, *now, dropped=dropped) == (sentence, basis)


@pytest.mark.parametrize(
    ("now", "dropped"),
    [
        ((one("ip", "dropped it"), one("ip", None)), 0),
        ((one("arp", "dropped it", taken=1),), 1),
        ((one("ip", "dropped it", taken=1, out=True),), 1),
        ((one("ip", "", taken=1),), 0),
        ((), 1),
    ],
)
def test_filters_that_had_not_this_packet(now: tuple[Filter, ...], dropped: int) -> None:
    """Nothing rose, or what is asked of other protocols, or of what goes out; or it passes."""
    assert told(AT_B, *now, dropped=dropped) is None


def test_filters_that_came_meanwhile() -> None:
    """Nothing is known of them before."""
    assert told(AT_B, one("ip", "dropped it", taken=1), dropped=1, before=LAB) is None


@pytest.mark.parametrize(
    ("where", "blamed"),
    [("ns2/b", True), ("host/p2", True), ("ns3/c", False), ("host/p3", False)],
)
def test_the_copy_of_a_flood_that_matters(where: str, blamed: bool) -> None:  # noqa: FBT001
    """That for its goal, or on the way there; filters elsewhere take what is for nobody there."""
    node, _, dev = where.partition("/")
    first = received("ns1", "a", received(node, dev), received("ns3", "other"))
    drops = one("all", "dropped it", taken=1)
    for headers in (Headers(ip=IP), Headers(arp=ASKS)):
        found = told(first, drops, where=where, dropped=1, headers=headers)
        assert (found is not None) is blamed
    nobody = Headers(arp=replace(ASKS, target_ip="10.0.0.9"))
    assert told(first, drops, where=where, dropped=1, headers=nobody) is None
    answer = Headers(arp=replace(ASKS, op=2))
    assert told(first, drops, where=where, dropped=1, headers=answer) is None
