"""Who is named when a packet did not come to its goal, on a real kernel: never a bystander."""

import shlex

import pytest

from hopscope import Lab, StandingLab
from hopscope.model.journey import Reason
from hopscope.model.reachability import Protocol

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("records")]

SWITCHED = """
name: switched
nodes:
  one: {bridges: [br0]}
  two: {bridges: [br0]}
  three:
    bridges: [br0]
    nft: "table bridge t { chain c { type filter hook prerouting priority 0; policy drop; }; }"
  a: {addresses: {e: 10.0.0.1/24}}
  b: {addresses: {e: 10.0.0.2/24}}
  c: {addresses: {e: 10.0.0.3/24}}
links:
  - [a:e, one:p1@br0]
  - [one:trunk@br0, two:trunk@br0]
  - [c:e, one:p3@br0]
  - [b:e, two:p1@br0]
  - [one:p4@br0, three:p1@br0]
"""
"""a, c ── one ── two ── b; and three, which takes nothing."""


def told(lab: StandingLab, source: str, target: str) -> Reason:
    """Why a ping came to nothing."""
    result = lab.ping(source, target, timeout=0.3)
    assert not result.replied
    assert result.reason is not None
    return result.reason


def done(lab: StandingLab, mend: str) -> None:
    """Do what a reason says: in a node, or set a sysctl there."""
    words = shlex.split(mend.rpartition("hopscope ")[2])
    if words[0] == "set":
        words = [*words[:3], "--", "sysctl", "-w", words[3]]
    ran = lab.run(words[2], words[4:])
    assert ran.code == 0, (mend, ran.stderr)


@pytest.mark.parametrize("warm", [True, False])
@pytest.mark.parametrize(
    ("node", "dev", "said"),
    [
        ("b", "e", "b/e is down, so two/p1 has no carrier"),
        ("two", "p1", "two/p1 is down, so b/e has no carrier"),
        ("one", "trunk", "one/trunk is down, so two/trunk has no carrier"),
        ("two", "trunk", "two/trunk is down, so one/trunk has no carrier"),
        ("two", "br0", "the bridge two/br0 is down"),
    ],
)
def test_what_is_down_on_the_way_is_named_and_no_bystander(
    node: str, dev: str, said: str, *, warm: bool
) -> None:
    """A switch that knows no port for it gives others copies, and one of them drops its own."""
    with Lab.from_text(SWITCHED).up() as lab:
        if warm:
            assert lab.ping("a", "b").replied
        assert lab.run(node, ["ip", "link", "set", dev, "down"]).code == 0
        reason = told(lab, "a", "b")
        assert reason.sentence.endswith(said)
        assert reason.code == ("device-down" if warm else "unresolved")
        group = lab.reachability(["a"], ["b"], protocol=Protocol.TCP, port=80, timeout=0.3).groups[
            0
        ]
        assert group.reason is not None
        assert said in group.reason
        assert f"exec switched {node} -- ip link set dev {dev} up" in group.mend
        done(lab, reason.mend)
        assert lab.ping("a", "b", timeout=3).replied


ROUTED = """
name: routed
nodes:
  r:
    bridges: [br0]
    addresses: {br0: [10.1.0.1/24, "fd00:1::1/64"], e: [10.2.0.1/24, "fd00:2::1/64"]}
    sysctls: {net.ipv4.ip_forward: 1, net.ipv6.conf.all.forwarding: 1}
  a:
    addresses: {e: [10.1.0.2/24, "fd00:1::2/64"]}
    routes: [default via 10.1.0.1, "default via fd00:1::1"]
  b:
    addresses: {e: [10.1.0.3/24, "fd00:1::3/64"]}
    routes: [default via 10.1.0.1, "default via fd00:1::1"]
  c:
    addresses: {e: [10.2.0.2/24, "fd00:2::2/64"]}
    routes: [default via 10.2.0.1, "default via fd00:2::1"]
links: [[a:e, r:p1@br0], [b:e, r:p2@br0], [r:e, c:e]]
"""
"""a and b have the bridge of r as their gateway, which has the MAC address of one of its ports."""


