"""Reachability: which nodes of a lab reach which others, pair by pair.

``hopscope reachability --json`` prints this. Its JSON form is versioned: see `model.codec`.
"""

from enum import StrEnum
from typing import Literal

from msgspec import Struct

from hopscope.model.vocab import Nanos, NodeName

__all__ = [
    "VERSION",
    "Ends",
    "Group",
    "GroupKind",
    "Look",
    "Outcome",
    "Pair",
    "Protocol",
    "Reachability",
    "Resolution",
]

Ends = tuple[NodeName, NodeName]
"""Source and target."""

VERSION = 1
"""Of the JSON form; it rises when a reader of the old form would go wrong."""


class Protocol(StrEnum):
    """With what the pairs are probed."""

    ICMP = "icmp"
    TCP = "tcp"
    UDP = "udp"


class Outcome(StrEnum):
    """What became of a probe; *answered* and *refused* prove that it reached its target."""

    ANSWERED = "answered"  # an echo reply, a connection, a datagram
    REFUSED = "refused"  # by TCP reset, or the target's own "port unreachable"
    SILENT = "silent"  # nothing came back in time; for udp: open, or filtered
    FAILED = "failed"  # *error* says why


class Pair(Struct, frozen=True, kw_only=True):
    """One node, or address, probed from another node.

    *rtt* is in nanoseconds, null when nothing came back, or when it was asked more than once (udp):
    which of them is answered does not show. *refused_by* is null where nobody looked, or it did not
    show.
    """

    source: NodeName
    target: NodeName
    address: str | None  # of the target; null: it has none of a family that the source has
    outcome: Outcome
    rtt: int | None = None
    error: str | None = None  # an ICMP error or the sender's own errno, in words
    instead: NodeName | None = None  # another node that has the address, too, and answered
    refused_by: NodeName | None = None  # the node that refused it
    refusal: str | None = None  # in words, where it is more than that nothing listens there

    @property
    def reached(self) -> bool:
        """Whether it is known that the probe reached its target."""
        return self.outcome in (Outcome.ANSWERED, Outcome.REFUSED)


class GroupKind(StrEnum):
    """What the failures of a group share."""

    OVERFLOW = "overflow"  # the neighbour table had no room for the target
    EVERY = "every"  # every pair that was asked for
    NODE = "node"  # one node is the source or the target
    SOURCE = "source"  # one node as source, to every target
    TARGET = "target"  # one node as target, from every source
    AMONG = "among"  # the sources are the targets: none reaches another
    BETWEEN = "between"  # each of some sources to each of some targets


class Look(Struct, frozen=True, kw_only=True):
    """Another pair of a group that was probed again, alone and watched.

    *alike*: its cause is of the same kind as the example's, and the same mends it.
    """

    source: NodeName
    target: NodeName
    alike: bool
    reason: str | None
    mend: str = ""


class Group(Struct, frozen=True, kw_only=True):
    """Failures that share what *kind* says; each failure is in one group.

    *reason* is what the *example* showed when it was probed again, alone and watched; null when
    it was not. It may not be that of all: *also* is what another one showed.
    """

    kind: GroupKind
    node: NodeName | None  # that node, source or target
    sources: tuple[NodeName, ...]
    targets: tuple[NodeName, ...]
    pairs: int
    example: Ends  # source and target
    reason: str | None = None
    mend: str = ""  # a command that mends it, where one is known
    also: tuple[Look, ...] = ()

    @property
    def looks(self) -> tuple["Look", ...]:
        """What its example showed, and another pair of it."""
        source, target = self.example
        first = Look(source=source, target=target, alike=True, reason=self.reason, mend=self.mend)
        return (first, *self.also)

    def has(self, source: NodeName, target: NodeName) -> bool:
        """Whether a failure between these two is one of the group's."""
        if self.kind is GroupKind.NODE:
            return self.node in (source, target)
        return source in self.sources and target in self.targets


class Resolution(Struct, frozen=True, kw_only=True):
    """How link-layer addresses were found.

    *permanent*: entries of ours stood in the neighbour tables meanwhile, since all pairs would
    not fit the table that the machine's namespaces share.
    """

    how: Literal["arp", "permanent"]
    entries: int  # neighbours that all pairs need together
    room: int | None = None  # gc_thresh3 of the machine; null where it cannot be read
    overflows: int | None = None  # how often the table was full meanwhile; null likewise


class Reachability(Struct, frozen=True, kw_only=True):
    """The whole matrix, and what its failures have in common."""

    lab: str
    kernel: str  # release, as uname -r prints it
    hopscope: str  # version
    started: Nanos
    took: int  # nanoseconds, from the first probe to the last answer that was waited for
    protocol: Protocol
    port: int | None
    timeout: float  # seconds
    sources: tuple[NodeName, ...]
    targets: tuple[NodeName, ...]  # or addresses that were asked for
    pairs: tuple[Pair, ...]  # by source, then by target; none of a node with itself
    groups: tuple[Group, ...]  # the largest first
    resolution: Resolution
    notes: tuple[str, ...] = ()
    version: int = VERSION

    @property
    def failures(self) -> tuple[Pair, ...]:
        """The pairs of which it is not known that the target was reached."""
        return tuple(pair for pair in self.pairs if not pair.reached)

    @property
    def held(self) -> bool:
        """Whether every pair is reached."""
        return all(pair.reached for pair in self.pairs)

    def __repr__(self) -> str:
        """How many pairs were reached, and why others were not, in a line, for an assertion."""
        told = f"{len(self.pairs) - len(self.failures)} of {len(self.pairs)} pairs reached"
        why = (
            f"{' → '.join(group.example)}: {group.reason}" for group in self.groups if group.reason
        )
        return f"<reachability of {self.lab}: {'; '.join([told, *why])}>"
