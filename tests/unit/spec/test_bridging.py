"""Bridges and ports: their numbers, entries and VLANs, and what no port is."""

import pytest

from hopscope.model.devices import PortOptions, Vlan
from hopscope.model.lab import FdbSpec
from hopscope.model.vocab import DevName, Mac
from labtexts import changed, parsed, wrong

BRIDGE = "{br0: {}}"
FIRST = "[ns1:veth1a, host:veth1b@br0]"
VLANS = "{br0: {vlan_filtering: true}}"
OTHER = "02:00:00:00:00:77"


def test_all_of_a_bridge_and_its_ports() -> None:
    """In their long forms; what is left out is as the kernel has it."""
    bridge = (
        "{br0: {stp: true, ageing: 30, forward_delay: 2.5, priority: 4096, vlan_filtering: true,"
        f" vlans: [10], fdb: {{'{OTHER.upper()}': veth1b}}}}}}"
    )
    link = (
        "{ends: [ns1:veth1a, {end: host:veth1b@br0, hairpin: true, isolated: true, learning: false,"
        " flood: false, cost: 7, queues: 3, vlans: [10, {vid: 20, pvid: true, untagged: true}],"
        " mac: '02:00:00:00:00:AA'}], queues: 2}"
    )
    lab = parsed(changed(BRIDGE, bridge, changed(FIRST, link)))
    (one,) = lab.node("host").bridges
    assert (one.stp, one.ageing, one.forward_delay, one.priority) == (True, 30, 2.5, 4096)
    assert (one.vlan_filtering, one.vlans) == (True, (Vlan(vid=10),))
    assert [(e.mac, e.port) for e in one.fdb] == [(OTHER, "veth1b")]
    end = lab.links[0].b
    assert end.port == PortOptions(hairpin=True, isolated=True, learning=False, flood=False, cost=7)
    assert end.vlans == (Vlan(vid=10), Vlan(vid=20, pvid=True, untagged=True))
    assert (end.queues, end.mac, lab.links[0].a.queues) == (3, "02:00:00:00:00:aa", 2)
    plain = lab.links[1].b
    assert (plain.port, plain.vlans, plain.queues) == (PortOptions(), (), 1)


def test_an_entry_knows_its_line() -> None:
    lab = parsed(changed(BRIDGE, f"{{br0: {{fdb: {{'{OTHER}': veth2b}}}}}}"))
    (entry,) = lab.node("host").bridges[0].fdb
    assert entry.place is not None
    assert (entry.place.line, entry.place.column) == (4, 27)
    assert entry == FdbSpec(mac=Mac(OTHER), port=DevName("veth2b"), place=entry.place)


