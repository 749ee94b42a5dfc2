"""What a lab asks for that the kernel takes, and that is hardly meant."""

from collections.abc import Iterator
from ipaddress import ip_interface

from hopscope.model.lab import AddressSpec, LabSpec

__all__ = ["odd"]


def odd(lab: LabSpec) -> Iterator[str]:
    """A sentence about each such thing, with its place."""
    for node in lab.nodes:
        for address in node.addresses:
            if said := _of_no_host(address):
                yield f"{address.place}: {address.cidr} of {node.name} {said}"


def _of_no_host(address: AddressSpec) -> str:
    """The first and the last address of an IPv4 subnet, but of the two of a /31 (RFC 3021)."""
    interface = ip_interface(address.cidr)
    subnet = interface.network
    if subnet.version == 6 or subnet.prefixlen > 30:
        return ""
    if interface.ip == subnet.network_address:
        return "is the address of the subnet itself, and no host's"
    if interface.ip == subnet.broadcast_address:
        return "is the subnet's broadcast address, and no host's: what is sent to it goes to all"
    return ""
