"""What a snapshot answers, by the kernel's own rules."""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from hopscope.model.lookup import (
    fdb_entry,
    in_subnet,
    is_group,
    is_local,
    local_device,
    neighbour,
    next_hop,
    owner_of,
    owner_of_mac,
    ports,
    route_text,
    route_to,
    silent_nat,
    solicited_group,
    sysctl_int,
    uses_conntrack,
)
from hopscope.model.snapshot import (
    Address,
    Chain,
    FdbEntry,
    LinkState,
    Neighbour,
    NextHop,
    NodeState,
    PolicyRule,
    Route,
    Rule,
    Snapshot,
)
from hopscope.model.vocab import DevName, DevRef, Family, Mac, NeighbourState, NodeName
from strategies import addresses4, macs

HOST, NS1 = NodeName("host"), NodeName("ns1")
BR0, PORT, ETH0 = DevName("br0"), DevName("veth1b"), DevName("eth0")
MAC1, MAC2 = Mac("02:00:00:00:00:01"), Mac("02:00:00:00:00:02")


def device(
    name: str,
    *addresses: str,
    kind: str = "veth",
    mac: Mac | None = MAC1,
    master: DevName | None = None,
) -> LinkState:
    """A device with addresses in CIDR form."""
    pairs = (address.rsplit("/", 1) for address in addresses)
    return LinkState(
        name=DevName(name),
        index=1,
        kind=kind,
        mac=mac,
        mtu=1500,
        up=True,
        carrier=True,
        master=master,
        addresses=tuple(Address(ip=ip, prefix=int(prefix)) for ip, prefix in pairs),
    )


def route(
    destination: str,
    *,
    table: int = 254,
    kind: str = "unicast",
    dev: DevName | None = ETH0,
    via: str | None = None,
    metric: int = 0,
) -> Route:
    """A route of the family that its destination shows."""
    return Route(
        family=Family.IP6 if ":" in destination else Family.IP,
        destination=destination,
        table=table,
        type=kind,
        dev=dev,
        via=via,
        metric=metric,
    )


def routing(*routes: Route, rules: tuple[PolicyRule, ...] = ()) -> NodeState:
    """A node with these routes."""
    return NodeState(name=NS1, routes=routes, policy_rules=rules)


def rules(
    *texts: str,
    kind: str = "filter",
    family: Family = Family.IP,
    prefix: str | None = None,
    ours: bool = False,
) -> Chain:
    """A chain of rules."""
    found = tuple(Rule(handle=1, text=text, log_prefix=prefix) for text in texts)
    return Chain(family=family, table="t", name="c", type=kind, rules=found, ours=ours)


@given(macs)
def test_group_addresses_have_the_first_bit_set(mac: Mac) -> None:
    """That is the lowest of the first byte."""
    assert is_group(mac) == (int(mac.split(":")[0], 16) % 2 == 1)


def test_known_group_addresses() -> None:
    """Broadcast is one; no address is none."""
    assert is_group(Mac("ff:ff:ff:ff:ff:ff"))
    assert is_group(Mac("33:33:00:00:00:01"))
    assert not is_group(MAC1)
    assert not is_group(None)


SNAPSHOT = Snapshot(
    nodes=(
        NodeState(
            name=HOST,
            links=(
                device("br0", kind="bridge"),
                device("veth1b", mac=MAC1, master=BR0),
                device("eth0", "10.0.0.9/24", "fd00::9/64", mac=None),
            ),
        ),
        NodeState(name=NS1, links=(device("veth1a", "10.0.0.1/24", mac=MAC2),)),
    )
)


@pytest.mark.parametrize(
    ("ip", "owner"),
    [
        ("10.0.0.1", DevRef(NS1, DevName("veth1a"))),
        ("fd00:0:0::9", DevRef(HOST, ETH0)),
        ("10.0.0.2", None),
        ("no address", None),
    ],
)
def test_owners_of_addresses(ip: str, owner: DevRef | None) -> None:
    """Anywhere in the lab, whichever way an address is written."""
    assert owner_of(SNAPSHOT, ip) == owner


def test_owners_of_macs() -> None:
    """A bridge borrows a port's address; the port is its owner."""
    assert owner_of_mac(SNAPSHOT, MAC1) == DevRef(HOST, PORT)
    assert owner_of_mac(SNAPSHOT, MAC2) == DevRef(NS1, DevName("veth1a"))
    assert owner_of_mac(SNAPSHOT, Mac("02:00:00:00:00:03")) is None


