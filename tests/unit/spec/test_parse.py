"""The public face: every mistake at once, in order, once; texts and trees by the same rules."""

from typing import Any

import pytest
from msgspec.structs import replace

from hopscope import spec
from hopscope.errors import ExitCode, Place, SpecError
from hopscope.model.lab import (
    AddressSpec,
    ExpectStep,
    FirewallStep,
    LabSpec,
    NodeSpec,
    PingStep,
    SetStep,
    ShowStep,
    ZeroStep,
)
from hopscope.model.vocab import DevName, NodeName
from hopscope.spec.build import address_meant
from hopscope.spec.tree import Mapping, Tree, grown
from labtexts import FILE, PAIR, SYSCTLS, changed, parsed, problems, wrong

EVERYTHING = """\
▸nmae: all-wrong
nodes:
  host:
    ▸brigdes: {br0: {mtu: ▸12}}
    sysctls:
      ▸net.ipv4.ip_foward: 1
    iptables:
      - ▸-p icmp -j DROP
  ns1:
    addresses: {veth1a: ▸10.244.1.2, ▸veth9z: 10.244.1.9/24}
  ns2:
    addresses: {veth2a: 10.244.1.4/24}
    lo: ▸yes
  ns3:
    addresses: {veth3a: ▸10.244.1.4/24}
    routes: [default via ▸10.9.9.9]
links:
  - [ns1:veth1a, host:veth1b@▸br1]
  - [ns2:veth2a, host:veth2b@br0]
  - [ns3:veth3a, host:▸veth2b]
  - [▸ns4:a, ns2:▸a-name-of-17-byte]
story:
  - ▸dance: tango
  - show: ▸arp
  - ping: ns1 -> ▸nobody
  - set: {ns2: {▸kernel.hostname: x}}
  - ping: {from: ns1, to: ns2, expect: {avoids: [▸host/filter/FOWARD]}}
▸story: []
"""
RULES = (
    "unknown-key",
    "unknown-key",
    "out-of-range",
    "unknown-sysctl",
    "bad-rule",
    "bad-address",
    "unknown-device",
    "wrong-type",
    "duplicate-address",
    "bad-route",
    "unknown-bridge",
    "device-in-two-links",
    "unknown-node",
    "name-too-long",
    "unknown-key",
    "unknown-table",
    "unknown-node",
    "bad-sysctl",
    "unknown-chain",
    "duplicate-key",
)


def test_every_mistake_is_told_at_once_in_the_order_of_the_file() -> None:
    found = wrong(EVERYTHING, *RULES)
    assert [problem.place.line for problem in found] == sorted(p.place.line for p in found)


def test_the_error_says_all_of_it_and_ends_the_command_as_misuse() -> None:
    with pytest.raises(SpecError) as caught:
        spec.parse(changed("@br0]\n  - [ns2", "@br9]\n  - [ns3"), FILE)
    assert str(caught.value).splitlines() == [
        f"{FILE}:10:30: the node host has no bridge 'br9'; did you mean 'br0'? [unknown-bridge]",
        f"{FILE}:11:6: there is no node 'ns3'; did you mean 'ns2'? [unknown-node]",
    ]
    assert caught.value.exit_code == ExitCode.USAGE


def test_nothing_follows_from_a_slip_in_a_link() -> None:
    """Its device is looked for where it was meant to be, and so is the port."""
    text = changed("[ns2:veth2a, host:veth2b@br0]", "[▸ns22:veth2a, ▸hots:veth2b@br0]")
    fdb = "  - expect: {fdb: {host/br0: {ns2/veth2a: veth2b}}, no_address: [host/veth2b]}\n"
    wrong(text + fdb, "unknown-node", "unknown-node")
    text = changed("host:veth2b@br0", "host:veth2b@▸br00") + fdb
    wrong(text, "unknown-bridge")


def test_what_is_said_twice_is_said_once() -> None:
    """An anchor's mistake is met again at its alias."""
    text = changed(
        "    addresses: {veth2a: 10.244.1.4/24}\n",
        "    addresses: {veth2a: 10.244.1.4/24}\n    iptables: &rules [▸-j DROP]\n"
        "  ns3: {iptables: *rules}\n  ns4: {iptables: *rules}\n",
    )
    wrong(text, "bad-rule")


