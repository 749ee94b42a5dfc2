"""Whom a node took for its next hop: tables, unless what was seen says otherwise."""

from collections.abc import Sequence

from msgspec.structs import replace

from hopscope.model.events import FrameSeen, NeighbourChanged, Observation
from hopscope.model.flow import Arp, Headers, Icmp, Ip
from hopscope.model.snapshot import Neighbour, NodeState, PolicyRule, Route, Snapshot
from hopscope.model.vocab import (
    BasisKind,
    DevName,
    DevRef,
    Direction,
    Family,
    Mac,
    Nanos,
    NeighbourState,
    NodeName,
    PktType,
)
from hopscope.trace.identify import Sighting
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.ways import Lookup, Way, asked, way_awaited, way_taken

GW, LEFT, RIGHT = NodeName("gw"), DevName("left"), DevName("right")
ONE, OTHER = Mac("02:00:00:00:00:01"), Mac("02:00:00:00:00:02")
DEFAULT = Route(
    family=Family.IP, destination="0.0.0.0/0", table=254, type="unicast", dev=LEFT, via="10.1.0.1"
)
STATE = NodeState(name=GW, routes=(DEFAULT,))
IP = Ip(version=4, src="10.1.0.9", dst="192.0.2.1", proto=1, ttl=64, length=84)


def knows(*entries: tuple[str, Mac | None], dev: DevName = LEFT) -> NodeState:
    """The node with such neighbours."""
    found = [
        Neighbour(dev=dev, ip=ip, mac=mac, state=NeighbourState.REACHABLE) for ip, mac in entries
    ]
    return replace(STATE, neighbours=tuple(found))


def scene(
    after: NodeState = STATE,
    *,
    packets: Sequence[Packet] = (),
    learnt: dict[str, Mac] | None = None,
    dev: DevName = LEFT,
) -> Scene:
    """What was seen around it."""
    changes = {
        (GW, ip): NeighbourChanged(
            at=Nanos(1), dev=DevRef(GW, dev), ip=ip, mac=mac, state=NeighbourState.REACHABLE
        )
        for ip, mac in (learnt or {}).items()
    }
    return Scene(
        before=Snapshot(nodes=(STATE,)),
        after=Snapshot(nodes=(after,)),
        observation=Observation(events=()),
        packets=tuple(packets),
        replied=frozenset(),
        neighbours=changes,
    )


def sighting(headers: Headers, dev: DevName = LEFT) -> Sighting:
    """A frame that the node sent."""
    event = FrameSeen(
        at=Nanos(1),
        dev=DevRef(GW, dev),
        direction=Direction.TRANSMIT,
        pkttype=PktType.OUTGOING,
        frame=b"",
        length=98,
    )
    return Sighting(event=event, headers=headers)


def question(target: str, dev: DevName | None = LEFT, op: int = 1) -> Packet:
    """An ARP packet; without a device its first frame was not seen."""
    arp = Arp(op=op, sender_mac=ONE, sender_ip="10.1.0.9", target_mac=OTHER, target_ip=target)
    headers = Headers(arp=arp)
    birth = sighting(headers, dev) if dev else None
    return Packet(key=("arp",), headers=headers, sightings=(), traversals=(), birth=birth)


def lookup(state: NodeState = STATE, out: DevName | None = None) -> Lookup:
    """As the node's tables were asked for 192.0.2.1."""
    return Lookup(state=state, destination="192.0.2.1", source="10.1.0.9", out=out)


def to(mac: Mac, dev: DevName = LEFT) -> Sighting:
    """The packet's frame, to this MAC address."""
    return sighting(Headers(ip=IP, dst_mac=mac), dev)


def test_of_several_routes_the_one_that_leads_to_the_device_is_meant() -> None:
    """A rule set the mark after the sender had asked, or the source was not chosen yet."""
    other = replace(DEFAULT, table=99, dev=RIGHT, via="10.2.0.1")
    marks = {"conditions": ("fwmark",), "values": {"fwmark": "0x9"}}
    rules = (
        PolicyRule(family=Family.IP, priority=5, table=99, **marks),  # type: ignore[arg-type]
        PolicyRule(family=Family.IP, priority=9, table=254),
    )
    asks = replace(lookup(replace(STATE, routes=(DEFAULT, other), policy_rules=rules)), mark=9)
    assert asks.route() == other
    assert replace(asks, out=RIGHT).route() == other
    assert replace(asks, out=LEFT).route() == DEFAULT
    assert replace(asks, out=DevName("third")).way() is None
    assert replace(asks, mark=0).route() == DEFAULT


def test_the_one_that_was_asked_for_in_vain_is_awaited() -> None:
    """One of several next hops, of which the tables name the first."""
    way = way_awaited(scene(packets=[question("10.1.0.99")]), lookup(out=LEFT))
    assert way is not None
    assert (way.dev, way.ip) == (LEFT, "10.1.0.99")
    assert way.basis is not None
    assert way.basis.kind is BasisKind.SEEN


