"""Counted nodes: what they become, what draws which address, and what cannot be."""

from hopscope import spec
from hopscope.errors import Place
from hopscope.model.lab import (
    ExpectStep,
    FirewallStep,
    LabSpec,
    PingStep,
    SetStep,
    ShowStep,
    ZeroStep,
)
from hopscope.spec.tree import Mapping, grown
from labtexts import FILE, changed, parsed, problems, wrong

PODS = """\
name: pods
pools:
  pods: {range: 10.244.0.0/24, reserved: [10.244.0.1, 10.244.0.2/31]}
nodes:
  host:
    bridges: {br0: {}}
  pod:
    count: 3
    addresses: {eth0: {pool: pods}}
links:
  - [pod:eth0, host:p@br0]
story:
  - ping: pod1 -> pod3
"""
POOL = "{pool: pods}"
COUNT = "    count: 3\n"
LINK = "  - [pod:eth0, host:p@br0]\n"
PING = "  - ping: pod1 -> pod3\n"


def addresses(lab: LabSpec) -> dict[str, list[str]]:
    return {node.name: [address.cidr for address in node.addresses] for node in lab.nodes}


def ends(lab: LabSpec) -> list[str]:
    return [
        f"{link.a.ref} {link.b.ref}" + (f"@{link.b.bridge}" if link.b.bridge else "")
        for link in lab.links
    ]


def test_a_counted_node_is_numbered_from_one() -> None:
    lab = parsed(PODS)
    assert addresses(lab) == {
        "host": [],
        "pod1": ["10.244.0.4/24"],
        "pod2": ["10.244.0.5/24"],
        "pod3": ["10.244.0.6/24"],
    }
    assert ends(lab) == ["pod1/eth0 host/p1@br0", "pod2/eth0 host/p2@br0", "pod3/eth0 host/p3@br0"]


def test_its_parts_stand_where_the_file_asked_for_them() -> None:
    lab = parsed(PODS)
    assert {node.place for node in lab.nodes[1:]} == {Place(FILE, 7, 3)}
    assert {link.place for link in lab.links} == {Place(FILE, 11, 5)}
    assert {node.addresses[0].place for node in lab.nodes[1:]} == {Place(FILE, 9, 30)}


def test_what_is_given_literally_is_never_drawn() -> None:
    """Wherever it stands: here below the pods, and on a device of another node."""
    text = changed(
        COUNT,
        COUNT + "    routes: [default via 10.244.0.5]\n",
        changed(LINK, LINK + "  - [z:e, host:z@br0]\n", PODS),
    )
    text = changed(
        "links:\n", "  z: {addresses: {e: [10.244.0.5/24, 10.244.0.7/24]}}\nlinks:\n", text
    )
    found = addresses(parsed(text))
    assert [found[f"pod{n}"] for n in (1, 2, 3)] == [
        ["10.244.0.4/24"],
        ["10.244.0.6/24"],
        ["10.244.0.8/24"],
    ]


def test_several_pools_on_a_device_and_nodes_that_share_one() -> None:
    text = changed(POOL, "[{pool: pods}, {pool: 'fd00::/64'}, 10.9.0.1/32]", PODS)
    text = changed("eth0: [", "lo: [", text)
    text = changed(LINK, LINK + "  - [web:eth0, host:w@br0]\n", text)
    text = changed("links:\n", "  web: {addresses: {eth0: {pool: pods}}}\nlinks:\n", text)
    text = changed("  - ping: pod1 -> pod3\n", "  - ping: pod1 -> web\n", text)
    lab = parsed(text)
    assert addresses(lab)["pod2"] == ["10.244.0.5/24", "fd00::2/64", "10.9.0.1/32"]
    assert addresses(lab)["web"] == ["10.244.0.7/24"]
    (ping,) = lab.story
    assert isinstance(ping, PingStep)
    assert ping.address == "10.244.0.7"


def test_a_pod_more_changes_no_other() -> None:
    few, more = (addresses(parsed(changed("count: 3", f"count: {n}", PODS))) for n in (3, 9))
    assert few.items() <= more.items()
    assert len(more) == len(few) + 6


