"""Journey: what one packet did, as a tree of hops, each with its steps in order.

A Hop is one network stack that the packet entered, through a device or by being
born there. Several hops follow one when a flood copied the packet: each says in
*came_from* through which device of the hop before it the packet left.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from hopscope.model.flow import Headers
from hopscope.model.snapshot import FdbEntry
from hopscope.model.vocab import (
    Action,
    Basis,
    DevName,
    DevRef,
    Family,
    Fate,
    Hook,
    Mac,
    Nanos,
    NeighbourState,
    NodeName,
    PktType,
    Verdict,
)

__all__ = [
    "BridgeStep",
    "ChainVisit",
    "DeliverStep",
    "DropStep",
    "HookStep",
    "Hop",
    "Journey",
    "NatStep",
    "NeighbourStep",
    "PassUpStep",
    "Reason",
    "ReceiveStep",
    "RouteStep",
    "RuleCheck",
    "Step",
    "TransmitStep",
    "UnrecognisedStep",
    "hops",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransmitStep:
    """The stack handed the frame to a device (dev_queue_xmit)."""

    dev: DevName
    at: Nanos | None
    basis: Basis
    src_mac: Mac | None = None
    dst_mac: Mac | None = None
    kind: Literal["transmit"] = "transmit"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveStep:
    """A device handed the frame to the stack (netif_receive_skb)."""

    dev: DevName
    at: Nanos | None
    pkttype: PktType
    basis: Basis
    kind: Literal["receive"] = "receive"


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeStep:
    """A bridge's forwarding decision, and the entry that made it (br_handle_frame_finish)."""

    bridge: DevName
    action: Action
    came_in: DevName | None  # None: sent by the bridge's own stack
    out: tuple[DevName, ...]
    entry: FdbEntry | None  # None: no entry for the destination, or a group address
    learnt: Mac | None  # the source address that this frame taught the bridge, if it did
    basis: Basis
    kind: Literal["bridge"] = "bridge"


@dataclass(frozen=True, slots=True, kw_only=True)
class PassUpStep:
    """A copy went up from the bridge's ports into the stack behind the bridge device.

    *because* is "group" (broadcast or multicast), "own-address", or "promiscuous":
    then only a capture on the bridge made this copy, and the stack ignores it.
    """

    bridge: DevName
    at: Nanos | None
    because: Literal["group", "own-address", "promiscuous"]
    pkttype: PktType
    basis: Basis
    kind: Literal["pass-up"] = "pass-up"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCheck:
    """One rule that the packet met: whether it matched, and what it decided if it did."""

    handle: int
    text: str
    matched: bool
    verdict: Verdict | None  # None when it did not match
    log_prefix: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainVisit:
    """One chain at a hook; *policy* is set when no rule decided and the policy did."""

    family: Family
    table: str
    chain: str
    priority: int | None
    rules: tuple[RuleCheck, ...]  # in order, up to and with the one that decided
    policy: Verdict | None
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class HookStep:
    """A netfilter hook that the packet passed, and what its chains decided.

    *family* is the hook's own: an ``inet`` chain that saw an IPv4 packet stands under ``ip``.
    *skipped* says which base chains are registered here and were not consulted, and why.
    """

    family: Family
    hook: Hook
    chains: tuple[ChainVisit, ...]
    verdict: Verdict
    basis: Basis
    iif: DevName | None = None
    oif: DevName | None = None
    skipped: tuple[str, ...] = ()
    kind: Literal["hook"] = "hook"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteStep:
    """A route decision: the entry used, or why there is none."""

    destination: str  # the packet's
    route: str | None  # as ``10.244.1.0/24 dev veth1a``; None: no route
    dev: DevName | None
    via: str | None
    basis: Basis
    kind: Literal["route"] = "route"


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourStep:
    """Which link-layer address the next hop has, and how that became known."""

    dev: DevName
    ip: str
    mac: Mac | None  # None: unresolved
    state: NeighbourState
    basis: Basis
    kind: Literal["neighbour"] = "neighbour"


@dataclass(frozen=True, slots=True, kw_only=True)
class NatStep:
    """An address or port was rewritten."""

    field: str  # "source" or "destination"
    before: str
    after: str
    basis: Basis
    kind: Literal["nat"] = "nat"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverStep:
    """The packet reached what it was for: a socket, the ARP or the ICMP code of that stack."""

    to: str
    basis: Basis
    kind: Literal["deliver"] = "deliver"


@dataclass(frozen=True, slots=True, kw_only=True)
class DropStep:
    """The packet, or this copy of it, ended here. *expected*: an end that loses nothing."""

    reason: str
    where: str
    basis: Basis
    expected: bool = False
    kind: Literal["drop"] = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnrecognisedStep:
    """Something was seen that hopscope has no name for; shown rather than skipped."""

    what: str
    basis: Basis
    kind: Literal["unrecognised"] = "unrecognised"


Step = Annotated[
    TransmitStep
    | ReceiveStep
    | BridgeStep
    | PassUpStep
    | HookStep
    | RouteStep
    | NeighbourStep
    | NatStep
    | DeliverStep
    | DropStep
    | UnrecognisedStep,
    Field(discriminator="kind"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One network stack that a packet entered, and all it met there."""

    node: NodeName
    came_in: DevName | None  # None: the packet was born here
    came_from: DevName | None  # the device of the hop before; None for the first
    steps: tuple[Step, ...]
    onward: tuple["Hop", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a journey ended as it did, in one sentence, and what would change it."""

    code: str  # stable: "rule-drop", "no-carrier", "no-arp-reply", …
    sentence: str
    at: DevRef | None
    basis: Basis
    mend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """What one packet did, from its birth to its fate."""

    title: str  # "ARP request", "echo request" …
    headers: Headers
    started: Nanos
    first: Hop
    fate: Fate
    reason: Reason | None = None  # None when it was delivered
    lost: int = 0  # observations lost meanwhile; a journey with loss may have gaps
    notes: tuple[str, ...] = ()


def hops(journey: Journey) -> Iterator[Hop]:
    """Every hop, each before those that follow it."""
    waiting = [journey.first]
    while waiting:
        hop = waiting.pop(0)
        yield hop
        waiting[:0] = hop.onward
