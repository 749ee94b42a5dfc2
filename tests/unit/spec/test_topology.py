"""Names, bridges and links: what exists once, and what may join what."""

import pytest

from hopscope.errors import Place, SpecError
from hopscope.model.limits import COUNT, MTU, TIMEOUT, Limits
from hopscope.spec import parse_tree
from hopscope.spec.topology import limit_fault
from hopscope.spec.tree import Mapping, grown
from labtexts import PAIR, changed, problems, wrong

BRIDGE = "    bridges: {br0: {}}\n"
NS1 = "    addresses: {veth1a: 10.244.1.2/24}\n"
FIRST = "  - [ns1:veth1a, host:veth1b@br0]\n"
SECOND = "  - [ns2:veth2a, host:veth2b@br0]\n"
OWN = "02:00:00:00:00:01"

ONE = [
    # what is replaced, by what, rule, message, hint
    # names
    ("name: pair", "name: ▸my lab", "bad-name", "'my lab' cannot be the name of a lab", "letters"),
    ("name: pair", "name: ▸-x", "bad-name", "'-x' cannot be the name of a lab", "do not begin"),
    ("name: pair", "name: ▸..", "bad-name", "'..' cannot be the name of a lab", "letters"),
    ("name: pair", f"name: ▸{'x' * 64}", "name-too-long", "64 characters, and 63 are allowed", ""),
    ("name: pair", "name: ▸''", "no-name", "the lab has no name", "name: my-lab"),
    (
        "    bridges: {br0",
        "    bridges: {br0: {}}\n  ▸a/b: {lo: true}\n  ns3:\n    bridges: {br1",
        "bad-name",
        "'a/b' cannot be the name of a node",
        "letters",
    ),
    (
        BRIDGE,
        "    bridges: {br0: {}, ▸bridge-with-16-b: {}}\n",
        "name-too-long",
        "the device name 'bridge-with-16-b' has 16 bytes, and 15 fit",
        "shorten it",
    ),
    (BRIDGE, "    bridges: {br0: {}, ▸éééééééé: {}}\n", "name-too-long", "has 16 bytes", ""),
    (BRIDGE, "    bridges: [br0, ▸lo]\n", "bad-name", "the kernel uses the name itself", "other"),
    (BRIDGE, "    bridges: [br0, ▸all]\n", "bad-name", "the kernel uses the name itself", ""),
    (BRIDGE, "    bridges: [br0, ▸default]\n", "bad-name", "the kernel uses the name itself", ""),
    (BRIDGE, "    bridges: [br0, ▸a b]\n", "bad-name", "'a b' cannot name a device", "letters"),
    (BRIDGE, "    bridges: [br0, ▸a/b]\n", "bad-name", "'a/b' cannot name a device", "letters"),
    (BRIDGE, "    bridges: [br0, ▸'..']\n", "bad-name", "'..' cannot name a device", "letters"),
    (BRIDGE, "    bridges: [br0, ▸-x]\n", "bad-name", "'-x' cannot name a device", "letters"),
    (BRIDGE, "    bridges: [br0, ▸'']\n", "bad-name", "'' cannot name a device", "letters"),
    (BRIDGE, "    bridges: [br0, ▸'eth%d']\n", "bad-name", "cannot name a device", "letters"),
    (
        SECOND,
        SECOND + "  - [ns1:▸veth-to-the-bridge, host:x@br0]\n",
        "name-too-long",
        "'veth-to-the-bridge' has 18 bytes, and 15 fit",
        "shorten it",
    ),
    # links
    (
        FIRST,
        "  - [▸ns3:veth1a, host:veth1b@br0]\n  - [ns1:veth1a, host:x]\n",
        "unknown-node",
        "there is no node 'ns3'",
        "did you mean 'ns2'?",
    ),
    (
        FIRST,
        "  - [ns1:veth1a, host:veth1b@▸br1]\n",
        "unknown-bridge",
        "the node host has no bridge 'br1'",
        "did you mean 'br0'?",
    ),
    (
        FIRST,
        "  - [ns1:veth1a@▸br0, host:veth1b@br0]\n",
        "unknown-bridge",
        "the node ns1 has no bridge 'br0'",
        "br0 is a bridge of host, and a port is in its bridge's own node",
    ),
    (
        FIRST,
        "  - [ns1:veth1a@▸lan, host:veth1b@br0]\n",
        "unknown-bridge",
        "the node ns1 has no bridge 'lan'",
        "declare it: nodes: {ns1: {bridges: [lan]}}",
    ),
    (
        FIRST,
        "  - [ns1:veth1a, host:veth1b@▸lan]\n",
        "unknown-bridge",
        "the node host has no bridge 'lan'",
        "known: br0",
    ),
    (
        FIRST,
        "  - [ns1:veth1a, host:▸br0]\n",
        "duplicate-device",
        "br0 is a bridge of host, and cannot be the end of a link too",
        "for a port of br0 write host:PORT@br0",
    ),
    (
        SECOND,
        SECOND + "  - [ns2:x, ns1:▸veth1a]\n",
        "device-in-two-links",
        "ns1/veth1a is an end of two links",
        "the first is in line 10",
    ),
    (
        SECOND,
        SECOND + "  - [ns2:x, ns2:▸x]\n",
        "same-ends",
        "both ends of this link are ns2/x",
        "give one another name",
    ),
    # numbers
    (
        SECOND,
        "  - {ends: [ns2:veth2a, host:veth2b@br0], mtu: ▸67}\n",
        "out-of-range",
        "the MTU of a link cannot be 67",
        "allowed is 68 to 65535",
    ),
    (
        BRIDGE,
        "    bridges: {br0: {mtu: ▸65536}}\n",
        "out-of-range",
        "the MTU of a bridge cannot be 65536",
        "allowed is 68 to 65535",
    ),
    # MAC addresses
    (
        BRIDGE,
        "    bridges: {br0: {mac: ▸02-00-00-00-00-01}}\n",
        "bad-mac",
        "'02-00-00-00-00-01' is not a MAC address",
        f"did you mean '{OWN}'?",
    ),
    (
        BRIDGE,
        "    bridges: {br0: {mac: ▸02.00}}\n",
        "wrong-type",
        "'mac' must be a text, not 02.00",
        'put it in quotes: "02.00"',
    ),
    (
        BRIDGE,
        "    bridges: {br0: {mac: ▸'02:00'}}\n",
        "bad-mac",
        "'02:00' is not a MAC address",
        f"write it as {OWN}",
    ),
    (
        BRIDGE,
        "    bridges: {br0: {mac: ▸'01:00:00:00:00:01'}}\n",
        "bad-mac",
        "01:00:00:00:00:01 is a group address or zero",
        f"begin it with 02: {OWN}",
    ),
    (
        BRIDGE,
        "    bridges: {br0: {mac: ▸'00:00:00:00:00:00'}}\n",
        "bad-mac",
        "00:00:00:00:00:00 is a group address or zero",
        "begin it with 02",
    ),
    (
        SECOND,
        f"  - {{ends: [ns2:a, host:b], mac: {{ns2:a: '{OWN}', host:b: ▸'{OWN}'}}}}\n" + SECOND,
        "duplicate-mac",
        "host/b has the MAC address of ns2/a",
        "the first is in line 11",
    ),
    (
        BRIDGE,
        f"    bridges: {{br0: {{mac: '{OWN.upper()}'}}, br1: {{mac: ▸'{OWN}'}}}}\n",
        "duplicate-mac",
        "host/br1 has the MAC address of host/br0",
        "the first is in line 4",
    ),
    # what is left down
    (NS1, NS1 + "    down: [▸veth2a]\n", "unknown-device", "ns1 has no device 'veth2a'", "veth1a"),
    (NS1, NS1 + "    down: [▸lo]\n", "unknown-device", "'down' is not for lo", "lo: false"),
]


