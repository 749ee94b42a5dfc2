"""Addresses, routes and neighbours: what the kernel takes, and what is there twice."""

import pytest

from labtexts import PAIR, changed, problems, wrong

NS1 = "    addresses: {veth1a: 10.244.1.2/24}\n"
NS2 = "    addresses: {veth2a: 10.244.1.4/24}\n"
BRIDGE = "    bridges: {br0: {}}\n"

ADDRESSES = [
    # the address of ns1, message, hint
    ("10.244.1.2", "10.244.1.2 has no prefix length, so its subnet is", "write 10.244.1.2/24"),
    ("fd00::2", "fd00::2 has no prefix length, so its subnet is", "write fd00::2/64"),
    ("10.244.1.2/", "/ is not a prefix length of IPv4", "write 0 to 32, as 10.244.1.2/24"),
    ("10.244.1.2/33", "/33 is not a prefix length of IPv4", "write 0 to 32"),
    ("fd00::2/129", "/129 is not a prefix length of IPv6", "write 0 to 128, as fd00::2/64"),
    ("10.244.1.2/-1", "/-1 is not a prefix length of IPv4", "write 0 to 32"),
    ("10.244.1.2/255.255.255.0", "/255.255.255.0 is not a prefix length", "write 0 to 32"),
    ("10.244.1.256/24", "'10.244.1.256/24' is not an address", "write it as 10.244.1.2/24"),
    ("10.244.1/24", "'10.244.1/24' is not an address", "write it as 10.244.1.2/24"),
    ("010.244.1.2/24", "'010.244.1.2/24' is not an address", "write it as 10.244.1.2/24"),
    ("veth1b", "'veth1b' is not an address", "write it as 10.244.1.2/24"),
    ("''", "'' is not an address", "write it as 10.244.1.2/24"),
    ("'fe80::1%veth1a/64'", "'fe80::1%veth1a/64' is not an address", "write fe80::1/64"),
    ("'fd00::g/64'", "'fd00::g/64' is not an address", "write it as fd00::2/64"),
    ("224.0.0.1/24", "224.0.0.1 cannot belong to a device", ""),
    ("0.0.0.0/0", "0.0.0.0 cannot belong to a device", ""),
    ("'::/64'", ":: cannot belong to a device", ""),
    ("'ff02::1/64'", "ff02::1 cannot belong to a device", ""),
]


@pytest.mark.parametrize(("address", "message", "hint"), ADDRESSES)
def test_an_address_that_is_not_in_cidr_form(address: str, message: str, hint: str) -> None:
    """On a device of its own, so that the ping is not concerned."""
    text = changed(NS1, NS1.replace("}", f", lo: ▸{address}}}"))
    (found,) = wrong(text, "bad-address")
    assert message in found.message
    assert hint in found.hint


def test_every_item_of_a_list_of_addresses_is_judged() -> None:
    text = changed("10.244.1.2/24", "[10.244.1.2/24, ▸10.0.0.1, fd00::1/64, ▸x]")
    wrong(text, "bad-address", "bad-address")


def test_an_address_on_a_device_that_is_not_there() -> None:
    (found,) = wrong(
        changed("{veth1a", "{▸eth1a: [10.0.0.1/8, 10.0.0.2/8], veth1a"), "unknown-device"
    )
    assert found.message == "the node ns1 has no device 'eth1a'"
    assert found.hint == "did you mean 'veth1a'?"
    (found,) = wrong("name: x\nnodes: {a: {addresses: {▸eth0: 10.0.0.1/8}}}\n", "unknown-device")
    assert found.hint == "a device exists because a link or 'bridges' names it"


def test_bridges_ends_of_links_and_lo_can_have_addresses() -> None:
    text = changed(BRIDGE, BRIDGE + "    addresses: {br0: 10.1.0.1/24, lo: 10.2.0.1/32}\n")
    assert problems(text) == ()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("10.244.1.2/24", "10.244.1.2/24"),
        ("10.244.1.2/24", "10.244.1.2/16"),
        ("fd00::2/64", "fd00:0:0::2/64"),
        ("fd00::a/64", "FD00::A/64"),
    ],
)
def test_an_address_on_two_devices(first: str, second: str) -> None:
    text = PAIR.replace("10.244.1.2/24", first).replace("10.244.1.4/24", "▸" + second)
    (found,) = wrong(text, "duplicate-address")
    assert "is an address of ns1/veth1a already" in found.message
    assert found.hint == "the first is in line 6"


