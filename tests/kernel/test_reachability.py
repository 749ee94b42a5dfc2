"""All pairs of real labs: reached, refused, lost and why; neighbour tables stay as they were."""

import fcntl
import os
import socket
import threading
from collections.abc import Iterator
from typing import Final

import pytest

from hopscope import Lab, StandingLab, UsageError
from hopscope.kernel import neighbours, state
from hopscope.lab import reachability as lab_reachability
from hopscope.lab.reachability import reach
from hopscope.model.reachability import GroupKind, Outcome, Pair, Protocol, Reachability
from hopscope.model.snapshot import Neighbour

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("records")]


def pods(count: int, **more: object) -> Lab:
    """So many nodes p0, p1 … on one bridge."""
    lab = Lab("pods").node("host", bridges=["br0"])
    for number in range(count):
        lab.node(f"p{number}", addresses={"eth0": f"10.9.0.{number + 1}/24"})
        lab.link(f"p{number}:eth0", f"host:v{number}@br0")
    return lab


@pytest.fixture
def five() -> Iterator[StandingLab]:
    """p0 … p4 ── br0."""
    with pods(5).up() as lab:
        yield lab


@pytest.fixture
def little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine whose neighbour table has room for four."""
    monkeypatch.setattr(lab_reachability, "room", lambda *, six: 4)


def tables(lab: StandingLab) -> dict[str, set[Neighbour]]:
    """What stands in each node's neighbour table."""
    return {node.name: set(node.neighbours) for node in lab.snapshot(rules=False).nodes}


def pair(found: Reachability, source: str, target: str) -> Pair:
    return next(p for p in found.pairs if (p.source, p.target) == (source, target))


def test_all_reach_all(five: StandingLab) -> None:
    """Each with its time; the node without an address is left out, and that is told."""
    found = reach(five)
    assert found.held
    assert len(found.pairs) == 20
    assert found.groups == ()
    assert {p.outcome for p in found.pairs} == {Outcome.ANSWERED}
    assert all(p.rtt is not None and 0 < p.rtt < 10**9 for p in found.pairs)
    assert pair(found, "p0", "p4").address == "10.9.0.5"
    assert found.notes == ("host has no address, and is left out",)
    assert found.resolution.how == "arp"


def test_some_to_some(five: StandingLab) -> None:
    """Only what is asked for."""
    found = reach(five, ["p1", "p2"], ["p2", "p3"])
    assert [(p.source, p.target) for p in found.pairs] == [
        ("p1", "p2"),
        ("p1", "p3"),
        ("p2", "p3"),
    ]


def test_a_node_without_an_address_that_is_asked_for(five: StandingLab) -> None:
    """It is reached by nobody, and that is why."""
    found = reach(five, ["p0"], ["host", "p1"])
    assert pair(found, "p0", "host").error == "host has no address"
    assert pair(found, "p0", "p1").reached
    assert [group.reason for group in found.groups] == ["host has no address"]


@pytest.mark.usefixtures("little_room")
def test_neighbours_are_given_for_a_while(five: StandingLab) -> None:
    """Where ARP would overflow the table; afterwards each table is as it was."""
    before = tables(five)
    found = reach(five)
    assert found.held
    assert (found.resolution.how, found.resolution.entries) == ("permanent", 20)
    assert tables(five) == before
    assert before == {name: set() for name in five.nodes}


@pytest.mark.usefixtures("little_room")
def test_what_a_table_holds_already_stays(five: StandingLab) -> None:
    """A permanent entry of the lab's own, even a wrong one, and what ARP has learnt."""
    wrong = ["10.9.0.2", "lladdr", "02:00:00:00:00:99", "dev", "eth0", "nud", "permanent"]
    five.run("p0", ["ip", "neigh", "add", *wrong])
    assert five.ping("p2", "p3").replied
    before = tables(five)
    found = reach(five, timeout=0.2)
    assert [(p.source, p.target) for p in found.failures] == [("p0", "p1"), ("p1", "p0")]
    after = tables(five)
    assert [n.mac for n in after["p0"]] == ["02:00:00:00:00:99"]
    kept = {name: {(n.ip, n.mac) for n in some} for name, some in before.items()}
    assert {(n.ip, n.mac) for n in after["p2"]} == kept["p2"]


