"""Names and closed vocabularies, in the kernel's words where it has them."""

from enum import StrEnum
from typing import NewType

from msgspec import Struct

from hopscope.model.tables import TABLES

__all__ = [
    "TABLES",
    "Action",
    "Basis",
    "BasisKind",
    "DevName",
    "DevRef",
    "Direction",
    "Family",
    "Fate",
    "Hook",
    "Mac",
    "Nanos",
    "NeighbourState",
    "NodeName",
    "PktType",
    "Verdict",
    "computed",
    "inferred",
    "seen",
]

NodeName = NewType("NodeName", str)
DevName = NewType("DevName", str)
Mac = NewType("Mac", str)  # "02:42:0a:f4:01:02", lower case
Nanos = NewType("Nanos", int)  # CLOCK_REALTIME, nanoseconds since 1970


class DevRef(Struct, frozen=True, order=True):
    """A device and the node that holds it; written ``ns1/veth1a``."""

    node: NodeName
    dev: DevName

    def __str__(self) -> str:
        return f"{self.node}/{self.dev}"


class Direction(StrEnum):
    """Which way a frame passed a device, seen from the stack above that device."""

    RECEIVE = "receive"
    TRANSMIT = "transmit"


class PktType(StrEnum):
    """Whom a frame is for, as the kernel classed it (PACKET_* of linux/if_packet.h)."""

    HOST = "host"
    BROADCAST = "broadcast"
    MULTICAST = "multicast"
    OTHERHOST = "otherhost"
    OUTGOING = "outgoing"


class Family(StrEnum):
    """Netfilter families, as nft writes them."""

    BRIDGE = "bridge"
    IP = "ip"
    IP6 = "ip6"
    INET = "inet"
    ARP = "arp"
    NETDEV = "netdev"


class Hook(StrEnum):
    """Netfilter hooks (enum nf_inet_hooks), as nft writes them."""

    INGRESS = "ingress"
    PREROUTING = "prerouting"
    INPUT = "input"
    FORWARD = "forward"
    OUTPUT = "output"
    POSTROUTING = "postrouting"


class Verdict(StrEnum):
    """What a rule, a chain or a hook decided (NF_* and NFT_*)."""

    ACCEPT = "accept"
    DROP = "drop"
    CONTINUE = "continue"
    RETURN = "return"
    JUMP = "jump"
    GOTO = "goto"
    QUEUE = "queue"
    STOLEN = "stolen"


class Action(StrEnum):
    """What a bridge did with a frame (net/bridge/br_input.c)."""

    FORWARD = "forward"  # the FDB named one port
    FLOOD = "flood"  # unknown or group destination: every other port
    LOCAL = "local"  # up into the bridge's own stack, and nowhere else
    DROP = "drop"  # to no port at all


class Fate(StrEnum):
    """How a journey ended; UNSEEN: our evidence stops, perhaps not the packet."""

    DELIVERED = "delivered"
    DROPPED = "dropped"
    UNSEEN = "unseen"


class NeighbourState(StrEnum):
    """NUD_* of linux/neighbour.h."""

    NONE = "none"
    INCOMPLETE = "incomplete"
    REACHABLE = "reachable"
    STALE = "stale"
    DELAY = "delay"
    PROBE = "probe"
    FAILED = "failed"
    NOARP = "noarp"
    PERMANENT = "permanent"


class BasisKind(StrEnum):
    """How a step is known."""

    SEEN = "seen"  # an observer recorded it
    COMPUTED = "computed"  # follows from a table that was read, by the kernel's rules
    INFERRED = "inferred"  # the best explanation of what was seen; could be otherwise


class Basis(Struct, frozen=True):
    """How a step is known, and from what: ``seen: packet socket on host/veth1b``."""

    kind: BasisKind
    evidence: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.evidence}"


def seen(evidence: str) -> Basis:
    """A basis: *evidence* recorded it."""
    return Basis(BasisKind.SEEN, evidence)


def computed(evidence: str) -> Basis:
    """A basis: it follows from *evidence*."""
    return Basis(BasisKind.COMPUTED, evidence)


def inferred(evidence: str) -> Basis:
    """A basis: *evidence* suggests it."""
    return Basis(BasisKind.INFERRED, evidence)