@pytest.mark.parametrize(
    ("goal", "key"),
    [
        ("10.2.0.2", "net.ipv4.ip_forward"),
        ("10.2.0.2", "net.ipv4.conf.br0.forwarding"),
        ("fd00:2::2", "net.ipv6.conf.all.forwarding"),
    ],
)
def test_a_router_behind_its_own_bridge_that_does_not_forward(goal: str, key: str) -> None:
    """By whatever port a packet came in: layer 3 got it from the bridge."""
    with Lab.from_text(ROUTED).up() as lab:
        assert all(lab.ping(source, goal, timeout=3).replied for source in "ab")
        assert lab.run("r", ["sysctl", "-w", f"{key}=0"]).code == 0
        for source in "ab":
            reason = told(lab, source, goal)
            assert reason.code == "not-forwarding"
            assert reason.sentence.endswith(f"does not forward: {key} = 0")
            assert str(reason.at) == "r/br0"
        done(lab, reason.mend)
        assert all(lab.ping(source, goal).replied for source in "ab")


SHARED = """
name: shared
nodes:
  sw: {bridges: [br0]}
  a: {addresses: {e: 10.0.0.1/24}}
  b: {addresses: {e: [10.0.0.2/24, 10.0.0.9/24]}}
  c: {addresses: {e: 10.0.0.3/24}}
links: [[a:e, sw:p1@br0], [b:e, sw:p2@br0], [c:e, sw:p3@br0]]
"""
VIP = ["10.0.0.100/32", "dev", "e"]


def test_an_address_that_moved_is_no_matter_of_forwarding() -> None:
    """Its old holder gets what is for it, dead or alive, and routes nothing."""
    with Lab.from_text(SHARED).up() as lab:
        assert lab.run("b", ["ip", "addr", "add", *VIP]).code == 0
        assert lab.ping("a", "10.0.0.100").replied
        assert lab.run("b", ["ip", "addr", "del", *VIP]).code == 0
        gone = told(lab, "a", "10.0.0.100")
        assert gone.sentence.endswith("10.0.0.100, but no device in this lab has that address")
        assert lab.run("c", ["ip", "addr", "add", *VIP]).code == 0
        for state in ("up", "down"):
            assert lab.run("b", ["ip", "link", "set", "e", state]).code == 0
            reason = told(lab, "a", "10.0.0.100")
            assert reason.code == "wrong-neighbour"
            assert "(b/e), by its neighbour entry for 10.0.0.100, but" in reason.sentence
            assert "that address lives at c/e, which has" in reason.sentence
        done(lab, reason.mend)
        assert lab.ping("a", "10.0.0.100").replied


def test_an_address_that_is_gone_is_to_be_given_back() -> None:
    """The lab file says whose it is."""
    with Lab.from_text(SHARED).up() as lab:
        assert lab.ping("a", "10.0.0.9").replied
        assert lab.run("b", ["ip", "addr", "del", "10.0.0.9/24", "dev", "e"]).code == 0
        reason = told(lab, "a", "10.0.0.9")
        assert (
            "by its neighbour entry for 10.0.0.9, but b/e, which the lab file gives 10.0.0.9"
            in (reason.sentence)
        )
        lab.change(Lab.from_text(SHARED).spec(), SHARED)
        assert lab.ping("a", "10.0.0.9").replied


PROXIED = """
name: proxied
nodes:
  a: {addresses: {e: 10.0.0.1/8}}
  r:
    addresses: {left: 10.1.0.1/24, right: 10.2.0.1/24}
    sysctls: {net.ipv4.ip_forward: 1, net.ipv4.conf.left.proxy_arp: 1}
    routes: [10.0.0.1/32 dev left]
  b: {addresses: {e: 10.2.0.2/24}, routes: [default via 10.2.0.1]}
links: [[a:e, r:left], [r:right, b:e]]
"""


def test_a_proxy_is_no_wrong_neighbour() -> None:
    """It answers for what is behind it; that it forwards no more is another matter."""
    with Lab.from_text(PROXIED).up() as lab:
        assert lab.ping("a", "b", timeout=3).replied
        assert lab.run("r", ["sysctl", "-w", "net.ipv4.ip_forward=0"]).code == 0
        assert told(lab, "a", "b").code == "not-forwarding"


