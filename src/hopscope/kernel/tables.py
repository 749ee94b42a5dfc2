"""The tables of nf_tables in a node, by the kernel's own word: without any, no tool need be run."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hopscope.kernel.protocol import Kernel
from hopscope.model.vocab import Family, NodeName
from hopscope.wire import ruleset
from hopscope.wire.netlink import NETLINK_NETFILTER
from hopscope.wire.nft import OUR_PREFIX
from hopscope.wire.ruleset import IPTABLES_TABLES

__all__ = ["Table", "nfts_own", "tables", "with_named_sets"]


class Table(NamedTuple):
    """One that is not ours."""

    family: Family
    name: str

    @property
    def managed(self) -> bool:
        """Whether iptables calls one of its own so; nft may have made it all the same."""
        return self.family in (Family.IP, Family.IP6) and self.name in IPTABLES_TABLES


def tables(kernel: Kernel, node: NodeName) -> list[Table]:
    """All but ours. KernelError where the kernel has no nf_tables."""
    answers = kernel.ask(node, ruleset.dump_tables(), bus=NETLINK_NETFILTER)
    found = (Table(*one) for one in map(ruleset.table, answers) if one is not None)
    return [table for table in found if not table.name.startswith(OUR_PREFIX)]


def with_named_sets(kernel: Kernel, node: NodeName) -> set[Table]:
    """Those that are surely nft's: iptables gives no set or map a name."""
    answers = kernel.ask(node, ruleset.dump_sets(), bus=NETLINK_NETFILTER)
    return {Table(*one) for one in map(ruleset.named_set, answers) if one is not None}


def nfts_own(
    kernel: Kernel, node: NodeName, there: Sequence[Table], saved: Mapping[Family, str]
) -> list[Table]:
    """Of these tables those that nft is to tell of, as iptables does not manage them.

    *saved*: what ``iptables-save`` and ``ip6tables-save`` print, where there is anything to tell.
    """
    named = with_named_sets(kernel, node) if any(table.managed for table in there) else set()
    return [
        table
        for table in there
        if not table.managed or table in named or _is_left_out(table, saved.get(table.family, ""))
    ]


def _is_left_out(table: Table, saved: str) -> bool:
    """Whether iptables does not know what is in it; it may list its own chains all the same."""
    said = re.search(rf"^# Table `{table.name}' .*\bincompatible\b", saved, re.MULTILINE)
    return said is not None or f"*{table.name}\n" not in saved
