"""The declared lab: what the user asked for, checked and with defaults filled in.

`spec` makes these from a lab file or from Python; `plan` compiles them. Every part
knows its *place* in the lab file, so that a refusal of the kernel can name the line.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct, field

from hopscope.errors import Place
from hopscope.model.devices import PortOptions, Vlan, Vxlan
from hopscope.model.kind import Kind
from hopscope.model.process import Restart
from hopscope.model.snapshot import NextHop
from hopscope.model.traffic import Traffic
from hopscope.model.vocab import TABLES, DevName, DevRef, Mac, NodeName

__all__ = [
    "MAIN_TABLE",
    "TABLES",
    "AddressSpec",
    "BridgeSpec",
    "Count",
    "DeviceSpec",
    "DropExpect",
    "Expect",
    "ExpectStep",
    "FdbSpec",
    "FirewallStep",
    "LabSpec",
    "LinkEnd",
    "LinkSpec",
    "NeighbourSpec",
    "NodeSpec",
    "PingStep",
    "PolicySpec",
    "ProcessSpec",
    "ReadySpec",
    "RemoteSpec",
    "RouteSpec",
    "RuleLine",
    "SetStep",
    "ShowStep",
    "StoryStep",
    "SysctlSpec",
    "ZeroStep",
]

MAIN_TABLE: Final = 254  # RT_TABLE_MAIN


class AddressSpec(Struct, frozen=True, kw_only=True):
    """An address to give to a device, in CIDR form."""

    dev: DevName
    cidr: str
    place: Place | None = None


class FdbSpec(Struct, frozen=True, kw_only=True):
    """A forwarding entry of a bridge that is there from the start: frames for *mac* leave there."""

    mac: Mac
    port: DevName
    place: Place | None = None


class BridgeSpec(Struct, frozen=True, kw_only=True):
    """A bridge of a node. *nf_call_iptables* is its own switch, beside the node's sysctl.

    *ageing* and *forward_delay* are seconds; None is what the kernel takes by itself.
    *vlans* are those of the bridge's own stack; () leaves it in the default one.
    """

    name: DevName
    nf_call_iptables: bool = False
    stp: bool = False
    ageing: float | None = None
    forward_delay: float | None = None
    priority: int | None = None
    vlan_filtering: bool = False
    vlans: tuple[Vlan, ...] = ()
    fdb: tuple[FdbSpec, ...] = ()
    mac: Mac | None = None
    mtu: int | None = None
    up: bool = True
    place: Place | None = None


class RemoteSpec(Struct, frozen=True, kw_only=True):
    """Where a vxlan device sends frames for *mac*; all zeros stand for every other address."""

    mac: Mac
    remote: str
    place: Place | None = None


class DeviceSpec(Struct, frozen=True, kw_only=True):
    """A device that is no end of a link: ``macvlan``, ``vxlan`` or ``tap``.

    It lies *over* another: a macvlan always, and that one may be of another node.
    """

    ref: DevRef
    kind: str
    over: DevRef | None = None
    mode: str = "bridge"  # of a macvlan
    vxlan: Vxlan | None = None
    remotes: tuple[RemoteSpec, ...] = ()
    bridge: DevName | None = None
    port: PortOptions = PortOptions()
    vlans: tuple[Vlan, ...] = ()
    mac: Mac | None = None
    mtu: int | None = None
    queues: int = 1
    traffic: Traffic = Traffic()
    place: Place | None = None


class RouteSpec(Struct, frozen=True, kw_only=True):
    """A route; *to* is CIDR (``0.0.0.0/0`` or ``::/0`` for ``default``).

    *type* is ``unicast``, or what becomes of the packets instead: ``blackhole`` … With *hops*
    it has several next hops, and neither *via* nor *dev*.
    """

    to: str
    type: str = "unicast"
    via: str | None = None
    dev: DevName | None = None
    onlink: bool = False  # the gateway is a neighbour there, whatever the subnets say
    hops: tuple[NextHop, ...] = ()
    source: str | None = None  # the address that the node itself then sends from
    metric: int | None = None
    table: int = MAIN_TABLE
    place: Place | None = None


class PolicySpec(Struct, frozen=True, kw_only=True):
    """A routing policy rule; what is None is not asked.

    *action* is ``lookup``, which asks *table*, or what becomes of the packets.
    """

    action: str = "lookup"
    table: int = 0  # to look up
    source: str | None = None  # CIDR, as *destination*
    destination: str | None = None
    iif: DevName | None = None
    oif: DevName | None = None
    fwmark: int | None = None
    fwmask: int | None = None  # the bits of the mark that count; None: all
    priority: int | None = None
    place: Place | None = None

    @property
    def six(self) -> bool:
        """Whether it is of IPv6: a rule that names no address is of IPv4."""
        return ":" in (self.source or "") + (self.destination or "")


class NeighbourSpec(Struct, frozen=True, kw_only=True):
    """A permanent neighbour entry."""

    dev: DevName
    ip: str
    mac: Mac
    place: Place | None = None


class SysctlSpec(Struct, frozen=True, kw_only=True):
    """A sysctl below ``net.``, set inside the node's namespace."""

    key: str
    value: str
    place: Place | None = None


