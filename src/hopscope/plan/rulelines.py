"""Two lists of firewall rules laid over each other: the lines that go, and those that come."""

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Final

from hopscope.model.snapshot import Chain, Rule
from hopscope.model.vocab import Family

__all__ = ["chain_lines", "rule_lines"]

_TOOLS: Final = {Family.IP: "iptables", Family.IP6: "ip6tables"}


def chain_lines(now: Sequence[Chain], goal: Sequence[Chain]) -> tuple[str, ...]:
    """Chain by chain; what a rule says is in the words of its own tool."""
    old, new = (
        {(c.family, c.table, c.name): c for c in some if not c.ours} for some in (now, goal)
    )
    found: list[str] = []
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        found += rule_lines(_texts(before, after), _texts(after, before))
    return tuple(found)


def rule_lines(now: Sequence[str], goal: Sequence[str]) -> tuple[str, ...]:
    """``- what goes`` and ``+ what comes``, in the order of the rules."""
    found: list[str] = []
    for kind, a, b, c, d in SequenceMatcher(None, now, goal, autojunk=False).get_opcodes():
        if kind != "equal":
            found += [f"- {one}" for one in now[a:b]] + [f"+ {one}" for one in goal[c:d]]
    return tuple(found)


def _texts(chain: Chain | None, other: Chain | None) -> list[str]:
    """The chain itself, and its rules. One that lets all pass is as good as none."""
    if chain is None:
        return []
    where = f"{chain.family} {chain.table} {chain.name}"
    head = [f"{where} hook {chain.hook} priority {chain.priority} policy {chain.policy}"]
    if chain.hook is None:
        head = [where]
    elif other is None and chain.policy == "accept":
        head = []
    return head + [_rule(chain, where, rule) for rule in chain.rules if not rule.ours]


def _rule(chain: Chain, where: str, rule: Rule) -> str:
    if not rule.text.startswith("-A "):
        return f"{where} {rule.text}"
    table = "" if chain.table == "filter" else f"-t {chain.table} "
    return f"{_TOOLS[chain.family]} {table}{rule.text}"
