"""What a reason tells of a real kernel, and that its command mends that and nothing else."""

import shlex

import pytest

from hopscope import Lab
from hopscope.lab import refused
from hopscope.model.reachability import Outcome, Pair

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("records")]

ROUTED = """
name: routed
nodes:
  a: {addresses: {e: 10.1.0.2/24}, routes: [default via 10.1.0.1]}
  r:
    addresses: {left: 10.1.0.1/24, right: 10.2.0.1/24}
    sysctls: {net.ipv4.ip_forward: 1}
  b: {addresses: {e: 10.2.0.2/24}, routes: [default via 10.2.0.1]}
links: [[a:e, r:left], [r:right, b:e]]
"""
ALL_METRICS = (
    "window 4000 rtt 30ms rttvar 10ms ssthresh 11 cwnd lock 9 advmss lock 500 reordering 5 "
    "hoplimit 61 initcwnd 7 features ecn rto_min lock 200ms initrwnd 8 quickack 1 "
    "congctl lock cubic fastopen_no_cookie 1"
)
"""As ``ip route`` lists them."""


def done(mend: str) -> list[str]:
    """The words of the command in a mend that is to be run in a node."""
    return shlex.split(mend.partition(" -- ")[2])


def test_a_route_that_loses_its_mtu_keeps_all_else() -> None:
    """Its metrics, its source and who made it: a route that is replaced has what is said anew."""
    metrics = ALL_METRICS.replace("rto_min lock", "rto_min")  # which locks it anyway
    route = "10.2.0.0/24 dev right proto static scope link src 10.2.0.1"
    with Lab.from_text(ROUTED).up() as lab:
        words = f"ip route replace {route} mtu lock 600 {metrics}"
        assert lab.run("r", words.split()).code == 0
        reason = lab.ping("a", "b", size=1000).reason
        assert reason is not None
        assert lab.run("r", done(reason.mend)).code == 0, reason.mend
        left = lab.run("r", ["ip", "route", "show", "10.2.0.0/24"]).stdout.decode()
        assert lab.ping("a", "b", size=1000).replied
    assert " ".join(left.split()) == f"{route} {ALL_METRICS}"


TABLED = """
name: tabled
nodes:
  a: {addresses: {e: 10.1.0.2/24}, routes: [default via 10.1.0.1]}
  r:
    addresses: {left: 10.1.0.1/24, right: 10.2.0.1/24, up: 10.3.0.1/24}
    sysctls: {net.ipv4.ip_forward: 1}
    routes:
      - {to: 10.9.0.0/24, via: 10.2.0.2, table: 100}
      - {type: unreachable, to: default, table: 100, metric: 1000}
    policy: [from 10.1.0.0/24 lookup 100]
  b: {addresses: {e: 10.2.0.2/24, lo: 10.9.0.1/24}, routes: [default via 10.2.0.1]}
  c: {addresses: {e: 10.3.0.2/24}, sysctls: {net.ipv4.ip_forward: 0}}
links: [[a:e, r:left], [r:right, b:e], [r:up, c:e]]
"""
LOST = "10.9.0.0/24 via 10.2.0.2 table 100"
FORBID = "ip route del unreachable default table 100 metric 1000"


@pytest.mark.parametrize(
    ("node", "broken", "said"),
    [
        (
            "r",
            f"ip route del {LOST}",
            f"refuses it; by the lab file r has another route for it, {LOST}",
        ),
        (
            "r",
            f"ip route del {LOST}; {FORBID}",
            f"the one that the lab file gives it, {LOST}, is gone",
        ),
        ("r", f"ip link set right down; {FORBID}", f"{LOST}, is gone, because r/right is down"),
        (
            "r",
            f"ip route del {LOST}; {FORBID}; ip route add default via 10.3.0.2",
            f"ip_forward = 0; by the lab file r has another route for it, {LOST}",
        ),
        (
            "b",
            "ip route del default",
            "has no route back to 10.1.0.2; by the lab file b has another",
        ),
    ],
)
def test_a_lost_route_is_named_whatever_its_table(node: str, broken: str, said: str) -> None:
    """Where nothing is left, or another route forbids or leads elsewhere; on the way back, too."""
    with Lab.from_text(TABLED).up() as lab:
        assert lab.ping("a", "10.9.0.1").replied
        ran = lab.run(node, ["sh", "-c", broken])
        assert ran.code == 0, ran.stderr
        reason = lab.ping("a", "10.9.0.1", timeout=0.3).reason
        assert reason is not None
        assert said in reason.sentence
        for line in reason.mend.partition("; or ")[0].split("; "):
            assert lab.run(node, done(line)).code == 0, line
        assert lab.ping("a", "10.9.0.1", timeout=2).replied