@pytest.fixture
def killed(five: StandingLab, monkeypatch: pytest.MonkeyPatch) -> StandingLab:
    """A lab of which a run that was killed probed all pairs."""
    monkeypatch.setattr(lab_reachability, "room", lambda *, six: 4)
    pid = os.fork()
    if pid == 0:
        monkeypatch.setattr(neighbours.Permanent, "__exit__", lambda *_: os._exit(0))
        reach(five)
    os.waitpid(pid, 0)
    assert all(len(some) == 4 for name, some in tables(five).items() if name != "host")
    return five


def permanent(lab: StandingLab) -> list[Neighbour]:
    """The entries that were not learnt."""
    return [one for some in tables(lab).values() for one in some if one.state == "permanent"]


def test_entries_of_ours_are_no_drift(killed: StandingLab) -> None:
    """While somebody probes, or after he was killed: those of others are."""
    assert all(one.ours for one in permanent(killed))
    assert killed.differences().changes == ()
    another = ["10.9.9.9", "lladdr", "02:00:00:00:00:09", "dev", "eth0"]
    killed.run("p0", ["ip", "neigh", "add", *another])
    assert [change.name for change in killed.differences().changes] == ["10.9.9.9 on eth0"]


def test_entries_that_a_killed_run_left_are_removed(killed: StandingLab) -> None:
    """By the next one; until then the lab has them."""
    assert reach(killed).held
    assert not any(tables(killed).values())


@pytest.mark.parametrize("arp", [False, True])
def test_the_next_run_removes_them_wherever_it_probes(killed: StandingLab, *, arp: bool) -> None:
    """Also where it gives none itself, and in nodes that it leaves out."""
    found = reach(killed, ["p0", "p1", "p2"], ["p0", "p1", "p2"], arp=arp)
    assert (found.held, found.resolution.how) == (True, "arp" if arp else "permanent")
    assert permanent(killed) == []


def test_a_run_that_has_entries_removes_them_itself(killed: StandingLab) -> None:
    """One that gives none does not wait for it."""
    with (state.state_home() / "pods" / "neighbours").open("rb") as note:
        fcntl.flock(note, fcntl.LOCK_EX)
        assert reach(killed, ["p0"], ["p1"], arp=True).held
        assert len(permanent(killed)) == 20


