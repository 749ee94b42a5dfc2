"""Addresses, routes and rule counters held against a snapshot."""

import pytest
from msgspec.structs import replace

from hopscope.lab.tablechecks import nodes_asked, table_checks
from hopscope.model.lab import Count, Expect
from hopscope.model.snapshot import Chain, Route, Rule, Snapshot
from hopscope.model.vocab import DevName, DevRef, Family, NodeName
from smalllabs import lab


def route(destination: str, **more: object) -> Route:
    """In the main table."""
    whole = {"family": Family.IP, "table": 254, "type": "unicast", "dev": DevName("eth0"), **more}
    return Route(destination=destination, **whole)  # type: ignore[arg-type]


def rules(family: Family, *packets: int | None, prefix: str | None = None) -> Chain:
    """A FORWARD chain with rules that have counted so much; the first logs with *prefix*."""
    made = [
        Rule(handle=n, text="", packets=count, log_prefix=prefix if n == 0 else None)
        for n, count in enumerate(packets)
    ]
    return Chain(family=family, table="filter", name="FORWARD", rules=tuple(made))


@pytest.fixture
def snapshot() -> Snapshot:
    """ns1 with two ways out; host with two FORWARD chains, and one of ours."""
    made = lab(
        ["ns1/eth0 = host/p1@br0"],
        addresses={"ns1/eth0": "10.0.0.1/24"},
    )
    ours = replace(rules(Family.IP, 100), ours=True)
    chains = (rules(Family.IP, 3, 4, prefix="Fwd-"), rules(Family.IP6, 10), ours)
    routes = (
        route("0.0.0.0/0", via="10.0.0.254"),
        route("10.0.0.0/24"),
        route("10.0.0.1/32", type="local", table=255),
        route("10.7.0.0/16", type="blackhole", dev=None),
    )
    ns1, host = made.node("ns1"), made.node("host")
    return Snapshot(nodes=(replace(ns1, routes=routes), replace(host, chains=chains)))


@pytest.mark.parametrize(("to", "how", "held"), [
    ("0.0.0.0/0", "via 10.0.0.254", True),
    ("0.0.0.0/0", "via 10.0.0.254 dev eth0", True),
    ("0.0.0.0/0", "dev eth0 via 10.0.0.254", True),
    ("0.0.0.0/0", "dev eth0", True),
    ("0.0.0.0/0", "via 10.0.0.253", False),
    ("0.0.0.0/0", "dev eth1", False),
    ("0.0.0.0/0", "none", False),
    ("10.0.0.0/24", "via 10.0.0.254", False),
    ("10.9.0.0/16", "none", True),
    ("10.9.0.0/16", "via 10.0.0.254", False),  # an entry, not where it would go
    ("10.9.0.1", "via 10.0.0.254", True),
    ("10.0.0.1/32", "none", True),  # the local table is the kernel's own
    ("10.0.0.1", "local", True),
    ("10.7.0.0/16", "blackhole", True),
    ("10.7.0.0/16", "unreachable", False),
    ("10.7.1.1", "blackhole", True),
    ("fd00::1", "none", True),
])  # fmt: skip
def test_routes(snapshot: Snapshot, to: str, how: str, *, held: bool) -> None:
    """A network is an entry; an address is looked up."""
    (check,) = table_checks(Expect(routes={"ns1": {to: how}}), snapshot)
    assert check.held is held, check


def test_what_a_route_is_instead(snapshot: Snapshot) -> None:
    """As ip route writes it."""
    found = table_checks(
        Expect(routes={"ns1": {"0.0.0.0/0": "none", "10.9.0.0/16": "dev eth0"}}), snapshot
    )
    assert [(c.expected, c.seen) for c in found] == [
        ("ns1 has no route 0.0.0.0/0", "default via 10.0.0.254 dev eth0"),
        ("ns1 has the route 10.9.0.0/16 dev eth0", "no route"),
    ]


@pytest.mark.parametrize(("dev", "address", "held"), [
    ("ns1/eth0", "10.0.0.1", True),
    ("ns1/eth0", "10.0.0.1/24", True),
    ("ns1/eth0", "10.0.0.1/25", False),
    ("ns1/eth0", "10.0.0.2", False),
    ("ns1/eth9", "10.0.0.1", False),
    ("host/p1", "10.0.0.1", False),
])  # fmt: skip
def test_addresses(snapshot: Snapshot, dev: str, address: str, *, held: bool) -> None:
    (check,) = table_checks(Expect(addresses={dev: (address,)}), snapshot)
    assert check.held is held, check


@pytest.mark.parametrize(("key", "number"), [
    ("Fwd-", 3),
    ("host/ip/filter/FORWARD", 7),
    ("host/ip6/filter/FORWARD", 10),
    ("host/filter/FORWARD", 17),  # the short form is of all families
    ("host/ip/filter/FORWARD/2", 4),
    ("host/filter/FORWARD/1", 13),
])  # fmt: skip
def test_hits(snapshot: Snapshot, key: str, number: int) -> None:
    """Exactly that many, and no rule of ours among them."""
    for wanted in (number - 1, number, number + 1):
        (check,) = table_checks(Expect(hits={key: Count(least=wanted, most=wanted)}), snapshot)
        assert check.held is (wanted == number)
        assert (check.seen, check.why) == (str(number), "")


@pytest.mark.parametrize(("key", "why"), [
    ("Nope-", "no rule logs with 'Nope-'"),
    ("host/nat/FORWARD", "host has no chain FORWARD in table nat"),
    ("host/ip/filter/FORWARD/3", "the chain has 2 rules"),
])  # fmt: skip
def test_rules_that_are_not_there_were_hit_no_number_of_times(
    snapshot: Snapshot, key: str, why: str
) -> None:
    """Not even none."""
    (check,) = table_checks(Expect(hits={key: Count(least=0, most=None)}), snapshot)
    assert (check.held, check.seen, check.why) == (False, "no such rule", why)


def test_rules_that_do_not_count(snapshot: Snapshot) -> None:
    """And a node whose rules could not be read."""
    host = snapshot.node("host")
    silent = replace(host, chains=(rules(Family.INET, None, 2),))
    blind = replace(host, unread=("host: nft is not installed",))
    for node, why in ((silent, "1 of the 2 rules have no counter"), (blind, "host: nft is not")):
        expect = Expect(hits={"host/filter/FORWARD": Count(least=0, most=None)})
        (check,) = table_checks(expect, Snapshot(nodes=(node,)))
        assert not check.held
        assert check.why.startswith(why)


@pytest.mark.parametrize(
    ("expect", "nodes"),
    [
        (Expect(neighbours={"a": {"10.0.0.1": "none", "10.0.0.2": "b/eth0"}}), "a b"),
        (Expect(neighbours={"a": {"10.0.0.2": "02:00:00:00:00:01"}}), "a"),
        (Expect(fdb={"b/br0": {"c/eth0": "p1", "d/eth0": "none"}}), "b c d"),
        (Expect(no_address=(DevRef(NodeName("e"), DevName("br0")),)), "e"),
        (Expect(addresses={"f/eth0": ("10.0.0.1",)}, routes={"g": {"0.0.0.0/0": "none"}}), "f g"),
        (
            Expect(
                routes={"g": {"10.0.0.1": "dev eth0"}},
                hits={"g/filter/INPUT": Count(least=0, most=0)},
            ),
            "",
        ),
    ],
)
def test_the_nodes_that_checks_ask_about(expect: Expect, nodes: str) -> None:
    """With them alone the answers are the same; a log prefix may be anybody's."""
    assert sorted(nodes_asked(expect)) == nodes.split()
