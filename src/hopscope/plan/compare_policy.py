"""The policy rules that are declared against those that there are."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Final

from hopscope.model.change import Action, Subject
from hopscope.model.lab import PolicySpec
from hopscope.model.snapshot import NodeState, PolicyRule
from hopscope.model.vocab import DevName, Family, NodeName
from hopscope.plan.difference import Difference, told
from hopscope.plan.ops import AddPolicyRule, RemovePolicyRules
from hopscope.plan.wanted import Wanted
from hopscope.plan.world import World

__all__ = ["declarable_rules", "policy"]

_ANY_6: Final = "::/0"  # tells of a rule that it is of IPv6, and asks nothing
_NATURAL: Final = (
    *(PolicySpec(priority=0, table=255), PolicySpec(priority=0, table=255, source=_ANY_6)),
    *(PolicySpec(priority=32766, table=254), PolicySpec(priority=32766, table=254, source=_ANY_6)),
    PolicySpec(priority=32767, table=253),
)
"""Those that every namespace has from the start (fib_default_rules_init)."""
_DECLARABLE: Final = ("lookup", "blackhole", "unreachable", "prohibit")
_ALL_BITS: Final = 0xFFFFFFFF

Key = tuple[bool, int]
"""Whether of IPv6, and the priority: what the kernel asks in turn."""
Asked = PolicySpec | PolicyRule
"""A rule that a lab could declare, in one spelling; or another, as it was read."""


def policy(wanted: Wanted, world: World) -> Iterator[Difference]:
    """Of one priority, all: the kernel asks those in the order in which they came."""
    for name in wanted.nodes:
        node = world.nodes.get(name)
        there = _grouped(_asked(node) if node is not None else map(_plain, _NATURAL))
        goal = _goal(wanted, world, name, {six for six, _priority in there})
        for key in sorted({**there, **goal}):
            now, ops = there.get(key, []), goal.get(key, [])
            strange = any(isinstance(one, PolicyRule) for one in now)
            if now != [_plain(op.rule) for op in ops] and not (strange and world.only_told):
                yield _difference(name, key, now, ops, stands=node is not None)


def declarable_rules(node: NodeState) -> Iterator[PolicySpec]:
    """Those of the priorities at which no other rule is."""
    for rules in _grouped(_asked(node)).values():
        plain = [one for one in rules if isinstance(one, PolicySpec)]
        if len(plain) == len(rules):
            yield from plain


def _goal(
    wanted: Wanted, world: World, name: NodeName, families: set[bool]
) -> Mapping[Key, list[AddPolicyRule]]:
    """What is declared, after what each namespace has; a kernel may know no rules of a family."""
    natural = [rule for rule in _NATURAL if rule.six in families and not world.only_told]
    found: dict[Key, list[AddPolicyRule]] = {}
    for op in (
        *(AddPolicyRule(node=name, rule=rule) for rule in natural),
        *wanted.policy.get(name, ()),
    ):
        found.setdefault((op.rule.six, op.rule.priority or 0), []).append(op)
    return found


def _difference(
    name: NodeName,
    key: Key,
    now: Sequence[Asked],
    ops: Sequence[AddPolicyRule],
    *,
    stands: bool,
) -> Difference:
    """More are added to those that are as they should be; else all come anew."""
    goal = [_plain(op.rule) for op in ops]
    six, priority = key
    begun = list(now) == goal[: len(now)] or not stands
    gone = RemovePolicyRules(node=name, priority=priority, number=len(now), six=six)
    change = told(
        Action.CREATE if not now else Action.CHANGE if goal else Action.REMOVE,
        Subject.POLICY,
        name,
        f"{priority} of IPv6" if six else str(priority),
        before=" + ".join(map(_words, now)) or None,
        after=" + ".join(map(_words, goal)) or None,
        place=next((op.place for op in ops if op.place), None),
    )
    removes = () if begun else (gone,)
    return Difference(change=change, removes=removes, makes=tuple(ops[len(now) * begun :]))


def _grouped(rules: "Iterator[Asked] | map[PolicySpec]") -> dict[Key, list[Asked]]:
    found: dict[Key, list[Asked]] = {}
    for rule in rules:
        six = rule.six if isinstance(rule, PolicySpec) else rule.family is Family.IP6
        found.setdefault((six, rule.priority or 0), []).append(rule)
    return found


def _asked(node: NodeState) -> Iterator[Asked]:
    for rule in node.policy_rules:
        mark, _, mask = rule.values.get("fwmark", "").partition("/")
        if rule.action not in _DECLARABLE or set(rule.conditions) - {"iif", "oif", "fwmark"}:
            yield rule
            continue
        usual = _ANY_6 if rule.family is Family.IP6 and not rule.destination else None
        found = PolicySpec(
            action=rule.action,
            table=rule.table if rule.action == "lookup" else 0,
            source=rule.source or usual,
            destination=rule.destination,
            iif=_device(rule, "iif"),
            oif=_device(rule, "oif"),
            fwmark=int(mark, 16) if mark else None,
            fwmask=int(mask, 16) if mask else None,
            priority=rule.priority,
        )
        yield _plain(found)


def _device(rule: PolicyRule, word: str) -> DevName | None:
    name = rule.values.get(word)
    return None if name is None else DevName(name)


def _plain(rule: PolicySpec) -> PolicySpec:
    """One spelling for one rule."""
    mask = _ALL_BITS if rule.fwmask is None else rule.fwmask
    marked = bool(rule.fwmark) or rule.fwmask is not None
    source, destination = _network(rule.source), _network(rule.destination)
    return PolicySpec(
        action=rule.action,
        table=rule.table,
        source=source or (_ANY_6 if rule.six and not destination else None),
        destination=destination,
        iif=rule.iif,
        oif=rule.oif,
        fwmark=rule.fwmark or 0 if marked else None,
        fwmask=mask if marked else None,
        priority=rule.priority or 0,
    )


def _network(text: str | None) -> str | None:
    """None where every address is in it."""
    network = None if text is None else ip_network(text, strict=False)
    return str(network) if network is not None and network.prefixlen else None


def _words(rule: Asked) -> str:
    asked = [("from", rule.source if rule.source != _ANY_6 else None), ("to", rule.destination)]
    if isinstance(rule, PolicySpec):
        mark = None if rule.fwmark is None else f"{rule.fwmark:#x}"
        if mark and rule.fwmask not in (None, _ALL_BITS):
            mark += f"/{rule.fwmask:#x}"
        asked += [("iif", rule.iif), ("oif", rule.oif), ("fwmark", mark)]
    else:
        asked += [(word, rule.values.get(word, "…")) for word in rule.conditions]
    does = f"lookup {rule.table}" if rule.action == "lookup" else rule.action
    return " ".join([*(f"{word} {value}" for word, value in asked if value), does])
