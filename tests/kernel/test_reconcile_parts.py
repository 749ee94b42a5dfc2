"""Each kind of part of a lab that stands: it is changed, added and removed, or all is as before.

Each kind is one more line of a table.
"""

import re
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from changing import become, declared, standing, told_when_struck, writes_of
from changinglabs import changing_labs
from essence import essence, unlike
from hopscope.errors import CannotError
from partlabs import ANY, MAC, PLAIN, X, lab, vxlan

pytestmark = pytest.mark.kernel


CHANGES: Final = {
    "two addresses of one network": (
        PLAIN.replace("10.0.0.1/24", "[10.3.0.1/24, 10.3.0.2/24, 10.3.0.3/24]"),
        PLAIN,
    ),
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
    "a static entry": (lab(f"fdb: {{{MAC}: p1}}"), lab(f"fdb: {{{MAC}: p2}}")),
    "a static entry, added": (PLAIN, lab(f"fdb: {{{MAC}: p1}}", port="isolated: true")),
    "remotes": (
        vxlan(f"fdb: {{{MAC}: 192.0.2.3, {ANY}: [192.0.2.4, 192.0.2.5]}}"),
        vxlan(f"fdb: {{{MAC}: 192.0.2.9, {ANY}: [192.0.2.5, 192.0.2.6]}}"),
    ),
    "remotes, added": (vxlan(), vxlan(f"fdb: {{{MAC}: 192.0.2.3, {ANY}: 192.0.2.4}}")),
    "a vxlan": (PLAIN, vxlan(f"fdb: {{{MAC}: 192.0.2.3}}, isolated: true")),
    "another id": (vxlan(f"fdb: {{{MAC}: 192.0.2.3}}"), vxlan("id: 43")),
    "a vxlan as a macvlan": (
        lab(ns1=f"devices: {{x: {{kind: vxlan, id: 4, over: eth0}}}}{X}"),
        lab(ns1=f"devices: {{x: {{kind: macvlan, over: eth0}}}}{X}"),
    ),
    "a macvlan": (PLAIN, lab(ns1=f"devices: {{x: {{kind: macvlan, over: eth0}}}}{X}")),
    "another mode": (
        lab(ns1=f"devices: {{x: {{kind: macvlan, over: eth0, mode: passthru}}}}{X}"),
        lab(ns1=f"devices: {{x: {{kind: macvlan, over: eth0, mode: private}}}}{X}"),
    ),
    "over another": (
        lab(ns1="devices: {x: {kind: macvlan, over: eth0}}"),
        lab(ns1="devices: {x: {kind: macvlan, over: 'host:br0'}}"),
    ),
    "in another node": (
        lab(ns1="devices: {x: {kind: macvlan, over: 'host:br0', mac: '02:00:00:00:00:77'}}"),
        lab(ns2="devices: {x: {kind: macvlan, over: 'host:br0', mac: '02:00:00:00:00:77'}}"),
    ),
    "another MTU below": (
        lab(ns1="devices: {x: {kind: macvlan, over: eth0}, y: {kind: vxlan, id: 4, over: eth0}}"),
        lab(
            ns1="devices: {x: {kind: macvlan, over: eth0}, y: {kind: vxlan, id: 4, over: eth0}}",
            link="mtu: 1400",
        ),
    ),
    "another device below": (
        lab(ns1=f"devices: {{x: {{kind: macvlan, over: eth0}}}}{X}"),
        lab(ns1=f"devices: {{x: {{kind: macvlan, over: eth0}}}}{X}", link="queues: 2"),
    ),
    "a port below": (PLAIN, lab(host="devices: {x: {kind: macvlan, over: p1}}", at="")),
    "a vxlan over a macvlan": (
        lab(ns1="devices: {a: {kind: vxlan, id: 4, over: x}, x: {kind: macvlan, over: eth0}}"),
        lab(ns1="devices: {a: {kind: vxlan, id: 4, over: eth0}, x: {kind: macvlan, over: a}}"),
    ),
    "a tap": (PLAIN, lab(host="devices: {tap0: {kind: tap, bridge: br0, mtu: 1400, cost: 3}}")),
    "another tap": (
        lab(host="devices: {tap0: {kind: tap, mac: '02:00:00:00:00:78'}}"),
        lab(host="devices: {tap0: {kind: tap, bridge: br0}, u: {kind: tap}}\n    down: [u]"),
    ),
    "queues": (PLAIN, lab(link="queues: 4")),
    "queues of one end": (lab(end="queues: 2"), lab(port="queues: 2", link="rate: 1mbit")),
    "queues of a macvlan": (
        lab(ns1=f"devices: {{x: {{kind: macvlan, over: eth0, queues: 3}}}}{X}"),
        lab(ns1=f"devices: {{x: {{kind: macvlan, over: eth0}}}}{X}"),
    ),
    "dad": (
        lab(ns2="lo: true").replace("10.0.0.2/24", "'fd00::2/64', lo: 'fd00::3/128'"),
        lab(ns2="dad: true").replace("10.0.0.2/24", "'fd00::2/64', lo: 'fd00::3/128'"),
    ),
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
        assert unlike(essence(one.snapshot()), wanted) == []
        assert writes_of(one, then) == []


@pytest.mark.parametrize(("first", "then"), WAYS)
def test_a_failure_at_any_step_leads_back(records: Path, first: str, then: str) -> None:
    """Each single step fails once; the lab is as before, and the next change works."""
    with standing(first) as one:
        before = essence(one.snapshot())
        for budget in range(100):
            told = told_when_struck(one, then, budget)
            if not told:
                break
            assert "injected" in told
            assert "could not be restored" not in told
            assert unlike(essence(one.snapshot()), before) == [], f"after {budget} steps"
        assert budget > 0
        assert writes_of(one, then) == []


LACKED: Final = {
    "VLAN filtering of bridges": lab("vlan_filtering: true, ageing: 60", "vlans: [5]"),
    "netem": lab("ageing: 60", end="delay: 10ms, rate: 1mbit"),
}


@pytest.mark.parametrize("what", LACKED)
def test_what_the_kernel_lacks_is_refused_and_nothing_is_changed(records: Path, what: str) -> None:
    """By the line that asks for it."""
    text = LACKED[what]
    with standing(PLAIN) as one:
        before = essence(one.snapshot())
        told = ""
        try:
            become(one, text)
        except CannotError as error:
            told = str(error)
        if told:
            assert re.match(r"lab.yaml:\d+:\d+: .* this kernel has no " + what, told)
            assert unlike(essence(one.snapshot()), before) == []
        else:  # this kernel has it
            assert writes_of(one, text) == []


@given(first=changing_labs(), then=changing_labs(), budget=st.integers(0, 60))
@settings(
    max_examples=20,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_failure_of_any_change_leads_back(
    records: Path, first: str, then: str, budget: int
) -> None:
    """Some are after the last step."""
    with standing(first) as one:
        before = essence(one.snapshot())
        told = told_when_struck(one, then, budget)
        assert "could not be restored" not in told
        if told:
            assert "injected" in told
            assert unlike(essence(one.snapshot()), before) == []


def test_a_neighbour_that_was_found_becomes_permanent() -> None:
    """The kernel has an entry of its own making by then, as it may while a lab is built."""
    mac = "02:00:00:00:00:77"
    with standing(PLAIN) as running:
        assert running.run("ns1", ["ping", "-c1", "10.0.0.2"]).code == 0
        become(running, lab(ns1=f"neighbours: {{eth0: {{10.0.0.2: '{mac}'}}}}"))
        shown = running.run("ns1", ["ip", "neighbour", "show", "10.0.0.2"]).stdout.decode()
        assert f"lladdr {mac} PERMANENT" in shown
