"""What nft itself was given in a node, whole: also sets, maps and whatever else is no chain."""

from typing import Final

from hopscope.errors import ToolError
from hopscope.kernel.protocol import Kernel
from hopscope.model.vocab import Family, NodeName
from hopscope.wire import ruleset
from hopscope.wire.netlink import NETLINK_NETFILTER
from hopscope.wire.nft import OUR_PREFIX
from hopscope.wire.nftlist import objects
from hopscope.wire.ruleset import IPTABLES_TABLES

__all__ = ["read_objects"]

_LIST: Final = ("nft", "--json", "--stateless", "list", "table")


def read_objects(kernel: Kernel, node: NodeName) -> tuple[str, ...]:
    """Of each table but ours and iptables' what was declared; a node without any costs no program.

    Raises ToolError when nft fails.
    """
    answers = kernel.ask(node, ruleset.dump_tables(), bus=NETLINK_NETFILTER)
    tables = [found for answer in answers if (found := ruleset.table(answer)) is not None]
    told: list[str] = []
    for family, name in sorted(tables):
        managed = family in (Family.IP, Family.IP6) and name in IPTABLES_TABLES
        if managed or name.startswith(OUR_PREFIX):
            continue
        done = kernel.run(node, [*_LIST, family, name])
        if done.code:
            raise ToolError("nft", f"{node}: listing the table {name}", done.stderr.decode())
        told += objects(done.stdout.decode())
    return tuple(told)
