"""The operations that say where frames go: ports, their VLANs, forwarding entries, remotes."""

from msgspec import Struct

from hopscope.errors import Place
from hopscope.model.devices import PortOptions, Vlan
from hopscope.model.vocab import DevName, Mac, NodeName

__all__ = [
    "AddFdb",
    "AddRemote",
    "SetPort",
    "SetVlans",
]


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
