"""Policy rules and routes that lead nowhere: as ``ip`` has them, and what it would refuse."""

import pytest
from msgspec.structs import replace

from hopscope.model.lab import PolicySpec, RouteSpec
from hopscope.model.snapshot import NextHop
from hopscope.model.vocab import DevName
from labtexts import changed, parsed, problems, wrong

NS1 = "    addresses: {veth1a: 10.244.1.2/24}\n"


def node(*lines: str) -> str:
    """The lab pair, with more keys for ns1."""
    return changed(NS1, NS1 + "".join(f"    {line}\n" for line in lines))


def policy(rule: str) -> str:
    return node("routes: [default via 10.244.1.1 table 100]", f"policy: [{rule}]")


def one_rule(rule: str) -> PolicySpec:
    (found,) = parsed(policy(rule)).node("ns1").policy
    assert found.place is not None
    return replace(found, place=None)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (
            "from 10.0.0.0/24 lookup 100 priority 1000",
            PolicySpec(table=100, source="10.0.0.0/24", priority=1000),
        ),
        ("from all table main", PolicySpec(table=254)),
        ("{from: 10.0.0.7, lookup: 100}", PolicySpec(table=100, source="10.0.0.7/32")),
        (
            "to fd00::/64 prohibit pref 5",
            PolicySpec(action="prohibit", destination="fd00::/64", priority=5),
        ),
        (
            "iif veth1a fwmark 0x10/0xff lookup 100",
            PolicySpec(table=100, iif=DevName("veth1a"), fwmark=0x10, fwmask=0xFF),
        ),
        ("{fwmark: 7, oif: lo, lookup: local}", PolicySpec(table=255, fwmark=7, oif=DevName("lo"))),
        ("blackhole", PolicySpec(action="blackhole")),
        (
            "{action: unreachable, to: 10.9.0.0/16}",
            PolicySpec(action="unreachable", destination="10.9.0.0/16"),
        ),
    ],
)
def test_rules_are_read_as_ip_rule_reads_them(written: str, meant: PolicySpec) -> None:
    assert one_rule(written) == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("blackhole 10.9.0.0/16", RouteSpec(to="10.9.0.0/16", type="blackhole")),
        ("unreachable default metric 7", RouteSpec(to="0.0.0.0/0", type="unreachable", metric=7)),
        ("{to: 'fd09::/32', type: prohibit}", RouteSpec(to="fd09::/32", type="prohibit")),
        ("throw 10.9.0.0/16 table 100", RouteSpec(to="10.9.0.0/16", type="throw", table=100)),
        (
            "10.9.0.0/16 via 10.244.1.9 src 10.244.1.2 table 1000",
            RouteSpec(to="10.9.0.0/16", via="10.244.1.9", source="10.244.1.2", table=1000),
        ),
        (
            "10.9.0.0/16 metric 7 nexthop via 10.244.1.9 weight 2 nexthop dev veth1a",
            RouteSpec(
                to="10.9.0.0/16",
                metric=7,
                hops=(
                    NextHop(dev=None, via="10.244.1.9", weight=2),
                    NextHop(dev=DevName("veth1a")),
                ),
            ),
        ),
        (
            "{to: 10.9.0.0/16, nexthops: [via 10.9.9.9 dev veth1a onlink, {dev: veth1a}]}",
            RouteSpec(
                to="10.9.0.0/16",
                hops=(
                    NextHop(dev=DevName("veth1a"), via="10.9.9.9", onlink=True),
                    NextHop(dev=DevName("veth1a")),
                ),
            ),
        ),
    ],
)
def test_routes_are_read_as_ip_route_reads_them(written: str, meant: RouteSpec) -> None:
    (found,) = parsed(node(f"routes: [{written}]")).node("ns1").routes
    assert replace(found, place=None) == meant


def test_a_table_may_be_filled_later() -> None:
    """As ip allows it, unless it is a slip: then another table is asked by no rule."""
    assert problems(node("policy: [from all lookup 99]")) == ()
    both = "policy: [from all lookup 99, from 10.0.0.0/8 lookup 100]"
    assert problems(node(both, "routes: [default via 10.244.1.1 table 100]")) == ()