def test_an_mtu_too_small_for_ipv6() -> None:
    """Of a link, a bridge or a device: the kernel gives them no such address."""
    text = """
name: six
nodes:
  a:
    addresses: {e0: ["10.0.0.1/24", ▸"fd00::1/64"], br0: ▸"fd01::1/64", v: ▸"fd02::1/64"}
    bridges: {br0: {mtu: 1279}}
    devices: {v: {kind: vxlan, id: 4, remote: 192.0.2.2, over: e0, mtu: 1279}}
  b: {addresses: {e0: 10.0.0.2/24}}
links: [{ends: [a:e0, b:e0], mtu: 1279}]
"""
    found = wrong(text, *["small-mtu"] * 3)
    assert found[0].message == "e0 has an MTU of 1279, and IPv6 takes no less than 1280"
    assert len(found) == 3
    assert problems(text.replace("1279", "1280").replace("▸", "")) == ()


def test_an_address_twice_in_one_node() -> None:
    wrong(changed("10.244.1.2/24", "[10.244.1.2/24, ▸10.244.1.2/24]"), "duplicate-address")
    wrong(changed("10.244.1.2/24}", "10.244.1.2/24, lo: ▸10.244.1.2/32}"), "duplicate-address")
    wrong(changed("10.244.1.2/24", "[fe80::1/64, ▸fe80::1/64, 10.244.1.2/24]"), "duplicate-address")


def test_addresses_that_several_may_have() -> None:
    """A link-local one belongs to its link; one on lo is served by many (anycast)."""
    shared = PAIR.replace("10.244.1.2/24", "[10.244.1.2/24, fe80::1/64]")
    shared = shared.replace("10.244.1.4/24", "[10.244.1.4/24, fe80::1/64]")
    assert problems(shared) == ()
    served = PAIR.replace("10.244.1.2/24}", "10.244.1.2/24, lo: 10.9.9.9/32}")
    served = served.replace("10.244.1.4/24}", "10.244.1.4/24, lo: 10.9.9.9/32}")
    assert problems(served) == ()


def test_the_addresses_that_lo_gets_by_itself() -> None:
    (found,) = wrong(changed("{veth1a", "{lo: ▸127.0.0.1/8, veth1a"), "duplicate-address")
    assert found.message == "lo has 127.0.0.1/8 already, as soon as it is up"
    wrong(changed("{veth1a", "{lo: ▸'::1/128', veth1a"), "duplicate-address")
    down = changed(NS1, "    lo: false\n" + NS1.replace("{veth1a", "{lo: 127.0.0.1/8, veth1a"))
    assert problems(down) == ()
    assert problems(changed("{veth1a", "{lo: 127.0.0.2/8, veth1a")) == ()


ROUTES = [
    # a route of ns1, rule, message, hint
    ("10.1.0.0/16 via ▸10.9.9.9", "bad-route", "10.9.9.9 is in no subnet of ns1", "refuses"),
    ("default via ▸10.244.2.1", "bad-route", "10.244.2.1 is in no subnet of ns1", "refuses"),
    (
        "default via ▸10.244.1.1 dev lo",
        "bad-route",
        "10.244.1.1 is in no subnet of lo of ns1",
        "refuses",
    ),
    ("default via ▸fd00::1", "bad-route", "fd00::1 is in no subnet of ns1", "refuses"),
    (
        "default via ▸fe80::1",
        "bad-route",
        "fe80::1 exists on every link",
        "add 'dev' and the device",
    ),
    (
        "10.1.0.0/16 via ▸fd00::1",
        "bad-route",
        "10.1.0.0/16 is IPv4, and its gateway fd00::1 is not",
        "name a gateway of IPv4",
    ),
    ("fd01::/64 via ▸10.244.1.1", "bad-route", "fd01::/64 is IPv6, and its", "of IPv6"),
    ("default via ▸ns2", "bad-address", "'ns2' is not an IP address", "write it as 10.244.1.4"),
    ("default via ▸10.244.1.1/24", "bad-address", "is not an IP address", "write 10.244.1.1"),
    ("▸10.1.2.3/16 via 10.244.1.1", "bad-route", "names a host within a", "'10.1.0.0/16'?"),
    ("▸somewhere via 10.244.1.1", "bad-route", "is not the destination of a route", "'default'"),
    ("▸10.1.0.0/33 via 10.244.1.1", "bad-route", "is not the destination of a route", "'default'"),
    ("▸10.1.0.0/x dev veth1a", "bad-route", "is not the destination of a route", "'default'"),
    ("10.1.0.0/16 dev ▸veth1b", "unknown-device", "ns1 has no device 'veth1b'", "'veth1a'?"),
    ("▸10.1.0.0/16", "bad-route", "the route to 10.1.0.0/16 says neither via nor dev", "'via'"),
    ("▸default", "bad-route", "the route to default says neither via nor dev", "'dev'"),
    ("default dev veth1a metric ▸4294967296", "out-of-range", "metric", "0 to 4294967295"),
    (
        "default nexthop via 10.244.1.1 nexthop via ▸10.9.9.9",
        "bad-route",
        "10.9.9.9 is in no subnet of ns1",
        "refuses",
    ),
    (
        "default nexthop via 10.244.1.1 nexthop dev ▸veth1b",
        "unknown-device",
        "ns1 has no device 'veth1b'",
        "'veth1a'?",
    ),
    (
        "default nexthop via 10.244.1.1 weight ▸257 nexthop via 10.244.1.3",
        "out-of-range",
        "the weight of a next hop",
        "1 to 256",
    ),
    ("▸default nexthop weight 2", "bad-route", "a next hop of the route to default says", "'via'"),
    ("default via ▸10.244.1.1 nexthop via 10.244.1.3", "bad-route", "both nexthops", "one of the"),
    ("blackhole default ▸nexthop dev veth1a", "bad-route", "this one says nexthops", "'blackhole"),
    ("default via 10.9.9.9 ▸onlink", "bad-route", "names not both", "dev eth0 onlink"),
    ("default dev veth1a ▸onlink", "bad-route", "names not both", "dev eth0 onlink"),
]


