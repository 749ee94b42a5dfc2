"""Every step speaks of what the lab has, and can be performed."""

import pytest

from labtexts import PAIR, changed, parsed, problems, wrong

NS2 = "    addresses: {veth2a: 10.244.1.4/24}\n"
MAC = "'02:00:00:00:00:01'"

WRONG = [
    # step, rule, message, hint
    ("show: ▸neighbors", "unknown-table", "there is no table 'neighbors' to", "'neighbours'?"),
    ("show: [links, ▸arp]", "unknown-table", "there is no table 'arp' to", "known: links, n"),
    ("show: ▸[]", "unknown-table", "'show' names no table", "write one of links, neighbours"),
    ("show: {what: fdb, nodes: ▸hots}", "unknown-node", "no node 'hots'", "'host'?"),
    ("show: {what: fdb, nodes: [ns1, ▸hots]}", "unknown-node", "no node 'hots'", "'host'?"),
    ("zero: ▸hots", "unknown-node", "no node 'hots'", "'host'?"),
    ("zero: [host, ▸nobody]", "unknown-node", "no node 'nobody'", "known: host, ns1, ns2"),
    ("set: {▸hots: {net.ipv4.ip_forward: 1}}", "unknown-node", "no node 'hots'", "'host'?"),
    ("iptables: {▸hots: [-F]}", "unknown-node", "no node 'hots'", "'host'?"),
    ("ip6tables: {host: [-F], ▸hots: [-F]}", "unknown-node", "no node 'hots'", "'host'?"),
    # pings
    ("ping: ▸ns3 -> ns2", "unknown-node", "there is no node 'ns3'", "did you mean 'ns2'?"),
    ("ping: ns1 -> ▸ns3", "unknown-node", "there is no node 'ns3'", "did you mean 'ns2'?"),
    ("ping: {from: ▸ns3, to: ns2}", "unknown-node", "there is no node 'ns3'", "'ns2'?"),
    ("ping: {from: ns1, to: ▸ns3}", "unknown-node", "there is no node 'ns3'", "'ns2'?"),
    (
        "ping: ns1 -> ▸host",
        "no-address",
        "host has no address, so there is nothing to send a ping to",
        "give host an address, or ping the address that it should have",
    ),
    (
        "ping: ns1 -> ▸10.244.1",
        "bad-address",
        "'10.244.1' is not an IP address, which the target of a ping is",
        "write it as 10.244.1.4",
    ),
    ("ping: ns1 -> ▸10.244.1.4/24", "bad-address", "is not an IP address", "write 10.244.1.4"),
    ("ping: ns1 -> ▸fe80::1%veth1a", "bad-address", "is not an IP address", "fd00::4"),
    ("ping: ns1 -> ▸ns2/veth2a", "bad-address", "is not an IP address", "write it as"),
    (
        "ping: {from: ns1, to: ns2, count: ▸0}",
        "out-of-range",
        "the number of requests cannot be 0",
        "allowed is 1 to 10000",
    ),
    (
        "ping: {from: ns1, to: ns2, size: ▸65508}",
        "out-of-range",
        "the payload of a request cannot be 65508",
        "allowed is 12 to 65507",
    ),
    (
        "ping: {from: ns1, to: ns2, timeout: ▸0}",
        "out-of-range",
        "the time to wait for a reply cannot be 0",
        "allowed is more than 0 to 60",
    ),
    (
        "ping: {from: ns1, to: ns2, timeout: ▸.nan}",
        "out-of-range",
        "the time to wait for a reply cannot be nan",
        "allowed is more than 0 to 60",
    ),
    # tables
    ("expect: {neighbours: {▸ns3: {}}}", "unknown-node", "there is no node 'ns3'", "'ns2'?"),
    (
        "expect: {neighbours: {ns1: {▸ns2: none}}}",
        "bad-address",
        "'ns2' is not an IP address, which a neighbour is",
        "write it as 10.244.1.4",
    ),
    (
        "expect: {neighbours: {ns1: {10.244.1.4: ▸ns2/veth2b}}}",
        "unknown-device",
        "the node ns2 has no device 'veth2b'",
        "did you mean 'veth2a'?",
    ),
    (
        "expect: {neighbours: {ns1: {'FD00::4': ▸ns3/veth2b}}}",
        "unknown-node",
        "there is no node 'ns3'",
        "did you mean 'ns2'?",
    ),
    (
        "expect: {neighbours: {ns1: {10.244.1.4: ▸veth2a}}}",
        "bad-device",
        "'veth2a' is neither a device of a node nor a MAC address",
        "write NODE/DEVICE, as ns2/veth2a, or a MAC address",
    ),
    (
        "expect: {neighbours: {ns1: {10.244.1.4: ▸'02:00:0'}}}",
        "bad-mac",
        "'02:00:0' is not a MAC address",
        "write it as 02:00:00:00:00:01",
    ),
    ("expect: {fdb: {▸hots/br0: {}}}", "unknown-node", "no node 'hots'", "'host'?"),
    ("expect: {fdb: {▸host/br1: {}}}", "unknown-bridge", "host has no bridge 'br1'", "'br0'?"),
    (
        "expect: {fdb: {host/br0: {▸ns1/veth1b: veth1b}}}",
        "unknown-device",
        "the node ns1 has no device 'veth1b'",
        "did you mean 'veth1a'?",
    ),
    (
        "expect: {fdb: {host/br0: {ns1/veth1a: ▸veth1a}}}",
        "unknown-port",
        "host/br0 has no port 'veth1a'",
        "did you mean 'veth1b'?",
    ),
    (
        "expect: {fdb: {host/br0: {ns1/veth1a: ▸elsewhere}}}",
        "unknown-port",
        "host/br0 has no port 'elsewhere'",
        "known: veth1b, veth2b, none",
    ),
    (
        "expect: {no_address: [host/br0, ▸host/br9]}",
        "unknown-device",
        "the node host has no device 'br9'",
        "did you mean 'br0'?",
    ),
    ("expect: {no_address: [▸hots/br0]}", "unknown-node", "no node 'hots'", "'host'?"),
]


