"""ChainName: a chain as a person writes it, NODE/TABLE/CHAIN or NODE/FAMILY/TABLE/CHAIN.

Also which chains iptables makes itself.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from hopscope.model.vocab import Family

__all__ = ["BUILT_IN", "ChainName", "families_of"]

BUILT_IN: Final[Mapping[str, Sequence[str]]] = {
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "raw": ("PREROUTING", "OUTPUT"),
    "security": ("INPUT", "FORWARD", "OUTPUT"),
}
"""Table → the chains that iptables-nft makes in it when they are first used."""


class ChainName(Struct, frozen=True, kw_only=True):
    """A chain's name in its parts. *family* is None in the short form.

    A table that is called as a family is, is written in the long form.
    """

    node: str
    family: Family | None
    table: str
    chain: str

    @classmethod
    def read(cls, text: str) -> "ChainName | None":
        """The name that *text* is; None when a part is missing."""
        node, _, rest = text.partition("/")
        first, _, below = rest.partition("/")
        family = Family(first) if first in list(Family) and "/" in below else None
        table, _, chain = below.partition("/") if family else (first, "", below)
        if not (node and table and chain):
            return None
        return cls(node=node, family=family, table=table, chain=chain)

    def __str__(self) -> str:
        family = f"{self.family}/" if self.family else ""
        return f"{self.node}/{family}{self.table}/{self.chain}"


def families_of(*, six: bool) -> tuple[Family, ...]:
    """Those that the short form means of a ping: its addresses' own, and those of both."""
    return (Family.IP6 if six else Family.IP, Family.INET, Family.BRIDGE)