SERVICE = """
name: service
nodes:
  node:
    bridges: [br0]
    addresses: {br0: 10.1.0.1/24}
    sysctls: {net.ipv4.ip_forward: 1, net.bridge.bridge-nf-call-iptables: 0}
    iptables:
      - -t nat -A PREROUTING -d 10.1.0.1 -p tcp --dport 80 -j DNAT --to-destination 10.1.0.2:8080
  pod: {addresses: {e: 10.1.0.2/24}}
  other: {addresses: {e: 10.1.0.3/24}}
links: [[pod:e, node:p1@br0], [other:e, node:p2@br0]]
"""


def test_an_answer_that_its_rewriter_bridges_past_its_rules() -> None:
    """The node that rewrote the request is on its way back, and no rule there sees it."""
    with Lab.from_text(SERVICE).up() as lab:
        found = lab.reachability(["other"], ["node"], protocol=Protocol.TCP, port=80, timeout=0.3)
        (group,) = found.groups
        assert group.reason is not None
        assert "in its bridge br0 alone, where no IP rule sees it" in group.reason
        assert group.reason.endswith("net.bridge.bridge-nf-call-iptables = 0")
        done(lab, group.mend)
        assert lab.reachability(["other"], ["node"], protocol=Protocol.TCP, port=80).held


def test_what_keeps_one_pair_of_a_group_back_is_not_told_of_all() -> None:
    """The pod that answers has its own address for a source; the other hears from a stranger."""
    with Lab.from_text(SERVICE).up() as lab:
        froms = ["pod", "other"]
        found = lab.reachability(froms, ["node"], protocol=Protocol.TCP, port=80, timeout=0.3)
        (group,) = found.groups
        (look,) = group.also
        assert [group.example[0], look.source] == froms
        assert group.reason is not None
        assert "is an address of pod itself" in group.reason
        assert look.reason is not None
        assert "in its bridge br0 alone" in look.reason
        assert (look.alike, look.mend == group.mend) == (False, False)


def test_what_keeps_all_pairs_of_a_group_back_is_told_once() -> None:
    """The same device is in the way of both."""
    with Lab.from_text(SHARED).up() as lab:
        assert lab.run("b", ["ip", "link", "set", "e", "down"]).code == 0
        (group,) = lab.reachability(["a", "c"], ["b"], timeout=0.3).groups
        (look,) = group.also
        assert (group.example[0], look.source, look.alike) == ("a", "c", True)


def test_one_that_has_the_askers_address_does_not_answer() -> None:
    """Its kernel takes the question for one of its own."""
    with Lab.from_text(SWITCHED).up() as lab:
        assert lab.run("b", ["ip", "addr", "add", "10.0.0.1/24", "dev", "e"]).code == 0
        why = told(lab, "a", "b")
        assert why.sentence.endswith(
            "the ARP request reached b/e, and b does not answer its own address: it has 10.0.0.1, "
            "too, on e"
        )
        done(lab, why.mend)
        assert lab.ping("a", "b").replied


SEVERAL_WAYS = """
name: ways
nodes:
  a: {addresses: {e: 10.1.0.2/24}, routes: [default via 10.1.0.1]}
  r:
    addresses: {p: 10.1.0.1/24, s1: 10.0.1.1/24, s2: 10.0.2.1/24}
    sysctls: {net.ipv4.ip_forward: 1}
    routes: [10.9.0.0/16 nexthop via 10.0.1.2 nexthop via 10.0.2.2 weight 250]
  b: {addresses: {e: 10.0.1.2/24, lo: 10.9.0.1/32}, routes: [default via 10.0.1.1]}
  c: {addresses: {e: 10.0.2.2/24, lo: 10.9.0.2/32}, routes: [default via 10.0.2.1]}
links: [[a:e, r:p], [r:s1, b:e], [r:s2, c:e]]
"""
"""a ── r ══ b, c: of a router's two ways one takes nearly all."""


def test_one_of_several_ways_that_is_dead_is_named() -> None:
    """The kernel goes on choosing it, as long as its own end is up."""
    with Lab.from_text(SEVERAL_WAYS).up() as lab:
        assert lab.ping("a", "10.9.0.2").replied
        assert lab.run("c", ["ip", "link", "set", "e", "down"]).code == 0
        why = told(lab, "a", "10.9.0.2")
        assert why.sentence == "r/s2 has no carrier: c/e is down, so nothing leaves through it"
        assert why.code == "device-down"
