"""Two lists of firewall rules laid over each other: the lines that go, and those that come."""

import json
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, Final

from hopscope.model.snapshot import Chain, Rule
from hopscope.model.vocab import Family

__all__ = ["chain_lines", "object_lines", "rule_lines"]

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


def object_lines(now: Sequence[str], goal: Sequence[str]) -> tuple[str, ...]:
    """Of tables, sets and all else of nft's: JSON told as nft writes it where that is plain."""
    return rule_lines([_object(one) for one in now], [_object(one) for one in goal])


def _object(text: str) -> str:
    """``chain ip t c { type filter … }``; what is not plain stays JSON, behind what it is of."""
    ((kind, body),) = json.loads(text).items()
    keys = ("family", "name") if kind == "table" else ("family", "table", "name")
    if kind == "rule":
        keys = ("family", "table", "chain")
    rest = {key: value for key, value in body.items() if key not in keys}
    head = " ".join((kind, *(str(body[key]) for key in keys if key in body)))
    if not rest:
        return head
    inside = _chain(rest) if kind == "chain" else _set(rest) if kind in ("set", "map") else None
    return f"{head} {{ {inside} }}" if inside else f"{head} {json.dumps(rest, sort_keys=True)}"


def _chain(rest: Mapping[str, Any]) -> str | None:
    """A base chain's own line."""
    if rest.keys() - {"dev"} != {"type", "hook", "prio", "policy"}:
        return None
    dev = f" device {rest['dev']}" if isinstance(rest.get("dev"), str) else ""
    if "dev" in rest and not dev:
        return None  # several
    hook = f"type {rest['type']} hook {rest['hook']}{dev} priority {rest['prio']}"
    return f"{hook}; policy {rest['policy']};"


def _set(rest: Mapping[str, Any]) -> str | None:
    """A set or map of one type, with elements that are plain."""
    flags, elements = rest.get("flags", []), [_element(one) for one in rest.get("elem", [])]
    kinds = [rest.get("type"), *([rest["map"]] if "map" in rest else [])]
    plain = all(isinstance(one, str) for one in (*kinds, *flags, *elements))
    if not plain or rest.keys() - {"type", "map", "flags", "elem"}:
        return None
    parts = [f"type {' : '.join(kinds)};"]
    parts += [f"flags {', '.join(flags)};"] if flags else []
    parts += [f"elements = {{ {', '.join(map(str, elements))} }}"] if elements else []
    return " ".join(parts)


def _element(one: Any) -> str | None:
    """``10.0.0.1``, or ``10.0.0.1 : drop`` of a map; None of any other."""
    match one:
        case str() | int():
            return str(one)
        case [str() | int() as key, str() | int() as value]:
            return f"{key} : {value}"
        case [str() | int() as key, {**verdict}] if list(verdict.values()) == [None]:
            return f"{key} : {next(iter(verdict))}"
    return None


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
