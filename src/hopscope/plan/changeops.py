"""The operations that change a lab which stands: the plan of a lab file holds none of them."""

from msgspec import Struct

from hopscope.errors import Place
from hopscope.model.devices import Vlan
from hopscope.model.lab import MAIN_TABLE
from hopscope.model.naming import some_of
from hopscope.model.snapshot import NextHop
from hopscope.model.vocab import DevName, Mac, NodeName

__all__ = [
    "ChangeBridge",
    "ChangeDevice",
    "ChangeVlans",
    "Changing",
    "NetlinkChange",
    "OpenPort",
    "RemoveAddress",
    "RemoveDevice",
    "RemoveFdb",
    "RemoveNeighbour",
    "RemoveNexthop",
    "RemoveNodes",
    "RemovePolicyRules",
    "RemoveQdisc",
    "RemoveRemote",
    "RemoveRoute",
    "RemoveRules",
    "ResetRules",
    "SetOthers",
]


class ChangeDevice(Struct, frozen=True, kw_only=True):
    """Change what a device that exists is like; what is None stays as it is.

    *bridge* "" takes a port out of its bridge.
    """

    node: NodeName
    dev: DevName
    up: bool | None = None
    bridge: DevName | None = None
    mac: Mac | None = None
    mtu: int | None = None
    place: Place | None = None

    def __str__(self) -> str:
        return f"changing {self.node}/{self.dev}"


class ChangeBridge(Struct, frozen=True, kw_only=True):
    """Change a bridge's options; what is None stays as it is."""

    node: NodeName
    dev: DevName
    stp: bool | None = None
    nf_call_iptables: bool | None = None
    ageing: float | None = None
    forward_delay: float | None = None
    priority: int | None = None
    vlan_filtering: bool | None = None
    place: Place | None = None

    def __str__(self) -> str:
        return f"changing the bridge {self.node}/{self.dev}"


class SetOthers(Struct, frozen=True, kw_only=True):
    """Set what no lab file declares of a device: names of `wire.rtnl_settings` and values."""

    node: NodeName
    dev: DevName
    values: tuple[tuple[str, int], ...]
    place: Place | None = None

    def __str__(self) -> str:
        return f"{self.node}/{self.dev}: setting {', '.join(name for name, _value in self.values)}"


class OpenPort(Struct, frozen=True, kw_only=True):
    """Let a port of a bridge without a spanning tree forward at once; with *shut*, nothing pass."""

    node: NodeName
    dev: DevName
    shut: bool = False
    place: Place | None = None

    def __str__(self) -> str:
        if self.shut:
            return f"shutting the port {self.node}/{self.dev}"
        return f"letting the port {self.node}/{self.dev} forward"


class RemoveNodes(Struct, frozen=True, kw_only=True):
    """End the processes of namespaces, and let the namespaces go."""

    names: tuple[NodeName, ...]
    place: Place | None = None

    def __str__(self) -> str:
        return f"removing the namespaces {some_of(self.names)}"


class RemoveDevice(Struct, frozen=True, kw_only=True):
    """Remove a device; of a veth pair, both ends."""

    node: NodeName
    dev: DevName
    place: Place | None = None

    def __str__(self) -> str:
        return f"removing {self.node}/{self.dev}"


class RemoveAddress(Struct, frozen=True, kw_only=True):
    """Take an address from a device."""

    node: NodeName
    dev: DevName
    cidr: str
    place: Place | None = None

    def __str__(self) -> str:
        return f"taking the address {self.cidr} from {self.node}/{self.dev}"


class RemoveRoute(Struct, frozen=True, kw_only=True):
    """Remove a route, whose parts are those of `model.snapshot.Route`."""

    node: NodeName
    to: str
    via: str | None
    dev: DevName | None
    metric: int | None
    type: str = "unicast"
    table: int = MAIN_TABLE
    tos: int = 0
    nhid: int | None = None
    hops: tuple[NextHop, ...] = ()
    onlink: bool = False
    place: Place | None = None

    def __str__(self) -> str:
        return f"{self.node}: removing the route to {self.to}"


class RemoveNexthop(Struct, frozen=True, kw_only=True):
    """Remove a nexthop object, and with it the routes that lead there."""

    node: NodeName
    id: int
    place: Place | None = None

    def __str__(self) -> str:
        return f"{self.node}: removing the nexthop {self.id}"


class RemoveNeighbour(Struct, frozen=True, kw_only=True):
    """Remove a neighbour entry; with *proxy*, one by which the node answers for the address."""

    node: NodeName
    dev: DevName
    ip: str
    proxy: bool = False
    place: Place | None = None

    def __str__(self) -> str:
        what = "proxy" if self.proxy else "neighbour"
        return f"{self.node}/{self.dev}: removing the {what} {self.ip}"


class ResetRules(Struct, frozen=True, kw_only=True):
    """Remove all firewall tables of a node but those by which hopscope observes."""

    node: NodeName
    place: Place | None = None

    def __str__(self) -> str:
        return f"{self.node}: removing its firewall rules"


class RemoveRules(Struct, frozen=True, kw_only=True):
    """Delete single rules, and leave all others: lines of arguments, as *tool* told them."""

    node: NodeName
    tool: str
    lines: tuple[str, ...]
    place: Place | None = None

    def __str__(self) -> str:
        return f"{self.node}: deleting {self.tool} rules"


class ChangeVlans(Struct, frozen=True, kw_only=True):
    """Have a port, or with *itself* the bridge's own stack, join VLANs, or have it leave them."""

    node: NodeName
    dev: DevName
    joins: tuple[Vlan, ...] = ()
    leaves: tuple[int, ...] = ()
    itself: bool = False
    place: Place | None = None

    def __str__(self) -> str:
        return f"changing the VLANs of {self.node}/{self.dev}"


class RemoveFdb(Struct, frozen=True, kw_only=True):
    """Remove a forwarding entry from the bridge of the port *dev*."""

    node: NodeName
    dev: DevName
    mac: Mac
    place: Place | None = None

    def __str__(self) -> str:
        return f"{self.node}: removing the forwarding entry {self.mac} at {self.dev}"


class RemoveRemote(Struct, frozen=True, kw_only=True):
    """Remove all that a vxlan device knows of where frames for a MAC address go."""

    node: NodeName
    dev: DevName
    mac: Mac
    place: Place | None = None

    def __str__(self) -> str:
        return f"{self.node}/{self.dev}: removing the remotes of {self.mac}"


class RemoveQdisc(Struct, frozen=True, kw_only=True):
    """Remove a queueing discipline, and all that hang below it."""

    node: NodeName
    dev: DevName
    parent: str = "root"
    place: Place | None = None

    def __str__(self) -> str:
        return f"{self.node}/{self.dev}: removing the queueing discipline at {self.parent}"


class RemovePolicyRules(Struct, frozen=True, kw_only=True):
    """Remove the first *number* policy rules of a priority, of IPv4 or with *six* of IPv6."""

    node: NodeName
    priority: int
    number: int = 1
    six: bool = False
    place: Place | None = None

    def __str__(self) -> str:
        return f"{self.node}: removing the policy rules {self.priority}"


NetlinkChange = (
    ChangeDevice
    | ChangeBridge
    | ChangeVlans
    | SetOthers
    | OpenPort
    | RemoveDevice
    | RemoveAddress
    | RemoveRoute
    | RemoveNexthop
    | RemoveNeighbour
    | RemoveFdb
    | RemoveRemote
    | RemoveQdisc
    | RemovePolicyRules
)
"""Those that are rtnetlink messages."""

Changing = NetlinkChange | RemoveNodes | RemoveRules | ResetRules
