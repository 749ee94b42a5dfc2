"""The firewall tables of the machine's real network namespace, as far as undoing needs them.

Told by the tools themselves; nothing is kept here of what was done.
"""

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from hopscope.kernel.tools import USUAL
from hopscope.model.chains import BUILT_IN

__all__ = ["FAMILIES", "holding", "quietly", "remove_unused"]

FAMILIES: Final = {"iptables": "ip", "ip6tables": "ip6"}

Holding = dict[str, int]
"""What a family's tables hold: ``filter``, ``filter FORWARD`` → how many things are in it.

One that iptables would not make, or not so, holds one more: it is someone's, though it be empty.
"""


def remove_unused(tool: str, before: Sequence[str]) -> None:
    """Remove what iptables makes of itself, was not there *before*, and has nothing in it now.

    That is its tables, and its base chains in them. Whatever else stands there is someone else's.
    """
    family = FAMILIES[tool]
    for kind in ("chain", "table"):  # what a table holds first
        for what, used in holding(tool).items():
            if what not in before and not used and (" " in what) == (kind == "chain"):
                quietly(["nft", "delete", kind, family, *what.split()])


def quietly(argv: Sequence[str]) -> str:
    """Run a tool whose object may be gone already; what it prints."""
    import subprocess  # noqa: PLC0415 - slow to load, and wanted on the real host only

    with contextlib.suppress(FileNotFoundError):
        environment = {"PATH": USUAL, "LC_ALL": "C"}
        done = subprocess.run(
            argv, capture_output=True, check=False, env=environment, stdin=subprocess.DEVNULL
        )
        return done.stdout.decode(errors="replace")
    return ""


def holding(tool: str) -> Holding:
    """The tables of the tool's family; asked of nft, since asking iptables may make them."""
    family = FAMILIES[tool]
    found: Holding = {}
    for name in (entry["table"]["name"] for entry in _listed("tables", family) if "table" in entry):
        try:
            _count(_listed("table", family, name), found)
        except ValueError:  # nft fails to list it: taken for one in use
            found[name] = 1
    return found


def _listed(*what: str) -> list[dict[str, Any]]:
    listing = quietly(["nft", "-j", "list", *what])
    entries: list[dict[str, Any]] = json.loads(listing)["nftables"] if listing else []
    return entries


def _count(entries: Iterable[dict[str, Any]], found: Holding) -> None:
    for entry in entries:
        ((kind, body),) = entry.items()
        if kind == "table":
            found.setdefault(body["name"], int(body["name"] not in BUILT_IN))
        elif kind == "chain":
            found[body["table"]] = found.get(body["table"], 0) + 1
            found.setdefault(f"{body['table']} {body['name']}", int(not _is_plain(body)))
        elif kind == "rule":
            chain = f"{body['table']} {body['chain']}"
            found[chain] = found.get(chain, 0) + 1
        elif "table" in body:
            found[body["table"]] = found.get(body["table"], 0) + 1


def _is_plain(chain: Mapping[str, Any]) -> bool:
    """Whether it is as iptables makes it when that is first used."""
    from hopscope.wire.nftreset import is_built_in  # noqa: PLC0415 - most labs end without it

    return chain.get("policy") == "accept" and is_built_in(
        chain["table"],
        chain["name"],
        hook=chain["hook"].upper(),
        kind=chain["type"],
        priority=chain["prio"],
    )
