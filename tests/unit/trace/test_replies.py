"""Why a ping got no reply, where the journeys alone do not say it."""

import pytest
from msgspec.structs import replace

from hopscope.model.journey import Journey, Reason
from hopscope.model.snapshot import PolicyRule, Route
from hopscope.model.vocab import Family, Fate, NodeName
from hopscope.trace.journeys import journeys
from hopscope.trace.replies import why_no_reply
from hopscope.trace.scene import Scene
from journeycases import CASES

CASE = next(case for case in CASES if case.name == "bridge-1")
NS1 = NodeName("ns1")


def setting(**sysctls: str) -> tuple[Scene, list[Journey]]:
    """The recorded ping, with sysctls of ns2 changed, and its journeys."""
    nodes = tuple(
        replace(node, sysctls={**node.sysctls, **sysctls}) if node.name == "ns2" else node
        for node in CASE.before.nodes
    )
    scene = replace(CASE.scene(), before=replace(CASE.before, nodes=nodes))
    return scene, list(journeys(scene, ident=CASE.ident))


def test_nothing_was_sent() -> None:
    """No packet, no reason but that."""
    why = why_no_reply(CASE.scene([]), [], NS1)
    assert why is not None
    assert why.sentence == "ns1 sent no packet that an observer saw"


def test_only_the_question_failed() -> None:
    """The echo request was never seen, and the ARP request has a reason."""
    case = next(one for one in CASES if one.name == "missing-address-1")
    found = [j for j in journeys(case.scene(), ident=case.ident) if j.title == "ARP request"]
    why = why_no_reply(case.scene(), found, NS1)
    assert why is not None
    assert why.code == "no-such-address"


def test_a_reply_that_came_too_late() -> None:
    """Everything was delivered, and still nobody waited for it."""
    scene, found = setting()
    why = why_no_reply(scene, found, NS1)
    assert why is not None
    assert why.code == "too-late"


@pytest.mark.parametrize(("value", "code"), [("1", "echo-ignored"), ("0", "no-answer")])
def test_a_request_that_nobody_answered(value: str, code: str) -> None:
    """The switch that keeps the kernel from answering, or nothing that is known."""
    scene, found = setting(**{"net.ipv4.icmp_echo_ignore_all": value})
    requests = [journey for journey in found if journey.title == "echo request"]
    why = why_no_reply(scene, requests, NS1)
    assert why is not None
    assert why.code == code
    assert "ns2" in why.sentence


def test_a_request_that_was_lost_is_told_by_its_journey() -> None:
    """The reason is the request's own."""
    case = next(one for one in CASES if one.name == "drop-policy-1")
    found = journeys(case.scene(), ident=case.ident)
    why = why_no_reply(case.scene(), found, NS1)
    request = next(journey for journey in found if journey.title == "echo request")
    assert request.fate is Fate.DROPPED
    assert why == request.reason


def back(**changes: object) -> Reason:
    """Why there is no way back from b, recorded with a route that forbids it, and altered."""
    case = next(one for one in CASES if one.name == "rule-back-1")
    nodes = tuple(
        replace(node, **changes) if node.name == "b" else node for node in case.before.nodes
    )
    scene = replace(case.scene(), before=replace(case.before, nodes=nodes))
    why = why_no_reply(scene, list(journeys(scene, ident=case.ident)), NodeName("a"))
    assert why is not None
    assert why.code == "no-route-back"
    return why


def test_a_rule_that_forbids_the_way_back() -> None:
    """It has no route to be deleted."""
    why = back(policy_rules=(PolicyRule(family=Family.IP, priority=1, table=0, action="prohibit"),))
    assert why.sentence == (
        "the request reached b, where the policy rule 1 (from all, prohibit) forbids the way back "
        "to 10.0.0.1"
    )
    assert why.mend == "hopscope exec LAB b -- ip rule del from all priority 1 prohibit"


def test_a_route_that_forbids_the_only_way_back() -> None:
    """Without it there is none at all."""
    only = Route(family=Family.IP, destination="10.0.0.1/32", table=254, type="blackhole")
    why = back(policy_rules=(), routes=(only,))
    removed = "hopscope exec LAB b -- ip route del blackhole 10.0.0.1/32"
    assert why.mend == f"{removed}, and add a route to 10.0.0.1 in b"
