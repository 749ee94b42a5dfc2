"""Which policy rules hold for a packet, in the order in which the kernel asks them; pure."""

from collections.abc import Iterator, Sequence
from ipaddress import ip_address, ip_network

from hopscope.model.snapshot import PolicyRule
from hopscope.model.vocab import DevName, Family

__all__ = ["asks", "rules_for"]


def rules_for(
    rules: Sequence[PolicyRule],
    family: Family,
    destination: str,
    *,
    source: str | None = None,
    came_in: DevName | None = None,
    mark: int | None = None,
) -> Iterator[PolicyRule]:
    """Those that hold, by priority (fib_rule_match(), net/core/fib_rules.c).

    A rule that asks for what is not known here is taken not to hold.
    """
    for rule in sorted(rules, key=lambda rule: rule.priority):
        holds = rule.family is family and _within(destination, rule.destination)
        if rule.source is not None:
            holds = holds and source is not None and _within(source, rule.source)
        if holds and all(_meets(rule, asked, came_in, mark) for asked in rule.conditions):
            yield rule


def _within(ip: str, network: str | None) -> bool:
    if network is None:
        return True
    alone, whole = ip_address(ip), ip_network(network, strict=False)
    return alone.version == whole.version and alone in whole


def _meets(rule: PolicyRule, asked: str, came_in: DevName | None, mark: int | None) -> bool:
    value = rule.values.get(asked, "")
    if asked == "iif":
        return came_in is not None and value == came_in
    if asked != "fwmark" or mark is None:
        return False
    wanted, _, mask = value.partition("/")
    return not (int(wanted, 16) ^ mark) & int(mask or "0xffffffff", 16)


def asks(rule: PolicyRule) -> str:
    """What a policy rule asks of a packet, as ``ip rule`` has it."""
    words = [f"from {rule.source or 'all'}"]
    words += [f"to {rule.destination}"] if rule.destination else []
    words += [f"{word} {rule.values.get(word, '…')}" for word in rule.conditions]
    return " ".join(words)