@pytest.mark.usefixtures("little_room")
def test_an_error_meanwhile_leaves_no_entry(
    five: StandingLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does Ctrl-C."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(lab_reachability, "echo", interrupted)
    with pytest.raises(KeyboardInterrupt):
        reach(five)
    assert not any(tables(five).values())


def test_a_table_that_overflows_is_told(five: StandingLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the sysctl to raise; the kernel's own count says so."""
    counts = iter((7, 9))
    monkeypatch.setattr(lab_reachability, "overflows", lambda *, six: next(counts))
    found = reach(five, arp=True)
    assert found.resolution.overflows == 2
    assert "was full 2 times meanwhile" in found.notes[0]
    assert found.notes[0].endswith("sysctl -w net.ipv4.neigh.default.gc_thresh3=64")


def test_a_node_that_is_down(five: StandingLab) -> None:
    """One group, and the reason why nobody reaches it."""
    five.run("p3", ["ip", "link", "set", "eth0", "down"])
    found = reach(five, timeout=0.3)
    (group,) = found.groups
    assert (group.kind, group.node, group.pairs) == (GroupKind.NODE, "p3", 8)
    assert "p3/eth0 is down" in (group.reason or "")
    assert group.mend == "hopscope exec pods p3 -- ip link set dev eth0 up"
    assert pair(found, "p3", "p0").error == "no route to that network (ENETUNREACH)"
    assert pair(found, "p0", "p1").reached


def test_a_node_that_lost_its_address_is_not_reached(five: StandingLab) -> None:
    """It takes part, since the lab gives it one; a bridge that never had one does not."""
    five.run("p3", ["ip", "address", "flush", "dev", "eth0"])
    found = reach(five, timeout=0.3)
    (group,) = found.groups
    assert (group.kind, group.node, group.pairs) == (GroupKind.NODE, "p3", 8)
    assert group.reason == (
        "p3 has no address, though the lab gives it 10.9.0.4/24; "
        "what differs is told by: hopscope diff pods"
    )
    assert pair(found, "p3", "p0").error == group.reason
    assert found.notes == ("host has no address, and is left out",)


def test_no_pair_is_left_where_all_lost_their_addresses() -> None:
    """As of IPv6, where the kernel itself removes them from a device that goes down."""
    lab = (
        Lab("six").node("a", addresses={"e": "fd00::1/64"}).node("b", addresses={"e": "fd00::2/64"})
    )
    with lab.link("a:e", "b:e").up() as running:
        running.run("a", ["ip", "link", "set", "e", "down"])
        running.run("b", ["ip", "link", "set", "e", "down"])
        found = reach(running, timeout=0.3)
    assert (len(found.pairs), found.held) == (2, False)


def test_a_node_with_an_address_on_lo_alone() -> None:
    """A ping takes the same address as reachability: that of lo where there is no other."""
    lab = Lab("lo").node("a", addresses={"lo": "10.8.0.1/32", "e": "10.0.0.1/24"})
    lab.node("b", addresses={"lo": "10.8.0.2/32"}, routes=["10.0.0.0/24 dev e"])
    lab.link("a:e", "b:e")
    with lab.up() as running:
        running.run("a", ["ip", "route", "add", "10.8.0.2", "dev", "e"])
        running.run("b", ["ip", "route", "add", "10.8.0.1", "dev", "e"])
        for source, target, ip in (("a", "b", "10.8.0.2"), ("b", "a", "10.0.0.1")):
            pinged = running.ping(source, target)
            assert (pinged.address, pinged.replied) == (ip, True)
            assert [one.first.node for one in pinged.journeys if one.headers.stamp] == [
                source,
                target,
            ]
            assert [one.address for one in reach(running, [source], [target]).pairs] == [ip]


def test_an_answer_of_another_node_with_the_address_does_not_count(five: StandingLab) -> None:
    """p2 has p1's address, too: it answers in the place of p1, which is down."""
    five.run("p2", ["ip", "address", "add", "10.9.0.2/24", "dev", "eth0"])
    five.run("p1", ["ip", "link", "set", "eth0", "down"])
    found = reach(five, ["p0"], ["p1", "p2"], timeout=0.3)
    gone, there = found.pairs
    assert (gone.outcome, gone.instead, gone.rtt) == (Outcome.FAILED, "p2", None)
    assert (there.outcome, there.instead) == (Outcome.ANSWERED, None)
    assert found.groups[0].reason == (
        "p2 answered, which has 10.9.0.2, too; p1 has no link that is up"
    )
    assert found.notes == ("several nodes have the same address: 10.9.0.2 on p1, p2",)


def test_nodes_without_a_family_in_common() -> None:
    """Each pair says which address is not there."""
    lab = Lab("families").node("a", addresses={"e": "fd00::1/64"})
    with lab.node("b", addresses={"e": "10.0.0.2/24"}).link("a:e", "b:e").up() as standing:
        assert [pair.error for pair in reach(standing).pairs] == [
            "b has no IPv6 address, and a has no other",
            "a has no IPv4 address, and b has no other",
        ]


def test_a_routers_table_tells_who_answered_behind_it() -> None:
    """Over TCP, where a reset is an answer, too."""
    forwards = {"net.ipv4.ip_forward": 1}
    addresses = {"l": "10.1.0.1/24", "r": "10.2.0.1/24"}
    lab = Lab("routed").node("gw", addresses=addresses, sysctls=forwards)
    lab.node("a", addresses={"e": "10.1.0.2/24"}, routes=["default via 10.1.0.1"])
    lab.node("sw", bridges=["br0"]).link("a:e", "gw:l").link("gw:r", "sw:p0@br0")
    for number, name in enumerate(("b", "c"), 2):
        lab.node(name, addresses={"e": f"10.2.0.{number}/24"}, routes=["default via 10.2.0.1"])
        lab.link(f"{name}:e", f"sw:p{number}@br0")
    with lab.up() as standing:
        standing.run("c", ["ip", "address", "add", "10.2.0.2/24", "dev", "e"])
        standing.run("b", ["ip", "link", "set", "e", "down"])
        found = reach(standing, ["a"], ["b"], protocol=Protocol.TCP, port=80, timeout=0.3)
    assert found.pairs[0].error == ("c answered, which has 10.2.0.2, too; b has no link that is up")
    assert not found.held


def test_a_target_without_a_link_answered_nothing() -> None:
    """Behind a router that has its address on lo, and so resolves nobody."""
    forwards = {"net.ipv4.ip_forward": 1}
    addresses = {"l": "10.1.0.1/24", "r": "10.2.0.1/24"}
    lab = Lab("routed").node("gw", addresses=addresses, sysctls=forwards)
    lab.node("a", addresses={"e": "10.1.0.2/24"}, routes=["default via 10.1.0.1"])
    lab.node("b", addresses={"e": "10.2.0.2/24"}, routes=["default via 10.2.0.1"])
    with lab.link("a:e", "gw:l").link("gw:r", "b:e").up() as standing:
        standing.run("gw", ["ip", "address", "add", "10.2.0.2/32", "dev", "lo"])
        standing.run("b", ["ip", "link", "set", "e", "down"])
        found = reach(standing, ["a"], ["b"], timeout=0.3)
    assert found.pairs[0].error == (
        "gw answered, which has 10.2.0.2, too; b has no link that is up"
    )
    assert not found.held


def test_a_rule_that_drops(five: StandingLab) -> None:
    """It is named; pairs that it does not concern are reached."""
    five.add_rules("iptables", "p2", ["-A INPUT -s 10.9.0.1 -j DROP"])
    found = reach(five, timeout=0.3)
    assert {(p.source, p.target) for p in found.failures} == {("p0", "p2"), ("p2", "p0")}
    reasons = " ".join(group.reason or "" for group in found.groups)
    assert "-A INPUT -s 10.9.0.1/32 -j DROP" in reasons


def test_a_rule_at_the_source(five: StandingLab) -> None:
    """The kernel says so at once."""
    five.add_rules("iptables", "p0", ["-A OUTPUT -d 10.9.0.2 -j DROP"])
    lost = pair(reach(five, timeout=0.3), "p0", "p1")
    assert lost.outcome is Outcome.FAILED
    assert lost.error == "a local firewall rule dropped it (EPERM)"


def test_a_router_that_refuses() -> None:
    """Its words are the pair's; with forwarding all is reached."""
    lab = Lab("routed")
    lab.node("a", addresses={"eth0": "10.1.0.2/24"}, routes=["default via 10.1.0.1"])
    lab.node("gw", addresses={"g1": "10.1.0.1/24", "g2": "10.2.0.1/24"})
    lab.node("b", addresses={"eth0": "10.2.0.2/24"}, routes=["default via 10.2.0.1"])
    lab.link("a:eth0", "gw:g1").link("b:eth0", "gw:g2")
    with lab.up() as running:
        running.set_sysctl("gw", "net.ipv4.ip_forward", 1)
        assert reach(running).held
        running.add_rules("iptables", "gw", ["-A FORWARD -j REJECT"])
        found = reach(running, timeout=0.3)
        assert {(p.source, p.target) for p in found.failures} == {("a", "b"), ("b", "a")}
        assert "10.1.0.1 says: " in (pair(found, "a", "b").error or "")
        assert pair(found, "a", "gw").address == "10.1.0.1"


@pytest.mark.usefixtures("little_room")
def test_ipv6() -> None:
    """Echo requests of ICMPv6, with neighbours given as well."""
    lab = Lab("six").node("host", bridges=["br0"])
    for number in range(4):
        lab.node(f"p{number}", addresses={"eth0": f"fd00::{number + 1}/64"})
        lab.link(f"p{number}:eth0", f"host:v{number}@br0")
    with lab.up() as running:
        found = reach(running)
        assert found.held
        assert found.resolution.how == "permanent"
        assert {p.address for p in found.pairs} == {f"fd00::{n}" for n in range(1, 5)}


def test_tcp(five: StandingLab) -> None:
    """A connection, a reset, and silence are three outcomes."""
    with five.sandbox.open_socket(five.nodes[1], socket.AF_INET, socket.SOCK_STREAM, 0) as server:
        server.bind(("10.9.0.1", 80))
        server.listen()
        five.add_rules("iptables", "p4", ["-A INPUT -p tcp --dport 80 -j DROP"])
        found = reach(five, ["p1"], protocol=Protocol.TCP, port=80, timeout=0.3)
    assert pair(found, "p1", "p0").outcome is Outcome.ANSWERED
    assert pair(found, "p1", "p2").outcome is Outcome.REFUSED
    assert pair(found, "p1", "p4").outcome is Outcome.SILENT
    (group,) = found.groups
    assert group.reason == (
        "in p4, the rule `-A INPUT -p tcp -m tcp --dport 80 -j DROP` of ip filter INPUT dropped it"
    )
    assert group.mend.endswith("p4 -- iptables -t filter -D INPUT -p tcp -m tcp --dport 80 -j DROP")


_ICMP: Final = "iptables -A INPUT -p icmp -j DROP; "
_POLICY: Final = (
    "ip rule add pref 9 lookup local; ip rule add pref 5 ipproto PROTO iif eth0 blackhole; "
    "ip rule del pref 0"
)
_CHAIN: Final = "add table ip t; add chain ip t c {{ type filter hook input priority 0; {} }}"
_BY_ITSELF: Final = (
    "a ping that was sent in its place is lost by itself (in p4, the rule "
    "`-A INPUT -p icmp -j DROP` of ip filter INPUT dropped it); "
    "of PROTO port 80 no rule was seen to drop it (the evidence stops in p4 at p4/eth0; "
)
LOST: Final = {
    "a rule, and another for pings": (
        f"{_ICMP}iptables -A INPUT -p PROTO --dport 80 -j DROP",
        "in p4, the rule `-A INPUT -p PROTO -m PROTO --dport 80 -j DROP` of ip filter INPUT",
        "iptables -t filter -D INPUT -p PROTO -m PROTO --dport 80 -j DROP",
    ),
    "a rule without a counter": (
        f"{_ICMP}nft '{_CHAIN.format('')}; add rule ip t c PROTO dport 80 drop'",
        "in p4, the rule `PROTO dport 80 drop` of ip t c dropped it",
        "nft delete rule ip t c handle 2",
    ),
    "a policy": (
        f"{_ICMP}nft '{_CHAIN.format('policy drop;')}'",
        "in p4, no rule of ip t c accepted it, and the chain's policy is drop",
        "nft 'chain ip t c { policy accept; }'",
    ),
    "no rule, and one for pings": (
        f"{_ICMP}{_POLICY}",
        _BY_ITSELF,
        "",
    ),
    "no rule": (
        _POLICY,
        "pings are answered; of PROTO port 80 no rule was seen to drop it (the evidence stops in",
        "",
    ),
    "what befalls all": (
        "ip link set eth0 down",
        "p1 holds it back, because nobody told it the link-layer address of 10.9.0.5: ",
        "p4 -- ip link set dev eth0 up",
    ),
}


@pytest.mark.parametrize("protocol", [Protocol.TCP, Protocol.UDP])
@pytest.mark.parametrize("how", LOST)
def test_what_befell_a_ping_is_not_taken_for_what_befell_another(
    five: StandingLab, how: str, protocol: Protocol
) -> None:
    """The packets of the connection, or the datagram itself, say which rule ended them."""
    command, said, mend = (one.replace("PROTO", protocol) for one in LOST[how])
    done = five.run("p4", ["sh", "-ec", command])
    assert done.code == 0, done.stderr
    (group,) = reach(five, ["p1"], ["p4"], protocol=protocol, port=80, timeout=0.3).groups
    assert said in (group.reason or "")
    assert group.mend.endswith(mend)
    assert bool(group.mend) == bool(mend)
    if "no rule was seen" in said:
        assert f"hopscope exec {five.name} p4 -- tcpdump -ni any {protocol} port 80" in (
            group.reason or ""
        )


def test_a_reject_is_no_reset(five: StandingLab) -> None:
    """The ICMP error that a firewall sends is told as such."""
    five.add_rules("iptables", "p2", ["-A INPUT -p tcp --dport 80 -j REJECT"])
    lost = pair(reach(five, ["p1"], ["p2"], protocol=Protocol.TCP, port=80), "p1", "p2")
    assert lost.outcome is Outcome.FAILED
    assert (lost.error or "").startswith("10.9.0.3 says: ")


def test_udp(five: StandingLab) -> None:
    """An answer, "port unreachable", and silence, of which nobody knows the cause."""
    with (
        five.sandbox.open_socket(five.nodes[1], socket.AF_INET, socket.SOCK_DGRAM, 0) as one,
        five.sandbox.open_socket(five.nodes[3], socket.AF_INET, socket.SOCK_DGRAM, 0) as mute,
    ):
        for made, address in ((one, "10.9.0.1"), (mute, "10.9.0.3")):
            made.bind((address, 53))
        one.settimeout(20)

        def answer() -> None:
            data, sender = one.recvfrom(100)
            one.sendto(data, sender)

        answering = threading.Thread(target=answer)
        answering.start()
        found = reach(five, ["p1"], protocol=Protocol.UDP, port=53, timeout=0.6)
        answering.join()
    assert pair(found, "p1", "p0").outcome is Outcome.ANSWERED
    assert pair(found, "p1", "p3").outcome is Outcome.REFUSED
    assert pair(found, "p1", "p2").outcome is Outcome.SILENT
    assert not found.held


def test_what_is_asked_again_has_no_round_trip(five: StandingLab) -> None:
    """The answer may be that to the first one, which came late."""
    with five.sandbox.open_socket(five.nodes[1], socket.AF_INET, socket.SOCK_DGRAM, 0) as one:
        one.bind(("10.9.0.1", 53))
        one.settimeout(20)

        def answer_late() -> None:
            first = one.recvfrom(100)
            one.recvfrom(100)
            one.sendto(*first)

        answering = threading.Thread(target=answer_late)
        answering.start()
        found = reach(five, ["p1"], ["p0"], protocol=Protocol.UDP, port=53, timeout=1.5)
        answering.join()
    (lone,) = found.pairs
    assert (lone.outcome, lone.rtt) == (Outcome.ANSWERED, None)


def test_many_are_shared_among_processes(
    five: StandingLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same result, failures included."""
    monkeypatch.setattr("hopscope.probe.echoes._MANY", 1)
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {0, 1, 2})
    five.run("p3", ["ip", "link", "set", "eth0", "down"])
    found = reach(five, timeout=0.3)
    assert len(found.failures) == 8
    assert pair(found, "p3", "p0").error == "no route to that network (ENETUNREACH)"


def test_log_rules_count_a_sweep_and_print_none_of_it(five: StandingLab) -> None:
    """A ping of its own is printed as ever."""
    five.add_rules("iptables", "p1", ["-A INPUT -p icmp -j LOG --log-prefix seen-"])
    assert reach(five).held
    result = five.ping("p0", "p1")
    assert [line.prefix for line in result.log] == ["seen-"]
    rules = [r for c in result.after.node("p1").chains for r in c.rules if r.log_prefix]
    assert [rule.packets for rule in rules] == [9]  # four requests, four replies, and the ping's


def test_what_cannot_be_asked(five: StandingLab) -> None:
    """A port for icmp, none for tcp, a node that is not there, no time."""
    with pytest.raises(UsageError, match="icmp has no ports"):
        reach(five, port=80)
    with pytest.raises(UsageError, match="name it: --port"):
        reach(five, protocol=Protocol.TCP)
    with pytest.raises(UsageError, match="has no node 'px'"):
        reach(five, ["px"])
    with pytest.raises(UsageError, match="timeout"):
        reach(five, timeout=0)
    with pytest.raises(UsageError, match="has no node ''"):
        five.reachability("")


def test_where_there_is_no_pair_nothing_is_proved(five: StandingLab) -> None:
    """No count of none of none, which would be taken for success."""
    with pytest.raises(UsageError, match="nothing to probe from p0 to p0: a node is none of its"):
        reach(five, ["p0"], ["p0"])
    lone = Lab("lone").node("a")
    with lone.up() as running, pytest.raises(UsageError, match="no node has an address"):
        running.reachability()
