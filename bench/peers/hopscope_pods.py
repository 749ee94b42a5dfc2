"""N pods with hopscope as a library: python hopscope_pods.py N."""

import sys

from pods import BRIDGE, LAB, SUBNET
from worker import serve

from hopscope import Lab, StandingLab

number = int(sys.argv[1])
standing: list[StandingLab] = []


def up() -> str:
    """Declare the lab, and build it."""
    lab = Lab(LAB).node("host", bridges=[BRIDGE])
    lab.node("p", count=number, addresses={"eth0": {"pool": str(SUBNET)}})
    lab.link("p:eth0", f"host:v@{BRIDGE}")
    standing.append(lab.up())
    return ""


def down() -> None:
    """End it."""
    standing.pop().down()


serve(up, down)
