"""Rules about firewall lines, and about the chains that a story names."""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final

from msgspec.structs import replace

from hopscope.errors import Problem
from hopscope.model.chains import BUILT_IN, ChainName
from hopscope.model.lab import RuleLine
from hopscope.spec.faults import Fault
from hopscope.spec.names import TABLES, hook_fault, rule_fault
from hopscope.spec.scope import Scope, said
from hopscope.spec.tree import Path

__all__ = ["chain_fault", "firewall", "lines"]

_SLIP: Final = 0.8  # so alike that nobody names two chains so


def firewall(scope: Scope) -> Iterator[Problem]:
    """What is wrong with the firewalls of the nodes."""
    for node in scope.alike():
        path: Path = ("nodes", node.name)
        yield from lines(scope, node.iptables, "iptables", (*path, "iptables"))
        yield from lines(scope, node.ip6tables, "ip6tables", (*path, "ip6tables"))
        if node.nft is not None and not node.nft.text.strip():
            hint = "write a script, as 'table ip t { … }', or remove the line"
            fault = Fault(rule="bad-rule", message="this nft script is empty", hint=hint)
            yield said(fault, scope.where((*path, "nft")))


def lines(scope: Scope, given: Sequence[RuleLine], tool: str, path: Path) -> Iterator[Problem]:
    """What is wrong with the lines that stand at *path*."""
    for number, line in enumerate(given):
        if (fault := rule_fault(line.text, tool)) is not None:
            yield said(fault, scope.where((*path, number)))


def chain_fault(scope: Scope, text: str) -> Fault | None:
    """Whether a story names a chain that cannot be, so that avoiding it would mean nothing.

    Chains that nobody here made may stand on a real host: only a slip of a built-in is judged.
    """
    named, fault = ChainName.read(text), hook_fault(text)
    if named is None or fault is not None:
        return fault
    name, table, chain = named.node, named.table, named.chain
    if (fault := scope.node_fault(name)) is not None:
        return fault
    if chain in scope.chains.get(name, (chain,)):
        return None
    meant = _meant(table, chain)
    if meant is None or meant == (table, chain):
        return None
    hint = f"did you mean {str(replace(named, table=meant[0], chain=meant[1]))!r}?"
    if meant == (table, ""):
        hint = f"it has {', '.join(BUILT_IN[table])}"
    message = f"the table {table} has no chain {chain}"
    if meant[0] != table:
        message = f"there is no table {table}"
    return Fault(rule="unknown-chain", message=message, text=text, hint=hint)


def _meant(table: str, chain: str) -> tuple[str, str] | None:
    """The table and chain that were probably meant; no chain: any other. None: who knows."""
    place = table if table in BUILT_IN else _slip_of(table, TABLES)
    if place is None:
        return None
    if chain in BUILT_IN[place]:
        return place, chain
    meant = _slip_of(chain, BUILT_IN[place])
    if meant is not None:
        return place, meant
    elsewhere = any(chain in chains for chains in BUILT_IN.values())
    return (place, "") if elsewhere and place == table else None


def _slip_of(word: str, known: Sequence[str]) -> str | None:
    """The one of *known* that *word* is a slip of; one with more to it was meant so."""
    for name in known:
        alike = SequenceMatcher(a=word, b=name).ratio() >= _SLIP
        if alike and name not in word:
            return name
    return None