def here(line: int) -> Place:
    return Place("lab.py", line, 1)


def made(links: list[Any], **parts: Any) -> Mapping:
    """A lab as Python declares it: each part knows its line."""
    nodes: dict[str, Tree] = {
        "host": grown({"bridges": ["br0"]}, here(1)),
        "ns1": grown({"addresses": {"veth1a": "10.244.1.2/24"}}, here(2)),
        "ns2": grown({"addresses": {"veth2a": "10.244.1.4/24"}}, here(3)),
    }
    tree = grown(
        {
            "name": "pair",
            "nodes": nodes,
            "links": [grown(link, here(4 + number)) for number, link in enumerate(links)],
            **parts,
        },
        here(9),
    )
    assert isinstance(tree, Mapping)
    return tree


LINKS = [("ns1:veth1a", "host:veth1b@br0"), ("ns2:veth2a", "host:veth2b@br0")]


def without_places(value: Any) -> Any:
    """So that a lab made in Python can be compared with one that was read."""
    if isinstance(value, tuple):
        return tuple(map(without_places, value))
    if not hasattr(value, "__struct_fields__"):
        return value
    names = value.__struct_fields__
    changes = {name: without_places(getattr(value, name)) for name in names}
    return replace(value, **changes | ({"place": None} if "place" in names else {}))


def test_a_lab_made_in_python_is_the_lab_that_was_read() -> None:
    lab = spec.parse_tree(made(LINKS, story=[{"ping": "ns1 -> ns2"}]), FILE, listing=SYSCTLS.get)
    assert without_places(lab) == without_places(parsed(PAIR))
    assert lab.node("ns1").place == here(9)
    assert lab.node("ns1").addresses[0].place == here(2)
    assert lab.links[1].b.place == here(5)


def python_problems(tree: Mapping) -> list[tuple[str, int]]:
    with pytest.raises(SpecError) as caught:
        spec.parse_tree(tree, "lab.py", listing=SYSCTLS.get)
    assert all(problem.place.file == "lab.py" for problem in caught.value.problems)
    return [(problem.rule, problem.place.line) for problem in caught.value.problems]


def test_a_lab_made_in_python_is_judged_by_the_same_rules() -> None:
    links = [
        *LINKS,
        ("ns1:veth1a", "host:x@br1"),
        ["ns1:y"],
        {"ends": ("ns3:a", "ns2:b"), "mtu": 5},
    ]
    found = python_problems(made(links, story=[{"ping": "ns1 -> nobody"}, {"dance": 1}]))
    assert [line for _, line in found] == sorted(line for _, line in found)
    assert sorted(found) == [
        ("bad-link", 7),
        ("device-in-two-links", 6),
        ("out-of-range", 8),
        ("unknown-bridge", 6),
        ("unknown-key", 9),
        ("unknown-node", 8),
        ("unknown-node", 9),
    ]


def test_what_follows_is_told_apart_though_all_parts_share_one_place() -> None:
    """A wrong type is left out first; the step without a target is another mistake."""
    tree = made(
        LINKS,
        story=[
            {"ping": {"form": "ns1", "to": "ns2"}},
            {"ping": {"from": "ns1"}},
            {"ping": {"from": 5, "to": "ns2"}},
            {"show": {"what": "links", "nodes": "ns1"}, "zero": "host"},
        ],
    )
    assert sorted(rule for rule, _ in python_problems(tree)) == [
        "missing-key",
        "one-key",
        "unknown-key",
        "wrong-type",
    ]


def test_a_text_in_python_is_never_a_number() -> None:
    tree = made(LINKS, nodes={"ns1": {"lo": "true"}, "ns2": {"sysctls": {"net.x": "0"}}})
    assert ("wrong-type", 9) in python_problems(tree)
    tree = made([], nodes={"12": {"nft": "12"}})
    lab = spec.parse_tree(tree, "lab.py")
    assert lab.nodes[0].nft is not None
    assert lab.nodes[0].nft.text == "12"


