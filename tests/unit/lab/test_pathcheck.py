"""The way of a request, told from journeys that were recorded, against the one expected."""

import pytest

from hopscope.lab.pathcheck import Stay, deliveries, path_check, takes
from hopscope.model.vocab import DevName, NodeName
from hopscope.trace.journeys import journeys
from journeycases import CASES


def way(text: str) -> list[Stay]:
    """``ns1/a host/p,br0,q ns2/b``: one word for each node, entered anew."""
    stays = (word.split("/") for word in text.split())
    return [(NodeName(n), tuple(map(DevName, d.split(",")))) for n, d in stays]


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("ns1 host ns2", True),
        ("ns1 host/br0 ns2", True),
        ("ns1/a host/p host/br0 host/q ns2/b", True),
        ("ns1 host/p host/q ns2", True),
        ("ns1 host/q host/p ns2", False),  # not in this order
        ("ns1 host/br0 host/br0 ns2", False),
        ("ns1 ns2", False),  # host is entered, and not told
        ("ns1 host", False),
        ("host ns2", False),
        ("ns1 host/other ns2", False),
        ("ns1 host host ns2", True),  # said twice of one stay
        ("ns1 ... ns2", True),
        ("...", True),
        ("... host/br0 ...", True),
        ("ns1 ... host ... ns2 ...", True),
        ("... ns1 ns2", False),
        ("... ns3 ...", False),
    ],
)
def test_what_a_path_takes(path: str, *, right: bool) -> None:
    """Every node in order; of its devices only those that are named."""
    assert takes(path.split(), way("ns1/a host/p,br0,q ns2/b")) is right


def test_a_node_that_is_entered_twice() -> None:
    """Is named twice, or passed over by a gap."""
    there_and_back = way("ns1/a r/p s/e r/q ns2/b")
    assert takes(["ns1", "r", "s", "r", "ns2"], there_and_back)
    assert takes(["ns1", "r/p", "...", "r/q", "ns2"], there_and_back)
    assert not takes(["ns1", "r", "s", "ns2"], there_and_back)
    assert not takes(["ns1", "r/p", "r/q", "s", "ns2"], there_and_back)


@pytest.mark.parametrize(
    ("case", "path"),
    [
        ("bridge-1", "ns1/veth1a host/veth1b host/br0 host/veth2b ns2/veth2a"),
        ("dnat-1", "ns1 gw/left gw/right ns2"),
        ("two-bridges-1", "ns1 host/br0 host/trunk0 host/trunk1 host/br1 ns2"),  # one stay
        ("stick-1", "ns1 host/p3 gw host/p3 ns2"),  # two
        ("alone-1", "me/lo"),
        ("three-2", "ns1 host/br0 host/veth2b ns2"),  # a broadcast: one of its ways
    ],
)
def test_the_ways_of_real_requests(case: str, path: str) -> None:
    """As kernels carried them; and no other way."""
    found = next(one for one in CASES if one.name == case)
    told = journeys(found.scene(), ident=found.ident)
    right = path_check(path.split(), told, "")
    assert right.held, right.seen
    assert not path_check([*path.split(), "ns1"], told, "").held


def test_a_request_that_did_not_arrive_took_no_way() -> None:
    """Not even any."""
    dropped = next(case for case in CASES if case.name == "drop-policy-1")
    told = journeys(dropped.scene(), ident=dropped.ident)
    check = path_check(["..."], told, "the policy is drop")
    assert (check.held, check.seen, check.why) == (
        False,
        "no request was delivered",
        "the policy is drop",
    )


def test_a_broadcast_has_a_way_to_each_that_it_reached() -> None:
    """The ports that the others' copies left through are not on it."""
    flood = next(case for case in CASES if case.name == "three-2")
    (request,) = (
        one for one in journeys(flood.scene(), ident=flood.ident) if one.title == "echo request"
    )
    ways = sorted(deliveries(request.first))
    assert ways == [
        tuple(way(f"ns1/veth1a host/veth1b,br0,veth{n}b ns{n}/veth{n}a")) for n in (2, 3)
    ]
