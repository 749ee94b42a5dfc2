"""N pods, as every contender names and addresses them; and as lab files declare them."""

from ipaddress import IPv4Address, IPv4Network
from typing import Final

__all__ = [
    "BRIDGE",
    "LAB",
    "MOST",
    "SUBNET",
    "address",
    "counted",
    "pod_name",
    "port_name",
    "written_out",
]

LAB: Final = "pods"
BRIDGE: Final = "br0"
SUBNET: Final = IPv4Network("10.244.0.0/16")
MOST: Final = 1023
"""The ports that a Linux bridge takes."""


def pod_name(pod: int) -> str:
    """Its namespace; pods are counted from 0, and named from 1."""
    return f"p{pod + 1}"


def port_name(pod: int) -> str:
    """Its port of the bridge."""
    return f"v{pod + 1}"


def address(pod: int) -> IPv4Address:
    """Its address."""
    return SUBNET[pod + 1]


def counted(pods: int) -> str:
    """The lab as YAML: one pod, and how many there are of it."""
    return f"""\
name: {LAB}
nodes:
  host: {{bridges: [{BRIDGE}]}}
  p: {{count: {pods}, addresses: {{eth0: {{pool: {SUBNET}}}}}}}
links:
  - [p:eth0, host:v@{BRIDGE}]
"""


def written_out(pods: int) -> str:
    """The same lab, with each node and each link."""
    nodes = (
        f"  {pod_name(pod)}: {{addresses: {{eth0: {address(pod)}/{SUBNET.prefixlen}}}}}"
        for pod in range(pods)
    )
    links = (f"  - [{pod_name(pod)}:eth0, host:{port_name(pod)}@{BRIDGE}]" for pod in range(pods))
    head = (f"name: {LAB}", "nodes:", f"  host: {{bridges: [{BRIDGE}]}}")
    return "\n".join((*head, *nodes, "links:", *links)) + "\n"
