"""What a namespace holds beyond its Snapshot, as far as a lab file can say it."""

import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from hopscope.errors import KernelError
from hopscope.kernel.neighbours import agreed
from hopscope.kernel.read.snapshot import read
from hopscope.kernel.sandbox import Sandbox
from hopscope.kernel.tables import Table, nfts_own, tables
from hopscope.lab.imports.told import SCRIPT, Things, things
from hopscope.model.snapshot import NodeState, Snapshot
from hopscope.model.vocab import DevName, Family, NodeName

__all__ = ["NodeFacts", "facts_of"]

_FILES: Final = """
grep -Hs "" /sys/class/net/*/addr_assign_type
find /proc/sys/net -type f -perm -200 -exec grep -Hs "" {} +
"""
_SET: Final = "3"  # NET_ADDR_SET: somebody chose the address
_ENDLESS: Final = re.compile(r"net/(ipv4/route/flush|ipv6/route/flush|.*/stable_secret|.*/mtu)")

_AT_ONCE: Final = 4  # nodes
_WORD: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\S+')


class NodeFacts(Struct, frozen=True, kw_only=True):
    """One namespace. *sysctls* are by path below /proc/sys, those that can be written."""

    state: NodeState
    sysctls: Mapping[str, str]
    chosen_macs: frozenset[DevName] = frozenset()
    iptables: tuple[str, ...] = ()
    ip6tables: tuple[str, ...] = ()
    nft: str = ""
    things: Things = {}
    unread: tuple[str, ...] = ()

    @property
    def name(self) -> NodeName:
        """The node's."""
        return self.state.name


def facts_of(sandbox: Sandbox, nodes: Sequence[NodeName]) -> list[NodeFacts]:
    """All of each node, now; some nodes are asked while others are awaited."""
    waiting: deque[_Reading] = deque()
    found: list[NodeFacts] = []
    snapshot = agreed(lambda: read(sandbox, nodes, rules=False), _entries)
    version = sandbox.run(nodes[0], ["iptables-save", "--version"]).stdout if nodes else b""
    for state in snapshot.nodes:
        waiting.append(_Reading(sandbox, state, shown=b"(nf_tables)" in version))
        if len(waiting) == _AT_ONCE:
            found.append(waiting.popleft().facts())
    return [*found, *(one.facts() for one in waiting)]


def _entries(snapshot: Snapshot) -> object:
    return [(node.name, node.neighbours) for node in snapshot.nodes]


class _Reading:
    """One namespace that is being asked: its programs run, each into a file of its own.

    *shown*: the tables of iptables are nf_tables', too, so it is asked only where there are some.
    """

    def __init__(self, sandbox: Sandbox, state: NodeState, *, shown: bool) -> None:
        self._sandbox, self._state, self._shown = sandbox, state, shown
        self._unread: list[str] = []
        self._things = self._begun(SCRIPT)
        self._files = self._begun(_FILES, own_sys=True)
        self._tables = _tables(sandbox, state.name)

    def facts(self) -> NodeFacts:
        """All of it, once they have ended."""
        files = list(_pairs(self._files()))
        texts = {Family.IP: "", Family.IP6: ""}
        if self._tables or not self._shown:
            tools = zip(texts, ("iptables-save", "ip6tables-save"), strict=True)
            saved = {family: self._listing([tool]) for family, tool in tools}
            texts = {family: text() for family, text in saved.items()}
        own = nfts_own(self._sandbox, self._state.name, self._tables, texts)
        four, six = (_saved(text, own, family) for family, text in texts.items())
        return NodeFacts(
            state=self._state,
            sysctls=_sysctls(files),
            chosen_macs=frozenset(_chosen(files)),
            iptables=tuple(four),
            ip6tables=tuple(six),
            nft="".join(self._listing(["nft", "-s", "list", "table", *one])() for one in own),
            things=things(self._things()),
            unread=tuple(self._unread),
        )

    def _begun(self, script: str, *, own_sys: bool = False) -> Callable[[], str]:
        argv = ["sh", "-c", script]
        done = self._sandbox.running(self._state.name, argv, own_sys=own_sys)
        return lambda: done().stdout.decode(errors="replace")

    def _listing(self, argv: list[str]) -> Callable[[], str]:
        running = self._sandbox.running(self._state.name, argv)

        def listed() -> str:
            done = running()
            if done.code == 127:
                why = f"{self._state.name}: rules are not read: there is no {argv[0]}"
                self._unread.append(why)
            return done.stdout.decode(errors="replace") if done.code == 0 else ""

        return listed


def _tables(sandbox: Sandbox, node: NodeName) -> list[Table]:
    """None where the kernel has no nf_tables."""
    try:
        return tables(sandbox, node)
    except KernelError:
        return []


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        path, colon, value = line.partition(":")
        if colon:
            yield path, " ".join(value.split())


def _chosen(pairs: Iterable[tuple[str, str]]) -> Iterator[DevName]:
    """The devices whose address somebody chose."""
    for path, value in pairs:
        if path.startswith("/sys/") and value == _SET:
            yield DevName(path.split("/")[4])


def _sysctls(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """By path; those that are no settings, or follow from something else, are left out."""
    start = "/proc/sys/"
    paths = ((path.removeprefix(start), value) for path, value in pairs if path.startswith(start))
    return {path: value for path, value in paths if not _ENDLESS.fullmatch(path)}


def _saved(text: str, own: Collection[Table], family: Family) -> Iterator[str]:
    """What iptables-save prints, as lines of arguments; of tables that nft has for its *own*, none.

    Those of a table stand together.
    """
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif (family, table) in own:
            continue
        elif line.startswith(":"):
            chain, policy, *_counters = line[1:].split()
            if policy == "-":
                yield f"{_of(table)}-N {chain}"
            elif policy != "ACCEPT":
                yield f"{_of(table)}-P {chain} {policy}"
        elif line.startswith("-A"):
            yield _of(table) + " ".join(map(_worded, _WORD.findall(line)))


def _worded(word: str) -> str:
    """A word as iptables-save quotes it, quoted as a shell, and a lab file, would have it."""
    if not word.startswith('"'):
        return word
    plain = re.sub(r"\\(.)", r"\1", word[1:-1])
    return '"' + re.sub(r'(["\\])', r"\\\1", plain) + '"'


def _of(table: str) -> str:
    return "" if table == "filter" else f"-t {table} "
