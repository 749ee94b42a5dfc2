"""Rules about routing policy rules: networks, devices, and what a rule does with its packets."""

from collections.abc import Iterator
from ipaddress import ip_network

from msgspec.structs import replace

from hopscope.errors import Problem
from hopscope.model.lab import NodeSpec, PolicySpec
from hopscope.model.limits import RULE_PRIORITY, TABLE
from hopscope.spec.faults import Fault
from hopscope.spec.names import network_of
from hopscope.spec.scope import Scope, said
from hopscope.spec.topology import limit_fault
from hopscope.spec.tree import Path

__all__ = ["policy"]

_STANDARD = (253, 254, 255)  # default, main, local: the kernel fills them


def policy(scope: Scope) -> Iterator[Problem]:
    """What is wrong with the policy rules."""
    for node in scope.alike():
        seen: dict[tuple[bool, int], Path] = {}
        for number, rule in enumerate(node.policy):
            path: Path = ("nodes", node.name, "policy", number)
            for fault, key, piece in _rule(scope, node, rule):
                yield said(fault, scope.where((*path, key) if key else path, piece=piece))
            if rule.priority is None:
                continue
            if (earlier := seen.get((rule.six, rule.priority))) is not None:
                message = f"{node.name} has a rule of priority {rule.priority} already"
                hint = f"{scope.first(earlier)}; which of them is asked first must be said"
                fault = Fault(rule="duplicate-policy", message=message, hint=hint)
                yield said(fault, scope.where((*path, "priority"), piece=str(rule.priority)))
            seen.setdefault((rule.six, rule.priority), path)


def _rule(scope: Scope, node: NodeSpec, rule: PolicySpec) -> Iterator[tuple[Fault, str, str]]:
    """Faults of one rule, the key that holds each, and the word that is wrong."""
    versions = set()
    for key, text in (("from", rule.source), ("to", rule.destination)):
        if text is None:
            continue
        if (fault := network_of(text, "a network or an address", every="all")) is not None:
            yield replace(fault, rule="bad-policy"), key, text
        else:
            versions.add(ip_network(text).version)
    if len(versions) > 1:
        message = "a rule is of IPv4 or of IPv6, and this one is of both"
        yield Fault(rule="bad-policy", message=message, hint="write two rules"), "", ""
    for key, dev in (("iif", rule.iif), ("oif", rule.oif)):
        if dev is not None and (fault := scope.device_fault(node.name, dev)) is not None:
            yield fault, key, dev
    fault = limit_fault("the priority of a rule", rule.priority, RULE_PRIORITY)
    if fault is not None:
        yield fault, "priority", str(rule.priority)
    if (fault := _does(node, rule)) is not None:
        yield fault, "lookup" if rule.table else "", str(rule.table) if rule.table else ""


def _does(node: NodeSpec, rule: PolicySpec) -> Fault | None:
    if rule.action != "lookup":
        if not rule.table:
            return None
        message = f"this rule says both lookup and {rule.action}"
        return Fault(rule="bad-policy", message=message, hint="leave one of them out")
    if not rule.table:
        hint = "write 'lookup' and the number of a table, or blackhole, unreachable or prohibit"
        message = "this rule does not say what becomes of the packets"
        return Fault(rule="bad-policy", message=message, hint=hint)
    if (fault := limit_fault("the number of a table", rule.table, TABLE)) is not None:
        return fault
    filled = {route.table for route in node.routes} | set(_STANDARD)
    unasked = filled.difference(_STANDARD, (other.table for other in node.policy))
    if rule.table in filled or not unasked:  # an empty table may be filled later
        return None
    message = f"{node.name} has no route in the table {rule.table}"
    message += f", and no rule that looks in the table {min(unasked)}"
    hint = f"did you mean {min(unasked)}?"
    return Fault(rule="empty-table", message=message, text=str(rule.table), hint=hint)