def test_equal_counts_are_joined_in_pairs() -> None:
    text = changed("links:\n", "  web: {count: 3}\nlinks:\n", PODS)
    text = changed(
        LINK, LINK + "  - [pod:eth1, web:eth0]\n  - [pod:a, pod:b]\n  - [pod2:x, web3:x]\n", text
    )
    assert ends(parsed(text))[3:] == [
        *(f"pod{n}/eth1 web{n}/eth0" for n in (1, 2, 3)),
        *(f"pod{n}/a pod{n}/b" for n in (1, 2, 3)),
        "pod2/x web3/x",
    ]


def test_counted_nodes_may_have_bridges() -> None:
    """A tree: each rack has a bridge, and all racks are joined to one of the host."""
    text = changed("links:\n", "  rack: {count: 3, bridges: [br0]}\nlinks:\n", PODS)
    text = changed(LINK, "  - [pod:eth0, rack:p@br0]\n  - [rack:up@br0, host:rack@br0]\n", text)
    lab = parsed(text)
    assert ends(lab)[0] == "pod1/eth0 rack1/p@br0"
    assert ends(lab)[5] == "rack3/up host/rack3@br0"
    assert lab.links[5].a.bridge == "br0"


def test_a_count_of_one_is_numbered_too() -> None:
    text = changed(
        "ping: pod1 -> pod3", "ping: pod1 -> pod1", changed("count: 3", "count: 1", PODS)
    )
    assert list(addresses(parsed(text))) == ["host", "pod1"]


def test_a_link_s_mac_is_that_of_its_end() -> None:
    mac = "02:00:00:00:00:07"
    text = changed("count: 3", "count: 1", changed("pod1 -> pod3", "pod1 -> pod1", PODS))
    long = f"  - {{ends: [pod:eth0, host:p@br0], mtu: 1400, mac: {{pod:eth0: '{mac}'}}}}\n"
    (link,) = parsed(changed(LINK, long, text)).links
    assert (link.a.mac, link.b.mac, link.mtu) == (mac, None, 1400)


def test_a_story_speaks_of_all_by_their_one_name() -> None:
    text = changed(
        PING,
        "  - show: {what: routes, nodes: [pod, host]}\n"
        "  - zero: [pod2, pod]\n"
        "  - set: {pod: {net.ipv4.ip_forward: 1, net.ipv4.ping_group_range: 0 1}}\n"
        "  - iptables: {pod: [-F, -Z]}\n"
        "  - expect: {neighbours: {pod: {10.0.0.1: none}, pod2: {10.0.0.2: none}},"
        " no_address: [pod/lo]}\n",
        PODS,
    )
    show, zero, set_, rules, expect = parsed(text).story
    assert isinstance(show, ShowStep)
    assert isinstance(zero, ZeroStep)
    assert isinstance(set_, SetStep)
    assert isinstance(rules, FirewallStep)
    assert isinstance(expect, ExpectStep)
    assert show.nodes == ("pod1", "pod2", "pod3", "host")
    assert zero.nodes == ("pod2", "pod1", "pod3")
    assert [(node, sysctl.key) for node, sysctl in set_.values][:3] == [
        ("pod1", "net.ipv4.ip_forward"),
        ("pod1", "net.ipv4.ping_group_range"),
        ("pod2", "net.ipv4.ip_forward"),
    ]
    assert [(node, line.text) for node, line in rules.lines][:3] == [
        ("pod1", "-F"),
        ("pod1", "-Z"),
        ("pod2", "-F"),
    ]
    assert expect.expect.neighbours == {
        "pod1": {"10.0.0.1": "none"},
        "pod2": {"10.0.0.1": "none", "10.0.0.2": "none"},
        "pod3": {"10.0.0.1": "none"},
    }
    assert [str(ref) for ref in expect.expect.no_address] == ["pod1/lo", "pod2/lo", "pod3/lo"]


