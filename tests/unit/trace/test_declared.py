"""What is another than the lab file gives it: told, and the commands that give it back."""

import pytest
from msgspec.structs import replace

from hopscope.model.events import Observation
from hopscope.model.flow import Arp, Headers
from hopscope.model.journey import Hop, NeighbourStep, ReceiveStep, TransmitStep
from hopscope.model.lab import AddressSpec, NodeSpec, RouteSpec
from hopscope.model.snapshot import Address, LinkState, NodeState, Route, Snapshot
from hopscope.model.vocab import (
    DevName,
    DevRef,
    Family,
    Mac,
    NeighbourState,
    NodeName,
    PktType,
    seen,
)
from hopscope.trace.causes import resolution
from hopscope.trace.causes.declared import giving_back, route_command, wrong_prefix
from hopscope.trace.causes.lost import lost_route, mistaken, with_lost_route
from hopscope.trace.causes.tables import no_filter
from hopscope.trace.explain import explain
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.ways import Lookup
from smalllabs import lab, mac_of

BASIS = seen("test")
A, B, E, E2 = NodeName("a"), NodeName("b"), DevName("e"), DevName("e2")
AT = DevRef(A, E)
ROUTES = (RouteSpec(to="0.0.0.0/0", via="10.1.0.1"),)
OWN = NodeSpec(name=A, addresses=(AddressSpec(dev=E, cidr="10.1.0.2/24"),), routes=ROUTES)
APART = lab(
    ["a/e = r/e", "b/e = r/e2"],
    addresses={
        "a/e": "10.1.0.2/24",
        "b/e": "10.2.0.2/24",
        "r/e": "10.1.0.1/24",
        "r/e2": "10.2.0.1/24",
    },
)
TOGETHER = lab(
    ["a/e = sw/p1@br0", "b/e = sw/p2@br0"], addresses={"a/e": "10.1.0.2/24", "b/e": "10.2.0.2/24"}
)


def scene(
    *addresses: str, own: NodeSpec = OWN, routes: tuple[Route, ...] = (), snapshot: Snapshot = APART
) -> Scene:
    """a/e has these addresses, and the lab file gives it others."""
    parts = [one.split("/") for one in addresses]
    has = [Address(ip=ip, prefix=int(size)) for ip, size in parts]

    def link(one: LinkState) -> LinkState:
        return replace(one, addresses=tuple(has)) if one.name == E else one

    def node(state: NodeState) -> NodeState:
        if state.name != A:
            return state
        return replace(state, links=tuple(map(link, state.links)), routes=routes)

    there = Snapshot(nodes=tuple(map(node, snapshot.nodes)))
    return Scene(
        before=there,
        after=there,
        observation=Observation(events=(), lost=0),
        packets=(),
        replied=frozenset(),
        declared=(own,),
    )


def run(*words: str) -> str:
    """The commands, in a."""
    return "; ".join(f"hopscope exec LAB a -- ip {one}" for one in words)


@pytest.mark.parametrize(
    ("has", "ip", "wrong"),
    [
        ("10.1.0.2/8", "10.2.0.2", True),  # it takes that to be on its link
        ("10.1.0.2/32", "10.1.0.9", True),  # … and that not to be
        ("10.1.0.2/8", "10.1.0.9", False),  # either way it is
        ("10.1.0.3/8", "10.2.0.2", False),  # another address, which nobody declared
        ("10.1.0.2/24", "10.2.0.2", False),
    ],
)
def test_an_address_of_another_prefix_length(has: str, ip: str, wrong: bool) -> None:  # noqa: FBT001
    found = wrong_prefix(scene(has), A, ip)
    assert (found is not None) == wrong
    assert (
        found is None or found.sentence == f"a/e has {has}, which the lab file gives as 10.1.0.2/24"
    )


def test_what_was_never_declared_is_not_wrong() -> None:
    """Another node, or a device that is not there."""
    assert wrong_prefix(scene("10.1.0.2/8"), B, "10.9.0.9") is None
    gone = replace(OWN, addresses=(AddressSpec(dev=E2, cidr="10.1.0.2/24"),))
    assert wrong_prefix(scene("10.1.0.2/8", own=gone), A, "10.2.0.2") is None
    assert giving_back(scene(own=gone), DevRef(A, E2)) == []
    assert giving_back(scene(), DevRef(B, E)) == []


