"""N pods with hopscope as a library: python hopscope_pods.py N."""

import sys

from pods import BRIDGE, LAB, SUBNET, address, pod_name, port_name
from worker import serve

from hopscope import Lab, StandingLab

number = int(sys.argv[1])
standing: list[StandingLab] = []


def up() -> str:
    """Declare the lab, and build it."""
    lab = Lab(LAB).node("host", bridges=[BRIDGE])
    for pod in range(number):
        lab.node(pod_name(pod), addresses={"eth0": f"{address(pod)}/{SUBNET.prefixlen}"})
        lab.link(f"{pod_name(pod)}:eth0", f"host:{port_name(pod)}@{BRIDGE}")
    standing.append(lab.up())
    return ""


def down() -> None:
    """End it."""
    standing.pop().down()


serve(up, down)