def test_a_ping_needs_one() -> None:
    (one,) = wrong(changed("ping: pod1 -> pod3", "ping: pod1 -> ▸pod", PODS), "counted-node")
    assert one.message == "pod stands for 3 nodes, and one is needed here"
    assert one.hint == "write one of pod1 to pod3"
    wrong(changed("ping: pod1 -> pod3", "ping: ▸pod -> pod3", PODS), "counted-node")
    single = changed("count: 3", "count: 1", PODS)
    (one,) = wrong(changed("ping: pod1 -> pod3", "ping: ▸pod -> pod1", single), "counted-node")
    assert one.hint == "did you mean 'pod1'?"


def test_a_pod_that_is_not_among_them() -> None:
    (one,) = wrong(changed("ping: pod1 -> pod3", "ping: pod1 -> ▸pod4", PODS), "unknown-node")
    assert one.hint == "pod stands for pod1 to pod3"


def test_chains_and_devices_are_of_one() -> None:
    text = "  - ping: {from: pod1, to: pod2, expect: {avoids: [▸pod/filter/INPUT]}}\n"
    wrong(changed(PING, text, PODS), "counted-node")
    text = "  - expect: {neighbours: {pod1: {10.0.0.1: ▸pod/eth0}}}\n"
    wrong(changed(PING, text, PODS), "counted-node")
    text = "  - expect: {no_address: [▸pod/eth7]}\n"
    wrong(changed(PING, text, PODS), "unknown-device")


def test_a_count_that_cannot_be_is_one_mistake() -> None:
    """What is said of pods that would be there is believed."""
    for count in ("0", "-1", "10001", "99999999999"):
        (one,) = wrong(changed("count: 3", f"count: ▸{count}", PODS), "out-of-range")
        assert one.message == f"the count of pod cannot be {count}"
        assert one.hint == "allowed is 1 to 10000"
    wrong(changed("count: 3", "count: ▸'3'", PODS), "wrong-type")


def test_a_lab_that_would_be_too_large() -> None:
    """10,000 are allowed, and so are many links, but not both."""
    text = changed("ping: pod1 -> pod3", "show: links", changed("count: 3", "count: ▸10000", PODS))
    text = changed("@br0", "", changed(POOL, "{pool: 10.0.0.0/8}", text))
    assert len(parsed(text.replace("▸", "")).nodes) == 10_001
    more = "".join(f"  - [pod:e{n}, host:e{n}-]\n" for n in range(20))
    (one,) = wrong(changed("story:\n", f"{more}story:\n", text), "too-big")
    assert one.message == "with 10000 of pod, the lab has more than 200000 parts"


def test_names_that_two_would_have() -> None:
    text = changed("links:\n", "  pod2: {}\nlinks:\n", changed("  pod:\n", "  ▸pod:\n", PODS))
    (one,) = wrong(text, "duplicate-node")
    assert one.message == "pod2 is one of pod, and a node of its own too"
    assert one.hint == "the other is in line 10; rename one"
    text = changed(
        "count: 3", "count: 12", changed("links:\n", "  ▸pod1: {count: 2}\nlinks:\n", PODS)
    )
    (one,) = wrong(text, "duplicate-node")
    assert one.message == "pod11 is one of pod1, and one of pod too"


def test_counts_that_cannot_be_paired() -> None:
    text = changed("links:\n", "  web: {count: 2}\nlinks:\n", PODS)
    text = changed(LINK, LINK + "  - ▸[pod:eth1, web:eth0]\n", text)
    (one,) = wrong(text, "unequal-counts")
    assert one.message == "there are 3 of pod and 2 of web, and a link joins them in pairs"


def test_a_name_that_numbering_makes_too_long() -> None:
    text = changed("count: 3", "count: 100", changed("host:p@", "host:▸fourteen-bytes@", PODS))
    (one,) = wrong(text, "name-too-long")
    assert one.message == "the device name 'fourteen-bytes10' has 16 bytes, and 15 fit"


def test_one_literal_address_for_all() -> None:
    (one,) = wrong(changed(POOL, "▸10.0.0.1/24", PODS), "duplicate-address")
    assert one.message == "each of pod would have the address 10.0.0.1"
    assert one.hint == "draw one for each: {eth0: {pool: 10.0.0.0/24}}"


