"""Which firewall rules differ: the lines that go, and those that come."""

import json

import pytest
from msgspec.structs import replace

from hopscope.model.snapshot import Chain, Rule
from hopscope.model.vocab import Family, Hook
from hopscope.plan.rulelines import chain_lines, object_lines, rule_lines


def chain(*texts: str, **more: object) -> Chain:
    """FORWARD, with these rules."""
    whole: dict[str, object] = {
        "family": Family.IP,
        "table": "filter",
        "name": "FORWARD",
        "hook": Hook.FORWARD,
        "priority": 0,
        "policy": "accept",
        "rules": tuple(Rule(handle=number, text=text) for number, text in enumerate(texts)),
    }
    return Chain(**(whole | more))  # type: ignore[arg-type]


A, B, C = ("-A FORWARD -s 10.0.0.1 -j DROP", "-A FORWARD -p icmp -j ACCEPT", "-A FORWARD -j DROP")
MANY = [f"-A FORWARD -s 10.0.0.{number} -j DROP" for number in range(250)]


@pytest.mark.parametrize(
    ("now", "goal", "lines"),
    [
        ([chain(A, C)], [chain(A, B, C)], [f"+ iptables {B}"]),
        ([chain(B, A, C)], [chain(A, C)], [f"- iptables {B}"]),
        ([chain(B, A)], [chain(A, B)], [f"+ iptables {A}", f"- iptables {A}"]),
        ([chain(A)], [chain(C)], [f"- iptables {A}", f"+ iptables {C}"]),
        ([chain(A)], [], [f"- iptables {A}"]),
        ([], [chain(A, table="nat")], [f"+ iptables -t nat {A}"]),
        ([], [chain(A, family=Family.IP6)], [f"+ ip6tables {A}"]),
        ([chain()], [], []),
        ([chain(A, ours=True)], [], []),
        ([chain(*MANY[1:])], [chain(*MANY)], [f"+ iptables {MANY[0]}"]),
        (
            [chain(A, policy="drop")],
            [chain(A)],
            [
                "- ip filter FORWARD hook forward priority 0 policy drop",
                "+ ip filter FORWARD hook forward priority 0 policy accept",
            ],
        ),
        (
            [chain(policy="drop")],
            [],
            ["- ip filter FORWARD hook forward priority 0 policy drop"],
        ),
        (
            [],
            [chain("tcp dport 80 drop", hook=None, family=Family.INET, table="t", name="c")],
            ["+ inet t c", "+ inet t c tcp dport 80 drop"],
        ),
    ],
)
def test_the_rules_that_differ(now: list[Chain], goal: list[Chain], lines: list[str]) -> None:
    """As their own tool writes them; what lets all pass is as good as none."""
    assert list(chain_lines(now, goal)) == lines


def test_a_rule_of_ours_is_none_of_the_labs() -> None:
    mine = replace(chain(A), rules=(Rule(handle=1, text=A, ours=True),))
    assert chain_lines([mine], []) == ()


def test_texts_are_compared_in_their_order() -> None:
    assert rule_lines(["a", "b", "c"], ["b", "x", "c"]) == ("- a", "+ x")


T = {"family": "ip", "table": "t", "name": "x"}
BASE = {**T, "type": "filter", "hook": "input", "prio": 5, "policy": "accept"}


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        ("table", {"family": "ip", "name": "t"}, "table ip t"),
        ("counter", T, "counter ip t x"),
        ("chain", T, "chain ip t x"),
        ("chain", BASE, "chain ip t x { type filter hook input priority 5; policy accept; }"),
        (
            "chain",
            {**BASE, "family": "netdev", "hook": "ingress", "dev": "e"},
            "chain netdev t x { type filter hook ingress device e priority 5; policy accept; }",
        ),
        (
            "chain",
            {**BASE, "dev": ["e", "f"]},
            (
                'chain ip t x {"dev": ["e", "f"], "hook": "input", "policy": "accept", '
                '"prio": 5, "type": "filter"}'
            ),
        ),
        ("chain", {**T, "comment": "c"}, 'chain ip t x {"comment": "c"}'),
        ("set", {**T, "type": "ipv4_addr"}, "set ip t x { type ipv4_addr; }"),
        (
            "set",
            {**T, "type": "ipv4_addr", "flags": ["constant"], "elem": ["10.0.0.1", "10.0.0.2"]},
            "set ip t x { type ipv4_addr; flags constant; elements = { 10.0.0.1, 10.0.0.2 } }",
        ),
        (
            "map",
            {**T, "type": "inet_service", "map": "verdict", "elem": [[80, {"drop": None}]]},
            "map ip t x { type inet_service : verdict; elements = { 80 : drop } }",
        ),
        (
            "map",
            {**T, "type": "inet_service", "map": "mark", "elem": [[80, 1]]},
            "map ip t x { type inet_service : mark; elements = { 80 : 1 } }",
        ),
        (
            "map",
            {**T, "type": "mark", "map": "verdict", "elem": [[1, {"jump": {"target": "c"}}]]},
            (
                'map ip t x {"elem": [[1, {"jump": {"target": "c"}}]], "map": "verdict", '
                '"type": "mark"}'
            ),
        ),
        ("set", {**T, "type": "mark", "size": 9}, 'set ip t x {"size": 9, "type": "mark"}'),
        ("set", {**T, "type": ["mark", "mark"]}, 'set ip t x {"type": ["mark", "mark"]}'),
        (
            "set",
            {**T, "type": "mark", "elem": [{"range": [1, 5]}]},
            'set ip t x {"elem": [{"range": [1, 5]}], "type": "mark"}',
        ),
        (
            "rule",
            {"family": "ip", "table": "t", "chain": "c", "expr": [{"drop": None}]},
            'rule ip t c {"expr": [{"drop": null}]}',
        ),
    ],
)
def test_what_is_no_rule_is_told_as_nft_writes_it(
    kind: str, body: dict[str, object], words: str
) -> None:
    """Where it is plain; all else stays JSON, so that nothing of it is left out."""
    assert object_lines((), (json.dumps({kind: body}),)) == (f"+ {words}",)