def test_the_one_that_the_tables_name_is_awaited_if_it_was_asked_for_or_nobody_was() -> None:
    named = Way(dev=LEFT, ip="10.1.0.1")
    both = [question("10.1.0.99"), question("10.1.0.1")]
    assert way_awaited(scene(packets=both), lookup(out=LEFT)) == named
    assert way_awaited(scene(), lookup()) == named
    elsewhere = [question("10.1.0.99", RIGHT), question("10.1.0.98", None), question("x", op=2)]
    assert way_awaited(scene(packets=elsewhere), lookup()) == named
    answered = scene(packets=[question("10.1.0.99")], learnt={"10.1.0.99": ONE})
    assert way_awaited(answered, lookup()) == named


def test_which_of_several_questions_was_its_own_is_inferred() -> None:
    """And so it is where the node knew the next hop that the tables name."""
    two = scene(packets=[question("10.1.0.98"), question("10.1.0.99")])
    way = way_awaited(two, lookup())
    assert way is not None
    assert way.basis is not None
    assert way.basis.kind is BasisKind.INFERRED
    assert "10.1.0.98 and 10.1.0.99" in way.basis.evidence
    known = scene(knows(("10.1.0.1", ONE)), packets=[question("10.1.0.99")])
    way = way_awaited(known, lookup())
    assert way is not None
    assert way.basis is not None
    assert way.basis.kind is BasisKind.INFERRED


def test_nothing_is_awaited_where_neither_tables_nor_questions_tell() -> None:
    nowhere = replace(STATE, routes=())
    assert way_awaited(scene(), lookup(nowhere)) is None
    assert way_awaited(scene(), lookup(out=RIGHT)) is None
    heard = scene(packets=[question("10.2.0.7", RIGHT)])
    way = way_awaited(heard, lookup(out=RIGHT))
    assert way is not None
    assert (way.dev, way.ip) == (RIGHT, "10.2.0.7")


def test_a_frame_went_to_whoever_has_its_address() -> None:
    """The neighbour with that MAC address outranks the next hop that the tables name."""
    after = knows(("10.1.0.1", ONE), ("10.1.0.99", OTHER))
    assert way_taken(scene(after), lookup(after), to(ONE)) == Way(dev=LEFT, ip="10.1.0.1")
    way = way_taken(scene(after), lookup(after), to(OTHER))
    assert (way.dev, way.ip) == (LEFT, "10.1.0.99")
    assert way.basis is not None
    assert way.basis.kind is BasisKind.SEEN


def test_of_the_addresses_of_a_neighbour_the_one_of_the_packets_own_family_is_meant() -> None:
    """Both have its MAC address; of another family it is only where there is no other."""
    both = knows(("10.1.0.99", OTHER), ("fd00::99", OTHER))
    six = replace(lookup(both), destination="fd09::1")
    assert way_taken(scene(both), six, to(OTHER)).ip == "fd00::99"
    assert way_taken(scene(both), lookup(both), to(OTHER)).ip == "10.1.0.99"
    one = knows(("fe80::99", OTHER))
    assert way_taken(scene(one), lookup(one), to(OTHER)).ip == "fe80::99"


def test_a_frame_to_a_mac_that_was_learnt_meanwhile_went_to_that_neighbour() -> None:
    assert way_taken(scene(learnt={"10.1.0.1": ONE}), lookup(), to(ONE)).basis is None
    elsewhere = scene(learnt={"10.1.0.1": ONE}, dev=RIGHT)
    assert way_taken(elsewhere, lookup(), to(ONE)) == Way(dev=LEFT, ip="10.1.0.1")


def test_a_frame_of_which_nothing_is_known_went_as_the_tables_say() -> None:
    """Or, where these lead to another device, to the destination itself."""
    assert way_taken(scene(), lookup(), to(ONE)) == Way(dev=LEFT, ip="10.1.0.1")
    assert way_taken(scene(), lookup(out=RIGHT), to(ONE, RIGHT)) == Way(dev=RIGHT, ip="192.0.2.1")
    two = knows(("10.1.0.98", ONE), ("10.1.0.99", ONE))
    assert way_taken(scene(two), lookup(two), to(ONE)).ip == "10.1.0.1"


def test_what_is_asked_for() -> None:
    """By ARP requests and neighbour solicitations, not by their answers."""
    assert asked(question("10.0.0.1").headers) == "10.0.0.1"
    assert asked(question("10.0.0.1", op=2).headers) is None
    assert asked(Headers(icmp=Icmp(type=135, code=0, target="fd00::1"))) == "fd00::1"
    assert asked(Headers(icmp=Icmp(type=136, code=0, target="fd00::1"))) is None