@pytest.mark.parametrize(("step", "rule", "message", "hint"), WRONG)
def test_a_step_that_cannot_be_performed(step: str, rule: str, message: str, hint: str) -> None:
    (found,) = wrong(f"{PAIR}  - {step}\n", rule)
    assert message in found.message
    assert hint in found.hint


@pytest.mark.parametrize(
    "step",
    [
        "show: links",
        "show: [links, neighbours, fdb, routes, rules, sysctls, topology]",
        "show: {what: rules, nodes: host}",
        "ping: ns1->ns2",
        "ping: {from: ns1, to: 10.9.9.9, count: 10000, size: 65507, timeout: 0.2}",
        "ping: {from: ns1, to: 'fd00::4'}",
        "ping: {from: host, to: ns1, expect: {reply: false, log: []}}",
        "set: {host: {net.ipv4.ip_forward: 0}, ns1: {net.ipv4.ip_forward: '1'}}",
        "iptables: {host: [-F, -X], ns1: [-F]}",
        "zero: [host, ns1]",
        "zero: host",
        "expect: {}",
        "expect: {no_address: [host/br0, ns1/lo]}",
        f"expect: {{neighbours: {{ns1: {{10.244.1.4: {MAC}, 10.244.1.5: none}}}}}}",
        f"expect: {{fdb: {{host/br0: {{ns1/veth1a: veth1b, {MAC}: none}}}}}}",
    ],
)
def test_a_step_that_can_be_performed(step: str) -> None:
    assert problems(f"{PAIR}  - {step}\n") == ()


def test_one_wrong_bridge_is_one_problem_though_its_ports_are_unknown() -> None:
    wrong(f"{PAIR}  - expect: {{fdb: {{▸host/br1: {{ns1/veth1a: veth1b}}}}}}\n", "unknown-bridge")


def test_a_ping_to_a_node_whose_address_is_wrong_is_not_a_second_mistake() -> None:
    wrong(changed("10.244.1.4/24", "▸10.244.1.4"), "bad-address")
    wrong(changed("10.244.1.4/24", "▸5"), "wrong-type")
    wrong(changed(NS2, "    lo: true\n").replace("-> ns2", "-> ▸ns2"), "no-address")


def test_the_families_of_a_ping_need_not_fit() -> None:
    """A run says why it fails."""
    text = changed("10.244.1.4/24", "fd00::4/64")
    (ping,) = parsed(text).story
    assert getattr(ping, "address", None) == "fd00::4"


def test_names_in_a_part_that_was_left_out_are_believed_in_the_story() -> None:
    lab = changed("links:", "  ns3: ▸5\nlinks:\n  - [ns3:a, host:b@br0]")
    text = f"""{lab}  - ping: ns3 -> ns1
  - ping: ns1 -> ns3
  - expect: {{no_address: [ns3/x], neighbours: {{ns3: {{10.0.0.1: ns3/x}}}}}}
  - zero: ns3
"""
    wrong(text, "wrong-type")
    ports = changed("  - [ns2:veth2a, host:veth2b@br0]", "  - {ends: [ns2:veth2a, ▸host/p@br0]}")
    wrong(f"{ports}  - expect: {{fdb: {{host/br0: {{ns2/veth2a: p}}}}}}\n", "bad-end")
