"""The addresses that a node reaches without a gateway; judges none of its routes."""

from ipaddress import IPv4Address, IPv6Address, ip_interface, ip_network

from hopscope.model.lab import NodeSpec
from hopscope.spec.names import address_fault, network_of
from hopscope.spec.pools import IpNetwork

__all__ = ["Reach"]


class Reach:
    """The subnets of a node. A router has as many as routes, so none is looked through."""

    def __init__(self, node: NodeSpec) -> None:
        # a malformed address may be the one that was meant
        self.unsure: bool = any(address_fault(address.cidr) for address in node.addresses)
        self._lengths: dict[int, set[int]] = {4: set(), 6: set()}
        self._networks: set[tuple[str | None, int, int, int]] = set()
        bridges = (bridge.name for bridge in node.bridges if not bridge.up)
        lo = () if node.lo else ("lo",)
        self.down: frozenset[str] = frozenset((*node.down, *bridges, *lo))
        self._asleep: dict[IpNetwork, str] = {}
        if self.unsure:
            return
        for address in node.addresses:
            network = ip_interface(address.cidr).network
            if address.dev in self.down:
                self._asleep[network] = address.dev
            else:
                self._add(network, address.dev)
        for route in node.routes:
            straight = route.via is None and not route.hops and route.dev not in self.down
            if straight and network_of(route.to) is None:
                self._add(ip_network(route.to), route.dev)

    def _add(self, network: IpNetwork, dev: str | None) -> None:
        version, length = network.version, network.prefixlen
        start = int(network.network_address) >> (network.max_prefixlen - length)
        self._lengths[version].add(length)
        self._networks |= {(dev, version, length, start), (None, version, length, start)}

    def asleep(self, gateway: IPv4Address | IPv6Address) -> str | None:
        """The device that is down, and would lead to *gateway*."""
        return next((dev for network, dev in self._asleep.items() if gateway in network), None)

    def holds(self, gateway: IPv4Address | IPv6Address, dev: str | None) -> bool:
        """Whether it leads straight to *gateway*, through *dev* if that is given."""
        version, number = gateway.version, int(gateway)
        return any(
            (dev, version, length, number >> (gateway.max_prefixlen - length)) in self._networks
            for length in self._lengths[version]
        )