@pytest.mark.parametrize(("old", "new", "rule", "message", "hint"), ONE)
def test_one_mistake_is_one_problem(old: str, new: str, rule: str, message: str, hint: str) -> None:
    (found,) = wrong(changed(old, new), rule)
    assert message in found.message
    assert hint in found.hint


def test_a_lab_needs_a_name_and_a_node() -> None:
    first, second = wrong("▸▸description: nothing\n", "no-name", "no-nodes")
    assert "name: my-lab" in first.hint
    assert "'nodes:'" in second.hint
    (found,) = wrong("name: x\n▸nodes: {}\n", "no-nodes")
    assert found.message == "the lab has no nodes"


def test_a_lab_of_one_node_is_a_lab() -> None:
    assert problems("name: x\nnodes: {alone: }\n") == ()


def test_names_may_be_as_long_as_they_may_be() -> None:
    text = PAIR.replace("veth1a", "fifteen-bytes-a").replace("name: pair", "name: " + "x" * 63)
    assert problems(text.replace("ns2", "n" * 63)) == ()


def test_the_same_device_name_in_two_nodes_is_two_devices() -> None:
    assert problems(PAIR.replace("veth1a", "eth0").replace("veth2a", "eth0")) == ()


def test_both_a_node_and_its_bridge_are_not_missed_together() -> None:
    """Who has no node has no bridge there; one problem is enough."""
    (found,) = wrong(changed(SECOND, SECOND + "  - [ns1:x, ▸hots:y@br0]\n"), "unknown-node")
    assert found.hint == "did you mean 'host'?"


