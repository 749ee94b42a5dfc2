"""A small lab, and the same as it stands: for tests of what is compared, without a kernel."""

from ipaddress import ip_interface
from typing import Any

from msgspec.structs import replace

from hopscope.model.change import Action
from hopscope.model.devices import BridgeState, PortOptions
from hopscope.model.lab import MAIN_TABLE
from hopscope.model.snapshot import Address, LinkState, NodeState, Route, Snapshot
from hopscope.model.vocab import DevName, DevRef, Family, NodeName
from hopscope.plan.compare import differences
from hopscope.plan.compile import compile_lab
from hopscope.plan.converge import converge
from hopscope.plan.difference import Difference
from hopscope.plan.macs import mac_of
from hopscope.plan.ops import Op
from hopscope.plan.wanted import wanted
from hopscope.plan.world import World
from hopscope.spec import parse

__all__ = [
    "BR0",
    "ETH0",
    "GUEST",
    "HOST",
    "P1",
    "Told",
    "connected",
    "found",
    "lab",
    "link",
    "snapshot",
    "told",
    "work",
    "world",
]

HOST, GUEST = NodeName("host"), NodeName("guest")
BR0, P1, ETH0 = DevName("br0"), DevName("p1"), DevName("eth0")


def lab(bridge: str = "", port: str = "", end: str = "", guest: str = "", host: str = "") -> str:
    """A guest on a bridge; addresses do not matter here."""
    return f"""
name: lab
nodes:
  host: {{bridges: {{br0: {{{bridge}}}}}, sysctls: {{net.ipv4.ip_forward: 0}}, {host}}}
  guest: {{{guest}}}
links:
  - {{ends: [{{end: "guest:eth0", {end}}}, {{end: "host:p1@br0", {port}}}]}}
"""


def link(node: NodeName, name: DevName, kind: str = "veth", **more: Any) -> LinkState:
    """A device as it is usual."""
    mac = None if kind in ("loopback", "bridge") else mac_of(DevRef(node, name))
    usual = {"mtu": 1500, "up": True, "carrier": True, "index": 9}
    return LinkState(name=name, kind=kind, mac=mac, **(usual | more))


def snapshot(
    bridge: BridgeState | None = None, port: PortOptions | None = None, **more: Any
) -> Snapshot:
    """That lab as it stands; *more* is of its nodes: ``host={"fdb": …}``."""
    own = Address(ip="127.0.0.1", prefix=8)
    lo = link(HOST, DevName("lo"), "loopback", index=1, addresses=(own,))
    host = NodeState(
        name=HOST,
        links=(
            lo,
            link(HOST, BR0, "bridge", bridge=bridge or BridgeState(), index=2),
            link(
                HOST,
                P1,
                index=3,
                master=BR0,
                peer=DevRef(GUEST, ETH0),
                port=port or PortOptions(cost=2),
            ),
        ),
    )
    guest = NodeState(name=GUEST, links=(lo, link(GUEST, ETH0, index=2, peer=DevRef(HOST, P1))))
    return Snapshot(
        nodes=(replace(host, **more.get("host", {})), replace(guest, **more.get("guest", {})))
    )


def connected(dev: DevName, *addresses: Address) -> tuple[Route, ...]:
    """The routes that the kernel makes of these."""
    found: list[Route] = []
    for one in addresses:
        net = str(ip_interface(str(one)).network)
        if ":" in one.ip:
            way = {"family": Family.IP6, "metric": 256}
        else:
            way = {"family": Family.IP}
            host = f"{one.ip}/32"
            found.append(_kernels(destination=host, table=255, type="local", dev=dev, **way))
        found.append(_kernels(destination=net, table=MAIN_TABLE, type="unicast", dev=dev, **way))
    return tuple(found)


def _kernels(**fields: Any) -> Route:
    return Route(protocol="kernel", **fields)


def world(now: Snapshot, **more: Any) -> World:
    """With the sysctls that a lab without IPv6 sets."""
    off = {
        (node, f"net/ipv6/conf/{which}/disable_ipv6"): "1"
        for node in (HOST, GUEST)
        for which in ("all", "default")
    }
    sysctls = off | {(HOST, "net/ipv4/ip_forward"): "0"}
    return World(now, sysctls=sysctls, defaults={}, expected_rules={}, **more)


def found(text: str, now: Snapshot, **more: Any) -> list[Difference]:
    """How *now* differs from the lab."""
    return differences(wanted(compile_lab(parse(text, "lab.yaml"))), world(now, **more))


def work(text: str, now: Snapshot) -> list[Op]:
    """All that is then done, in its order, wherever it was written."""
    plan = compile_lab(parse(text, "lab.yaml"))
    done = converge(plan, found(text, now), world(now))
    ops = (*done.removal.ops, *done.making.ops, *done.letting_go.ops)
    return [replace(op, place=None) for op in ops]


Told = tuple[Action, str, str, str | None, str | None]
"""What is done, to what, to which attribute, and the values before and after."""


def told(differences: list[Difference]) -> list[Told]:
    """The changes, short."""
    return [
        (c.action, c.name, c.attribute, c.before, c.after)
        for c in (difference.change for difference in differences)
    ]