class RuleLine(Struct, frozen=True, kw_only=True):
    """One line of iptables or ip6tables arguments, as written."""

    text: str
    place: Place | None = None


class ReadySpec(Struct, frozen=True, kw_only=True):
    """What makes a process ready: one of a port, an expression in its output, a command."""

    tcp: int | None = None
    log: str | None = None
    command: tuple[str, ...] = ()
    timeout: float = 10.0


class ProcessSpec(Struct, frozen=True, kw_only=True):
    """A process that runs in a node as long as the lab stands. *ready* None: when it runs."""

    name: str
    argv: tuple[str, ...]
    ready: ReadySpec | None = None
    restart: Restart = Restart.NEVER
    stop: float = 3.0  # seconds in which it may end by itself when the lab does
    env: Mapping[str, str] = field(default_factory=dict)
    place: Place | None = None


class NodeSpec(Struct, frozen=True, kw_only=True):
    """One network namespace. *down* lists devices to leave down, *macs* chosen addresses."""

    name: NodeName
    bridges: tuple[BridgeSpec, ...] = ()
    devices: tuple[DeviceSpec, ...] = ()
    addresses: tuple[AddressSpec, ...] = ()
    routes: tuple[RouteSpec, ...] = ()
    policy: tuple[PolicySpec, ...] = ()
    neighbours: tuple[NeighbourSpec, ...] = ()
    sysctls: tuple[SysctlSpec, ...] = ()
    iptables: tuple[RuleLine, ...] = ()
    ip6tables: tuple[RuleLine, ...] = ()
    nft: RuleLine | None = None  # a whole nft script
    lo: bool = True  # bring up the loopback device
    dad: bool = False  # detect duplicates of its IPv6 addresses, which takes a second or two
    down: tuple[DevName, ...] = ()
    run: tuple[ProcessSpec, ...] = ()
    place: Place | None = None


class LinkEnd(Struct, frozen=True, kw_only=True):
    """One end of a veth pair; a port of *bridge* when that is given.

    *vlans* are all that the port is a member of; () leaves it in the bridge's default one.
    """

    ref: DevRef
    bridge: DevName | None = None
    port: PortOptions = PortOptions()
    vlans: tuple[Vlan, ...] = ()
    mac: Mac | None = None
    queues: int = 1
    traffic: Traffic = Traffic()
    place: Place | None = None


class LinkSpec(Struct, frozen=True, kw_only=True):
    """A veth pair."""

    a: LinkEnd
    b: LinkEnd
    mtu: int | None = None
    place: Place | None = None


class DropExpect(Struct, frozen=True, kw_only=True):
    """That a packet of the ping ends for this *cause* (a code of `Reason`), there; None: any."""

    cause: str | None = None
    at: str | None = None  # a node, or a device as ``host/br0``


