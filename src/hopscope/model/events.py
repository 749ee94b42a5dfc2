"""Events: each is one thing that one observer saw, with a time and a source."""

from msgspec import Struct

from hopscope.model.vocab import (
    DevName,
    DevRef,
    Direction,
    Family,
    Mac,
    Nanos,
    NeighbourState,
    NodeName,
    PktType,
    Verdict,
)

__all__ = [
    "Event",
    "FdbChanged",
    "FrameSeen",
    "Logged",
    "NeighbourChanged",
    "Observation",
    "RuleHit",
]


class FrameSeen(Struct, frozen=True, kw_only=True, tag_field="event", tag="frame"):
    """A frame at a device, from a packet socket."""

    at: Nanos  # the kernel's own receive time stamp
    dev: DevRef
    direction: Direction
    pkttype: PktType
    frame: bytes  # from the Ethernet header on, as captured
    length: int  # bytes on the wire; larger than len(frame) when cut


class RuleHit(Struct, frozen=True, kw_only=True, tag_field="event", tag="rule"):
    """One nf_tables trace message: a rule that matched, a chain that returned or its policy."""

    at: Nanos  # when we read it; its order is the kernel's, its time is not
    node: NodeName
    trace_id: int
    kind: str  # "rule", "return" or "policy"
    family: Family  # the table's family
    table: str
    chain: str
    handle: int | None  # the rule's, None for "return" and "policy"
    verdict: Verdict
    jump: str | None = None  # the chain jumped to
    iif: DevName | None = None
    oif: DevName | None = None
    link_header: bytes = b""
    network_header: bytes = b""
    transport_header: bytes = b""
    mark: int = 0


class Logged(Struct, frozen=True, kw_only=True, tag_field="event", tag="logged"):
    """A LOG rule matched, with enough of the packet to print the kernel's own line.

    *packet* holds the network header and at most 20 bytes of what follows it: that is what
    a trace shows. *flags* are the rule's own (XT_LOG_TCPSEQ …), *level* is syslog's.
    """

    at: Nanos
    node: NodeName
    family: Family
    prefix: str
    iif: DevName | None
    oif: DevName | None
    physin: DevName | None
    physout: DevName | None
    link_header: bytes  # MAC header, as the kernel keeps it at that hook
    packet: bytes  # from the network header on
    mark: int = 0
    level: int = 4
    flags: int = 0


class NeighbourChanged(Struct, frozen=True, kw_only=True, tag_field="event", tag="neighbour"):
    """An ARP or ND entry was made, changed or removed."""

    at: Nanos
    dev: DevRef
    ip: str
    mac: Mac | None
    state: NeighbourState
    removed: bool = False


class FdbChanged(Struct, frozen=True, kw_only=True, tag_field="event", tag="fdb"):
    """A bridge learnt, changed or forgot a MAC address."""

    at: Nanos
    node: NodeName
    bridge: DevName
    port: DevName
    mac: Mac
    local: bool = False
    removed: bool = False


Event = FrameSeen | RuleHit | Logged | NeighbourChanged | FdbChanged


class Observation(Struct, frozen=True, kw_only=True):
    """All that the observers saw between start and stop, in order, and what they know they lost."""

    events: tuple[Event, ...]
    lost: int = 0  # events that an observer knows it did not get
    blind: tuple[str, ...] = ()  # what could not be watched, and why
