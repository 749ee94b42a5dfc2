"""What iproute2 tells of a namespace: asked in few programs, and the same as asked in many."""

import pytest

from hopscope.lab.imports.told import SCRIPT, Thing, things
from hopscope.lab.imports.workshop import HERE, Workshop, opened

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("records")]

MADE = """\
ip link set lo up
ip link add br0 type bridge
ip link add 'e*' type veth peer name far
ip link set 'e*' master br0
ip addr add 10.0.0.1/24 dev br0
ip link set br0 up
ip route add blackhole 10.9.0.0/16
ip rule add from 10.0.0.0/8 lookup 7
tc qdisc add dev far root handle 1: htb default 10
tc class add dev far parent 1: classid 1:10 htb rate 1mbit
ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev br0 nud permanent
ip neigh add proxy 10.0.0.8 dev br0
ip maddress add 01:00:5e:01:02:03 dev far
ip nexthop add id 7 blackhole || echo this kernel knows none
ip xfrm policy add src 10.0.0.0/8 dst 10.9.0.0/16 dir out || echo nor these
"""

COUNTING = """\
#!/bin/sh
echo x >>/run/count
case "$*" in *-batch*) {batch} ;; esac
exec "$REAL" "$@"
"""


def told(workshop: Workshop, *, batch: str) -> tuple[str, int]:
    """What the script prints, and how often it started ip; *batch*: what ip does of several."""
    workshop.put("/run/wrap/ip", COUNTING.format(batch=batch), run=True)
    script = f"REAL=$(command -v ip) PATH=/run/wrap:$PATH; export REAL PATH\n{SCRIPT}"
    workshop.sandbox.run(HERE, ["sh", "-c", ": >/run/count"])
    done = workshop.sandbox.run(HERE, ["sh", "-c", script])
    count = workshop.sandbox.run(HERE, ["wc", "-l", "/run/count"])
    return done.stdout.decode(), int(count.stdout.split()[0])


def test_few_programs_tell_what_many_tell() -> None:
    """Also where ip does nothing of several commands, or stops after the first."""
    with opened(home=True) as workshop:
        done = workshop.sandbox.run(HERE, ["sh", "-ec", MADE])
        assert done.code == 0, done.stderr
        few, started = told(workshop, batch="")
        many, more = told(workshop, batch="exit 1")
        first, _count = told(workshop, batch='head -n1 | "$REAL" "$@"; exit 1')
    assert things(few) == things(many) == things(first)
    assert few.count("\n>>> ") >= 14
    assert started + 8 <= more
    found = things(few)
    for thing in (
        Thing("device", "e*", "e*"),
        Thing("address", "10.0.0.1/24 of br0", "br0"),
        Thing("route", "to 10.9.0.0/16"),
        Thing("policy rule", "32765"),
        Thing("neighbour", "10.0.0.9 of br0", "br0"),
        Thing("proxy neighbour", "10.0.0.8 of br0", "br0"),
        Thing("multicast address", "01:00:5e:01:02:03 of far", "far"),
        Thing("queueing discipline", "htb of far", "far"),
        Thing("class", "htb of far", "far"),
    ):
        assert thing in found
