"""N pods with Mininet, whose Python is the system's: python3 mininet_pods.py N.

Answers ``up`` with the PIDs of the hosts' shells, by which one gets into them.
"""

import sys

from mininet.log import setLogLevel
from mininet.net import Mininet
from mininet.node import Host
from mininet.nodelib import LinuxBridge
from mininet.topo import Topo
from pods import BRIDGE, SUBNET, address, pod_name
from worker import serve

number = int(sys.argv[1])
standing: list[Mininet] = []


class QuietHost(Host):  # type: ignore[misc]
    """A host that has IPv6 off before it has links."""

    def startShell(self, mnopts: object = None) -> None:  # noqa: N802 - Mininet's name
        """Its shell is what it is made with."""
        super().startShell(mnopts)
        self.cmd("echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6")


class Pods(Topo):  # type: ignore[misc]
    """N hosts at one bridge."""

    def build(self) -> None:
        """As Mininet's own examples do."""
        bridge = self.addSwitch(BRIDGE)
        for pod in range(number):
            host = self.addHost(pod_name(pod), ip=f"{address(pod)}/{SUBNET.prefixlen}")
            self.addLink(host, bridge)


def up() -> str:
    """Build it."""
    made = Mininet(topo=Pods(), switch=LinuxBridge, host=QuietHost, controller=None)
    made.start()
    standing.append(made)
    return " ".join(str(host.pid) for host in made.hosts)


def down() -> None:
    """Stop it."""
    standing.pop().stop()


setLogLevel("error")
Mininet.inited = True  # else it would raise limits of the whole machine
serve(up, down)
