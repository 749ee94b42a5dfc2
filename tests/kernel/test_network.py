"""What a lab sets of its network is what iproute2 says of it, and what a snapshot reads."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hopscope.errors import SpecError
from hopscope.lab.declare import parse
from hopscope.lab.running import RunningLab
from hopscope.model.devices import BridgeState, PortOptions, Vlan
from hopscope.model.snapshot import FdbEntry, LinkState
from hopscope.model.vocab import DevName, Mac, NodeName

pytestmark = pytest.mark.kernel

HOST = NodeName("host")
OTHER = Mac("02:00:00:00:00:77")
Started = Callable[[str], RunningLab]


@pytest.fixture
def started(records: Path) -> Iterator[Started]:
    """Start a lab, which ends with the test."""
    made: list[RunningLab] = []

    def start(text: str) -> RunningLab:
        made.append(RunningLab.start(parse(text, "network.yaml"), text))
        return made[-1]

    yield start
    for lab in made:
        lab.down()


def said(lab: RunningLab, node: str, command: str) -> Any:
    """What iproute2 says inside a node, as JSON."""
    done = lab.run(node, command.split())
    assert done.code == 0, done.stderr
    return json.loads(done.stdout or b"[]")


def link(lab: RunningLab, node: str, dev: str) -> LinkState:
    """A device as the snapshot has it."""
    found = lab.snapshot([node]).node(node).link(dev)
    assert found is not None
    return found


BRIDGES = f"""
name: bridges
nodes:
  host:
    bridges:
      br0: {{stp: true, ageing: 30, forward_delay: 2, priority: 4096, fdb: {{"{OTHER}": p1}}}}
      br1: {{ageing: 0}}
      br2:
  ns1: {{addresses: {{a: 10.0.0.1/24}}}}
  ns2: {{addresses: {{b: 10.0.0.2/24}}}}
links:
  - ends: [ns1:a, {{end: host:p1@br0, hairpin: true, isolated: true, learning: false, cost: 7}}]
    queues: 2
  - [{{end: ns2:b, queues: 3}}, {{end: host:p2@br1, flood: false}}]
  - [host:t0@br0, host:t1@br1]
"""


def test_bridges_and_ports_are_as_declared(started: Started) -> None:
    """As iproute2 tells them, and as we do."""
    lab = started(BRIDGES)
    told = {one["ifname"]: one for one in said(lab, "host", "ip -d -j link show")}
    br0 = told["br0"]["linkinfo"]["info_data"]
    assert (br0["stp_state"], br0["priority"], br0["forward_delay"]) == (1, 4096, 200)
    assert (br0["ageing_time"], told["br1"]["linkinfo"]["info_data"]["ageing_time"]) == (3000, 0)
    p1 = told["p1"]["linkinfo"]["info_slave_data"]
    assert [p1[key] for key in ("hairpin", "isolated", "learning", "flood", "cost")] == [
        *(True, True, False, True, 7),
    ]
    assert told["p2"]["linkinfo"]["info_slave_data"]["flood"] is False
    assert [told[dev]["num_tx_queues"] for dev in ("p1", "p2", "t0")] == [2, 1, 1]
    wanted = BridgeState(stp=True, ageing=30.0, forward_delay=2.0, priority=4096)
    assert link(lab, "host", "br0").bridge == wanted
    assert link(lab, "host", "br1").bridge == BridgeState(ageing=0.0)
    assert link(lab, "host", "br2").bridge == BridgeState()
    assert link(lab, "host", "p1").port == PortOptions(
        hairpin=True, isolated=True, learning=False, cost=7
    )
    assert link(lab, "host", "p2").port == PortOptions(flood=False, cost=2)
    assert link(lab, "host", "t1").port == PortOptions(cost=2)
    assert link(lab, "ns1", "a").port is None
    assert (link(lab, "ns1", "a").queues, link(lab, "ns2", "b").queues) == (2, 3)


def test_a_declared_entry_is_static(started: Started) -> None:
    lab = started(BRIDGES)
    (told,) = [one for one in said(lab, "host", "bridge -j fdb show br br0") if one["mac"] == OTHER]
    assert (told["ifname"], told["state"], told.get("master")) == ("p1", "static", "br0")
    mine = [entry for entry in lab.snapshot().node("host").fdb if entry.mac == OTHER]
    assert mine == [
        FdbEntry(bridge=DevName("br0"), mac=OTHER, port=DevName("p1"), static=True),
    ]


VLANS = """
name: vlans
nodes:
  host: {bridges: {br0: {vlan_filtering: true, vlans: [10]}}}
  ns1: {addresses: {a: 10.0.0.1/24}}
links:
  - [ns1:a, {end: host:p1@br0, vlans: [10, {vid: 20, pvid: true, untagged: true}]}]
"""


def test_vlans_are_as_declared(started: Started) -> None:
    """Or this kernel's lack of them is told by its option and the lab's line."""
    try:
        lab = started(VLANS)
    except SpecError as error:
        (problem,) = error.problems
        assert problem.rule == "absent-in-kernel"
        assert "CONFIG_BRIDGE_VLAN_FILTERING" in problem.hint
        assert (problem.place.file, problem.place.line) == ("network.yaml", 4)
        pytest.skip("this kernel has no VLAN filtering of bridges")
    told = {one["ifname"]: one["vlans"] for one in said(lab, "host", "bridge -j vlan show")}
    assert told["p1"] == [{"vlan": 10}, {"vlan": 20, "flags": ["PVID", "Egress Untagged"]}]
    assert told["br0"] == [{"vlan": 10}]
    wanted = (Vlan(vid=10), Vlan(vid=20, pvid=True, untagged=True))
    assert link(lab, "host", "p1").vlans == wanted
    assert link(lab, "host", "br0").vlans == (Vlan(vid=10),)
