"""More operations of a plan: devices beside links, ports, policy rules, what is held back."""

from msgspec import Struct

from hopscope.errors import Place
from hopscope.model.devices import PortOptions, Vlan, Vxlan
from hopscope.model.lab import PolicySpec
from hopscope.model.traffic import Shaping
from hopscope.model.vocab import DevName, DevRef, Mac, NodeName

__all__ = [
    "AddFdb",
    "AddMacvlan",
    "AddPolicyRule",
    "AddQdisc",
    "AddRemote",
    "AddTap",
    "AddVxlan",
    "SetPort",
    "SetVlans",
]


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


class AddRemote(Struct, frozen=True, kw_only=True):
    """Tell a vxlan device where frames for a MAC address go, and perhaps *via* which device."""

    node: NodeName
    dev: DevName
    mac: Mac
    remote: str
    via: DevName | None = None
    replaces: bool = False  # a lab that stands may have learnt another
    place: Place | None = None

    def __str__(self) -> str:
        return f"{self.node}/{self.dev}: adding the remote {self.remote} of {self.mac}"


class SetPort(Struct, frozen=True, kw_only=True):
    """Set how its bridge treats a port."""

    node: NodeName
    dev: DevName
    options: PortOptions
    place: Place | None = None

    def __str__(self) -> str:
        return f"setting the bridge port {self.node}/{self.dev}"


class SetVlans(Struct, frozen=True, kw_only=True):
    """Make a port, or with *itself* the bridge's own stack, a member of exactly these VLANs.

    It was in VLAN 1 from the start.
    """

    node: NodeName
    dev: DevName
    vlans: tuple[Vlan, ...]
    itself: bool = False
    place: Place | None = None

    def __str__(self) -> str:
        told = ", ".join(map(str, self.vlans))
        return f"making {self.node}/{self.dev} a member of the VLANs {told}"


class AddFdb(Struct, frozen=True, kw_only=True):
    """Add a static forwarding entry to the bridge of the port *dev*."""

    node: NodeName
    dev: DevName
    mac: Mac
    replaces: bool = False  # a lab that stands may have learnt another
    place: Place | None = None

    def __str__(self) -> str:
        return f"{self.node}: adding the forwarding entry {self.mac} at {self.dev}"


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


class AddPolicyRule(Struct, frozen=True, kw_only=True):
    """Add a routing policy rule; *rule* has its priority, and no place of its own."""

    node: NodeName
    rule: PolicySpec
    place: Place | None = None

    def __str__(self) -> str:
        does = f"lookup {self.rule.table}" if self.rule.table else self.rule.action
        return f"{self.node}: adding the policy rule {self.rule.priority}: {does}"
