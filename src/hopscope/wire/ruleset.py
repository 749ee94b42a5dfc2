"""A kernel's tables by name, and what nft and iptables-save print → chains and rules; runs neither.

nft's JSON gives every rule its chain, handle and counter. What a rule says is told in the
words of the tool that it was written for: of a table that iptables manages, the line that
iptables-save prints, which stands in the same order; of any other, nft's own line.
"""

import json
import re
import shlex
import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from hopscope.model.snapshot import Chain, Rule
from hopscope.model.vocab import Family, Hook
from hopscope.wire.netlink import NLM_F_DUMP, Message, attributes
from hopscope.wire.nft import OUR_PREFIX

__all__ = [
    "IPTABLES_TABLES",
    "Entry",
    "chains",
    "dump_sets",
    "dump_tables",
    "entries",
    "named_set",
    "saved_lines",
    "shell_line",
    "table",
]

IPTABLES_TABLES: Final = ("raw", "mangle", "nat", "filter", "security")
_WORD: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\S+')
_COMMENT: Final = re.compile(r"\s*# handle (\d+)$")
_PREFIX: Final = re.compile(r'\blog prefix "(.*)"')  # as nft writes it, quotes inside and all
_NEWTABLE, _GETTABLE = 10 << 8, 10 << 8 | 1  # NFNL_SUBSYS_NFTABLES
_NEWSET, _GETSET = 10 << 8 | 9, 10 << 8 | 10
_ANONYMOUS: Final = 1  # NFT_SET_ANONYMOUS: a rule's own, as `{ 80, 443 }`
_FAMILIES: Final = {
    1: Family.INET,
    2: Family.IP,
    3: Family.ARP,
    5: Family.NETDEV,
    7: Family.BRIDGE,
    10: Family.IP6,
}

Entry = Mapping[str, Any]
"""One object of nft's JSON: ``{"rule": {…}}``."""

Lines = Mapping[tuple[str, str, str, int], str]
"""Family, table and chain, and which of its rules → iptables-save's line."""

Key = tuple[str, str, str]
"""Family, table and chain."""


def dump_tables() -> Message:
    """Asks a netfilter socket for all tables; without any, no tool need be run."""
    return Message(_GETTABLE, NLM_F_DUMP, struct.pack("=BBH", 0, 0, 0))


def table(message: Message) -> tuple[Family, str] | None:
    """The family and name in an answer to `dump_tables`; None for any other message."""
    if message.type != _NEWTABLE or len(message.payload) < 4:
        return None
    return _table(message.payload[0], attributes(message.payload[4:]))


def dump_sets() -> Message:
    """Asks a netfilter socket for the sets and maps of all tables."""
    return Message(_GETSET, NLM_F_DUMP, struct.pack("=BBH", 0, 0, 0))


def named_set(message: Message) -> tuple[Family, str] | None:
    """The table of a set that has a name (nf_tables_fill_set); None for any other message."""
    if message.type != _NEWSET or len(message.payload) < 4:
        return None
    found = attributes(message.payload[4:])
    flags = int.from_bytes(found.get(3, b""))  # in network byte order
    return None if flags & _ANONYMOUS else _table(message.payload[0], found)


def _table(number: int, found: Mapping[int, bytes]) -> tuple[Family, str] | None:
    """Its name is the first attribute of whatever is in it, too."""
    family = _FAMILIES.get(number)
    name = found.get(1, b"").rstrip(b"\0").decode(errors="replace")
    return (family, name) if family and name else None


def entries(listing: str) -> list[Entry] | None:
    """What ``nft -j -a list table`` prints; None where it is cut off, or no JSON."""
    try:
        found: list[Entry] = json.loads(listing)["nftables"]
    except (ValueError, KeyError, TypeError):
        return None
    return found


def saved_lines(found: Sequence[Entry], saved: Mapping[Family, str]) -> Lines:
    """The lines of ``iptables-save`` and ``ip6tables-save`` for the rules that they are of.

    Only of chains of which both tools tell as many rules: a table that is not all iptables'
    own is left out by iptables-save, and rules may have changed between the two.
    """
    lines = [pair for family, text in saved.items() for pair in _saved(text, family)]
    told = Counter(key[:3] for key, _ in lines)
    there = Counter(_key(entry["rule"]) for entry in found if "rule" in entry)
    return {key: line for key, line in lines if told[key[:3]] == there[key[:3]]}


