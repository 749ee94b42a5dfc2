"""Replies that another node took: which, and why it was its own."""

import pytest

from hopscope.model.events import Observation
from hopscope.model.flow import Headers, Icmp, Ip
from hopscope.model.journey import (
    ChainVisit,
    DeliverStep,
    HookStep,
    Hop,
    Journey,
    NatStep,
    Reason,
    RuleCheck,
    Step,
)
from hopscope.model.snapshot import NodeState, Snapshot
from hopscope.model.vocab import Family, Fate, Hook, Nanos, NodeName, Verdict, seen
from hopscope.trace.astray import astray
from hopscope.trace.scene import Scene

BASIS = seen("test")
TAKEN = DeliverStep(to="the ICMP code", basis=BASIS)
C = NodeName("c")


def journey(kind: int, *hops: tuple[str, tuple[Step, ...]], version: int = 4) -> Journey:
    """A packet's way through nodes."""
    first: Hop | None = None
    for node, steps in reversed(hops):
        onward = (first,) if first is not None else ()
        first = Hop(node=NodeName(node), came_in=None, came_from=None, steps=steps, onward=onward)
    assert first is not None
    ip = Ip(version=version, src="s", dst="G", proto=1, ttl=64, length=84)
    headers = Headers(ip=ip, icmp=Icmp(type=kind, code=0), stamp=1)
    return Journey(
        title="echo", headers=headers, started=Nanos(1), first=first, fate=Fate.DELIVERED
    )


def nat(field: str, before: str, after: str) -> NatStep:
    return NatStep(field=field, before=before, after=after, basis=BASIS)


def told(request: Journey | None, reply: Journey, *, received: int = 0) -> Reason | None:
    """What is told where c waits; *received*: how many echo replies gw counted meanwhile."""
    before, after = (
        Snapshot(nodes=tuple(NodeState(name=NodeName(n), counters=some) for n in ("gw", "x")))
        for some in ({}, {"Icmp.InEchoReps": received})
    )
    scene = Scene(
        before=before,
        after=after,
        observation=Observation(events=()),
        packets=(),
        replied=frozenset(),
    )
    return astray(scene, [request] if request else [], reply, C)


MASQUERADED = journey(8, ("gw", (nat("source", "10.0.0.1", "G"),)))


def matched(text: str, *, matches: bool = True) -> HookStep:
    """A hook with a rule."""
    rule = RuleCheck(handle=7, text=text, matched=matches, verdict=None)
    visit = ChainVisit(
        family=Family.IP,
        table="raw",
        chain="early",
        priority=-300,
        rules=(rule,),
        policy=None,
        verdict=Verdict.ACCEPT,
    )
    return HookStep(
        family=Family.IP,
        hook=Hook.PREROUTING,
        chains=(visit,),
        verdict=Verdict.ACCEPT,
        basis=BASIS,
    )


def test_a_reply_for_the_one_who_waits_is_not_astray() -> None:
    """Whoever else got a copy; nor is one that nobody took."""
    assert told(None, journey(0, ("gw", (TAKEN,)), ("c", (TAKEN,)))) is None
    assert told(None, journey(0, ("gw", ()))) is None


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("-A early -j NOTRACK", "iptables -t raw -D early -j NOTRACK"),
        ("-A early -j CT --notrack", "iptables -t raw -D early -j CT --notrack"),
        ("notrack", "nft delete rule ip raw early handle 7"),
    ],
)
def test_a_rule_that_keeps_it_from_tracking(text: str, mend: str) -> None:
    """The gateway took it for its own; the rule is named."""
    why = told(MASQUERADED, journey(0, ("gw", (matched(text), TAKEN))), received=1)
    assert why is not None
    assert why.sentence == (
        "the reply was delivered to gw itself, because nothing there translated G back to "
        f"10.0.0.1: the rule `{text}` of ip raw early keeps it from connection tracking"
    )
    assert why.mend == f"delete that rule: hopscope exec LAB gw -- {mend}"
    assert str(why.basis) == "seen: Icmp.InEchoReps rose by 1 in gw"


@pytest.mark.parametrize("rule", [matched("notrack", matches=False), matched("accept")])
def test_nothing_that_is_known_kept_it(rule: HookStep) -> None:
    """Then no rule is blamed; without a count it is inferred."""
    why = told(MASQUERADED, journey(0, ("gw", (rule, TAKEN))))
    assert why is not None
    assert why.sentence.endswith("translated G back to 10.0.0.1")
    assert (why.mend, why.basis.kind) == ("", "inferred")


def test_a_source_that_is_another_nodes_address() -> None:
    """The gateway gave the request an address of x."""
    why = told(MASQUERADED, journey(0, ("x", (TAKEN,))))
    assert why is not None
    assert why.sentence == (
        "the reply was delivered to x, because gw gave the request the source G, an address of x"
    )


def test_two_that_have_one_address() -> None:
    """Nothing was translated, or it was translated back."""
    back = nat("destination", "G", "10.0.0.1")
    for request, steps, goal in (
        (None, (TAKEN,), "G"),
        (MASQUERADED, (back, TAKEN), "10.0.0.1"),
    ):
        why = told(request, journey(0, ("x", steps)))
        assert why is not None
        assert why.sentence == (
            f"the reply was delivered to x, which has its destination {goal}, too"
        )