class Count(Struct, frozen=True, kw_only=True):
    """How many; *most* is None where there may be more."""

    least: int
    most: int | None

    def holds(self, number: int) -> bool:
        """Whether *number* is as many."""
        return self.least <= number and (self.most is None or number <= self.most)

    def __str__(self) -> str:
        return str(self.least) if self.least == self.most else f"{self.least} or more"


class Expect(Struct, frozen=True, kw_only=True):
    """What must be true. None: not asked. Hooks are written ``host/filter/FORWARD``.

    For a ping: *reply*, *loss*, *latency*, *path*, *drop*, *crosses*, *avoids* and *log* speak
    of that ping alone. An empty ``crosses`` or ``path`` asks nothing; ``avoids`` names chains
    no packet of the ping may meet. What is compared: `lab.checks` and `lab.pathcheck`.
    """

    reply: bool | None = None
    loss: float | None = None  # at most, in per cent of the requests
    latency: int | None = None  # of each reply, at most; nanoseconds
    path: tuple[str, ...] = ()  # nodes, devices as ``host/br0``, and ``...`` for any nodes
    drop: DropExpect | None = None
    crosses: tuple[str, ...] = ()
    avoids: tuple[str, ...] = ()
    log: tuple[str, ...] | None = None  # prefixes, in order; () means: no line
    neighbours: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """node → IP address → a device (``ns2/veth2a``, its MAC is meant), a MAC, or ``none``"""
    fdb: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """``host/br0`` → a device or MAC → the port that leads to it, or ``none``"""
    no_address: tuple[DevRef, ...] = ()
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """``ns1/eth0`` → addresses that it has, each with its prefix length or without"""
    routes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """node → a network, or an address to be looked up → ``via X``, ``dev Y``, ``none``"""
    hits: Mapping[str, Count] = field(default_factory=dict)
    """``host/filter/FORWARD``, one rule of it (``…/1``), or a log prefix → packets counted"""
    place: Place | None = None


class ShowStep(Kind, frozen=True, kw_only=True, tag="show"):
    """Print tables; no *nodes* means all."""

    what: tuple[str, ...]
    nodes: tuple[NodeName, ...] = ()
    place: Place | None = None


class PingStep(Kind, frozen=True, kw_only=True, tag="ping"):
    """Send *count* echo requests from a node to a node or address, and trace them."""

    source: NodeName
    target: str  # a node's name or an address, as written
    address: str  # the address that this means
    count: int = 1
    size: int = 56  # payload, bytes
    timeout: float = 1.0  # seconds to wait for each reply
    expect: Expect | None = None
    place: Place | None = None


class SetStep(Kind, frozen=True, kw_only=True, tag="set"):
    """Change sysctls of nodes."""

    values: tuple[tuple[NodeName, SysctlSpec], ...]
    place: Place | None = None


class FirewallStep(Kind, frozen=True, kw_only=True, tag="firewall"):
    """Add rules while the lab runs; *tool* is ``iptables`` or ``ip6tables``."""

    tool: str
    lines: tuple[tuple[NodeName, RuleLine], ...]
    place: Place | None = None


class ZeroStep(Kind, frozen=True, kw_only=True, tag="zero"):
    """Zero the rule counters of nodes."""

    nodes: tuple[NodeName, ...]
    place: Place | None = None


class ExpectStep(Kind, frozen=True, kw_only=True, tag="expect"):
    """Check tables as they are now."""

    expect: Expect
    place: Place | None = None


StoryStep = ShowStep | PingStep | SetStep | FirewallStep | ZeroStep | ExpectStep


class LabSpec(Struct, frozen=True, kw_only=True):
    """A whole lab. Node order, link order and story order are the file's."""

    name: str
    nodes: tuple[NodeSpec, ...]
    links: tuple[LinkSpec, ...] = ()
    story: tuple[StoryStep, ...] = ()
    description: str = ""
    file: str | None = None  # None: made in Python

    def node(self, name: str) -> NodeSpec:
        """The node of that name; KeyError when there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)
