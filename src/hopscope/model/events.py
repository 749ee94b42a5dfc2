"""Events: each is one thing that one observer saw, with a time and a source."""

from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

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
    "Octets",
    "RuleHit",
]

Octets = Annotated[
    bytes,
    PlainSerializer(lambda raw: b64encode(raw).decode(), return_type=str, when_used="json"),
    BeforeValidator(lambda raw: b64decode(raw) if isinstance(raw, str) else raw),
    WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
]
"""Bytes, in JSON as base64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSeen:
    """A frame at a device, from a packet socket."""

    at: Nanos  # the kernel's own receive time stamp
    dev: DevRef
    direction: Direction
    pkttype: PktType
    frame: Octets  # from the Ethernet header on, as captured
    length: int  # bytes on the wire; larger than len(frame) when cut


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleHit:
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
    link_header: Octets = b""
    network_header: Octets = b""
    transport_header: Octets = b""
    mark: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
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
    link_header: Octets  # MAC header, as the kernel keeps it at that hook
    packet: Octets  # from the network header on
    mark: int = 0
    level: int = 4
    flags: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourChanged:
    """An ARP or ND entry was made, changed or removed."""

    at: Nanos
    dev: DevRef
    ip: str
    mac: Mac | None
    state: NeighbourState
    removed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FdbChanged:
    """A bridge learnt, changed or forgot a MAC address."""

    at: Nanos
    node: NodeName
    bridge: DevName
    port: DevName
    mac: Mac
    local: bool = False
    removed: bool = False


Event = FrameSeen | RuleHit | Logged | NeighbourChanged | FdbChanged


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """All that the observers saw between start and stop, in order, and what they know they lost."""

    events: tuple[Event, ...]
    lost: int = 0  # events that an observer knows it did not get
    blind: tuple[str, ...] = ()  # what could not be watched, and why
