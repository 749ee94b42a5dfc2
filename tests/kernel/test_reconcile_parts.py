"""Each kind of part of a lab that stands: it is changed, added, removed, drifts and is mended.

Every test here is of every case: one more case is one more line of a table.
"""

from pathlib import Path
from typing import Final

import pytest

from changing import become, declared, standing, struck, writes_of
from essence import essence
from hopscope.errors import KernelError, SpecError
from hopscope.lab.running import RunningLab

pytestmark = pytest.mark.kernel


def lab(
    bridge: str = "", port: str = "", end: str = "", link: str = "", ns1: str = "", host: str = ""
) -> str:
    """Two nodes on a bridge, with these additions."""
    return f"""
name: lab
nodes:
  host:
    bridges: {{br0: {{{bridge}}}}}
    {host}
  ns1: {{addresses: {{eth0: 10.0.0.1/24}}, {ns1}}}
  ns2: {{addresses: {{eth0: 10.0.0.2/24}}}}
links:
  - {{ends: [{{end: "ns1:eth0", {end}}}, {{end: "host:p1@br0", {port}}}], {link}}}
  - [ns2:eth0, host:p2@br0]
"""


PLAIN: Final = lab()
CHANGES: Final = {
    "ageing": (lab("ageing: 60"), lab("ageing: 12.34")),
    "ageing, added": (PLAIN, lab("ageing: 60")),
    "delay and priority": (lab("forward_delay: 4, stp: true"), lab("priority: 7")),
    "a tree with another delay": (PLAIN, lab("forward_delay: 2, stp: true, ageing: 0")),
    "isolated": (PLAIN, lab(port="isolated: true")),
    "hairpin for isolated": (lab(port="hairpin: true"), lab(port="isolated: true, flood: false")),
    "learning": (PLAIN, lab(port="learning: false")),
    "a cost": (lab(port="cost: 7"), lab(port="cost: 9")),
    "a cost, added": (PLAIN, lab(port="cost: 7, isolated: true")),
    "a rate": (lab(link="rate: 10mbit"), lab(link="rate: 1mbit")),
    "a rate, added": (PLAIN, lab(end="rate: 10mbit")),
    "htb": (
        lab(end="rate: {rate: 10mbit, kind: htb, ceil: 20mbit}"),
        lab(end="rate: {rate: 10mbit, kind: htb, ceil: 30mbit, burst: 64kb}"),
    ),
    "htb for tbf": (lab(end="rate: {rate: 7gbit, kind: htb}"), lab(end="rate: 7gbit")),
    "a rate on another end": (lab(end="rate: 333kbit"), lab(port="rate: 333kbit")),
    "policy": (
        lab(
            ns1="policy: [{from: 10.0.0.1, lookup: 100}], routes: [default via 10.0.0.2 table 100]"
        ),
        lab(ns1="policy: [from 10.0.0.1 prohibit priority 9, fwmark 7 lookup main]"),
    ),
    "policy, added": (PLAIN, lab(ns1="policy: [{iif: eth0, to: 10.9.0.0/16, action: blackhole}]")),
    "policy of IPv6": (PLAIN, lab(ns1='policy: [{from: "fd00::/8", lookup: main, priority: 5}]')),
}
"""Two labs, of which each becomes the other."""

WAYS: Final = [
    pytest.param(*(pair if there else reversed(pair)), id=f"{name}, {'there' if there else 'back'}")
    for name, pair in CHANGES.items()
    for there in (True, False)
]


@pytest.mark.parametrize(("first", "then"), WAYS)
def test_what_it_becomes_is_what_it_would_be(records: Path, first: str, then: str) -> None:
    """As if it had been built so; another time nothing is written."""
    with standing(then) as one:
        wanted = essence(one.snapshot())
    with standing(first) as one:
        planned = one.differences(declared(then))
        assert one.change(declared(then), then) == planned.changes != ()
        assert essence(one.snapshot()) == wanted
        assert writes_of(one, then) == []


@pytest.mark.parametrize(("first", "then"), WAYS)
def test_a_failure_at_any_step_leads_back(records: Path, first: str, then: str) -> None:
    """Each single step fails once; the lab is as before, and the next change works."""
    with standing(first) as one:
        before = essence(one.snapshot())
        for budget in range(100):
            told = _struck(one, then, budget)
            if not told:
                break
            assert "injected" in told
            assert "could not be restored" not in told
            assert essence(one.snapshot()) == before, f"after {budget} steps"
        assert budget > 0
        assert writes_of(one, then) == []


