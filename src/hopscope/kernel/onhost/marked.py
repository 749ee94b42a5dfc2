"""Rules among others' in one namespace: each of ours is known by the mark that is its comment."""

import shlex
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from hopscope.errors import Place, ToolError
from hopscope.kernel.apply.firewall import add_iptables, complaint
from hopscope.kernel.onhost.marks import is_behind, put_first
from hopscope.kernel.protocol import Kernel
from hopscope.model.vocab import NodeName
from hopscope.plan.world import MarkedRule

__all__ = ["Saved", "expected", "marked_rules", "zero_marked"]

_NO_TOOL: Final = 127


class Saved(Struct, frozen=True):
    """What a ``-save`` tool told: our rules, in its order, and everyone's own chains."""

    rules: tuple[MarkedRule, ...]
    chains: tuple[tuple[str, str], ...] = ()  # table and name


def marked_rules(kernel: Kernel, node: NodeName, tool: str, mark: str) -> Saved:
    """Those of *node* that carry the mark; without the tool there are none. Raises ToolError."""
    done = kernel.run(node, [f"{tool}-save"])
    if done.code == _NO_TOOL:
        return Saved(rules=())
    if done.code:
        raise ToolError(f"{tool}-save", f"{node}: reading rules", complaint(tool, node, done))
    lines = done.stdout.decode(errors="replace").splitlines()
    return Saved(rules=tuple(_marked(lines, mark)), chains=tuple(_chains(lines)))


def _marked(lines: Sequence[str], mark: str) -> Iterator[MarkedRule]:
    table, counts = "", dict[str, int]()
    for line in lines:
        if line.startswith("*"):
            table, counts = line[1:], {}
        elif line.startswith("-A "):
            chain, _, rest = line.removeprefix("-A ").partition(" ")
            counts[chain] = counts.get(chain, 0) + 1
            if mark in shlex.split(rest):
                yield MarkedRule(table=table, chain=chain, number=counts[chain], text=rest)


def _chains(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Those that someone made; a built-in one has a policy."""
    table = ""
    for line in lines:
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(":") and line.split()[1] == "-":
            yield table, line[1:].split()[0]


def expected(
    kernel: Kernel,
    fresh: NodeName,
    tool: str,
    lines: Sequence[str],
    *,
    mark: str,
    chains: Sequence[tuple[str, str]] = (),
    places: Sequence[Place | None] = (),
) -> tuple[MarkedRule, ...]:
    """What marked *lines* are told as where others have *chains*, tried in a *fresh* namespace.

    With no rules of others there, one that is inserted behind some is put first.
    Raises as `add_iptables`.
    """
    own = [f"-t {table} -N {chain}" for table, chain in chains]
    if own:
        add_iptables(kernel, fresh, tool, own)
    tried = [put_first(line) if is_behind(line) else line for line in lines]
    add_iptables(kernel, fresh, tool, tried, places)
    return marked_rules(kernel, fresh, tool, mark).rules


def zero_marked(kernel: Kernel, node: NodeName, mark: str) -> None:
    """Zero the counters of the iptables rules in *node* whose comment is *mark*, and no others."""
    for tool in ("iptables", "ip6tables"):
        for rule in marked_rules(kernel, node, tool, mark).rules:
            argv = [tool, "-w", "5", "-t", rule.table, "-Z", rule.chain, str(rule.number)]
            done = kernel.run(node, argv)
            if done.code:
                raise ToolError(tool, f"{node}: zeroing counters", complaint(tool, node, done))