def test_characters_that_no_file_could_hold_are_refused_in_python_too() -> None:
    for text in ("a\0b", "\ud800", "\x1b[1m"):
        tree = made(LINKS, description=[{"x": text}, {text: "y"}])
        assert python_problems(tree) == [("not-text", 9)]


def test_all_that_a_lab_can_say_is_in_its_spec() -> None:
    lab = parsed("""\
name: all
description: Everything there is.
nodes:
  host:
    bridges:
      br0: {nf_call_iptables: true, stp: true, mac: '02:00:00:00:00:AA', mtu: 1400}
      br1: {up: false}
    addresses: {br0: [10.0.0.1/24, 'FD00:0::1/64']}
    routes:
      - default via 10.0.0.2 metric 7
      - default via fd00::2
      - {to: 10.1.0.0/16, dev: br0}
    neighbours: {br0: {'FD00::3': '02:00:00:00:00:BB'}}
    sysctls: {net.ipv4.ip_forward: 1}
    iptables: ["iptables -P FORWARD DROP", "-A FORWARD -j ACCEPT"]
    ip6tables: ["ip6tables -F"]
    nft: "table ip t {}"
    lo: false
    down: [p1]
  ns1:
links:
  - {ends: [ns1:a, host:p1@br0], mtu: 1300, mac: {ns1:a: '02:00:00:00:00:CC'}}
story:
  - show: [links, fdb]
  - show: {what: rules, nodes: [host]}
  - ping: {from: ns1, to: host, count: 3, size: 90, timeout: 2,
           expect: {reply: true, crosses: [host/filter/INPUT], avoids: [host/nat/OUTPUT], log: []}}
  - set: {host: {net.ipv4.ip_forward: 0}, ns1: {net.ipv4.ip_forward: 1}}
  - iptables: {host: [-F, -X]}
  - ip6tables: {ns1: [ip6tables -F]}
  - zero: host
  - expect:
      neighbours: {ns1: {'FD00::1': host/br0}}
      fdb: {host/br0: {ns1/a: p1}}
      no_address: [ns1/a]
""")
    assert isinstance(lab, LabSpec)
    host = lab.node("host")
    bridge, other = host.bridges
    assert (bridge.name, bridge.nf_call_iptables, bridge.stp) == ("br0", True, True)
    assert (bridge.mac, bridge.mtu) == ("02:00:00:00:00:aa", 1400)
    assert (bridge.up, other.up) == (True, False)
    assert [a.cidr for a in host.addresses] == ["10.0.0.1/24", "fd00::1/64"]
    assert [(r.to, r.via, r.dev, r.metric) for r in host.routes] == [
        ("0.0.0.0/0", "10.0.0.2", None, 7),
        ("::/0", "fd00::2", None, None),
        ("10.1.0.0/16", None, "br0", None),
    ]
    assert [(n.dev, n.ip, n.mac) for n in host.neighbours] == [
        ("br0", "fd00::3", "02:00:00:00:00:bb")
    ]
    assert [(s.key, s.value) for s in host.sysctls] == [("net.ipv4.ip_forward", "1")]
    assert [r.text for r in host.iptables] == ["-P FORWARD DROP", "-A FORWARD -j ACCEPT"]
    assert [r.text for r in host.ip6tables] == ["-F"]
    assert host.nft is not None
    assert (host.nft.text, host.lo, host.down) == ("table ip t {}", False, ("p1",))
    (link,) = lab.links
    assert (str(link.a.ref), link.a.bridge, link.a.mac) == ("ns1/a", None, "02:00:00:00:00:cc")
    assert (str(link.b.ref), link.b.bridge, link.b.mac) == ("host/p1", "br0", None)
    assert (link.mtu, lab.name, lab.file) == (1300, "all", FILE)
    assert lab.description == "Everything there is."
    show, some, ping, change, four, six, zero, tables = lab.story
    assert isinstance(show, ShowStep)
    assert (show.what, show.nodes) == (("links", "fdb"), ())
    assert isinstance(some, ShowStep)
    assert (some.what, some.nodes) == (("rules",), ("host",))
    assert isinstance(ping, PingStep)
    assert (ping.source, ping.target, ping.address) == ("ns1", "host", "10.0.0.1")
    assert (ping.count, ping.size, ping.timeout) == (3, 90, 2.0)
    assert ping.expect is not None
    assert (ping.expect.reply, ping.expect.log) == (True, ())
    assert ping.expect.crosses == ("host/filter/INPUT",)
    assert ping.expect.avoids == ("host/nat/OUTPUT",)
    assert isinstance(change, SetStep)
    assert [(node, s.value) for node, s in change.values] == [("host", "0"), ("ns1", "1")]
    assert isinstance(four, FirewallStep)
    assert (four.tool, [line.text for _, line in four.lines]) == ("iptables", ["-F", "-X"])
    assert isinstance(six, FirewallStep)
    assert (six.tool, [(n, x.text) for n, x in six.lines]) == ("ip6tables", [("ns1", "-F")])
    assert isinstance(zero, ZeroStep)
    assert zero.nodes == ("host",)
    assert isinstance(tables, ExpectStep)
    assert tables.expect.neighbours == {"ns1": {"fd00::1": "host/br0"}}
    assert tables.expect.fdb == {"host/br0": {"ns1/a": "p1"}}
    assert [str(ref) for ref in tables.expect.no_address] == ["ns1/a"]


