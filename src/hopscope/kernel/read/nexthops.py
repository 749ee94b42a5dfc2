"""The nexthop objects of a node, which no lab file declares."""

from hopscope.kernel.protocol import Kernel
from hopscope.model.vocab import NodeName
from hopscope.wire.rtnl_nexthop import NextHopObject, dump_nexthops, nexthop

__all__ = ["read_nexthops"]


def read_nexthops(kernel: Kernel, node: NodeName) -> list[NextHopObject]:
    """All of them, in the order of their ids."""
    return [one for one in map(nexthop, kernel.ask(node, dump_nexthops())) if one is not None]
