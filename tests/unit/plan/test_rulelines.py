"""Which firewall rules differ: the lines that go, and those that come."""

import pytest
from msgspec.structs import replace

from hopscope.model.snapshot import Chain, Rule
from hopscope.model.vocab import Family, Hook
from hopscope.plan.rulelines import chain_lines, rule_lines


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