ONE = [
    # what is replaced, by what, rule, message, hint
    (BRIDGE, "{br0: {ageing: ▸-1}}", "out-of-range", "the ageing of a bridge cannot be -1", "0 to"),
    (
        BRIDGE,
        "{br0: {forward_delay: ▸1}}",
        "out-of-range",
        "the forward_delay of a bridge cannot be 1",
        "2 to 30",
    ),
    (BRIDGE, "{br0: {priority: ▸65536}}", "out-of-range", "the priority of a bridge", "65535"),
    (BRIDGE, "{br0: {▸agening: 3}}", "unknown-key", "not a key of a bridge", "'ageing'"),
    (
        BRIDGE,
        f"{{br0: {{fdb: {{'{OTHER}': ▸veth1c}}}}}}",
        "unknown-port",
        "'veth1c' is no port of host/br0",
        "did you mean 'veth1b'?",
    ),
    (
        BRIDGE,
        f"{{br0: {{}}, br1: {{fdb: {{'{OTHER}': ▸veth1b}}}}}}",
        "unknown-port",
        "'veth1b' is no port of host/br1",
        "a port is an end host:DEVICE@br1",
    ),
    (
        BRIDGE,
        "{br0: {fdb: {▸'01:00:00:00:00:01': veth1b}}}",
        "bad-mac",
        "is a group address or zero",
        "begin it with 02",
    ),
    (
        BRIDGE,
        "{br0: {▸vlans: [10]}}",
        "no-vlans",
        "br0 does not filter VLANs",
        "br0: {vlan_filtering: true}",
    ),
    (BRIDGE, "{br0: {vlan_filtering: true, vlans: [▸0]}}", "out-of-range", "cannot be 0", "4094"),
    (
        BRIDGE,
        "{br0: {vlan_filtering: true, vlans: [10, ▸10]}}",
        "duplicate-vlan",
        "the VLAN 10 stands here twice",
        "",
    ),
    (
        BRIDGE,
        "{br0: {vlan_filtering: true, vlans: [{vid: 10, pvid: true}, {vid: ▸11, pvid: true}]}}",
        "duplicate-vlan",
        "a port has one pvid",
        "",
    ),
    (
        BRIDGE,
        "{br0: {vlan_filtering: true, vlans: [▸'10']}}",
        "wrong-type",
        "an item of 'vlans' must be the number of a VLAN, or a mapping",
        "",
    ),
    (
        FIRST,
        "[ns1:veth1a, {end: host:veth1b@br0, ▸vlans: [10]}]",
        "no-vlans",
        "br0 does not filter VLANs",
        "",
    ),
    (
        FIRST,
        "[{end: ns1:veth1a, ▸isolated: true}, host:veth1b@br0]",
        "no-port",
        "ns1/veth1a is no port of a bridge, and 'isolated' is for ports",
        "add @BRIDGE",
    ),
    (
        FIRST,
        "[{end: ns1:veth1a, ▸learning: false}, host:veth1b@br0]",
        "no-port",
        "and 'learning' is for ports",
        "",
    ),
    (FIRST, "[ns1:veth1a, {end: host:veth1b@br0, cost: ▸0}]", "out-of-range", "cost of a port", ""),
    (
        FIRST,
        "[ns1:veth1a, {end: host:veth1b@br0, queues: ▸65}]",
        "out-of-range",
        "the number of queues cannot be 65",
        "allowed is 1 to 64",
    ),
    (
        FIRST,
        "[ns1:veth1a, {end: host:veth1b@br0, ▸isolate: true}]",
        "unknown-key",
        "'isolate' is not a key of the end of a link",
        "did you mean 'isolated'?",
    ),
    (FIRST, "[ns1:veth1a, ▸{isolated: true}]", "missing-key", "needs the key 'end'", ""),
    (
        FIRST,
        "[ns1:veth1a, {end: ▸host/veth1b@br0}]",
        "bad-end",
        "is not the end of a link",
        "did you mean 'host:veth1b@br0'?",
    ),
    (
        FIRST,
        (
            "{ends: [{end: ns1:veth1a, mac: '02:00:00:00:00:01'}, host:veth1b@br0],"
            " mac: {▸ns1:veth1a: '02:00:00:00:00:02'}}"
        ),
        "duplicate-mac",
        "stands at the end itself already",
        "",
    ),
    (
        FIRST,
        "[{end: ns1:veth1a, mac: ▸'03:00:00:00:00:01'}, host:veth1b@br0]",
        "bad-mac",
        "is a group address or zero",
        "",
    ),
]


@pytest.mark.parametrize(("old", "new", "rule", "message", "hint"), ONE)
def test_one_mistake(old: str, new: str, rule: str, message: str, hint: str) -> None:
    (problem,) = wrong(changed(old, new), rule)
    assert message in problem.message
    assert hint in problem.hint


def test_vlans_are_right_where_the_bridge_keeps_them_apart() -> None:
    text = changed(
        BRIDGE, VLANS, changed(FIRST, "[ns1:veth1a, {end: host:veth1b@br0, vlans: [5]}]")
    )
    assert parsed(text).links[0].b.vlans == (Vlan(vid=5),)