def test_ports() -> None:
    """The devices whose master the bridge is."""
    host = SNAPSHOT.node("host")
    assert [link.name for link in ports(host, BR0)] == [PORT]
    assert ports(host, ETH0) == ()


@pytest.mark.parametrize(
    ("ip", "destination"),
    [
        ("10.1.2.3", "10.1.2.0/24"),
        ("10.1.9.3", "10.1.0.0/16"),
        ("192.0.2.1", "0.0.0.0/0"),
        ("10.0.0.1", "10.0.0.1/32"),
        ("fd00::1", "::/0"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_the_longest_prefix_wins(ip: str, destination: str) -> None:
    """And the local table is asked first."""
    node = routing(
        route("0.0.0.0/0"),
        route("10.1.0.0/16"),
        route("10.1.2.0/24"),
        route("10.0.0.1/32", table=255, kind="local"),
        route("::/0"),
        route("fe80::/64"),
    )
    found = route_to(node, ip)
    assert found is not None
    assert found.destination == destination


def test_of_equal_prefixes_the_lower_metric_wins() -> None:
    """In whichever order they stand."""
    near, far = route("0.0.0.0/0", metric=100), route("0.0.0.0/0", metric=600)
    assert route_to(routing(far, near), "192.0.2.1") == near
    assert route_to(routing(near, far), "192.0.2.1") == near


def test_a_route_for_a_tos_holds_for_packets_without_one_no_more_than_for_others() -> None:
    """Those that are asked about carry none."""
    usual = route("0.0.0.0/0")
    assert (
        route_to(routing(replace(usual, tos=8, destination="10.0.0.0/8"), usual), "10.1.2.3")
        == usual
    )


def test_tables_are_asked_in_the_order_of_the_rules() -> None:
    """A table that has no route for it leaves the question to the next."""
    main, own = route("0.0.0.0/0"), route("10.0.0.0/8", table=100)
    asked = (
        PolicyRule(family=Family.IP, priority=32766, table=254),
        PolicyRule(family=Family.IP, priority=10, table=100),
        PolicyRule(family=Family.IP, priority=5, table=254, source="10.9.9.9/32"),
    )
    assert route_to(routing(main, own, rules=asked), "10.1.1.1") == own
    assert route_to(routing(main, own, rules=asked), "192.0.2.1") == main
    assert route_to(routing(own), "10.1.1.1") is None  # without a rule nobody asks table 100


def rule(priority: int, table: int, **asks: Any) -> PolicyRule:
    return PolicyRule(family=Family.IP, priority=priority, table=table, **asks)


def test_a_rule_holds_for_what_it_names() -> None:
    """By source, destination and device; what is not known is taken not to match."""
    main, own = route("0.0.0.0/0"), route("10.0.0.0/8", table=100)
    usual = rule(32766, 254)
    by_source = routing(main, own, rules=(usual, rule(5, 100, source="10.1.0.0/16")))
    assert route_to(by_source, "10.9.9.9", source="10.1.2.3") == own
    assert route_to(by_source, "10.9.9.9", source="10.2.2.3") == main
    assert route_to(by_source, "10.9.9.9", source="fd00::1") == main
    assert route_to(by_source, "10.9.9.9") == main
    by_goal = routing(main, own, rules=(usual, rule(5, 100, destination="10.9.0.0/16")))
    assert route_to(by_goal, "10.9.9.9") == own
    assert route_to(by_goal, "10.8.9.9") == main
    asks = {"conditions": ("iif",), "values": {"iif": "eth0"}}
    by_device = routing(main, own, rules=(usual, rule(5, 100, **asks)))
    assert route_to(by_device, "10.9.9.9", came_in=DevName("eth0")) == own
    assert route_to(by_device, "10.9.9.9", came_in=DevName("eth1")) == main
    marked = {"conditions": ("iif", "fwmark"), "values": {"iif": "eth0", "fwmark": "0x1"}}
    by_mark = routing(main, own, rules=(usual, rule(5, 100, **marked)))
    assert route_to(by_mark, "10.9.9.9", came_in=DevName("eth0")) == main
    assert route_to(by_mark, "10.9.9.9", came_in=DevName("eth0"), mark=1) == own
    assert route_to(by_mark, "10.9.9.9", came_in=DevName("eth1"), mark=1) == main
    assert route_to(by_mark, "10.9.9.9", mark=1) == main
    masked = {"conditions": ("fwmark",), "values": {"fwmark": "0x10/0xf0"}}
    by_part = routing(main, own, rules=(usual, rule(5, 100, **masked)))
    assert route_to(by_part, "10.9.9.9", mark=0x12) == own
    assert route_to(by_part, "10.9.9.9", mark=0x22) == main
    assert route_to(by_part, "10.9.9.9") == main
    by_user = routing(main, own, rules=(usual, rule(5, 100, conditions=("uidrange",))))
    assert route_to(by_user, "10.9.9.9", mark=0) == main


def test_255_255_255_255_is_for_all_on_the_device_that_a_route_leads_to() -> None:
    """Not for a gateway; and who receives it takes it, whatever its routes are."""
    ip = "255.255.255.255"
    found = route_to(routing(route("0.0.0.0/0", via="10.0.0.1")), ip)
    assert found is not None
    assert (found.type, found.dev, found.via) == ("broadcast", "eth0", None)
    bare = routing()
    found = route_to(bare, ip)
    assert found is not None
    assert (found.type, found.dev) == ("broadcast", None)
    assert is_local(bare, ip)
    blackhole = route("0.0.0.0/0", kind="blackhole")
    assert route_to(routing(blackhole), ip) == blackhole


def test_a_rule_may_decide_by_itself() -> None:
    """As a route of its kind does, whatever the tables hold."""
    forbids = rule(5, 0, action="prohibit", source="10.1.0.0/16")
    node = routing(route("0.0.0.0/0"), rules=(rule(32766, 254), forbids))
    found = route_to(node, "192.0.2.1", source="10.1.0.1")
    assert found is not None
    assert (found.type, found.table) == ("prohibit", 0)
    assert next_hop(node, "192.0.2.1", source="10.1.0.1") is None
    assert next_hop(node, "192.0.2.1", source="10.2.0.1") is not None


def test_a_throw_route_ends_its_table_alone() -> None:
    """The next table is asked, even where this one has a wider route."""
    main = route("0.0.0.0/0")
    wide = route("0.0.0.0/0", table=100)
    thrown = replace(route("10.0.0.0/8", table=100), type="throw")
    node = routing(main, wide, thrown, rules=(rule(5, 100), rule(32766, 254)))
    assert route_to(node, "10.1.1.1") == main
    assert route_to(node, "192.0.2.1") == wide


@given(
    addresses4.filter(lambda ip: ip != "255.255.255.255"),
    st.lists(st.tuples(addresses4, st.integers(0, 32)), max_size=6),
)
def test_a_route_is_the_best_of_those_that_match(ip: str, prefixes: list[tuple[str, int]]) -> None:
    """As a plain search over all of them finds."""
    networks = [ip_network(f"{base}/{length}", strict=False) for base, length in prefixes]
    found = route_to(routing(*(route(str(network)) for network in networks)), ip)
    matching = [network for network in networks if ip_address(ip) in network]
    if found is None:
        assert matching == []
    else:
        assert ip_network(found.destination) in matching
        longest = max(network.prefixlen for network in matching)
        assert ip_network(found.destination).prefixlen == longest


def test_no_route() -> None:
    """Of another family only, to no network that holds it, or to what is no address."""
    node = routing(route("10.0.0.0/8"), route("::/0"))
    assert route_to(node, "192.0.2.1") is None
    assert route_to(routing(route("10.0.0.0/8")), "fd00::1") is None
    assert route_to(node, "nowhere") is None


@pytest.mark.parametrize(
    ("found", "hop"),
    [
        (route("0.0.0.0/0", via="10.0.0.9"), (ETH0, "10.0.0.9")),
        (route("10.0.0.0/8"), (ETH0, "10.1.1.1")),
        (route("10.1.1.1/32", table=255, kind="local", dev=DevName("lo")), ("lo", "10.1.1.1")),
        (route("10.0.0.0/8", kind="blackhole"), None),
        (route("10.0.0.0/8", dev=None), None),
        (route("192.0.2.0/24"), None),
    ],
)
def test_next_hops(found: Route, hop: tuple[str, str] | None) -> None:
    """The gateway, or the destination itself when it is on the link."""
    assert next_hop(routing(found), "10.1.1.1") == hop


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (route("0.0.0.0/0", via="10.0.0.9"), "default via 10.0.0.9 dev eth0"),
        (route("::/0", dev=None, via="fe80::1"), "default via fe80::1"),
        (route("10.0.0.0/8"), "10.0.0.0/8 dev eth0"),
        (route("10.0.0.0/8", kind="unreachable", dev=None), "unreachable 10.0.0.0/8"),
        (replace(route("10.0.0.0/8"), tos=8, nhid=6), "10.0.0.0/8 tos 0x08 nhid 6 dev eth0"),
        (
            replace(route("0.0.0.0/0"), hops=(NextHop(dev=ETH0), NextHop(dev=ETH0, weight=3))),
            "default nexthop dev eth0 nexthop dev eth0 weight 3",
        ),
        (
            replace(route("0.0.0.0/0"), hops=(NextHop(dev=ETH0, via="10.0.0.9", onlink=True),)),
            "default nexthop via 10.0.0.9 dev eth0 onlink",
        ),
        (
            replace(route("0.0.0.0/0", via="10.0.0.9"), onlink=True),
            "default via 10.0.0.9 dev eth0 onlink",
        ),
    ],
)
def test_routes_in_text(found: Route, text: str) -> None:
    """As ``ip route`` writes them."""
    assert route_text(found) == text


def test_local_addresses() -> None:
    """A device's own, those of the local table, and multicast."""
    node = NodeState(
        name=NS1,
        links=(device("eth0", "10.0.0.1/24"),),
        routes=(
            route("127.0.0.0/8", table=255, kind="local"),
            route("10.0.0.255/32", table=255, kind="broadcast"),
            route("10.0.0.0/24"),
        ),
    )
    assert local_device(node, "10.0.0.1") == ETH0
    assert local_device(node, "10.0.0.2") is None
    for ip in ("10.0.0.1", "127.9.9.9", "10.0.0.255", "224.0.0.1", "ff02::1"):
        assert is_local(node, ip), ip
    for ip in ("10.0.0.2", "192.0.2.1", "fd00::1", "nowhere"):
        assert not is_local(node, ip), ip


def test_neighbours() -> None:
    """By device and address, whichever way it is written."""
    entry = Neighbour(dev=ETH0, ip="fd00::1", mac=MAC1, state=NeighbourState.STALE)
    node = NodeState(name=NS1, neighbours=(entry,))
    assert neighbour(node, ETH0, "fd00:0::1") == entry
    assert neighbour(node, PORT, "fd00::1") is None
    assert neighbour(node, ETH0, "fd00::2") is None


def test_fdb_entries() -> None:
    """Of that bridge; its own address is an entry too, though the table may not list it."""
    entry = FdbEntry(bridge=BR0, mac=MAC2, port=PORT)
    node = NodeState(name=HOST, links=(device("br0", kind="bridge"),), fdb=(entry,))
    assert fdb_entry(node, BR0, MAC2) == entry
    assert fdb_entry(node, BR0, MAC1) == FdbEntry(bridge=BR0, mac=MAC1, port=BR0, local=True)
    assert fdb_entry(node, BR0, Mac("02:00:00:00:00:09")) is None
    assert fdb_entry(node, DevName("br1"), MAC2) is None


@pytest.mark.parametrize(
    ("text", "number"), [("1", 1), ("-1", -1), ("0", 0), ("1\t2", None), ("", None)]
)
def test_sysctls_as_numbers(text: str, number: int | None) -> None:
    """None for what is none, or was not read."""
    node = NodeState(name=HOST, sysctls={"net.x": text})
    assert sysctl_int(node, "net.x") == number
    assert sysctl_int(node, "net.y") is None


@pytest.mark.parametrize(
    "text",
    [
        "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-A FORWARD -m state --state NEW",
        "-A POSTROUTING -j MASQUERADE",
        "-A PREROUTING -j DNAT --to-destination 10.0.0.1",
        "ct state established accept",
        "ip saddr 10.0.0.0/8 masquerade",
        "dnat to 10.0.0.1",
        "-A OUTPUT -j CONNMARK --save-mark",
        "-A PREROUTING -j CT --zone 1",
        '-A POSTROUTING -m comment --comment "kubernetes" -j MASQUERADE',
        'ip saddr 10.0.0.1 masquerade comment "for pods"',
    ],
)
def test_rules_that_track_connections(text: str) -> None:
    """In the words of iptables and of nft."""
    assert uses_conntrack(NodeState(name=HOST, chains=(rules(text),)))
    assert not uses_conntrack(NodeState(name=HOST, chains=(rules(text, ours=True),)))


@pytest.mark.parametrize(
    "text",
    [
        "-A FORWARD -p icmp -j LOG --log-prefix conntrack",
        '-A FORWARD -j LOG --log-prefix "ct state "',
        '-A FORWARD -m comment --comment "no MASQUERADE here" -j ACCEPT',
        r'-A FORWARD -m comment --comment "a \"quoted\" MASQUERADE" -j ACCEPT',
        "-A FORWARD -m comment --comment MASQUERADE -j ACCEPT",
        'log prefix "snat " accept',
        'ip saddr 10.0.0.1 accept comment "no masquerade"',
        "ip protocol icmp accept",
        "-A FORWARD -i my-dnat -j ACCEPT",
    ],
)
def test_rules_that_only_name_it(text: str) -> None:
    """A prefix, a comment or a device's name tracks nothing."""
    assert not uses_conntrack(NodeState(name=HOST, chains=(rules(text),)))


def test_tracking_by_family() -> None:
    """A rule of IPv6 wakes nothing for IPv4; one of inet both; a count shows it at once."""
    six = NodeState(name=HOST, chains=(rules("ct state new", family=Family.IP6),))
    both = NodeState(name=HOST, chains=(rules("ct state new", family=Family.INET),))
    assert uses_conntrack(six)
    assert uses_conntrack(six, Family.IP6)
    assert not uses_conntrack(six, Family.IP)
    assert uses_conntrack(both, Family.IP)
    counted = NodeState(name=HOST, sysctls={"net.netfilter.nf_conntrack_count": "3"})
    assert uses_conntrack(counted, Family.IP)
    idle = NodeState(name=HOST, sysctls={"net.netfilter.nf_conntrack_count": "0"})
    assert not uses_conntrack(idle)


def test_silent_nat() -> None:
    """LOG in nat prints nothing until something in its family tracks connections."""
    log = rules("-j LOG", kind="nat", prefix="Nat-")
    tracking = rules("-m conntrack --ctstate NEW")
    assert silent_nat(NodeState(name=HOST, chains=(log,)))
    assert not silent_nat(NodeState(name=HOST, chains=(log, tracking)))
    assert not silent_nat(NodeState(name=HOST, chains=(rules("-j ACCEPT", kind="nat"),)))
    assert not silent_nat(NodeState(name=HOST, chains=(rules("-j LOG", prefix="x"),)))
    other = rules("ct state new", family=Family.IP6)
    assert silent_nat(NodeState(name=HOST, chains=(log, other)))
    inet = rules("log", kind="nat", prefix="x", family=Family.INET)
    assert silent_nat(NodeState(name=HOST, chains=(inet,)))
    assert not silent_nat(NodeState(name=HOST, chains=(inet, other)))


@pytest.mark.parametrize(
    ("cidr", "ip", "inside"),
    [
        ("10.0.0.1/24", "10.0.0.200", True),
        ("10.0.0.1/24", "10.0.1.200", False),
        ("fd00::1/64", "fd00::ffff", True),
        ("fd00::1/64", "10.0.0.1", False),
        ("10.0.0.1/24", "nowhere", False),
    ],
)
def test_subnets(cidr: str, ip: str, inside: bool) -> None:  # noqa: FBT001 - a column of the table
    """Of an interface's address."""
    assert in_subnet(cidr, ip) is inside


@pytest.mark.parametrize(
    ("ip", "group"),
    [
        ("2001:db8::12:3456", "ff02::1:ff12:3456"),
        ("fe80::ab:cdef:1", "ff02::1:ffef:1"),
        ("10.0.0.1", None),
        ("nobody", None),
    ],
)
def test_the_group_where_an_address_is_asked_for(ip: str, group: str | None) -> None:
    assert solicited_group(ip) == group


@pytest.mark.parametrize(
    ("metrics", "mtu"),
    [((), 0), (("advmss 560", "mtu 600"), 600), (("mtu lock 1400",), 1400), (("rtt 9",), 0)],
)
def test_a_route_may_have_an_mtu_of_its_own(metrics: tuple[str, ...], mtu: int) -> None:
    """It stands among its metrics, locked or not."""
    assert replace(route("10.0.0.0/8"), metrics=metrics).mtu == mtu