def test_one_mistake_in_all_is_told_once() -> None:
    for old, new, rule in (
        ("@br0", "@▸br1", "unknown-bridge"),
        ("host:p@", "▸hots:p@", "unknown-node"),
        (COUNT, COUNT + "    sysctls: {▸net.ipv4.conf.eth9.forwarding: 1}\n", "unknown-device"),
        (COUNT, COUNT + "    iptables: [▸-j DROP]\n", "bad-rule"),
        (COUNT, COUNT + "    routes: [default via ▸10.9.9.9]\n", "bad-route"),
        (COUNT, COUNT + "    down: [▸eth9]\n", "unknown-device"),
        (COUNT, COUNT + "    neighbours: {eth0: {10.0.0.1: ▸x}}\n", "bad-mac"),
        ("[pod:eth0, host:p@br0]", "{ends: [pod:eth0, host:p@br0], mtu: ▸1}", "out-of-range"),
        (
            "[pod:eth0, host:p@br0]",
            "{ends: [pod:eth0, host:p@br0], mac: {host:p: ▸'02:00:00:00:00:01'}}",
            "duplicate-mac",
        ),
    ):
        wrong(changed(old, new, PODS), rule)


def test_a_route_is_judged_for_each() -> None:
    """The subnet of the last is another than that of the first."""
    text = changed("range: 10.244.0.0/24,", "range: 10.244.0.0/29, prefix: 30,", PODS)
    text = changed(" reserved: [10.244.0.1, 10.244.0.2/31]", "", text)
    text = changed(COUNT, COUNT + "    routes: [default via ▸10.244.0.1]\n", text)
    (one,) = wrong(text, "bad-route")
    assert one.message.endswith("is in no subnet of pod3")


def test_a_bridge_that_gets_too_many_ports() -> None:
    """Before the kernel says it."""
    text = changed("count: 3", "count: 1023", changed("10.244.0.0/24", "10.244.0.0/16", PODS))
    assert problems(text) == ()
    (one,) = wrong(
        changed("[pod:eth0, host", "[pod:eth0, ▸host", changed("1023", "1024", text)),
        "too-many-ports",
    )
    assert one.message == "host/br0 has more than 1023 ports"


POOLS = [
    # the pool, rule, message, hint
    ("{range: ▸pods}", "bad-pool", "'pods' is not a network, which the range", "10.244.0.0/16"),
    ("▸10.244.0.1/24", "bad-pool", "10.244.0.1/24 names a host", "did you mean '10.244.0.0/24'?"),
    ("▸224.0.0.0/8", "bad-pool", "addresses of 224.0.0.0/8 cannot belong to a device", ""),
    ("▸10.0.0.0/33", "bad-pool", "'10.0.0.0/33' is not a network", ""),
    ("{range: 10.0.0.0/8, prefix: ▸33}", "out-of-range", "cannot be 33", "1 to 32"),
    ("{range: 'fd00::/8', prefix: ▸0}", "out-of-range", "cannot be 0", "1 to 128"),
    (
        "{range: 10.0.0.0/8, reserved: ▸11.0.0.1}",
        "bad-pool",
        "11.0.0.1 is not within 10.0.0.0/8",
        "",
    ),
    ("{range: 10.0.0.0/8, reserved: [▸'fd00::1']}", "bad-pool", "is not within", ""),
    ("{range: 10.0.0.0/8, reserved: ▸10.0.0.1/28}", "bad-pool", "names a host", "10.0.0.0/28"),
    (
        "{▸reserve: [], range: 10.0.0.0/8}",
        "unknown-key",
        "'reserve' is not a key of a pool",
        "reserved",
    ),
    ("▸{}", "missing-key", "a pool needs the key 'range'", ""),
    ("▸[10.0.0.0/8]", "wrong-type", "'pods' must be a text like 10.244.0.0/16, or a mapping", ""),
]