def routed(*routes: str) -> str:
    lines = "".join(f"      - {route}\n" for route in routes)
    return changed(NS1, f"{NS1}    routes:\n{lines}")


@pytest.mark.parametrize(("route", "rule", "message", "hint"), ROUTES)
def test_a_route_that_cannot_be(route: str, rule: str, message: str, hint: str) -> None:
    (found,) = wrong(routed(route), rule)
    assert message in found.message
    assert hint in found.hint


def test_more_next_hops_than_the_kernel_lists() -> None:
    """A listing of it would end before that route, and without a word."""
    hops = " ".join("nexthop via 10.244.1.9" for _ in range(1001))
    (found,) = wrong(routed(f"10.9.0.0/16 ▸{hops}"), "out-of-range")
    assert found.message == "the number of next hops of a route cannot be 1001"
    assert found.hint == "allowed is 1 to 1000"
    parts = ", ".join("via 10.244.1.9" for _ in range(1001))
    wrong(routed(f"{{to: 10.9.0.0/16, nexthops: ▸[{parts}]}}"), "out-of-range")
    assert problems(routed("10.9.0.0/16 " + hops.removesuffix(" nexthop via 10.244.1.9"))) == ()


DOWN = [
    ("down: [veth1a]", "default via ▸10.244.1.1"),
    ("down: [veth1a]", "10.9.0.0/16 dev ▸veth1a"),
    ("down: [veth1a]", "default via 10.9.9.9 dev ▸veth1a onlink"),
    ("down: [veth1a]", "default nexthop dev lo nexthop dev ▸veth1a"),
    ("lo: false", "10.9.0.0/16 dev ▸lo"),
    ("bridges: {br9: {up: false}}", "10.9.0.0/16 dev ▸br9"),
]


@pytest.mark.parametrize(("down", "route"), DOWN)
def test_no_route_leads_through_a_device_that_stays_down(down: str, route: str) -> None:
    """The kernel refuses it, or says that its gateway is not reached."""
    (found,) = wrong(routed(route).replace(NS1, f"{NS1}    {down}\n"), "bad-route")
    assert "stays down, and the kernel takes no route" in found.message
    assert "-- ip link set" in found.hint


def test_a_route_leads_through_another_device_than_the_one_that_is_down() -> None:
    two = "{veth1a: 10.244.1.2/24, lo: 10.244.1.9/24}\n    lo: false\n"
    assert (
        problems(routed("default via 10.244.1.1").replace("{veth1a: 10.244.1.2/24}\n", two)) == ()
    )
    assert (
        problems(changed(NS1, f"{NS1}    down: [veth1a]\n    routes: [blackhole default]\n")) == ()
    )


def test_a_route_in_its_long_form_is_judged_alike() -> None:
    wrong(routed("{to: default, via: ▸10.9.9.9}"), "bad-route")
    wrong(
        routed("{to: ▸nowhere, dev: ▸veth1b, metric: ▸-1}"),
        "bad-route",
        "unknown-device",
        "out-of-range",
    )


