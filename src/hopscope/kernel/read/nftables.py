"""What nft itself was given in a node, whole: also sets, maps and whatever else is no chain."""

from typing import Final

from hopscope.errors import ToolError
from hopscope.kernel.protocol import Kernel
from hopscope.kernel.tables import tables, with_named_sets
from hopscope.model.vocab import NodeName
from hopscope.wire.nftlist import objects

__all__ = ["read_objects"]

_LIST: Final = ("nft", "--json", "--stateless", "list", "table")


def read_objects(kernel: Kernel, node: NodeName) -> tuple[str, ...]:
    """Of each table but ours and iptables' what was declared; a node without any costs no program.

    One that is called as iptables' own, and has named sets, is nft's. Raises ToolError when nft
    fails.
    """
    there = tables(kernel, node)
    managed = {table for table in there if table.managed}
    if managed:
        managed -= with_named_sets(kernel, node)
    told: list[str] = []
    for table in sorted(set(there) - managed):
        done = kernel.run(node, [*_LIST, *table])
        if done.code:
            raise ToolError("nft", f"{node}: listing the table {table.name}", done.stderr.decode())
        told += objects(done.stdout.decode())
    return tuple(told)
