"""Give firewall rules to the tools they were written for, and take them away again.

Rules go in as iptables-restore's form, or as an nft script: the tool parses them, reports
what it does not like by line, and applies each table as a whole or not at all.
"""

import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from hopscope.errors import (
    CannotError,
    KernelError,
    Place,
    Problem,
    SpecError,
    ToolError,
    UsageError,
)
from hopscope.kernel.protocol import Completed, Kernel
from hopscope.kernel.tables import nfts_own, tables
from hopscope.model.vocab import Family, NodeName
from hopscope.wire import nftreset
from hopscope.wire.netlink import NETLINK_NETFILTER

__all__ = [
    "add_iptables",
    "add_nft",
    "arguments",
    "complaint",
    "gathered",
    "reset",
    "restore_form",
    "saved",
    "zero",
]

PACKAGE = {"iptables": "iptables", "ip6tables": "iptables", "nft": "nftables"}


def add_iptables(
    kernel: Kernel,
    node: NodeName,
    tool: str,
    lines: Sequence[str],
    places: Sequence[Place | None] = (),
    *,
    flushing: bool = False,
) -> None:
    """Apply lines of iptables arguments in *node*.

    Raises SpecError naming the line that the tool refused, CannotError without the tool, UsageError
    as `arguments`. With *flushing* it names each such line, for which the others are tried in
    tables that are flushed: only where no other rules are, and all is let go if any is refused.
    """
    argv = [f"{tool}-restore", "--noflush", "--counters", "-w", "5"]
    left, refused = dict(enumerate(lines)), list[Problem]()
    while True:
        text, origin = restore_form([*left.values()])
        done = kernel.run(node, argv, text.encode())
        if done.code == 0:
            break
        said = complaint(tool, node, done)
        match = re.search(r"line:? (\d+)", said)
        found = _refused(said, int(match.group(1)), origin, [*left.values()]) if match else None
        number = len(places) if found is None else [*left][found]
        place = places[number] if number < len(places) else None
        if place is None:
            if refused:  # by another line, which is told
                break
            raise ToolError(f"{tool}-restore", f"{node}: applying rules", said)
        message = f"{tool} refuses this rule: {_first_sentence(said)}"
        line = left.pop(number)
        refused.append(Problem(place=place, rule="refused-rule", message=message, text=line))
        if not flushing:
            break
        argv = [word for word in argv if word != "--noflush"]
    if refused:
        raise SpecError(refused)


@contextmanager
def gathered(problems: list[Problem]) -> Iterator[None]:
    """What a lab is refused within, to be told together with more; once, of nodes alike."""
    try:
        yield
    except SpecError as error:
        problems += [problem for problem in error.problems if problem not in problems]


def add_nft(kernel: Kernel, node: NodeName, script: str, place: Place | None = None) -> None:
    """Apply an nft script in *node*. Raises as `add_iptables`."""
    done = kernel.run(node, ["nft", "-f", "-"], script.encode())
    if done.code == 0:
        return
    said = complaint("nft", node, done)
    if place is not None:
        where = r"in line \1 of the script, column \2: "
        said = re.sub(r"/dev/stdin:(\d+):(\d+)-\d+: Error: ", where, said)
        raise SpecError(
            [Problem(place=place, rule="refused-rule", message=f"nft refuses this: {said}")]
        )
    raise ToolError("nft", f"{node}: applying rules", said)


def reset(kernel: Kernel, node: NodeName) -> None:
    """Remove every table of *node* but ours. Raises as `add_nft`."""
    theirs = tables(kernel, node)
    if theirs:
        add_nft(kernel, node, "".join(f"delete table {f} {name}\n" for f, name in theirs))


def saved(kernel: Kernel, node: NodeName) -> dict[str, tuple[str, ...]]:
    """Tool → what gives it the node's rules and their counters as they are now: lines, or a script.

    Tables that iptables manages are told by ``iptables-save``, all others by nft, also where they
    are called the same. ToolError when one of these fails.
    """
    there = tables(kernel, node)
    listed = {
        family: (tool, _told(kernel, node, [f"{tool}-save", "-c"]))
        for tool, family in (("iptables", Family.IP), ("ip6tables", Family.IP6))
        if any(one.managed and one.family is family for one in there)
    }
    texts = {family: text for family, (_tool, text) in listed.items()}
    left = nfts_own(kernel, node, there, texts)
    kept: dict[str, tuple[str, ...]] = {}
    for family, (tool, text) in listed.items():
        managed = [one.name for one in there if one.family is family and one not in left]
        kept[tool] = tuple(_lines(text, managed))
    script = "".join(_told(kernel, node, ["nft", "list", "table", *one]) for one in left)
    return {tool: some for tool, some in (*kept.items(), ("nft", (script,))) if any(some)}


def _told(kernel: Kernel, node: NodeName, argv: Sequence[str]) -> str:
    """What the tool prints; nothing without it."""
    done = kernel.run(node, argv)
    if done.code not in (0, 127):
        raise ToolError(argv[0], f"{node}: keeping its rules", complaint(argv[0], node, done))
    return done.stdout.decode()