@pytest.mark.parametrize(
    "routes",
    [
        ["default via 10.244.1.1"],
        ["default via 10.244.1.1 dev veth1a metric 5", "default via 10.244.1.3"],
        ["default dev veth1a"],
        ["10.9.0.0/16 dev veth1a", "default via 10.9.9.9"],
        ["default via 10.9.9.9", "10.9.9.9 dev veth1a"],
        ["default via fe80::1 dev veth1a", "fd00::/64 dev veth1a", "fd01::/64 via fd00::1"],
        ["10.1.0.0/16 dev lo", "10.2.0.1 via 10.244.1.3"],
        ["default via 10.9.9.9 dev veth1a onlink", "'fd01::/64 via fd00::1 dev veth1a onlink'"],
        ["default metric 3 nexthop via 10.244.1.1 weight 2 nexthop dev veth1a"],
        ["10.9.0.0/16 nexthop via 10.9.9.9 dev veth1a onlink nexthop via 10.244.1.1"],
        ["{to: default, nexthops: [via 10.244.1.1, {via: 10.244.1.3, weight: 256}]}"],
    ],
)
def test_routes_that_the_kernel_takes(routes: list[str]) -> None:
    assert problems(routed(*routes)) == ()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("default via 10.244.1.1", "default via 10.244.1.3"),
        ("0.0.0.0/0 dev veth1a", "default dev lo metric 0"),
        ("10.1.0.0/16 dev veth1a metric 7", "10.1.0.0/16 via 10.244.1.1 metric 7"),
        ("10.1.0.1 dev veth1a", "10.1.0.1/32 dev veth1a"),
        ("fd00::/64 dev veth1a", "'fd00:0::/64 dev veth1a metric 1024'"),
    ],
)
def test_two_routes_to_one_network(first: str, second: str) -> None:
    (found,) = wrong(routed(first, "▸" + second), "duplicate-route")
    assert "of that metric already" in found.message
    assert found.hint == "the first is in line 8; give one another metric or table"


def test_a_gateway_is_not_missed_while_the_addresses_are_in_doubt() -> None:
    """An address that is no address may have been the gateway's subnet."""
    text = routed("default via 10.9.9.9").replace("10.244.1.2/24", "▸10.9.9.2")
    wrong(text, "bad-address")
    text = routed("default via 10.9.9.9").replace("10.244.1.2/24", "▸5")
    wrong(text, "wrong-type")


def near(text: str) -> str:
    return changed(NS1, f"{NS1}    neighbours: {text}\n")


def test_neighbours() -> None:
    fine = near("{veth1a: {10.244.1.4: '02:00:00:00:00:04', 'FD00::4': '02:00:00:00:00:05'}}")
    assert problems(fine) == ()
    (found,) = wrong(
        near("{▸veth1b: {10.244.1.4: '02:00:00:00:00:04', 10.244.1.5: '02:00:00:00:00:04'}}"),
        "unknown-device",
    )
    assert found.hint == "did you mean 'veth1a'?"
    (found,) = wrong(near("{veth1a: {▸ns2: '02:00:00:00:00:04'}}"), "bad-address")
    assert found.message == "'ns2' is not an IP address, which a neighbour is"
    (found,) = wrong(near("{veth1a: {10.244.1.4: ▸ns2}}"), "bad-mac")
    assert found.message == "'ns2' is not a MAC address"
    wrong(near("{veth1a: {'FD00::4': ▸'02:0', ▸x: ▸y}}"), "bad-mac", "bad-address", "bad-mac")
    (found,) = wrong(
        near("{veth1a: {'FD00::4': '02:00:00:00:00:04', ▸'fd00::4': '02:00:00:00:00:04'}}"),
        "duplicate-neighbour",
    )
    assert found.message == "veth1a has the neighbour fd00::4 already"


def test_a_neighbour_may_have_a_group_address() -> None:
    """The kernel takes it, and some load balancers want it."""
    assert problems(near("{veth1a: {10.244.1.4: '01:00:5e:00:00:04'}}")) == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (NS2, "    lo: true\n"),
        ("10.244.1.4/24", "10.245.1.4/24"),
        ("10.244.1.4/24", "fd00::4/64"),
        (NS2, NS2 + "    down: [veth2a]\n"),
        (BRIDGE, "    bridges: {br0: {up: false}}\n"),
        ("host:veth1b@br0", "host:veth1b"),
    ],
)
def test_a_lab_that_is_broken_on_purpose_is_right(old: str, new: str) -> None:
    """A run explains these; only what cannot be sent or built is a mistake."""
    assert problems(changed(old, new).replace("ns1 -> ns2", "ns1 -> 10.244.1.4")) == ()
