"""macvlan, vxlan and tap devices: what each is made from, and what none can be."""

import pytest
from msgspec.structs import replace

from hopscope.model.devices import PortOptions, Vxlan
from hopscope.model.lab import DeviceSpec, RemoteSpec
from hopscope.model.vocab import DevName, DevRef, Mac, NodeName
from labtexts import changed, parsed, problems, wrong

HOST, NS1 = NodeName("host"), NodeName("ns1")
BRIDGE = "    bridges: {br0: {}}\n"
MORE = "  - [ns1:low, host:up]\n"
LAB = changed("links:\n", f"links:\n{MORE}", changed("{veth1a:", "{low: 10.9.0.1/24, veth1a:"))


def lab(host: str = "", ns1: str = "") -> str:
    """The lab pair with another link, and devices of host and ns1."""
    text = changed(BRIDGE, BRIDGE + (f"    devices: {host}\n" if host else ""), LAB)
    return changed("  ns1:\n", "  ns1:\n" + (f"    devices: {ns1}\n" if ns1 else ""), text)


def devices(text: str, node: NodeName) -> list[DeviceSpec]:
    found = parsed(text).node(node).devices
    return [
        replace(one, place=None, remotes=tuple(replace(r, place=None) for r in one.remotes))
        for one in found
    ]


def test_a_macvlan_over_a_device_of_its_own_node_or_another() -> None:
    text = lab(
        ns1="{mv0: {kind: macvlan, over: low}, mv1: {kind: macvlan, over: 'host:up', mode: vepa,"
        " mac: '02:00:00:00:00:AA', mtu: 1400, queues: 2}}"
    )
    assert devices(text, NS1) == [
        DeviceSpec(
            ref=DevRef(NS1, DevName("mv0")), kind="macvlan", over=DevRef(NS1, DevName("low"))
        ),
        DeviceSpec(
            ref=DevRef(NS1, DevName("mv1")),
            kind="macvlan",
            over=DevRef(HOST, DevName("up")),
            mode="vepa",
            mac=Mac("02:00:00:00:00:aa"),
            mtu=1400,
            queues=2,
        ),
    ]


def test_a_vxlan_and_a_tap_that_are_ports() -> None:
    every = "'00:00:00:00:00:00'"
    text = lab(
        host="{vx0: {kind: vxlan, id: 42, remote: 10.9.0.2, port: 8472, bridge: br0, cost: 9,"
        f" mac_learning: false, fdb: {{{every}: [10.9.0.3, 10.9.0.4]}}}},"
        " t0: {kind: tap, bridge: br0, isolated: true}}"
    )
    vxlan, tap = devices(text, HOST)
    remotes = [RemoteSpec(mac=Mac(every.strip("'")), remote=f"10.9.0.{n}") for n in (3, 4)]
    assert vxlan == DeviceSpec(
        ref=DevRef(HOST, DevName("vx0")),
        kind="vxlan",
        vxlan=Vxlan(id=42, remote="10.9.0.2", port=8472, learning=False),
        remotes=tuple(remotes),
        bridge=DevName("br0"),
        port=PortOptions(cost=9),
    )
    assert (tap.kind, tap.bridge, tap.port) == ("tap", "br0", PortOptions(isolated=True))


def test_they_are_devices_like_any_other() -> None:
    """With addresses, routes and neighbours; and a bridge's entries may lead to them."""
    host = "{vx0: {kind: vxlan, id: 1, remote: 10.9.0.2, bridge: br0}}"
    text = changed(
        "{br0: {}}", "{br0: {fdb: {'02:00:00:00:00:05': vx0}}}", lab(host, "{t: {kind: tap}}")
    )
    text = changed("{low: 10.9.0.1/24,", "{t: 10.8.0.1/24, low: 10.9.0.1/24,", text)
    assert problems(text) == ()


