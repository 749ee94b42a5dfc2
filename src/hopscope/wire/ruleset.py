"""What nft and iptables-save print → chains and rules; runs neither.

nft's JSON gives every rule its chain, handle and counter. What a rule says is told in the
words of the tool that it was written for: of a table that iptables manages, the line that
iptables-save prints, which stands in the same order; of any other, nft's own line.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Final

from hopscope.model.snapshot import Chain, Rule
from hopscope.model.vocab import Family, Hook
from hopscope.wire.nft import OUR_PREFIX

__all__ = ["IPTABLES_TABLES", "chains", "manages"]

IPTABLES_TABLES: Final = ("raw", "mangle", "nat", "filter", "security")
_SAVED: Final = {Family.IP: "iptables", Family.IP6: "ip6tables"}
_COMMENT: Final = re.compile(r"\s*# handle (\d+)$")

Key = tuple[str, str, str]
"""Family, table and chain."""


def manages(listing: str, family: Family) -> bool:
    """Whether nft's JSON shows a table that iptables (or ip6tables) could have made."""
    found = json.loads(listing)["nftables"] if listing.strip() else []
    return any(
        entry["table"]["family"] == family and entry["table"]["name"] in IPTABLES_TABLES
        for entry in found
        if "table" in entry
    )


def chains(listing: str, stateless: str, saved: Mapping[Family, str]) -> tuple[Chain, ...]:
    """All chains in nft's order.

    *listing* is what ``nft -j -a list ruleset`` prints, *stateless* ``nft -s -a list
    ruleset``, *saved* per family what ``iptables-save`` or ``ip6tables-save`` does.
    """
    entries = json.loads(listing)["nftables"] if listing.strip() else []
    texts = _nft_texts(stateless)
    lines = {key: line for family, text in saved.items() for key, line in _saved(text, family)}
    rules: dict[Key, list[Rule]] = {}
    for entry in entries:
        if "rule" in entry:
            found = entry["rule"]
            key = (found["family"], found["table"], found["chain"])
            mine = rules.setdefault(key, [])
            text = lines.get((*key, len(mine))) or texts.get((*key, found["handle"]), "")
            mine.append(_rule(found, text))
    return tuple(_chain(entry["chain"], rules) for entry in entries if "chain" in entry)


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
    words = _words(text)
    if "-j" in words[:-1] and words[words.index("-j") + 1] == "LOG":
        return words[words.index("--log-prefix") + 1] if "--log-prefix" in words[:-1] else ""
    return None


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
