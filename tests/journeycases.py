"""Pings of real kernels, replayed: recorded by tests/golden/record_journeys.py, told compactly."""

import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import assert_never

import msgspec
from msgspec.structs import replace

from hopscope.model.events import Event, Observation
from hopscope.model.journey import (
    BridgeStep,
    ChainVisit,
    DeliverStep,
    DropStep,
    HookStep,
    Hop,
    Journey,
    NatStep,
    NeighbourStep,
    PassUpStep,
    ReceiveStep,
    RouteStep,
    Step,
    TransmitStep,
    UnrecognisedStep,
)
from hopscope.model.snapshot import Snapshot
from hopscope.model.vocab import NodeName, Verdict
from hopscope.trace.journeys import journeys
from hopscope.trace.replies import why_no_reply
from hopscope.trace.scene import Scene, scene_of

__all__ = ["CASES", "FOLDER", "Case", "compact", "told"]

FOLDER = Path(__file__).parent / "golden" / "journeys"


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One ping as the observers saw it; *stamps* of requests that were answered."""

    name: str
    kernel: str
    source: NodeName
    ident: int
    stamps: tuple[int, ...]
    errors: dict[int, str]
    before: Snapshot
    after: Snapshot
    observation: Observation

    def __str__(self) -> str:
        return self.name

    @classmethod
    def read(cls, path: Path) -> "Case":
        """The case in a file."""
        return msgspec.json.decode(gzip.decompress(path.read_bytes()), type=cls)

    def write(self, path: Path) -> None:
        """Keep it; the same case makes the same bytes."""
        path.write_bytes(gzip.compress(msgspec.json.encode(self), mtime=0))

    def scene(self, events: Sequence[Event] | None = None, *, lost: int = 0) -> Scene:
        """Its scene; with *events* in place of those that were recorded."""
        kept = self.observation.events if events is None else tuple(events)
        seen = replace(self.observation, events=kept, lost=self.observation.lost + lost)
        answered = frozenset(self.stamps)
        return scene_of(seen, self.before, self.after, replied=answered, errors=self.errors)


CASES = [Case.read(path) for path in sorted(FOLDER.glob("*.json.gz"))]


def told(case: Case, scene: Scene | None = None) -> str:
    """All journeys of a case, and why there was no reply."""
    scene = scene or case.scene()
    found = journeys(scene, ident=case.ident)
    parts = [compact(journey) for journey in found]
    requests = {j.headers.stamp for j in found if j.title == "echo request"}
    if requests - set(case.stamps):
        why = why_no_reply(scene, found, case.source)
        parts.append(f"no reply: {why.code}: {why.sentence}\n  mend: {why.mend}" if why else "?")
    return "\n\n".join(parts) + "\n"


def compact(journey: Journey) -> str:
    """A journey without times and MAC addresses, a line for each step."""
    reason = f": {journey.reason.code}: {journey.reason.sentence}" if journey.reason else ""
    notes = [f"  note: {note}" for note in journey.notes]
    lines = [f"{journey.title} {journey.fate}{reason}", *_hop(journey.first, "  "), *notes]
    return "\n".join(lines)


def _hop(hop: Hop, indent: str) -> Iterator[str]:
    yield f"{indent}{hop.node}" + (f" by {hop.came_in}" if hop.came_in else "")
    for step in hop.steps:
        basis = "" if step.basis.kind == "seen" else f" [{step.basis.kind}]"
        yield f"{indent}  {_step(step)}{basis}"
    for onward in hop.onward:
        yield from _hop(onward, indent + ("    " if len(hop.onward) > 1 else ""))


def _step(step: Step) -> str:
    match step:
        case TransmitStep():
            return f"sent {step.dev}"
        case ReceiveStep():
            return f"got {step.dev} {step.pkttype}"
        case BridgeStep():
            out = f" → {', '.join(sorted(step.out))}" if step.out else ""
            entry = f" (entry {step.entry.port})" if step.entry else ""
            return f"{step.bridge} {step.action}{out}{entry}{' learns' if step.learnt else ''}"
        case PassUpStep():
            return f"{step.bridge} up: {step.because}"
        case HookStep():
            where = f"{step.family}/{step.hook} {step.iif or '-'}→{step.oif or '-'}"
            skipped = [f"; {text}" for text in step.skipped]
            return " ".join((where, *map(_visit, step.chains))) + "".join(skipped) + _dropped(step)
        case RouteStep():
            table = f" table {step.table}" if step.table is not None else ""
            rule = f" by rule {step.rule}" if step.rule is not None else ""
            return f"route {step.destination}: {step.route}{table}{rule}"
        case NeighbourStep():
            return f"neighbour {step.ip} {step.state if step.mac else 'unknown'}"
        case NatStep():
            return f"nat {step.field} {step.before} → {step.after}"
        case DeliverStep():
            return f"delivered: {step.to}"
        case DropStep():
            return f"{'ends' if step.expected else 'dropped'}: {step.reason.split(':')[0]}"
        case UnrecognisedStep():
            return f"unrecognised: {step.what}"
        case _:
            assert_never(step)


def _visit(visit: ChainVisit) -> str:
    marks = "".join("✓" if rule.matched else "·" for rule in visit.rules)
    return f"[{visit.table} {visit.chain} {marks} {visit.verdict}]"


def _dropped(step: HookStep) -> str:
    return " DROPPED" if step.verdict is Verdict.DROP else ""
