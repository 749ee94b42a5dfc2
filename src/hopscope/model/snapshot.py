"""Snapshot: all forwarding state of a set of namespaces at one instant."""

from collections.abc import Mapping
from functools import cached_property

from msgspec import Struct, field

from hopscope.model.devices import BridgeState, PortOptions, Vlan, Vxlan
from hopscope.model.traffic import Filtering, Qdisc
from hopscope.model.vocab import DevName, DevRef, Family, Hook, Mac, NeighbourState, NodeName

__all__ = [
    "Address",
    "Chain",
    "FdbEntry",
    "LinkState",
    "Neighbour",
    "NextHop",
    "NodeState",
    "PolicyRule",
    "RemoteEntry",
    "Route",
    "Rule",
    "Snapshot",
]


class Address(Struct, frozen=True, kw_only=True):
    """An address on a device."""

    ip: str
    prefix: int
    nodad: bool = False  # of IPv6: usable at once, no duplicate was looked for

    def __str__(self) -> str:
        return f"{self.ip}/{self.prefix}"


class LinkState(Struct, frozen=True, kw_only=True):
    """A device. *up* is what was asked (IFF_UP), *carrier* whether its other end lets it work."""

    name: DevName
    index: int
    kind: str  # "veth", "bridge", "macvlan", "vxlan", "tap", "loopback", "" for a physical device
    mac: Mac | None
    mtu: int
    up: bool
    carrier: bool
    promiscuity: int = 0  # how many watchers asked for promiscuous mode
    master: DevName | None = None  # the bridge that this device is a port of
    port_state: str | None = None  # of a bridge port: "disabled", "forwarding" …
    peer: DevRef | None = None  # the other end of a veth pair
    queues: int = 1  # for sending
    addresses: tuple[Address, ...] = ()
    bridge: BridgeState | None = None  # of a bridge: what it is set to
    port: PortOptions | None = None  # of a bridge port: how the bridge treats it
    over: DevRef | None = None  # of a macvlan or vxlan: the device that carries its frames
    macvlan: str | None = None  # of a macvlan: its mode
    vxlan: Vxlan | None = None
    vlans: tuple[Vlan, ...] = ()  # of a port or bridge, where the bridge filters VLANs
    bcast_flood: bool = True  # of a bridge port: whether broadcasts leave there
    mcast_flood: bool = True  # … and frames for groups that nobody is known to have joined
    noarp: bool = False  # it asks for no link-layer address, and answers no question for its own
    running: bool = True  # it sends; with a carrier and without this, it will in a moment
    alias: str = ""  # what someone calls it; on the real host, whose it is
    settings: Mapping[str, int] = field(default_factory=dict)
    """What no lab file declares and is not as usual: ``arp``, ``port.neigh_suppress`` …"""
    nf_call: bool = False  # a bridge's own nf_call_iptables
    nf_call6: bool = False  # … and nf_call_ip6tables
    counters: Mapping[str, int] = field(default_factory=dict)  # rx_packets, tx_dropped …


class NextHop(Struct, frozen=True, kw_only=True):
    """One of several next hops; *weight* of the weights of all packets go there."""

    dev: DevName | None
    via: str | None = None
    weight: int = 1
    onlink: bool = False  # the gateway is a neighbour there, whatever the subnets say


class Route(Struct, frozen=True, kw_only=True):
    """A route; *destination* is CIDR, ``0.0.0.0/0`` for the default.

    Of several next hops, *dev* and *via* are of the first.
    """

    family: Family
    destination: str
    table: int
    type: str  # "unicast", "local", "broadcast", "blackhole", "unreachable", "prohibit" …
    dev: DevName | None = None
    via: str | None = None
    source: str | None = None
    metric: int = 0
    scope: str = ""
    metrics: tuple[str, ...] = ()  # what it says of its packets, as ip route does: "mtu 600"
    protocol: str = ""
    tos: int = 0  # only for packets that carry it; 0: for all
    nhid: int | None = None  # the nexthop object, or group, that says where it leads
    hops: tuple[NextHop, ...] = ()  # of a route with several
    onlink: bool = False  # as that of a next hop; of one with several, each says it

    @property
    def plain(self) -> bool:
        """Whether a lab file can say all of it."""
        return not (self.tos or self.nhid or self.metrics)

    @property
    def mtu(self) -> int:
        """For its packets, whatever the device takes; 0: none of its own."""
        sizes = (one.split()[-1] for one in self.metrics if one.startswith("mtu "))
        return int(next(sizes, 0))


