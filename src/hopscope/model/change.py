"""Change: one difference between what a lab declares and what there is."""

from enum import StrEnum

from msgspec import Struct

from hopscope.errors import Place
from hopscope.model.vocab import NodeName

__all__ = ["Action", "Change", "Subject"]


class Action(StrEnum):
    """What is done about it."""

    CREATE = "create"
    CHANGE = "change"
    REMOVE = "remove"


class Subject(StrEnum):
    """What kind of thing differs."""

    NODE = "node"
    DEVICE = "device"
    LINK = "link"
    PORT = "port"
    VLANS = "vlans"
    FDB = "fdb"
    REMOTE = "remote"
    QDISC = "qdisc"
    ADDRESS = "address"
    ROUTE = "route"
    NEXTHOP = "nexthop"
    POLICY = "policy"
    NEIGHBOUR = "neighbour"
    SYSCTL = "sysctl"
    RULES = "rules"
    PROCESS = "process"


class Change(Struct, frozen=True, kw_only=True):
    """One difference, and what would end it; *before* and *after* are the attribute's values."""

    action: Action
    subject: Subject
    node: NodeName
    name: str  # "veth1a", "10.244.1.2/24 on veth1a", "net.ipv4.ip_forward"
    attribute: str = ""  # of a change: "mtu", "up", "bridge"
    before: str | None = None  # None: there was nothing
    after: str | None = None  # None: there will be nothing
    why: str = ""  # "declared", "not declared", "a link with another end takes its name"
    place: Place | None = None  # the line of the lab that asks for it
