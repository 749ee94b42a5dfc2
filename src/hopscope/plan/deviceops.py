"""The operations that make devices, bring them up, and say how they send."""

from msgspec import Struct

from hopscope.errors import Place
from hopscope.model.devices import Vxlan
from hopscope.model.traffic import Shaping
from hopscope.model.vocab import DevName, DevRef, Mac, NodeName

__all__ = [
    "AddBridge",
    "AddMacvlan",
    "AddQdisc",
    "AddTap",
    "AddVeth",
    "AddVxlan",
    "Mark",
    "NewEnd",
    "SetUp",
]


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


class AddMacvlan(Struct, frozen=True, kw_only=True):
    """Make a macvlan over the device *over* of *node*; *ref* may be of another node."""

    node: NodeName
    over: DevName
    ref: DevRef
    mode: str
    mac: Mac | None
    mtu: int | None = None
    queues: int = 1
    place: Place | None = None

    def __str__(self) -> str:
        return f"making the macvlan {self.ref} over {self.node}/{self.over}"


class AddVxlan(Struct, frozen=True, kw_only=True):
    """Make a vxlan device, perhaps bound to the device *over* of its node."""

    node: NodeName
    name: DevName
    vxlan: Vxlan
    mac: Mac
    over: DevName | None = None
    mtu: int | None = None
    queues: int = 1
    place: Place | None = None

    def __str__(self) -> str:
        return f"making the vxlan {self.node}/{self.name}"


class AddTap(Struct, frozen=True, kw_only=True):
    """Make a tap that stays when no program has it open; the rest of it is set by `SetUp`."""

    node: NodeName
    name: DevName
    place: Place | None = None

    def __str__(self) -> str:
        return f"making the tap {self.node}/{self.name}"


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


class AddQdisc(Struct, frozen=True, kw_only=True):
    """Have a device hold back what it sends: a queueing discipline, of htb with its class."""

    node: NodeName
    dev: DevName
    options: Shaping
    handle: str = "1:"
    parent: str = "root"
    place: Place | None = None

    def __str__(self) -> str:
        return f"{self.node}/{self.dev}: adding the queueing discipline {self.options.kind}"