class PolicyRule(Struct, frozen=True, kw_only=True):
    """A routing policy rule: which table is asked, in which order."""

    family: Family
    priority: int
    table: int
    source: str | None = None
    destination: str | None = None
    conditions: tuple[str, ...] = ()  # what else it asks, as ``ip rule`` names it: "fwmark"
    action: str = "lookup"  # or "blackhole", "unreachable", "prohibit" …
    values: Mapping[str, str] = field(default_factory=dict)  # of conditions: "iif" → "eth0"


class Neighbour(Struct, frozen=True, kw_only=True):
    """An ARP or ND table entry."""

    dev: DevName
    ip: str
    mac: Mac | None
    state: NeighbourState
    ours: bool = False  # given by hopscope while it probes, not part of the lab


class FdbEntry(Struct, frozen=True, kw_only=True):
    """A bridge forwarding entry: frames for *mac* leave through *port*."""

    bridge: DevName
    mac: Mac
    port: DevName
    local: bool = False  # the bridge's own address: up the stack
    static: bool = False


class RemoteEntry(Struct, frozen=True, kw_only=True):
    """Where the vxlan device *dev* sends frames for *mac*; all zeros: for every other address."""

    dev: DevName
    mac: Mac
    remote: str
    static: bool = False


class Rule(Struct, frozen=True, kw_only=True):
    """A firewall rule; *text* is what its own tool prints for it."""

    handle: int
    text: str
    packets: int | None = None  # None: it has no counter
    bytes: int | None = None
    log_prefix: str | None = None  # of a LOG target or log statement
    ours: bool = False  # made by hopscope to observe, not part of the lab


class Chain(Struct, frozen=True, kw_only=True):
    """A chain and its rules in order; *hook* is None for a chain that is only jumped to."""

    family: Family
    table: str
    name: str
    hook: Hook | None = None
    type: str | None = None  # "filter", "nat", "route"
    priority: int | None = None
    policy: str | None = None
    rules: tuple[Rule, ...] = ()
    packets: int | None = None  # of the policy counter, where the tool keeps one
    ours: bool = False


class NodeState(Struct, frozen=True, kw_only=True, dict=True):
    """All that one namespace held."""

    name: NodeName
    links: tuple[LinkState, ...] = ()
    routes: tuple[Route, ...] = ()
    policy_rules: tuple[PolicyRule, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    fdb: tuple[FdbEntry, ...] = ()
    remotes: tuple[RemoteEntry, ...] = ()
    qdiscs: tuple[Qdisc, ...] = ()
    filtering: tuple[Filtering, ...] = ()
    chains: tuple[Chain, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)  # SNMP: "Icmp.InEchos" …
    unread: tuple[str, ...] = ()  # what could not be read, and why

    def link(self, name: str) -> LinkState | None:
        """The device of that name, or None."""
        return self._links.get(name)

    @cached_property
    def _links(self) -> Mapping[str, LinkState]:
        return {link.name: link for link in reversed(self.links)}


class Snapshot(Struct, frozen=True, kw_only=True, dict=True):
    """The nodes' states, in the order of the lab file."""

    nodes: tuple[NodeState, ...]

    def node(self, name: str) -> NodeState:
        """The state of that node; KeyError when the snapshot has none of that name."""
        return self._nodes[name]

    def link(self, ref: DevRef) -> LinkState | None:
        """The device that *ref* names, or None."""
        node = self._nodes.get(ref.node)
        return node.link(ref.dev) if node is not None else None

    @cached_property
    def _nodes(self) -> Mapping[str, NodeState]:
        return {node.name: node for node in reversed(self.nodes)}