def test_pools_that_cannot_be() -> None:
    """One mistake each, though three pods go without an address for it."""
    for pool, rule, message, hint in POOLS:
        text = PODS.replace("{range: 10.244.0.0/24, reserved: [10.244.0.1, 10.244.0.2/31]}", pool)
        (one,) = wrong(text, rule)
        assert message in one.message
        assert hint in one.hint


def test_pools_that_are_not_there() -> None:
    (one,) = wrong(changed(POOL, "{pool: ▸podz}", PODS), "unknown-pool")
    assert one.message == "there is no pool 'podz'"
    assert one.hint == "did you mean 'pods'?"
    (one,) = wrong(changed(POOL, "[{pool: ▸10.0.0.1/8}]", PODS), "bad-pool")
    assert one.hint == "did you mean '10.0.0.0/8'?"
    wrong(changed("  pods: {", "  ▸a/b: {", changed(POOL, "{pool: 10.0.0.0/8}", PODS)), "bad-name")


def test_addresses_that_are_neither_given_nor_drawn_or_both() -> None:
    wrong(changed(POOL, "▸{}", PODS), "missing-key")
    wrong(changed(POOL, "{▸pol: pods}", PODS), "unknown-key")
    wrong(changed(POOL, "[{pool: pods}, ▸{pool: pods, cidr: 10.0.0.1/8}]", PODS), "one-key")
    wrong(changed(POOL, "{pool: ▸5}", PODS), "wrong-type")
    long = changed(POOL, "[{cidr: 10.0.0.1/8}]", changed("count: 3", "count: 1", PODS))
    assert addresses(parsed(changed("-> pod3", "-> pod1", long)))["pod1"] == ["10.0.0.1/8"]


def test_an_exhausted_pool_is_named_with_what_it_lacks() -> None:
    text = changed("count: 3", "count: 300", changed(POOL, "▸{pool: pods}", PODS)).replace(
        "pod1 -> pod3", "pod1 -> pod299"
    )
    (one,) = wrong(text.replace("▸{pool: pods}", "{pool: ▸pods}"), "pool-exhausted")
    assert one.message == (
        "the pool pods (10.244.0.0/24) has 251 addresses to give, and 300 are wanted"
    )


def test_a_lab_made_in_python_is_held_to_the_same() -> None:
    here = Place(FILE, 1, 1)
    tree = grown(
        {"name": "x", "nodes": {"pod": {"count": 2, "addresses": {"lo": {"pool": "10.0.0.0/8"}}}}},
        here,
    )
    assert isinstance(tree, Mapping)
    assert addresses(spec.parse_tree(tree, FILE)) == {
        "pod1": ["10.0.0.1/8"],
        "pod2": ["10.0.0.2/8"],
    }


def test_devices_of_each_are_its_own() -> None:
    """They lie over its own devices, and what is wrong with one is told once."""
    own = COUNT + "    devices: {{vx0: {{kind: vxlan, id: {0}, over: eth0}}, mv0: {1}}}\n"
    text = changed(COUNT, own.format(7, "{kind: macvlan, over: 'host:br0'}"), PODS)
    node = parsed(text).nodes[2]
    assert [(str(one.ref), str(one.over)) for one in node.devices] == [
        ("pod2/vx0", "pod2/eth0"),
        ("pod2/mv0", "host/br0"),
    ]
    text = changed(COUNT, own.format("▸-1", "{kind: macvlan, over: ▸eth9}"), PODS)
    wrong(text, "out-of-range", "unknown-device")
    text = changed(COUNT, own.format(7, "{kind: macvlan, over: 'host:br0', mode: passthru}"), PODS)
    (one,) = wrong(text.replace("over: 'host", "over: ▸'host"), "bad-over")
    assert one.message.endswith("lies over host/br0 too, and mode passthru wants it for itself")
    text = changed(
        "bridges: {br0: {}}",
        "bridges: {br0: {}}\n    devices: {m: {kind: macvlan, over: ▸'pod:eth0'}}",
        PODS,
    )
    wrong(text, "counted-node")
    tables = "    policy: [from 10.0.0.0/8 lookup ▸999]\n    routes: [blackhole default table 9]\n"
    wrong(changed(COUNT, COUNT + tables, PODS), "empty-table")