def _struck(one: RunningLab, then: str, budget: int) -> str:
    """What is told of a failure after so many steps; "" when there are no more."""
    told: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        fault = struck(one, patch, budget)
        try:
            become(one, then)
        except (KernelError, SpecError) as error:
            told = [str(error), str(error.__cause__), *getattr(error, "__notes__", [])]
    return "".join(told) if fault.struck else ""


POLICY: Final = lab(ns1="policy: [{from: 10.0.0.1, lookup: main, priority: 9}]")
DRIFT: Final = {
    "ageing": (lab("ageing: 60"), "host", "ip link set br0 type bridge ageing_time 700"),
    "usual ageing": (PLAIN, "host", "ip link set br0 type bridge ageing_time 700"),
    "delay": (PLAIN, "host", "ip link set br0 type bridge forward_delay 500"),
    "priority": (lab("priority: 7"), "host", "ip link set br0 type bridge priority 8"),
    "isolated": (lab(port="isolated: true"), "host", "bridge link set dev p1 isolated off"),
    "hairpin": (PLAIN, "host", "bridge link set dev p2 hairpin on"),
    "learning": (PLAIN, "host", "bridge link set dev p2 learning off"),
    "flood": (PLAIN, "host", "bridge link set dev p2 flood off"),
    "cost": (lab(port="cost: 7"), "host", "bridge link set dev p1 cost 9"),
    "usual cost": (PLAIN, "host", "bridge link set dev p1 cost 9"),
    "a port out": (lab(port="cost: 7, isolated: true"), "host", "ip link set p1 nomaster"),
    "a link": (lab(port="cost: 7, isolated: true"), "host", "ip link del p1"),
    "a bridge": (lab("ageing: 60", "isolated: true"), "host", "ip link del br0"),
    "a rate": (
        lab(end="rate: 10mbit"),
        "ns1",
        "tc qdisc change dev eth0 root tbf rate 1mbit burst 5000 latency 9ms",
    ),
    "a rate removed": (lab(end="rate: 10mbit"), "ns1", "tc qdisc del dev eth0 root"),
    "a rate added": (
        PLAIN,
        "ns1",
        "tc qdisc add dev eth0 root tbf rate 1mbit burst 5000 latency 9ms",
    ),
    "a class": (
        lab(end="rate: {rate: 10mbit, kind: htb}"),
        "ns1",
        "tc class change dev eth0 classid 1:1 htb rate 11mbit",
    ),
    "another kind": (
        lab(end="rate: 10mbit"),
        "ns1",
        "tc qdisc replace dev eth0 root handle 2: pfifo",
    ),
    "a queueing discipline below": (
        lab(end="rate: 10mbit"),
        "ns1",
        "tc qdisc add dev eth0 parent 1:1 handle 7: pfifo limit 5",
    ),
    "one for what comes in": (
        lab(end="rate: 10mbit"),
        "ns1",
        "tc qdisc add dev eth0 handle ffff: ingress",
    ),
    "a device with a rate": (lab(end="rate: 10mbit"), "ns1", "ip link del eth0"),
    "a rule": (POLICY, "ns1", "ip rule del pref 9; ip rule add pref 9 from 10.0.0.1 blackhole"),
    "a rule removed": (POLICY, "ns1", "ip rule del pref 9"),
    "a rule added": (POLICY, "ns1", "ip rule add pref 8 fwmark 0/3 lookup 7"),
    "a rule of IPv6": (PLAIN, "ns1", "ip -6 rule add pref 8 from fd00::1 lookup 7"),
    "a rule beside another": (POLICY, "ns1", "ip rule add pref 9 iif lo unreachable"),
    "rules that no lab declares": (
        POLICY,
        "ns1",
        "ip rule add pref 9 tos 0x10 lookup 7; ip rule add pref 9 ipproto icmp lookup 7",
    ),
    "the usual rules removed": (PLAIN, "ns1", "ip rule flush; ip -6 rule del pref 32766"),
}
"""A lab, a node, and a command that someone types there."""


@pytest.mark.parametrize("drift", DRIFT)
def test_what_was_changed_by_hand_is_seen_and_mended(records: Path, drift: str) -> None:
    """By diff, and by up, which writes nothing another time."""
    text, node, command = DRIFT[drift]
    with standing(text) as one:
        before = essence(one.snapshot())
        done = one.run(node, ["sh", "-ec", command])
        assert done.code == 0, done.stderr
        seen = one.differences().changes
        assert seen
        assert one.change(declared(text), text) == seen
        assert essence(one.snapshot()) == before
        assert writes_of(one, text) == []