def test_a_route_may_stand_in_each_table() -> None:
    two = "routes: [default via 10.244.1.1, default via 10.244.1.1 table 7]"
    assert problems(node(two)) == ()


ONE = [
    # the rule, the name of the broken one, message, hint
    ("▸from 10.0.0.0/24", "bad-policy", "does not say what becomes of the packets", "'lookup'"),
    ("▸from 10.0.0.0/24 nowhere", "bad-policy", "'nowhere' does not fit there", "lookup 100"),
    ("▸from", "bad-policy", "'from' does not fit there", ""),
    ("from ▸10.0.0.1/24 lookup 100", "bad-policy", "names a host within a network", "10.0.0.0/24"),
    ("▸from 10.0.0.0/8 to fd00::/8 lookup 100", "bad-policy", "this one is of both", "two rules"),
    ("{from: all, lookup: ▸-1}", "out-of-range", "the number of a table cannot be -1", ""),
    ("from all lookup ▸99", "empty-table", "ns1 has no route in the table 99", "100"),
    ("▸from all lookup nine", "wrong-type", "number, or main, default or local, not 'nine'", ""),
    ("from ▸x lookup 100", "bad-policy", "'x' is not a network or an address", "write 'all', or"),
    ("from all lookup ▸99999999999", "out-of-range", "a table cannot be 99999999999", "4294967295"),
    ("▸from all lookup 100 priority 1.5", "wrong-type", "must be a whole number, not '1.5'", ""),
    (
        "▸from all lookup 9999999999999999999",
        "out-of-range",
        "'lookup' cannot be '9999999999999999999'",
        "no number here has more than 15 digits",
    ),
    ("from all iif ▸veth1z lookup 100", "unknown-device", "no device 'veth1z'", "'veth1a'"),
    ("▸from all fwmark 0xg lookup 100", "wrong-type", "a mark, such as 1 or 0x10/0xff", ""),
    ("from all lookup ▸100 prohibit", "bad-policy", "says both lookup and prohibit", "leave one"),
    ("{lookup: 100, priority: ▸-1}", "out-of-range", "the priority of a rule cannot be -1", ""),
    (
        "from all lookup 100 priority 9, from 10.0.0.0/8 lookup 100 priority ▸9",
        "duplicate-policy",
        "a rule of priority 9 already",
        "line 8",
    ),
]


@pytest.mark.parametrize(("rule", "name", "message", "hint"), ONE)
def test_one_mistake_in_a_rule(rule: str, name: str, message: str, hint: str) -> None:
    (problem,) = wrong(policy(rule), name)
    assert message in problem.message
    assert hint in problem.hint


ROUTES = [
    ("blackhole 10.9.0.0/16 via ▸10.244.1.1", "bad-route", "leads nowhere, and this one says via"),
    ("default via 10.244.1.1 table ▸0", "out-of-range", "the number of a table cannot be 0"),
    ("default via 10.244.1.1 metric ▸99999999999", "out-of-range", "cannot be 99999999999"),
    ("▸default via 10.244.1.1 metric few", "wrong-type", "must be a whole number, not 'few'"),
    ("▸default via 10.244.1.1 table few", "wrong-type", "default or local, not 'few'"),
    ("default via 10.244.1.1 src ▸10.0.0.9", "bad-route", "10.0.0.9 is no address of ns1"),
    ("default via 10.244.1.1 src ▸here", "bad-address", "not an IP address"),
]


@pytest.mark.parametrize(("route", "name", "message"), ROUTES)
def test_one_mistake_in_a_route(route: str, name: str, message: str) -> None:
    (problem,) = wrong(node(f"routes: [{route}]"), name)
    assert message in problem.message


def test_priorities_are_of_a_family() -> None:
    """The kernel keeps a list for each."""
    both = "from 10.0.0.0/8 lookup 100 priority 9, from fd00::/8 lookup 100 priority 9"
    assert problems(policy(both)) == ()
