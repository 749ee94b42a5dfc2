"""The operations a plan is made of: data only; `kernel.apply.plan` performs them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, get_args

from msgspec import Struct, field
from msgspec.structs import replace

from hopscope.errors import Place
from hopscope.model.lab import MAIN_TABLE
from hopscope.model.lookup import ways_text
from hopscope.model.naming import cut, some_of
from hopscope.model.snapshot import NextHop
from hopscope.model.vocab import DevName, DevRef, Mac, NodeName
from hopscope.plan.changeops import (
    ChangeBridge,
    ChangeDevice,
    ChangeVlans,
    Changing,
    NetlinkChange,
    OpenPort,
    RemoveAddress,
    RemoveDevice,
    RemoveFdb,
    RemoveNeighbour,
    RemoveNexthop,
    RemoveNodes,
    RemovePolicyRules,
    RemoveQdisc,
    RemoveRemote,
    RemoveRoute,
    RemoveRules,
    ResetRules,
    SetOthers,
)
from hopscope.plan.moreops import (
    AddFdb,
    AddMacvlan,
    AddPolicyRule,
    AddQdisc,
    AddRemote,
    AddTap,
    AddVxlan,
    SetPort,
    SetVlans,
)

if TYPE_CHECKING:
    from typing_extensions import TypeIs

__all__ = [
    "AddAddress",
    "AddBridge",
    "AddFdb",
    "AddMacvlan",
    "AddNeighbour",
    "AddPolicyRule",
    "AddQdisc",
    "AddRemote",
    "AddRoute",
    "AddRules",
    "AddTap",
    "AddVeth",
    "AddVxlan",
    "ChangeBridge",
    "ChangeDevice",
    "ChangeVlans",
    "Changing",
    "MakeNodes",
    "Mark",
    "NetlinkChange",
    "NetlinkOp",
    "NewEnd",
    "Op",
    "OpenPort",
    "Plan",
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
    "SetPort",
    "SetSysctl",
    "SetUp",
    "SetVlans",
    "is_netlink",
]


class MakeNodes(Struct, frozen=True, kw_only=True):
    """Make a namespace per name; *home* is the sandbox's own. Its *place* is the first node's."""

    names: tuple[NodeName, ...]
    home: NodeName | None
    place: Place | None = None

    def __str__(self) -> str:
        return f"making the namespaces {some_of(self.names)}"


class SetSysctl(Struct, frozen=True, kw_only=True):
    """Set one sysctl; *path* is below /proc/sys, with slashes. *implied*: nobody wrote it."""

    node: NodeName
    path: str
    value: str
    implied: bool = False
    place: Place | None = None

    def __str__(self) -> str:
        return f"{self.node}: setting {self.path} = {cut(self.value)}"


class AddBridge(Struct, frozen=True, kw_only=True):
    """Make a bridge; it is brought up later, when its ports are there."""

    node: NodeName
    name: DevName
    nf_call_iptables: bool = False
    stp: bool = False
    ageing: float | None = None
    forward_delay: float | None = None
    priority: int | None = None
    vlan_filtering: bool = False
    mac: Mac | None = None
    mtu: int | None = None
    place: Place | None = None

    def __str__(self) -> str:
        return f"making the bridge {self.node}/{self.name}"


class NewEnd(Struct, frozen=True, kw_only=True):
    """One end of a veth pair to be made."""

    ref: DevRef
    mac: Mac
    bridge: DevName | None
    queues: int = 1


class AddVeth(Struct, frozen=True, kw_only=True):
    """Make a veth pair, each end in its node.

    *near* is made by its own node's socket, joins its bridge and, with *up*, comes up; what
    *far* still needs is another operation.
    """

    near: NewEnd
    far: NewEnd
    up: bool
    mtu: int | None = None
    place: Place | None = None

    @property
    def node(self) -> NodeName:
        """The node whose socket performs it."""
        return self.near.ref.node

    def __str__(self) -> str:
        return f"making the link {self.near.ref} – {self.far.ref}"


class SetUp(Struct, frozen=True, kw_only=True):
    """Bring a device up, or down; *bridge* also makes it that bridge's port.

    *mtu* is for a bridge: until it is set once, each new port changes it. *mac* and *mtu*
    are for a tap, too, which is born without.
    """

    node: NodeName
    dev: DevName
    up: bool = True
    bridge: DevName | None = None
    mac: Mac | None = None
    mtu: int | None = None
    place: Place | None = None

    def __str__(self) -> str:
        return f"bringing {self.node}/{self.dev} {'up' if self.up else 'down'}"


class Mark(Struct, frozen=True, kw_only=True):
    """Give a device an alias, "" for none: of the real host, our ownership mark."""

    node: NodeName
    dev: DevName
    alias: str
    place: Place | None = None

    def __str__(self) -> str:
        return f"giving {self.node}/{self.dev} the alias {self.alias!r}"


class AddAddress(Struct, frozen=True, kw_only=True):
    """Give a device an address; with *dad*, duplicates of an IPv6 one are looked for."""

    node: NodeName
    dev: DevName
    cidr: str
    dad: bool = False
    place: Place | None = None

    def __str__(self) -> str:
        return f"giving {self.node}/{self.dev} the address {self.cidr}"


class AddRoute(Struct, frozen=True, kw_only=True):
    """Add a route."""

    node: NodeName
    to: str
    via: str | None
    dev: DevName | None
    metric: int | None
    type: str = "unicast"
    source: str | None = None
    onlink: bool = False
    hops: tuple[NextHop, ...] = ()
    table: int = MAIN_TABLE
    place: Place | None = None

    def __str__(self) -> str:
        kind = "" if self.type == "unicast" else f"{self.type} "
        way = ways_text(self.dev, self.via, self.hops, onlink=self.onlink)
        table = "" if self.table == MAIN_TABLE else f" in the table {self.table}"
        return f"{self.node}: adding the {kind}route to {self.to}{way}{table}"


class AddNeighbour(Struct, frozen=True, kw_only=True):
    """Add a permanent neighbour entry."""

    node: NodeName
    dev: DevName
    ip: str
    mac: Mac
    place: Place | None = None

    def __str__(self) -> str:
        return f"{self.node}/{self.dev}: adding the neighbour {self.ip} at {self.mac}"


class AddRules(Struct, frozen=True, kw_only=True):
    """Give firewall rules to their own tool: ``iptables``, ``ip6tables`` or ``nft``."""

    node: NodeName
    tool: str
    lines: tuple[str, ...]
    places: tuple[Place | None, ...]

    @property
    def place(self) -> Place | None:
        """Where the first line stands."""
        return self.places[0] if self.places else None

    def __str__(self) -> str:
        return f"{self.node}: applying {self.tool} rules"


NetlinkOp = (
    AddBridge
    | AddVeth
    | AddMacvlan
    | AddVxlan
    | AddRemote
    | SetUp
    | SetPort
    | SetVlans
    | AddFdb
    | AddQdisc
    | Mark
    | AddAddress
    | AddRoute
    | AddPolicyRule
    | AddNeighbour
    | NetlinkChange
)
"""Operations that are rtnetlink messages, for the socket of their node."""

Op = MakeNodes | SetSysctl | AddTap | AddRules | NetlinkOp | Changing

_NETLINK: Final = frozenset(get_args(NetlinkOp))
_CHANGING: Final = frozenset(get_args(Changing))


def is_netlink(op: Op) -> "TypeIs[NetlinkOp]":
    """Whether it is rtnetlink messages; isinstance would ask thirty classes one by one."""
    return type(op) in _NETLINK


class Plan(Struct, frozen=True, kw_only=True):
    """The operations in order, and the interface index that each device gets."""

    ops: tuple[Op, ...]
    indexes: Mapping[DevRef, int] = field(default_factory=dict)

    def parted(self) -> "tuple[Plan, Plan]":
        """The making of the namespaces with what is set in them first, and all that follows."""
        at = 0
        if self.ops and isinstance(self.ops[0], MakeNodes):
            at = 1
            while at < len(self.ops) and isinstance(self.ops[at], SetSysctl):
                at += 1
        return replace(self, ops=self.ops[:at]), replace(self, ops=self.ops[at:])

    def changes(self) -> bool:
        """Whether any of it changes what is there, and not only adds to it."""
        return any(type(op) in _CHANGING for op in self.ops)

    def ruled(self) -> tuple[NodeName, ...]:
        """The nodes that get firewall rules."""
        return tuple(dict.fromkeys(op.node for op in self.ops if isinstance(op, AddRules)))
