"""A node's ruleset, as its own tools list it.

The kernel is asked for its tables first, so that a node without any costs no program. Each
is then listed by itself, and those of ours not at all: nft 1.0.6 writes memory that is not
its own, or stops in the middle, for the JSON of a table that a process owns.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from hopscope.errors import KernelError
from hopscope.kernel.protocol import Completed, Kernel
from hopscope.kernel.tables import Table, tables
from hopscope.model.snapshot import Chain, Rule
from hopscope.model.vocab import Family, NodeName
from hopscope.wire import nft, ruleset
from hopscope.wire.netlink import NETLINK_NETFILTER
from hopscope.wire.nft import RuleKey
from hopscope.wire.ruleset import Entry

__all__ = ["LEGACY", "Listing", "Listings", "read_chains"]

_AT_ONCE: Final = 8
"""Tools that run side by side: each is a process and three files of ours, and its end an answer."""

_LIST: Final = ("nft", "-j", "-a", "list", "table")
_SAVE: Final = {Family.IP: "iptables-save", Family.IP6: "ip6tables-save"}
LEGACY: Final = {
    "/proc/net/ip_tables_names": "iptables-legacy-save",
    "/proc/net/ip6_tables_names": "ip6tables-legacy-save",
}
"""Where the kernel names tables of the older kind, and what lists them."""


class Listing(Struct, frozen=True):
    """What the tools told of a node's rules, and the generation of the ruleset that it is of."""

    generation: int
    chains: tuple[Chain, ...]


Listings = dict[NodeName, Listing]
"""What was listed before: as long as no rule changes, only the counters are asked for anew."""


def read_chains(
    kernel: Kernel,
    node: NodeName,
    listed: Listings | None = None,
    texts: Mapping[str, str | None] | None = None,
) -> tuple[tuple[Chain, ...], tuple[str, ...]]:
    """The chains, and in words what could not be read; *listed* is used, and kept up to date.

    *texts*: those of the files `LEGACY`, where they were read already.
    """
    legacy = tuple(_legacy(node, kernel.read_files(node, list(LEGACY)) if texts is None else texts))
    before = _generation(kernel, node) if listed is not None else None
    known = listed.get(node) if listed is not None else None
    if known is not None and known.generation == before:
        chains = _counted_now(kernel, node, known)
        if chains is not None:
            return chains, legacy
    chains, unread = _listed_chains(kernel, node)
    if listed is not None:
        listed.pop(node, None)
        if before is not None and not unread and before == _generation(kernel, node):
            listed[node] = Listing(before, chains)
    return chains, (*legacy, *unread)


def _counted_now(kernel: Kernel, node: NodeName, known: Listing) -> tuple[Chain, ...] | None:
    """The chains with their counters as they are now; None when rules change meanwhile."""
    if not any(one.rules for one in known.chains):
        return known.chains
    counted = nft.counters(kernel.ask(node, nft.dump_rules(), bus=NETLINK_NETFILTER))
    if known.generation != _generation(kernel, node):
        return None
    return tuple(_counted(chain, counted) for chain in known.chains)


def _generation(kernel: Kernel, node: NodeName) -> int | None:
    try:
        answers = kernel.ask(node, nft.get_generation(), bus=NETLINK_NETFILTER)
    except KernelError:
        return None
    return nft.generation(answers)


def _counted(chain: Chain, counted: Mapping[RuleKey, tuple[int, int] | None]) -> Chain:
    """With the counters as they are now."""

    def now(rule: Rule) -> Rule:
        counts = counted.get((chain.family, chain.table, chain.name, rule.handle))
        return rule if counts is None else replace(rule, packets=counts[0], bytes=counts[1])

    return replace(chain, rules=tuple(map(now, chain.rules)))


def _listed_chains(kernel: Kernel, node: NodeName) -> tuple[tuple[Chain, ...], tuple[str, ...]]:
    unread: list[str] = []
    try:
        theirs = tables(kernel, node)
    except KernelError as error:
        return (), (f"{node}: the firewall is not read: {error}",)
    saving = [
        family for family in _SAVE if any(one.managed and one.family is family for one in theirs)
    ]
    listing = [[*_LIST, *table] for table in theirs]
    said = list(_said(kernel, node, [*listing, *([_SAVE[family]] for family in saving)]))
    saved = dict(zip(saving, said[len(theirs) :], strict=True))
    entries = list(_entries(node, list(zip(theirs, said, strict=False)), unread))
    if not any("chain" in entry for entry in entries):
        return (), tuple(unread)
    missing = (_SAVE[family] for family, text in saved.items() if text is None)
    unread += (f"{node}: rules are told in nft's words: there is no {tool}" for tool in missing)
    lines = ruleset.saved_lines(entries, {family: text or "" for family, text in saved.items()})
    stateless = ""
    if len(lines) < sum("rule" in entry for entry in entries):
        (text,) = _said(kernel, node, [["nft", "-s", "-a", "list", "ruleset"]])
        stateless = text or ""
    return ruleset.chains(entries, lines, stateless), tuple(unread)


def _legacy(node: NodeName, texts: Mapping[str, str | None]) -> Iterator[str]:
    """The older kind of tables, which nft does not know, and no generation counts."""
    for path, tool in LEGACY.items():
        if text := (texts[path] or "").split():
            tables = ", ".join(text)
            yield f"{node}: rules of iptables-legacy are not read ({tables}); see {tool}"


def _entries(
    node: NodeName, texts: Sequence[tuple[Table, str | None]], unread: list[str]
) -> Iterator[Entry]:
    """What nft's JSON says of each table."""
    for (family, table), text in texts:
        if text is None:
            unread.append(f"{node}: the firewall is not read: there is no nft (package nftables)")
            return
        found = ruleset.entries(text)
        if found is None:
            unread.append(f"{node}: the table {family} {table} is not read: nft fails to list it")
        yield from found or ()


def _said(kernel: Kernel, node: NodeName, tools: Sequence[Sequence[str]]) -> Iterator[str | None]:
    """Run each tool, a few side by side; what it prints, None without the tool."""
    begun = deque[Callable[[], Completed]]()
    for argv in tools:
        if len(begun) == _AT_ONCE:
            yield _printed(begun.popleft()())
        begun.append(kernel.running(node, argv))
    while begun:
        yield _printed(begun.popleft()())


def _printed(done: Completed) -> str | None:
    return None if done.code == 127 else done.stdout.decode(errors="replace")
