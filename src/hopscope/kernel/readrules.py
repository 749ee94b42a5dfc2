"""A node's ruleset, as its own tools list it.

Tables are listed one by one, and those of ours not at all: nft 1.0.6 writes memory that
is not its own, or stops in the middle, for the JSON of a table that a process owns.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from hopscope.kernel.protocol import Kernel
from hopscope.model.snapshot import Chain
from hopscope.model.vocab import Family, NodeName
from hopscope.wire.nft import OUR_PREFIX
from hopscope.wire.ruleset import chains, manages

__all__ = ["read_chains"]

_SAVE: Final = {Family.IP: "iptables-save", Family.IP6: "ip6tables-save"}
_TABLE: Final = re.compile(r"^table (\S+) (\S+) \{", re.MULTILINE)


def read_chains(kernel: Kernel, node: NodeName) -> tuple[tuple[Chain, ...], tuple[str, ...]]:
    """The chains, and in words what could not be read."""
    stateless = _listed(kernel, node, ["nft", "-s", "-a", "list", "ruleset"])
    if stateless is None:
        return (), (f"{node}: the firewall is not read: there is no nft (package nftables)",)
    unread: list[str] = []
    entries = list(_entries(kernel, node, stateless, unread))
    if not any("chain" in entry for entry in entries):
        return (), tuple(unread)
    listing = json.dumps({"nftables": entries})
    saved: dict[Family, str] = {}
    for family, tool in _SAVE.items():
        if manages(listing, family):
            text = _listed(kernel, node, [tool])
            saved[family] = text or ""
            if text is None:
                unread.append(f"{node}: rules are told in nft's words: there is no {tool}")
    return chains(listing, stateless, saved), tuple(unread)


def _entries(
    kernel: Kernel, node: NodeName, stateless: str, unread: list[str]
) -> Iterator[dict[str, Any]]:
    """What nft's JSON says of each table but ours."""
    for family, table in _TABLE.findall(stateless):
        if table.startswith(OUR_PREFIX):
            continue
        text = _listed(kernel, node, ["nft", "-j", "-a", "list", "table", family, table]) or ""
        try:
            yield from json.loads(text)["nftables"]
        except (ValueError, KeyError):
            unread.append(f"{node}: the table {family} {table} is not read: nft fails to list it")


def _listed(kernel: Kernel, node: NodeName, argv: Sequence[str]) -> str | None:
    """What the tool prints; None without the tool."""
    done = kernel.run(node, argv)
    return None if done.code == 127 else done.stdout.decode(errors="replace")