@pytest.mark.parametrize(
    ("has", "given", "dad", "words"),
    [
        ([], "10.1.0.2/24", False, ["address add 10.1.0.2/24 dev e"]),
        ([], "fd00::2/64", False, ["address add fd00::2/64 dev e nodad"]),
        ([], "fd00::2/64", True, ["address add fd00::2/64 dev e"]),
        (
            ["10.1.0.2/8"],
            "10.1.0.2/24",
            False,
            ["address add 10.1.0.2/24 dev e", "address del 10.1.0.2/8 dev e"],
        ),
        (
            ["fd00::2/8"],
            "fd00::2/64",
            False,
            ["address del fd00::2/8 dev e", "address add fd00::2/64 dev e nodad"],
        ),
        (["10.1.0.2/24"], "10.1.0.2/24", False, []),
    ],
)
def test_an_address_is_given_back(
    has: list[str],
    given: str,
    dad: bool,  # noqa: FBT001
    words: list[str],
) -> None:
    """IPv6 has each but once; with its last one a device of IPv4 loses its routes."""
    own = replace(OWN, addresses=(AddressSpec(dev=E, cidr=given),), routes=(), dad=dad)
    assert "; ".join(giving_back(scene(*has, own=own), AT)) == run(*words)


def test_many_are_not_told_one_by_one() -> None:
    """That is nothing to paste."""
    routes = tuple(RouteSpec(to=f"10.{n}.0.0/16", dev=E) for n in range(2, 14))
    own = replace(OWN, routes=routes)
    told = giving_back(scene(own=own), AT)
    assert told == ["hopscope up, with the lab file, gives back 13 addresses and routes"]


def test_a_route_with_all_that_was_said_of_it() -> None:
    """As it is added when the lab is built."""
    said = RouteSpec(
        to="fd09::/64", via="fd00::1", dev=E, onlink=True, source="fd00::2", metric=7, table=9
    )
    assert route_command(said) == (
        "ip route add fd09::/64 via fd00::1 dev e onlink src fd00::2 metric 7 table 9 proto static"
    )


@pytest.mark.parametrize(
    ("said", "mend"),
    [
        (
            RouteSpec(to="10.6.0.0/16", via="10.44.0.1"),
            run("route add 10.6.0.0/16 via 10.44.0.1 proto static"),
        ),
        (RouteSpec(to="10.6.0.0/16", dev=E2), ""),
    ],
)
def test_a_route_by_a_device_that_is_not_known_or_not_there(said: RouteSpec, mend: str) -> None:
    """It can be added by what the lab file says, and never by what is not there."""
    found = scene("10.1.0.2/24", own=replace(OWN, routes=(said,)))
    why = lost_route(found, Lookup(state=found.node(A), destination="10.6.0.6"))
    assert why is not None
    assert why.mend == mend


def question(target: str) -> Packet:
    """An ARP request of a, of which nothing was seen."""
    arp = Arp(
        op=1,
        sender_mac=mac_of(AT),
        sender_ip="10.1.0.2",
        target_mac=Mac("00:00:00:00:00:00"),
        target_ip=target,
    )
    return Packet(key=("arp",), headers=Headers(arp=arp), sightings=(), traversals=())


DEFAULT = "route add default via 10.1.0.1 proto static"
ASKS = Hop(
    node=A,
    came_in=None,
    came_from=None,
    steps=(TransmitStep(dev=E, at=None, basis=BASIS),),
    onward=(
        Hop(
            node=NodeName("r"),
            came_in=E,
            came_from=E,
            steps=(ReceiveStep(dev=E, at=None, pkttype=PktType.BROADCAST, basis=BASIS),),
        ),
    ),
)
MISTAKEN = (
    "nobody answers for 10.2.0.2: a takes it to be on its link, because a/e has 10.1.0.2/8, which "
    "the lab file gives as 10.1.0.2/24"
)


