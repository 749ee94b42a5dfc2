"""For whose addresses a node answers, which no lab file declares."""

from hopscope.kernel.protocol import Kernel
from hopscope.model.vocab import NodeName
from hopscope.wire.rtnl_proxy import ProxyEntry, dump_proxies, proxy

__all__ = ["read_proxies"]


def read_proxies(kernel: Kernel, node: NodeName) -> list[ProxyEntry]:
    """All of them, IPv4 first."""
    return [one for one in map(proxy, kernel.ask(node, dump_proxies())) if one is not None]
