"""A node's ruleset, as its own tools list it."""

from collections.abc import Sequence
from typing import Final

from hopscope.kernel.protocol import Kernel
from hopscope.model.snapshot import Chain
from hopscope.model.vocab import Family, NodeName
from hopscope.wire.ruleset import chains, manages

__all__ = ["read_chains"]

_SAVE: Final = {Family.IP: "iptables-save", Family.IP6: "ip6tables-save"}


def read_chains(kernel: Kernel, node: NodeName) -> tuple[tuple[Chain, ...], tuple[str, ...]]:
    """The chains, and in words what could not be read."""
    listing = _listed(kernel, node, ["nft", "-j", "-a", "list", "ruleset"])
    if listing is None:
        return (), (f"{node}: the firewall is not read: there is no nft (package nftables)",)
    if '"chain"' not in listing:
        return (), ()
    stateless = _listed(kernel, node, ["nft", "-s", "-a", "list", "ruleset"]) or ""
    saved: dict[Family, str] = {}
    unread: list[str] = []
    for family, tool in _SAVE.items():
        if manages(listing, family):
            text = _listed(kernel, node, [tool])
            saved[family] = text or ""
            if text is None:
                unread.append(f"{node}: rules are told in nft's words: there is no {tool}")
    return chains(listing, stateless, saved), tuple(unread)


def _listed(kernel: Kernel, node: NodeName, argv: Sequence[str]) -> str | None:
    """What the tool prints; None without the tool."""
    done = kernel.run(node, argv)
    return None if done.code == 127 else done.stdout.decode(errors="replace")