FLAT = """
name: flat
nodes:
  sw: {bridges: [br0]}
  a: {addresses: {e: 10.0.0.1/24}}
  b: {addresses: {e: 10.0.0.2/24}}
links: [[a:e, sw:p1@br0], [b:e, sw:p2@br0]]
"""
DROPS = "bpf da bytecode '1,6 0 0 2,'"
"""A program that drops all: not every kernel has an action that does."""
TO_LO = "u32 match ip protocol 1 0xff action mirred egress redirect dev lo"


@pytest.mark.parametrize(
    ("node", "dev", "side", "made", "said"),
    [
        (
            "b",
            "e",
            "ingress",
            f"protocol ip pref 5 {DROPS}",
            "handle 0x1 bpf` of e (ingress) dropped",
        ),
        (
            "b",
            "e",
            "egress",
            f"protocol arp pref 5 {DROPS}",
            "handle 0x1 bpf` of e (egress) dropped",
        ),
        ("sw", "p1", "ingress", f"protocol all pref 5 {DROPS}", "of p1 (ingress) dropped it"),
        ("sw", "p2", "egress", f"protocol ip pref 5 {TO_LO}", "of p2 (egress) redirected it to lo"),
    ],
)
def test_a_filter_that_takes_a_packet_is_named_and_taken_away(
    node: str, dev: str, side: str, made: str, said: str
) -> None:
    """By what it counted, or all filters of its device together."""
    with Lab.from_text(FLAT).up() as lab:
        words = f"tc qdisc add dev {dev} clsact; tc filter add dev {dev} {side} {made}"
        ran = lab.run(node, ["sh", "-c", words])
        if ran.code:
            pytest.skip(f"this kernel has no such filter: {ran.stderr.decode().strip()}")
        reason = lab.ping("a", "b", timeout=0.3).reason
        assert reason is not None
        assert said in reason.sentence
        assert lab.run(node, done(reason.mend)).code == 0, reason.mend
        assert lab.ping("a", "b", count=2, timeout=2).replied


def test_a_filter_that_lets_pass_is_not_blamed() -> None:
    """A rule behind it drops, and is told."""
    with Lab.from_text(FLAT).up() as lab:
        words = f"tc qdisc add dev e clsact; tc filter add dev e egress protocol ip pref 5 {DROPS}"
        lab.run("b", ["sh", "-c", words])
        lab.add_rules("iptables", "b", ["-A INPUT -p icmp -j DROP"])
        reason = lab.ping("a", "b", timeout=0.3).reason
    assert reason is not None
    assert reason.code == "rule-drop"


DNAT = "-t nat -A PREROUTING -d {} -p tcp --dport 80 -j DNAT --to-destination 10.2.0.2:8080"
ELSEWHERE = "nothing listens at 10.2.0.2 port 8080 of b, where a rule of r sent it"
RESET = "-A {} -p tcp -d {} -j REJECT --reject-with tcp-reset"


def asked(*rules: str, targets: str = "r,b", source: str = "a") -> dict[str, Pair]:
    """What becomes of TCP connections from one node, with rules in r."""
    with Lab.from_text(ROUTED).up() as lab:
        if rules:
            lab.add_rules("iptables", "r", list(rules))
        found = lab.reachability([source], targets.split(","), protocol="tcp", port=80, timeout=0.3)
    return {one.target: one for one in found.pairs}


