"""Record: what one ``hopscope run`` did and saw; the document behind every output.

``journeys.json`` is this, whole; the report, the terminal account, the log and the
captures are drawn from it. Its JSON form is versioned: see `model.codec`.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct, field

from hopscope.model.events import Observation
from hopscope.model.journey import Journey, Reason
from hopscope.model.kind import Kind
from hopscope.model.reachability import Reachability
from hopscope.model.snapshot import Snapshot
from hopscope.model.vocab import Family, Nanos, NodeName

__all__ = [
    "VERSION",
    "Check",
    "ExpectResult",
    "Finding",
    "FirewallResult",
    "LogLine",
    "PingResult",
    "Record",
    "Reply",
    "RuleDelta",
    "SetResult",
    "ShowResult",
    "StepResult",
    "ZeroResult",
    "gap",
]

VERSION = 1
"""Of the JSON form; it rises when a reader of the old form would go wrong."""


class Check(Struct, frozen=True, kw_only=True):
    """An expectation of the lab file, and whether it held. *seen* and *why* speak when not."""

    expected: str
    seen: str
    held: bool
    why: str = ""


class Reply(Struct, frozen=True, kw_only=True):
    """What came back for one echo request; *rtt* in nanoseconds, None when nothing did."""

    seq: int
    rtt: int | None
    error: str | None = None  # an ICMP error or the sender's own errno, in words


class RuleDelta(Struct, frozen=True, kw_only=True):
    """How often a rule was hit meanwhile, by its own counter."""

    node: NodeName
    family: Family
    table: str
    chain: str
    handle: int
    text: str
    before: int
    after: int
    log_prefix: str | None = None


class LogLine(Struct, frozen=True, kw_only=True):
    """A line of a LOG rule in the kernel's format, without syslog's own prefix."""

    at: Nanos
    node: NodeName
    prefix: str
    text: str


class ShowResult(Kind, frozen=True, kw_only=True, tag="show"):
    """The tables as they were, for a ``show`` step."""

    what: tuple[str, ...]
    nodes: tuple[NodeName, ...]
    tables: Snapshot


class SetResult(Kind, frozen=True, kw_only=True, tag="set"):
    """A sysctl was changed."""

    node: NodeName
    key: str
    before: str
    after: str


class FirewallResult(Kind, frozen=True, kw_only=True, tag="firewall"):
    """Rules were added while the lab ran."""

    tool: str
    node: NodeName
    lines: tuple[str, ...]


class ZeroResult(Kind, frozen=True, kw_only=True, tag="zero"):
    """Rule counters were zeroed."""

    nodes: tuple[NodeName, ...]


class ExpectResult(Kind, frozen=True, kw_only=True, tag="expect"):
    """An ``expect`` step's checks."""

    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        """How many held, in a line; see `PingResult`."""
        return f"<expect: {_told(self.checks)}>"


def _told(checks: Sequence[Check]) -> str:
    wrong = [f"expected {one.expected}, seen {one.seen}" for one in checks if not one.held]
    return "; ".join((f"{len(checks) - len(wrong)} of {len(checks)} expectations held", *wrong))


def gap(observation: Observation, before: Snapshot, node: NodeName) -> str:
    """What kept the observers from seeing all hooks of *node*; "" when nothing did."""
    if observation.lost:
        return f"{observation.lost} observations were lost"
    blind = (*observation.blind, *before.node(node).unread)
    return next((text for text in blind if text.startswith(f"{node}: ")), "")


class PingResult(Kind, frozen=True, kw_only=True, tag="ping"):
    """One ping: what was sent, what came back, and everything that was seen meanwhile."""

    number: int  # counts the pings of a story from 1
    source: NodeName
    source_address: str | None  # None: the kernel had no route, so it chose none
    target: str  # as written
    address: str
    replies: tuple[Reply, ...]
    journeys: tuple[Journey, ...]  # in the order in which the packets were born
    before: Snapshot
    after: Snapshot
    deltas: tuple[RuleDelta, ...]
    log: tuple[LogLine, ...]
    checks: tuple[Check, ...]
    observation: Observation
    switches: Mapping[str, str] = field(default_factory=dict)
    """``host/br0`` → "0", "1", or "1 (by the bridge's own switch)": effective bridge-nf-call"""
    reason: Reason | None = None  # why a request got no reply; None when all did
    notes: tuple[str, ...] = ()

    @property
    def switch(self) -> str:
        """The sysctl below net.bridge that *switches* tells of."""
        return f"bridge-nf-call-{'ip6' if ':' in self.address else 'ip'}tables"

    def gap(self, node: NodeName) -> str:
        """Why nothing follows from a hook of *node* not having been seen; "" when it does."""
        return gap(self.observation, self.before, node)

    @property
    def replied(self) -> bool:
        """Whether every request got its reply."""
        return bool(self.replies) and all(reply.rtt is not None for reply in self.replies)

    @property
    def held(self) -> bool:
        """Whether all that was expected of it is so."""
        return all(check.held for check in self.checks)

    def __repr__(self) -> str:
        """What became of it, in a line: its parts fill pages, and an assertion shows this."""
        got = sum(reply.rtt is not None for reply in self.replies)
        target = self.target if self.target == self.address else f"{self.target} ({self.address})"
        wrong = [f"expected {c.expected}, seen {c.seen}" for c in self.checks if not c.held]
        why = wrong or ([self.reason.sentence] if self.reason else [])
        told = f"{got} of {len(self.replies)} requests answered"
        return f"<ping {self.source} → {target}: {'; '.join([told, *why])}>"


StepResult = ShowResult | SetResult | FirewallResult | ZeroResult | ExpectResult | PingResult


class Finding(Struct, frozen=True, kw_only=True):
    """A sentence of the conclusion, and the measurement that backs it."""

    sentence: str
    evidence: str
    held: bool = True


class Record(Struct, frozen=True, kw_only=True):
    """What one run did and saw."""

    lab: str  # its running name
    description: str
    mode: Literal["sandbox", "on-host"]
    kernel: str  # release, as uname -r prints it
    hopscope: str  # version
    started: Nanos
    finished: Nanos
    initial: Snapshot  # right after the lab was built
    steps: tuple[StepResult, ...]
    conclusion: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    reachability: tuple[Reachability, ...] = ()  # what a test probed beside its steps
    version: int = VERSION

    @property
    def pings(self) -> tuple[PingResult, ...]:
        """The pings, in order."""
        return tuple(step for step in self.steps if isinstance(step, PingResult))

    @property
    def checks(self) -> tuple[Check, ...]:
        """All expectations, in order."""
        return tuple(
            check
            for step in self.steps
            if isinstance(step, PingResult | ExpectResult)
            for check in step.checks
        )

    @property
    def held(self) -> bool:
        """Whether every expectation held."""
        return all(check.held for check in self.checks)

    def __repr__(self) -> str:
        """How many expectations held, in a line; see `PingResult`."""
        return f"<record of {self.lab}: {_told(self.checks)}>"
