"""Which address a rule that matched made the destination, as far as its text decides that."""

import pytest
from msgspec.structs import replace

from hopscope.model.flow import Headers, Ip
from hopscope.model.journey import ChainVisit, HookStep, RuleCheck
from hopscope.model.snapshot import Address, Chain, LinkState, NodeState, Rule, Snapshot
from hopscope.model.vocab import BasisKind, DevName, Family, Hook, Nanos, NodeName, Verdict, seen
from hopscope.trace.hooks import Traversal
from hopscope.trace.rewritten import given_by_rules, rewritten

IP = Ip(version=4, src="10.1.0.2", dst="10.1.0.1", proto=1, ttl=63, length=84)


def hook(*texts: str, matched: bool = True) -> HookStep:
    """A prerouting hook whose nat chain holds such rules."""
    rules = tuple(
        RuleCheck(handle=number, text=text, matched=matched, verdict=None)
        for number, text in enumerate(texts)
    )
    visit = ChainVisit(
        family=Family.IP,
        table="nat",
        chain="PREROUTING",
        priority=-100,
        rules=rules,
        policy=None,
        verdict=Verdict.ACCEPT,
    )
    return HookStep(
        family=Family.IP,
        hook=Hook.PREROUTING,
        chains=(visit,),
        verdict=Verdict.ACCEPT,
        basis=seen("test"),
    )


def behind(dst: str | None) -> Traversal:
    """The packet at a hook behind the decision."""
    ip = Ip(version=4, src="10.1.0.2", dst=dst, proto=1, ttl=63, length=84) if dst else None
    return Traversal(
        at=Nanos(1),
        table="ours",
        node=NodeName("gw"),
        family=Family.IP,
        hook=Hook.FORWARD,
        iif=DevName("left"),
        oif=DevName("right"),
        headers=Headers(ip=ip),
    )


@pytest.mark.parametrize(
    ("text", "to"),
    [
        ("-A PREROUTING -p icmp -j DNAT --to-destination 10.2.0.2", "10.2.0.2"),
        ("-A PREROUTING -p tcp -j DNAT --to-destination 10.2.0.2:80", "10.2.0.2"),
        ("-A PREROUTING -p tcp -j DNAT --to-destination 10.2.0.2:80-90", "10.2.0.2"),
        ("-A PREROUTING -p tcp -j DNAT --to-destination [fd00::1]:80", "fd00::1"),
        ("-A PREROUTING -j DNAT --to-destination fd00::1", "fd00::1"),
        ("ip protocol icmp dnat to 10.2.0.2", "10.2.0.2"),
        ("ip6 nexthdr icmpv6 dnat ip6 to [fd00::1]:80", "fd00::1"),
        ('log prefix "dnat to 10.9.9.9" dnat to 10.2.0.2', "10.2.0.2"),
    ],
)
def test_a_rule_that_names_one_address_decides(text: str, to: str) -> None:
    found = rewritten(IP, [hook("-A PREROUTING -j LOG", text)], [])
    assert found is not None
    assert found.ip is not None
    assert (found.ip.dst, found.step.before, found.step.after) == (to, "10.1.0.1", to)
    assert found.step.basis.kind is BasisKind.COMPUTED
    assert text in found.step.basis.evidence


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("-j DNAT --to-destination 10.2.0.2-10.2.0.9:80", "10.2.0.2-10.2.0.9"),
        ("-j NETMAP --to 10.2.0.0/24", "10.2.0.0/24"),
        ("dnat to numgen inc mod 2 map { 0 : 10.2.0.2, 1 : 10.2.0.3 }", "numgen"),
        ("-j REDIRECT --to-ports 80", "an address of the node itself"),
        ("tcp dport 80 redirect to :8080", "an address of the node itself"),
    ],
)
def test_a_rule_that_leaves_it_open_is_told_as_such(text: str, says: str) -> None:
    found = rewritten(IP, [hook(text)], [])
    assert found is not None
    assert found.ip is None
    assert found.step.after == f"what that rule chose ({says})"


@pytest.mark.parametrize(
    "step",
    [
        hook("-j DNAT --to-destination 10.2.0.2", matched=False),
        hook('-m comment --comment "dnat to 10.2.0.2" -j ACCEPT'),
        hook("-j DNAT --to-destination :8080"),
        hook("-j DNAT --to-destination 10.1.0.1"),
    ],
)
def test_a_rule_that_changes_no_address_rewrites_nothing(step: HookStep) -> None:
    assert rewritten(IP, [step], []) is None


def test_what_a_later_hook_saw_outranks_the_rule() -> None:
    rule = hook("-j DNAT --to-destination 10.2.0.2-10.2.0.9")
    found = rewritten(IP, [rule], [behind("10.2.0.5")])
    assert found is not None
    assert found.ip is not None
    assert found.ip.dst == "10.2.0.5"
    assert found.step.basis.kind is BasisKind.SEEN
    assert rewritten(IP, [rule], [behind("10.1.0.1")]) is None
    assert rewritten(IP, [rule], [behind(None)]) is None


@pytest.mark.parametrize(
    ("rule", "given"),
    [
        ("-A PREROUTING -p tcp -j DNAT --to-destination 10.2.0.2:8080", {"10.2.0.2"}),
        ("-A PREROUTING -p tcp -j DNAT --to-destination [fd00::1]:80", {"fd00::1"}),
        ("-A POSTROUTING -s 10.1.0.0/24 -j MASQUERADE", {"10.1.0.0"}),
        ("dnat to numgen inc mod 2 map { 0 : 10.2.0.2, 1 : 10.2.0.3 }", {"10.2.0.2", "10.2.0.3"}),
        ('ip daddr 10.2.0.9 counter accept comment "dnat to 10.9.9.9"', None),
    ],
)
def test_what_rules_may_give(rule: str, given: set[str] | None) -> None:
    """What their texts name, and the addresses of their node; of other rules nothing."""
    own = LinkState(
        name=DevName("left"),
        index=2,
        kind="veth",
        mac=None,
        mtu=1500,
        up=True,
        carrier=True,
        addresses=(Address(ip="10.1.0.1", prefix=24),),
    )
    chain = Chain(family=Family.IP, table="nat", name="c", rules=(Rule(handle=1, text=rule),))
    ours = replace(chain, ours=True, rules=(Rule(handle=1, text="dnat to 10.8.8.8"),))
    node = NodeState(name=NodeName("gw"), links=(own,), chains=(chain, ours))
    found = given_by_rules(Snapshot(nodes=(node, NodeState(name=NodeName("ns1")))))
    assert found == (given | {"10.1.0.1"} if given is not None else set())
