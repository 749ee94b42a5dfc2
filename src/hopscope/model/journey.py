"""Journey: what one packet did, as a tree of hops, each with its steps in order.

A Hop is one network stack that the packet entered, through a device or by being
born there. Several hops follow one when a flood copied the packet: each says in
*came_from* through which device of the hop before it the packet left.
"""

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from hopscope.model.flow import Headers
from hopscope.model.kind import Kind
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


class TransmitStep(Kind, frozen=True, kw_only=True, tag="transmit"):
    """The stack handed the frame to a device (dev_queue_xmit)."""

    dev: DevName
    at: Nanos | None
    basis: Basis
    src_mac: Mac | None = None
    dst_mac: Mac | None = None


class ReceiveStep(Kind, frozen=True, kw_only=True, tag="receive"):
    """A device handed the frame to the stack (netif_receive_skb)."""

    dev: DevName
    at: Nanos | None
    pkttype: PktType
    basis: Basis


class BridgeStep(Kind, frozen=True, kw_only=True, tag="bridge"):
    """A bridge's forwarding decision, and the entry that made it (br_handle_frame_finish)."""

    bridge: DevName
    action: Action
    came_in: DevName | None  # None: sent by the bridge's own stack
    out: tuple[DevName, ...]
    entry: FdbEntry | None  # None: no entry for the destination, or a group address
    learnt: Mac | None  # the source address that this frame taught the bridge, if it did
    basis: Basis


class PassUpStep(Kind, frozen=True, kw_only=True, tag="pass-up"):
    """A copy went up from the bridge's ports into the stack behind the bridge device.

    *because* is "group" (broadcast or multicast), "own-address", or "promiscuous":
    then only a capture on the bridge made this copy, and the stack ignores it, unless
    *pkttype* is "host": a rewritten frame is for the node itself, and goes on a second time.
    """

    bridge: DevName
    at: Nanos | None
    because: Literal["group", "own-address", "promiscuous"]
    pkttype: PktType
    basis: Basis

    @property
    def taken(self) -> bool:
        """Whether the stack took the copy, whoever made it."""
        return self.pkttype is not PktType.OTHERHOST


class RuleCheck(Struct, frozen=True, kw_only=True):
    """One rule that the packet met: whether it matched, and what it decided if it did."""

    handle: int
    text: str
    matched: bool
    verdict: Verdict | None  # None when it did not match
    log_prefix: str | None = None


class ChainVisit(Struct, frozen=True, kw_only=True):
    """One chain at a hook; *policy* is set when no rule decided and the policy did."""

    family: Family
    table: str
    chain: str
    priority: int | None
    rules: tuple[RuleCheck, ...]  # in order, up to and with the one that decided
    policy: Verdict | None
    verdict: Verdict


class HookStep(Kind, frozen=True, kw_only=True, tag="hook"):
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


class RouteStep(Kind, frozen=True, kw_only=True, tag="route"):
    """A route decision: the entry used, or why there is none."""

    destination: str  # the packet's
    route: str | None  # as ``10.244.1.0/24 dev veth1a``; None: no route
    dev: DevName | None
    via: str | None
    basis: Basis
    table: int | None = None  # None: main or local, as usual
    rule: int | None = None  # the priority of the policy rule that led there, or decided itself


class NeighbourStep(Kind, frozen=True, kw_only=True, tag="neighbour"):
    """Which link-layer address the next hop has, and how that became known."""

    dev: DevName
    ip: str
    mac: Mac | None  # None: unresolved
    state: NeighbourState
    basis: Basis


class NatStep(Kind, frozen=True, kw_only=True, tag="nat"):
    """An address or port was rewritten."""

    field: str  # "source" or "destination"
    before: str
    after: str
    basis: Basis


class DeliverStep(Kind, frozen=True, kw_only=True, tag="deliver"):
    """The packet reached what it was for: a socket, the ARP or the ICMP code of that stack."""

    to: str
    basis: Basis


class DropStep(Kind, frozen=True, kw_only=True, tag="drop"):
    """The packet, or this copy of it, ended here. *expected*: an end that loses nothing."""

    reason: str
    where: str
    basis: Basis
    expected: bool = False


class UnrecognisedStep(Kind, frozen=True, kw_only=True, tag="unrecognised"):
    """Something was seen that hopscope has no name for; shown rather than skipped."""

    what: str
    basis: Basis


Step = (
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
    | UnrecognisedStep
)


class Hop(Struct, frozen=True, kw_only=True):
    """One network stack that a packet entered, and all it met there."""

    node: NodeName
    came_in: DevName | None  # None: the packet was born here
    came_from: DevName | None  # the device of the hop before; None for the first
    steps: tuple[Step, ...]
    onward: tuple["Hop", ...] = ()


class Reason(Struct, frozen=True, kw_only=True):
    """Why a journey ended as it did, in one sentence, and what would change it."""

    code: str  # stable: "rule-drop", "no-carrier", "no-arp-reply", …
    sentence: str
    at: DevRef | None
    basis: Basis
    mend: str = ""


class Journey(Struct, frozen=True, kw_only=True):
    """What one packet did, from its birth to its fate."""

    title: str  # "ARP request", "echo request" …
    headers: Headers
    started: Nanos
    first: Hop
    fate: Fate
    reason: Reason | None = None  # None when it was delivered
    lost: int = 0  # observations lost meanwhile; a journey with loss may have gaps
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Which nodes it entered and its fate, in a line; see `record.PingResult`."""
        way = " → ".join(hop.node for hop in hops(self))
        why = f": {self.reason.sentence}" if self.reason else ""
        return f"<{self.title}, {way}, {self.fate}{why}>"


def hops(journey: Journey) -> Iterator[Hop]:
    """Every hop, each before those that follow it."""
    waiting = [journey.first]
    while waiting:
        hop = waiting.pop(0)
        yield hop
        waiting[:0] = hop.onward
