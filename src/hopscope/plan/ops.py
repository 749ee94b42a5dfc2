"""The operations a plan is made of: data only; `kernel.apply.plan` performs them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, get_args

from msgspec import Struct, field
from msgspec.structs import replace

from hopscope.errors import Place
from hopscope.model.lab import MAIN_TABLE, PolicySpec
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
from hopscope.plan.deviceops import (
    AddBridge,
    AddMacvlan,
    AddQdisc,
    AddTap,
    AddVeth,
    AddVxlan,
    Mark,
    NewEnd,
    SetUp,
)
from hopscope.plan.portops import AddFdb, AddRemote, SetPort, SetVlans

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


class AddPolicyRule(Struct, frozen=True, kw_only=True):
    """Add a routing policy rule; *rule* has its priority, and no place of its own."""

    node: NodeName
    rule: PolicySpec
    place: Place | None = None

    def __str__(self) -> str:
        does = f"lookup {self.rule.table}" if self.rule.table else self.rule.action
        return f"{self.node}: adding the policy rule {self.rule.priority}: {does}"


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