def test_a_short_prefix_asks_for_who_is_elsewhere() -> None:
    """The route that it lost with that is told, too, and one that is still there is not."""
    why = resolution.unanswered(question("10.2.0.2"), ASKS, scene("10.1.0.2/8"))
    assert why is not None
    assert why.code == "wrong-prefix"
    assert why.sentence == f"{MISTAKEN}; its route default via 10.1.0.1 is gone, too"
    assert why.mend == run(
        "address add 10.1.0.2/24 dev e",
        "address del 10.1.0.2/8 dev e",
        DEFAULT,
    )
    there = Route(family=Family.IP, destination="0.0.0.0/0", table=254, type="unicast", dev=E)
    why = resolution.unanswered(question("10.2.0.2"), ASKS, scene("10.1.0.2/8", routes=(there,)))
    assert why is not None
    assert why.sentence == MISTAKEN


def test_a_short_prefix_is_not_to_blame_where_the_link_leads_there() -> None:
    """Then something else keeps it silent; nor is a long one, which asks nobody."""
    found = scene("10.1.0.2/8", snapshot=TOGETHER)
    why = resolution.unanswered(question("10.2.0.2"), replace(ASKS, onward=()), found)
    assert why is not None
    assert why.code != "wrong-prefix"
    assert mistaken(scene("10.1.0.2/32"), A, "10.1.0.9") is None


def test_a_short_prefix_that_asked_before_anybody_watched() -> None:
    """The packet waits, and no question was seen."""
    step = NeighbourStep(
        dev=E, ip="10.2.0.2", mac=None, state=NeighbourState.INCOMPLETE, basis=BASIS
    )
    first = Hop(node=A, came_in=None, came_from=None, steps=(step,))
    _fate, why = explain(question("10.2.0.2"), first, scene("10.1.0.2/8"))
    assert why is not None
    assert "a takes it to be on its link" in why.sentence


def test_a_long_prefix_has_no_route_to_its_own_subnet() -> None:
    """The subnet's route is gone; where another led the packet, that is told beside."""
    found = scene("10.1.0.2/32")
    lookup = Lookup(state=found.node(A), destination="10.1.0.9")
    why = lost_route(found, lookup)
    assert why is not None
    assert why.code == "wrong-prefix"
    has = "a/e has 10.1.0.2/32, which the lab file gives as 10.1.0.2/24"
    assert why.sentence == (
        f"a has no route to 10.1.0.9: that of its subnet is gone, because {has}"
    )
    also = with_lost_route(replace(why, sentence="it was lost", mend=""), found, lookup)
    assert also.sentence.endswith(f"that of its subnet, which is gone, because {has}")
    assert also.mend == why.mend


def test_an_owner_with_a_long_prefix_does_not_answer() -> None:
    """It has no route to whoever asks."""
    asked = question("10.1.0.2")
    arp = asked.headers.arp
    assert arp is not None
    asked = replace(asked, headers=Headers(arp=replace(arp, sender_ip="10.1.0.9")))
    came = ReceiveStep(dev=E, at=None, pkttype=PktType.BROADCAST, basis=BASIS)
    first = Hop(node=A, came_in=E, came_from=None, steps=(came,))
    why = resolution.unanswered(asked, first, scene("10.1.0.2/32"))
    assert why is not None
    assert why.sentence.endswith(
        "did not answer it: a has no route to 10.1.0.9: that of its subnet is gone, because a/e "
        "has 10.1.0.2/32, which the lab file gives as 10.1.0.2/24"
    )
    assert why.mend == run(
        "address add 10.1.0.2/24 dev e", "address del 10.1.0.2/32 dev e", DEFAULT
    )


@pytest.mark.parametrize(
    ("own", "everywhere", "keys"),
    [(1, 1, ["e", "all"]), (0, 1, ["all"]), (1, 0, ["e"]), (0, 0, ["e", "all"])],
)
def test_a_filter_is_switched_off_wherever_it_is_on(
    own: int, everywhere: int, keys: list[str]
) -> None:
    """Or at both, where neither was read."""
    switches = {"e": own, "all": everywhere}
    sysctls = {f"net.ipv4.conf.{scope}.rp_filter": str(on) for scope, on in switches.items()}
    told = " ".join(f"net.ipv4.conf.{scope}.rp_filter=0" for scope in keys)
    state = NodeState(name=A, sysctls=sysctls)
    assert no_filter(state, E) == f"hopscope set LAB a {told}"