def shell_line(saved: str) -> str:
    """A line of ``iptables-save`` as a shell takes it: in double quotes it would run commands."""
    plain = (re.sub(r"\\(.)", r"\1", w[1:-1]) if w[0] == '"' else w for w in _WORD.findall(saved))
    return " ".join(word if word == "!" else shlex.quote(word) for word in plain)


def chains(found: Sequence[Entry], lines: Lines, stateless: str) -> tuple[Chain, ...]:
    """All chains in nft's order.

    *lines*: see `saved_lines`; for rules that have none, *stateless* is what
    ``nft -s -a list ruleset`` prints.
    """
    texts = _nft_texts(stateless)
    rules: dict[Key, list[Rule]] = {}
    for entry in found:
        if "rule" in entry:
            rule = entry["rule"]
            key = _key(rule)
            mine = rules.setdefault(key, [])
            text = lines.get((*key, len(mine))) or texts.get((*key, rule["handle"]), "")
            mine.append(_rule(rule, text))
    return tuple(_chain(entry["chain"], rules) for entry in found if "chain" in entry)


def _key(rule: Entry) -> Key:
    return rule["family"], rule["table"], rule["chain"]


def _chain(found: Mapping[str, Any], rules: Mapping[Key, list[Rule]]) -> Chain:
    key = (found["family"], found["table"], found["name"])
    hook = found.get("hook")
    return Chain(
        family=Family(found["family"]),
        table=found["table"],
        name=found["name"],
        hook=Hook(hook) if hook in list(Hook) else None,
        type=found.get("type"),
        priority=found.get("prio"),
        policy=found.get("policy"),
        rules=tuple(rules.get(key, ())),
        ours=found["table"].startswith(OUR_PREFIX),
    )


def _rule(found: Mapping[str, Any], text: str) -> Rule:
    expressions: list[dict[str, Any]] = found.get("expr", [])
    counter = next((e["counter"] for e in expressions if isinstance(e.get("counter"), dict)), None)
    return Rule(
        handle=found["handle"],
        text=text,
        packets=counter["packets"] if counter else None,
        bytes=counter["bytes"] if counter else None,
        log_prefix=_log_prefix(expressions, text),
        ours=found["table"].startswith(OUR_PREFIX),
    )


def _log_prefix(expressions: list[dict[str, Any]], text: str) -> str | None:
    """The prefix of a log statement or LOG target, "" for one without; None: it logs nothing."""
    for expression in expressions:
        if "log" in expression:
            told = expression["log"]
            return str(told.get("prefix", "")) if isinstance(told, dict) else ""
        if "xt" in expression:
            target = expression["xt"] or {}  # an older nft says nothing of it
            if target.get("name") == "LOG" or (not target and " -j LOG" in text):
                return _target_prefix(text)
    return None


def _target_prefix(text: str) -> str:
    """That of iptables' LOG target, of which nft's JSON says no more than its name."""
    words = _words(text)
    if "--log-prefix" in words[:-1]:
        return words[words.index("--log-prefix") + 1]
    match = _PREFIX.search(text)
    return match.group(1) if match else ""


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _saved(text: str, family: Family) -> Iterator[tuple[tuple[str, str, str, int], str]]:
    """iptables-save's rules, each by its place in its chain."""
    table = ""
    counts: dict[str, int] = {}
    for line in text.splitlines():
        if line.startswith("*"):
            table, counts = line[1:], {}
        elif match := re.match(r"-A (\S+)", line):
            chain = match.group(1)
            number = counts[chain] = counts.get(chain, -1) + 1
            yield (family, table, chain, number), line


def _nft_texts(stateless: str) -> dict[tuple[str, str, str, int], str]:
    """Each rule's line as nft writes it, by handle."""
    found: dict[tuple[str, str, str, int], str] = {}
    family = table = chain = ""
    for line in stateless.splitlines():
        words = line.split()
        if line.startswith("table ") and len(words) > 2:
            family, table = words[1], words[2]
        elif words[:1] == ["chain"] and len(words) > 1:
            chain = words[1]
        elif match := _COMMENT.search(line):
            text = _COMMENT.sub("", line).strip()
            found[family, table, chain, int(match.group(1))] = text
    return found