ONE = [
    # devices of ns1, rule, message, hint
    ("{mv0: ▸{kind: macvlan}}", "missing-key", "a macvlan needs the key 'over'", ""),
    ("{vx0: ▸{kind: vxlan}}", "missing-key", "a vxlan needs the key 'id'", ""),
    ("{t0: {kind: tap, ▸over: low}}", "unknown-key", "a tap has no 'over'", "macvlan and vxlan"),
    ("{mv0: {kind: macvlan, over: low, ▸id: 3}}", "unknown-key", "has no 'id'", "for vxlan"),
    ("{x: {kind: ▸ipvlan}}", "wrong-type", "'kind' must be 'macvlan', 'vxlan' or 'tap'", ""),
    ("{x: {kind: tap, ▸colour: red}}", "unknown-key", "'colour' is not a key of a device", ""),
    ("{mv0: {kind: macvlan, over: ▸lou}}", "unknown-device", "no device 'lou'", "'low'"),
    ("{mv0: {kind: macvlan, over: ▸lo}}", "bad-over", "no device can lie over lo", ""),
    ("{mv0: {kind: macvlan, over: ▸'host:br9'}}", "unknown-device", "no device 'br9'", "'br0'"),
    ("{mv0: {kind: macvlan, over: ▸'a:b:c'}}", "bad-end", "'a:b:c' names no device", "DEVICE"),
    (
        "{mv0: {kind: macvlan, over: ▸'host:veth1b'}}",
        "bad-over",
        "host/veth1b is a port of a bridge",
        "over the bridge",
    ),
    (
        "{mv0: {kind: macvlan, over: low}, mv1: {kind: macvlan, over: ▸mv0}}",
        "bad-over",
        "ns1/mv0 is a macvlan itself",
        "",
    ),
    ("{vx: {kind: vxlan, id: 1, over: ▸'host:up'}}", "bad-over", "a device of its own node", ""),
    (
        "{mv0: {kind: macvlan, over: low, mode: passthru, mac: ▸'02:00:00:00:00:01'}}",
        "bad-mac",
        "has the MAC address of the device below",
        "",
    ),
    ("{t: {kind: tap, mac: ▸'01:00:5e:00:00:01'}}", "bad-mac", "is a group address", "02:"),
    ("{mv: {kind: macvlan, over: ▸[low]}}", "wrong-type", "a text like eth0 or host:eth0", ""),
    (
        "{vx: {kind: vxlan, id: 1, fdb: {'00:00:00:00:00:00': ▸here}}}",
        "bad-address",
        "not an IP address",
        "",
    ),
    ("{vx: {kind: vxlan, id: ▸-1}}", "out-of-range", "the id of a vxlan cannot be -1", ""),
    ("{vx: {kind: vxlan, id: 1, port: ▸0}}", "out-of-range", "the port of a vxlan", ""),
    ("{t: {kind: tap, mtu: ▸9}}", "out-of-range", "the MTU of a tap cannot be 9", ""),
    ("{t: {kind: tap, bridge: ▸br0}}", "unknown-bridge", "the node ns1 has no bridge 'br0'", ""),
    ("{vx: {kind: vxlan, id: 1, local: ▸10.9.0.7}}", "bad-address", "no address of ns1", "10.9"),
    ("{vx: {kind: vxlan, id: 1, remote: ▸here}}", "bad-address", "not an IP address", ""),
    (
        "{vx: {kind: vxlan, id: 1, local: 10.9.0.1, remote: ▸'fd00::1'}}",
        "bad-address",
        "are of different IP versions",
        "",
    ),
    ("{vx: {kind: vxlan, id: 1, remote: ▸239.1.1.1}}", "bad-address", "is a group", "'over'"),
    (
        "{vx: {kind: vxlan, id: 1, fdb: {'02:00:00:00:00:07': [10.9.0.2, ▸10.9.0.3]}}}",
        "duplicate-neighbour",
        "and this is the second",
        "",
    ),
    ("{vx: {kind: vxlan, id: 1, fdb: {▸'01': 10.9.0.2}}}", "bad-mac", "not a MAC address", ""),
    ("{t: {kind: tap, ▸hairpin: true}}", "no-port", "ns1/t is no port of a bridge", "'bridge'"),
    ("{▸low: {kind: tap}}", "duplicate-device", "ns1/low is the end of a link already", ""),
    ("{▸veth-to-the-bridge: {kind: tap}}", "name-too-long", "18 bytes, and 15 fit", ""),
]


@pytest.mark.parametrize(("given", "rule", "message", "hint"), ONE)
def test_one_mistake(given: str, rule: str, message: str, hint: str) -> None:
    (problem,) = wrong(lab(ns1=given), rule)
    assert message in problem.message
    assert hint in problem.hint


def test_passthru_wants_its_device_for_itself() -> None:
    two = "{a: {kind: macvlan, over: ▸low}, b: {kind: macvlan, over: ▸low, mode: passthru}}"
    first, second = wrong(lab(ns1=two), "bad-over", "bad-over")
    assert "ns1/b lies over ns1/low too" in first.message
    assert "ns1/a lies over ns1/low too" in second.message
