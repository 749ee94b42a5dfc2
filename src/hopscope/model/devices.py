"""What devices can be set to, in one form for the lab that declares it and the snapshot read."""

from msgspec import Struct

__all__ = ["BridgeState", "PortOptions", "Vlan", "Vxlan"]


class Vlan(Struct, frozen=True, kw_only=True):
    """A VLAN that a port, or the bridge itself, is a member of."""

    vid: int
    pvid: bool = False  # what comes in without a tag belongs to it
    untagged: bool = False  # it leaves here without its tag

    def __str__(self) -> str:
        words = [str(self.vid), *(["pvid"] if self.pvid else [])]
        return " ".join([*words, *(["untagged"] if self.untagged else [])])


class BridgeState(Struct, frozen=True, kw_only=True):
    """What a bridge is set to; the times are seconds."""

    stp: bool = False
    ageing: float = 300.0  # how long an entry that was learnt stays
    forward_delay: float = 15.0  # of each state on the way to forwarding, with STP
    priority: int = 0x8000  # the lowest becomes the root of the tree
    vlan_filtering: bool = False


class PortOptions(Struct, frozen=True, kw_only=True):
    """How a bridge treats one of its ports."""

    hairpin: bool = False  # frames may leave through the port that they came in by
    isolated: bool = False  # no frames to or from other isolated ports
    learning: bool = True  # the addresses that send from there are learnt
    flood: bool = True  # frames for unknown addresses leave here too
    cost: int | None = None  # of the path, for STP; None: as the device's speed has it


class Vxlan(Struct, frozen=True, kw_only=True):
    """A vxlan device: frames that leave by it travel on inside UDP packets."""

    id: int  # of the network (VNI)
    local: str | None = None  # the address that the UDP packets come from
    remote: str | None = None  # where frames for unknown addresses go
    port: int = 4789  # where the UDP packets go
    learning: bool = True  # whether it learns which remote an address is behind