def test_an_unsaid_thing_has_its_default() -> None:
    (ping,) = parsed(PAIR).story
    assert isinstance(ping, PingStep)
    assert (ping.count, ping.size, ping.timeout, ping.expect) == (1, 56, 1.0, None)
    node = parsed(PAIR).node("ns1")
    assert (node.lo, node.down, node.nft) == (True, (), None)
    expecting = parsed(f"{PAIR}  - ping: {{from: ns1, to: ns2, expect: {{}}}}\n").story[1]
    assert isinstance(expecting, PingStep)
    assert expecting.expect is not None
    assert (expecting.expect.reply, expecting.expect.log) == (None, None)


def test_a_route_without_a_gateway_is_of_ipv4_unless_it_says_otherwise() -> None:
    lab = parsed(
        changed(
            "{veth1a: 10.244.1.2/24}",
            "{veth1a: 10.244.1.2/24}\n    routes:\n"
            "      - default dev veth1a\n      - '::/0 dev veth1a'\n      - fd00:0::/64 dev lo",
        )
    )
    assert [route.to for route in lab.node("ns1").routes] == ["0.0.0.0/0", "::/0", "fd00::/64"]


@pytest.mark.parametrize(
    ("source", "target", "meant"),
    [
        (["10.1.0.1/24"], ["10.2.0.2/24", "10.1.0.2/24"], "10.1.0.2"),
        (["10.1.0.1/24"], ["10.2.0.2/24", "10.3.0.2/24"], "10.2.0.2"),
        (["fd00::1/64", "10.1.0.1/24"], ["10.2.0.2/24", "fd00::2/64"], "fd00::2"),
        (["10.1.0.1/0"], ["fd00::2/64", "10.2.0.2/24"], "10.2.0.2"),
        ([], ["10.2.0.2/24", "10.1.0.2/24"], "10.2.0.2"),
        (["nonsense"], ["nonsense", "10.1.0.2/24"], "10.1.0.2"),
        (["10.1.0.1/24"], [], ""),
        (["10.1.0.1/24"], ["nonsense"], ""),
    ],
)
def test_the_address_that_a_node_s_name_means(
    source: list[str], target: list[str], meant: str
) -> None:
    """One in a subnet of the source, else the first."""

    def holder(name: str, cidrs: list[str]) -> NodeSpec:
        addresses = tuple(AddressSpec(dev=DevName("e"), cidr=cidr) for cidr in cidrs)
        return NodeSpec(name=NodeName(name), addresses=addresses)

    assert address_meant(holder("a", source), holder("b", target)) == meant
    if not source:
        assert address_meant(None, holder("b", target)) == meant


def test_the_file_is_what_the_caller_calls_it() -> None:
    assert spec.parse(PAIR, "<stdin>").file == "<stdin>"
    assert problems(PAIR.encode()) == ()
