"""N pods, as every contender names and addresses them; and as a lab file declares them."""

from ipaddress import IPv4Address, IPv4Network
from typing import Final

__all__ = [
    "BRIDGE",
    "LAB",
    "MOST",
    "SUBNET",
    "address",
    "lab_file",
    "pod_name",
    "port_name",
]

LAB: Final = "pods"
BRIDGE: Final = "br0"
SUBNET: Final = IPv4Network("10.244.0.0/16")
MOST: Final = 1023
"""The ports that a Linux bridge takes."""


def pod_name(pod: int) -> str:
    """Its namespace."""
    return f"p{pod}"


def port_name(pod: int) -> str:
    """Its port of the bridge."""
    return f"v{pod}"


def address(pod: int) -> IPv4Address:
    """Its address; the first is left for a gateway."""
    return SUBNET[pod + 2]


def lab_file(pods: int, *, name: str = LAB) -> str:
    """The lab as YAML; a form that counts nodes would take the place of the two loops."""
    nodes = (
        f"  {pod_name(pod)}: {{addresses: {{eth0: {address(pod)}/{SUBNET.prefixlen}}}}}"
        for pod in range(pods)
    )
    links = (f"  - [{pod_name(pod)}:eth0, host:{port_name(pod)}@{BRIDGE}]" for pod in range(pods))
    head = (f"name: {name}", "nodes:", f"  host: {{bridges: [{BRIDGE}]}}")
    return "\n".join((*head, *nodes, "links:", *links)) + "\n"