def test_a_bridge_may_share_the_address_of_its_port_but_two_ports_may_not() -> None:
    shared = f"  - {{ends: [ns2:veth2a, host:veth2b@br0], mac: {{host:veth2b: '{OWN}'}}}}\n"
    bridge = f"    bridges: {{br0: {{mac: '{OWN}'}}}}\n"
    text = changed(BRIDGE, bridge)
    assert problems(changed(SECOND, shared, text)) == ()
    wrong(
        changed(SECOND, shared.replace(": '02", ": ▸'02").replace("@br0", ""), text),
        "duplicate-mac",
    )
    both = shared.replace(f"'{OWN}'", f"'{OWN}', ns2:veth2a: ▸'{OWN}'")
    found = wrong(changed(SECOND, both, text), "duplicate-mac")
    assert "ns2/veth2a has the MAC address of" in found[0].message


def test_a_bridge_takes_1023_ports() -> None:

    def star(count: int) -> Mapping:
        links = [
            grown([f"leaf:e{n}", f"hub:p{n}@br0"], Place("lab.py", n, 1))
            for n in range(1, count + 1)
        ]
        nodes = {"hub": {"bridges": ["br0"]}, "leaf": None}
        parts = {"name": "star", "nodes": nodes, "links": links}
        tree = grown(parts, Place("lab.py", 1, 1))
        assert isinstance(tree, Mapping)
        return tree

    assert len(parse_tree(star(1023), "lab.py").links) == 1023
    with pytest.raises(SpecError) as caught:
        parse_tree(star(1030), "lab.py")
    (found,) = caught.value.problems
    assert found.rule == "too-many-ports"
    assert found.message == "hub/br0 has more than 1023 ports"
    assert found.place.line == 1024


@pytest.mark.parametrize(
    ("number", "limits", "said"),
    [
        (None, MTU, None),
        (68, MTU, None),
        (65535, MTU, None),
        (67, MTU, "x cannot be 67; allowed is 68 to 65535"),
        (10_001, COUNT, "x cannot be 10001; allowed is 1 to 10000"),
        (123_456_789_012, COUNT, "x cannot be 123456789012; allowed is 1 to 10000"),
        (0.5, TIMEOUT, None),
        (60, TIMEOUT, None),
        (0.0, TIMEOUT, "x cannot be 0; allowed is more than 0 to 60"),
        (60.5, TIMEOUT, "x cannot be 60.5; allowed is more than 0 to 60"),
        (float("nan"), TIMEOUT, "x cannot be nan; allowed is more than 0 to 60"),
        (float("inf"), TIMEOUT, "x cannot be inf; allowed is more than 0 to 60"),
    ],
)
def test_limits(number: float | None, limits: Limits, said: str | None) -> None:
    fault = limit_fault("x", number, limits)
    assert (fault and f"{fault.message}; {fault.hint}") == said