def told(pair: Pair) -> tuple[str, str | None, str | None]:
    """Its outcome, who refused it, and how."""
    return pair.outcome.value, pair.refused_by, pair.refusal or pair.error


def test_who_refuses_where_no_rule_can() -> None:
    """The target itself, and nothing more is sent to know it."""
    found = asked("-A FORWARD -p tcp -j LOG")
    assert told(found["r"]) == ("refused", "r", None)
    assert told(found["b"]) == ("refused", "b", None)


def test_who_refuses_behind_a_rule() -> None:
    """What came to its target is reached, whoever refuses it then; what did not is not."""
    found = asked(DNAT.format("10.1.0.1"))
    assert told(found["r"]) == ("refused", "b", ELSEWHERE)
    assert told(found["b"]) == ("refused", "b", None)
    found = asked(RESET.format("INPUT", "10.1.0.1"), RESET.format("FORWARD", "10.2.0.2"))
    outcome, who, how = told(found["r"])
    assert (outcome, who) == ("refused", "r")
    assert "the rule `-A INPUT -d 10.1.0.1/32 -p tcp -j REJECT" in (how or "")
    outcome, who, how = told(found["b"])
    assert (outcome, who) == ("failed", "r")
    assert "the rule `-A FORWARD -d 10.2.0.2/32 -p tcp -j REJECT" in (how or "")


def test_a_pair_that_is_refused_on_its_way_is_explained() -> None:
    """By what was seen already, with what deletes the rule."""
    rule = RESET.format("FORWARD", "10.2.0.2")
    with Lab.from_text(ROUTED).up() as lab:
        lab.add_rules("iptables", "r", [rule])
        (group,) = lab.reachability(["a"], ["b"], protocol="tcp", port=80, timeout=0.3).groups
        assert group.reason is not None
        assert "of ip filter FORWARD rejected it" in group.reason
        assert lab.run("r", done(group.mend)).code == 0, group.mend
        assert lab.reachability(["a"], ["b"], protocol="tcp", port=80).held


def test_who_refuses_is_looked_at_for_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each target before any other pair, and it is said for how many."""
    monkeypatch.setattr(refused, "MOST_WATCHED", 2 * 3)
    with Lab.from_text(ROUTED).up() as lab:
        lab.add_rules("iptables", "r", [DNAT.format("10.1.0.1")])
        found = lab.reachability(["a", "b"], ["b", "r"], protocol="tcp", port=80, timeout=0.3)
    looked = [(one.source, one.target) for one in found.pairs if one.refused_by is not None]
    assert looked == [("a", "r"), ("b", "r")]  # where the rules are
    note = "who refuses was looked at for 2 of 3 pairs that are refused and that rules may concern"
    assert note in found.notes


def test_rules_of_a_node_that_passes_nothing_on_concern_its_own_packets() -> None:
    """What others refuse is their own refusal, whoever looks."""
    text = FLAT.replace(
        "links: [", "  c: {addresses: {e: 10.0.0.3/24}}\nlinks: [[c:e, sw:p3@br0], "
    )
    with Lab.from_text(text).up() as lab:
        lab.add_rules("iptables", "c", ["-A INPUT -p tcp -j REJECT --reject-with tcp-reset"])
        lab.set_sysctl("c", "net.ipv4.ip_forward", 0)
        found = lab.reachability(["a"], ["b", "c"], protocol="tcp", port=80)
    b, c = found.pairs
    assert told(b) == ("refused", "b", None)
    assert told(c)[:2] == ("refused", "c")
    assert "the rule `-A INPUT -p tcp -j REJECT" in (c.refusal or "")


def test_who_refuses_a_datagram() -> None:
    """The message of the node behind the rule comes in the name of the one that was asked."""
    with Lab.from_text(ROUTED).up() as lab:
        lab.add_rules("iptables", "r", [DNAT.format("10.1.0.1").replace("tcp", "udp")])
        (pair,) = lab.reachability(["a"], ["r"], protocol="udp", port=80, timeout=1).pairs
    assert pair.outcome is Outcome.REFUSED
    assert pair.refused_by in ("b", None)  # the kernel limits these messages, and one went before
