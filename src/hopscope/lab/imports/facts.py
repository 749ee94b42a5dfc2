"""What a namespace holds beyond its Snapshot, as far as a lab file can say it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from hopscope.kernel.read import read
from hopscope.kernel.sandbox import Sandbox
from hopscope.lab.imports.told import SCRIPT, Things, things
from hopscope.model.snapshot import NodeState
from hopscope.model.vocab import DevName, NodeName

__all__ = ["NodeFacts", "facts_of"]

_SYSCTLS: Final = 'find /proc/sys/net -type f -perm -200 -exec grep -Hs "" {} +'
_SYSFS: Final = 'grep -Hs "" /sys/class/net/*/addr_assign_type'
_SET: Final = "3"  # NET_ADDR_SET: somebody chose the address
_ENDLESS: Final = re.compile(r"net/(ipv4/route/flush|ipv6/route/flush|.*/stable_secret|.*/mtu)")

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
    """All of each node, now."""
    snapshot = read(sandbox, nodes, rules=False)
    return [_facts(sandbox, state) for state in snapshot.nodes]


def _facts(sandbox: Sandbox, state: NodeState) -> NodeFacts:
    told = _output(sandbox, state.name, _SYSFS)
    chosen = {path.split("/")[4] for path, value in _pairs(told) if value == _SET}
    unread: list[str] = []
    tables = _listed(sandbox, state.name, ["nft", "list", "tables"], unread)
    four = _saved(_listed(sandbox, state.name, ["iptables-save"], unread))
    six = _saved(_listed(sandbox, state.name, ["ip6tables-save"], unread))
    own = [
        table.split()[1:]
        for table in tables.splitlines()
        if not _is_compat(table.split()[1:], four, six)
    ]
    return NodeFacts(
        state=state,
        sysctls=_sysctls(_pairs(_output(sandbox, state.name, _SYSCTLS))),
        chosen_macs=frozenset(map(DevName, chosen)),
        iptables=tuple(line for lines in four.values() for line in lines),
        ip6tables=tuple(line for lines in six.values() for line in lines),
        nft="".join(
            _listed(sandbox, state.name, ["nft", "-s", "list", "table", *table], unread)
            for table in own
        ),
        things=things(_output(sandbox, state.name, SCRIPT, own_sys=False)),
        unread=tuple(unread),
    )


def _output(sandbox: Sandbox, node: NodeName, script: str, *, own_sys: bool = True) -> str:
    done = sandbox.run(node, ["sh", "-c", script], own_sys=own_sys)
    return done.stdout.decode(errors="replace")


def _listed(sandbox: Sandbox, node: NodeName, argv: list[str], unread: list[str]) -> str:
    done = sandbox.run(node, argv)
    if done.code == 127:
        unread.append(f"{node}: rules are not read: there is no {argv[0]}")
    return done.stdout.decode(errors="replace") if done.code == 0 else ""


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        path, colon, value = line.partition(":")
        if colon:
            yield path, " ".join(value.split())


def _sysctls(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """By path; those that are no settings, or follow from something else, are left out."""
    paths = ((path.removeprefix("/proc/sys/"), value) for path, value in pairs)
    return {path: value for path, value in paths if not _ENDLESS.fullmatch(path)}


def _is_compat(
    table: Sequence[str], four: Mapping[str, list[str]], six: Mapping[str, list[str]]
) -> bool:
    """Whether a table of nft is one of iptables', which its own tool has saved."""
    family, name = table[0], table[1]
    return name in {"ip": four, "ip6": six}.get(family, {})


def _saved(text: str) -> dict[str, list[str]]:
    """What iptables-save prints, as lines of arguments by table."""
    found: dict[str, list[str]] = {}
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:]
            found[table] = []
        elif line.startswith(":"):
            chain, policy, *_counters = line[1:].split()
            if policy == "-":
                found[table].append(f"{_of(table)}-N {chain}")
            elif policy != "ACCEPT":
                found[table].append(f"{_of(table)}-P {chain} {policy}")
        elif line.startswith("-A"):
            found[table].append(_of(table) + " ".join(map(_worded, _WORD.findall(line))))
    return found


def _worded(word: str) -> str:
    """A word as iptables-save quotes it, quoted as a shell, and a lab file, would have it."""
    if not word.startswith('"'):
        return word
    plain = re.sub(r"\\(.)", r"\1", word[1:-1])
    return '"' + re.sub(r'(["\\])', r"\\\1", plain) + '"'


def _of(table: str) -> str:
    return "" if table == "filter" else f"-t {table} "