def _lines(text: str, managed: Collection[str]) -> Iterator[str]:
    """What a ``-save`` tool prints of these tables, as lines of arguments."""
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif table not in managed:
            continue
        elif line.startswith(":"):
            chain, policy, counts = line[1:].split()
            if policy == "-":
                yield f"-t {table} -N {chain}"
            elif (policy, counts) != ("ACCEPT", "[0:0]"):  # as of chains that are not there, too
                yield f"-t {table} :{chain} {policy} {counts}"
        elif line.startswith("["):
            counts, rule = line.split(maxsplit=1)
            yield f"{counts} -t {table} {rule}"


def zero(kernel: Kernel, node: NodeName) -> None:
    """Zero the counters of all iptables rules in *node*, as ``iptables -Z`` in each table."""
    there = tables(kernel, node)
    for tool, family in (("iptables", Family.IP), ("ip6tables", Family.IP6)):
        names = [one.name for one in there if one.managed and one.family is family]
        left = [name for name in names if not _reset(kernel, node, family, name)]
        if left:
            text = "".join(f"*{name}\n-Z\nCOMMIT\n" for name in left)
            done = kernel.run(node, [f"{tool}-restore", "--noflush", "-w", "5"], text.encode())
            if done.code and b"incompatible" not in done.stderr:  # nft's own, of that name
                raise ToolError(tool, f"{node}: zeroing counters", complaint(tool, node, done))


def _reset(kernel: Kernel, node: NodeName, family: Family, table: str) -> bool:
    """Zero a table's counters where the kernel can without a change of rules."""
    try:
        chains = kernel.ask(node, nftreset.dump_chains(family), bus=NETLINK_NETFILTER)
        if nftreset.counts_policies(chains, table):
            return False
        rules = kernel.ask(node, nftreset.dump_rules(family, table), bus=NETLINK_NETFILTER)
        if nftreset.has_quota(rules):
            return False
        for chain in nftreset.zeroed(chains, table):
            reset = nftreset.reset_rules(family, table, chain)
            kernel.ask(node, reset, bus=NETLINK_NETFILTER)
    except KernelError:  # an older one
        return False
    return True


def arguments(line: str) -> tuple[str, list[str]]:
    """The table of a line of iptables arguments, and its other words.

    Raises UsageError for what no shell would take, or iptables-restore read as more than one.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:  # as "No closing quotation"
        raise _no_rule(line, f" ({error})") from error
    ends = any(end in word for word in words for end in "\n\r\0")
    table = "filter"
    for flag in ("-t", "--table"):
        if flag in words:
            at = words.index(flag)
            table = next(iter(words[at + 1 : at + 2]), "")
            del words[at : at + 2]
    if not table:
        raise _no_rule(line, " (-t names no table)")
    if ends:
        raise _no_rule(line)
    return table, words


def _no_rule(line: str, why: str = "") -> UsageError:
    message = f"a rule is one line of iptables arguments, which this is not: {line!r}{why}"
    return UsageError(message)


def restore_form(lines: Sequence[str]) -> tuple[str, dict[int, int]]:
    """Lines of arguments as iptables-restore reads them, and its line numbers → ours.

    Raises UsageError as `arguments`.
    """
    tables: dict[str, list[tuple[int, str]]] = {}
    for number, line in enumerate(lines):
        table, words = arguments(line)
        tables.setdefault(table, []).append((number, " ".join(_quoted(word) for word in words)))
    text: list[str] = []
    origin: dict[int, int] = {}
    for table, rules in tables.items():
        text.append(f"*{table}")
        for number, rule in rules:
            text.append(rule)
            origin[len(text)] = number
        text.append("COMMIT")
    return "\n".join(text) + "\n", origin


def _refused(said: str, at: int, origin: Mapping[int, int], lines: Sequence[str]) -> int | None:
    """Which of our lines the tool means by its line *at*.

    What only the kernel refuses is told at the table's COMMIT, often with the name at fault.
    """
    if at in origin:
        return origin[at]
    table: list[int] = []
    while (at := at - 1) in origin:
        table.append(origin[at])
    named = {name for pair in re.findall(r"[`']([^']+)'|\"([^\"]+)\"", said) for name in pair}
    for number in reversed(table):
        if named & set(shlex.split(lines[number])):
            return number
    return table[0] if len(table) == 1 else None


def _quoted(word: str) -> str:
    """iptables-restore knows double quotes and backslashes, not the shell's single quotes."""
    if word and not re.search(r"[\s\"'\\]", word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def complaint(tool: str, node: NodeName, done: Completed) -> str:
    """What a tool said that failed; CannotError when there is no such tool."""
    if done.code == 127:
        what = f"{node}: this lab has {tool} rules, and {tool} is not installed"
        raise CannotError(what, mend=f"apt-get install {PACKAGE[tool]}   (as root)")
    return done.stderr.decode(errors="replace").strip() or f"exit status {done.code}"


def _first_sentence(said: str) -> str:
    first = said.splitlines()[0]
    return re.sub(r"^ip6?tables-restore( v[\d.]+ \(\w+\))?: ", "", first)
