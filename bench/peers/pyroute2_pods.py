"""N pods with pyroute2: python pyroute2_pods.py N."""

import sys
from pathlib import Path

from pods import BRIDGE, SUBNET, address, pod_name, port_name
from pyroute2 import IPRoute, NetNS, netns
from worker import serve

IPV6_OFF = Path("/proc/sys/net/ipv6/conf/all/disable_ipv6")
number = int(sys.argv[1])


def up() -> str:
    """Namespaces, links, addresses, as its documentation shows them."""
    with IPRoute() as host:
        host.link("add", ifname=BRIDGE, kind="bridge")
        (bridge,) = host.link_lookup(ifname=BRIDGE)
        for pod in range(number):
            name = pod_name(pod)
            netns.create(name)
            netns.pushns(name)
            IPV6_OFF.write_text("1")
            netns.popns()
            host.link(
                "add",
                ifname=port_name(pod),
                kind="veth",
                master=bridge,
                state="up",
                peer={"ifname": "eth0", "net_ns_fd": name},
            )
            fill(pod)
        host.link("set", index=bridge, state="up")
    return ""


def fill(pod: int) -> None:
    """What is done inside."""
    with NetNS(pod_name(pod)) as inside:
        (eth0,) = inside.link_lookup(ifname="eth0")
        inside.addr("add", index=eth0, address=str(address(pod)), prefixlen=SUBNET.prefixlen)
        inside.link("set", index=eth0, state="up")
        inside.link("set", index=1, state="up")


def down() -> None:
    """Each namespace, with the link in it, and the bridge."""
    for pod in range(number):
        netns.remove(pod_name(pod))
    with IPRoute() as host:
        host.link("del", ifname=BRIDGE)


serve(up, down)
