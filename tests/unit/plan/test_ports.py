"""Bridges and ports compiled: what is set of them comes when all ports have joined."""

from msgspec.structs import replace

from hopscope.model.devices import PortOptions, Vlan
from hopscope.model.vocab import DevName, Mac, NodeName
from hopscope.plan.compile import compile_lab
from hopscope.plan.ops import AddBridge, AddFdb, AddVeth, Op, SetPort, SetUp, SetVlans
from hopscope.spec import parse
from labtexts import FILE, changed

HOST = NodeName("host")
OTHER = Mac("02:00:00:00:00:77")
TEXT = changed(
    "{br0: {}}",
    "{br0: {ageing: 30, forward_delay: 2, priority: 1, vlan_filtering: true, vlans: [9],"
    f" fdb: {{'{OTHER}': veth2b}}}}}}",
    changed(
        "[ns1:veth1a, host:veth1b@br0]",
        "{ends: [ns1:veth1a, {end: host:veth1b@br0, isolated: true, vlans: [5]}], queues: 2}",
    ),
)


def ops() -> list[Op]:
    return list(compile_lab(parse(TEXT, FILE)).ops)


def test_a_bridges_own_settings_are_there_at_its_birth() -> None:
    (bridge,) = [op for op in ops() if isinstance(op, AddBridge)]
    assert (bridge.ageing, bridge.forward_delay, bridge.priority) == (30, 2, 1)
    assert bridge.vlan_filtering


def test_ports_are_set_one_operation_each_and_only_where_asked() -> None:
    """In the order options, VLANs, the bridge's own VLANs, entries: those are kept by VLAN."""
    found = ops()
    mine = [op for op in found if isinstance(op, SetPort | SetVlans | AddFdb)]
    told = [replace(op, place=None) for op in mine]
    assert told == [
        SetPort(node=HOST, dev=DevName("veth1b"), options=PortOptions(isolated=True)),
        SetVlans(node=HOST, dev=DevName("veth1b"), vlans=(Vlan(vid=5),)),
        SetVlans(node=HOST, dev=DevName("br0"), vlans=(Vlan(vid=9),), itself=True),
        AddFdb(node=HOST, dev=DevName("veth2b"), mac=OTHER),
    ]
    assert [op.place.line for op in mine if op.place] == [10, 10, 4, 4]
    last = max(at for at, op in enumerate(found) if isinstance(op, SetUp) and op.node == HOST)
    assert found.index(mine[0]) > last


def test_queues_reach_both_ends() -> None:
    first, second = [op for op in ops() if isinstance(op, AddVeth)]
    assert (first.near.queues, first.far.queues) == (2, 2)
    assert (second.near.queues, second.far.queues) == (1, 1)


def test_they_say_what_they_do() -> None:
    """It stands in an error, behind the lab's line."""
    said = [str(op) for op in ops() if isinstance(op, SetPort | SetVlans | AddFdb)]
    assert said == [
        "setting the bridge port host/veth1b",
        "making host/veth1b a member of the VLANs 5",
        "making host/br0 a member of the VLANs 9",
        "host: adding the forwarding entry 02:00:00:00:00:77 at veth2b",
    ]
