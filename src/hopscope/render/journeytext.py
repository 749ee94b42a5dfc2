"""A journey on the terminal: its hops in order, copies that all end alike told once."""

from collections.abc import Collection, Iterator, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from hopscope.model.journey import DropStep, HookStep, Hop, Journey, Step, TransmitStep
from hopscope.model.vocab import DevName, Fate
from hopscope.render.words import headline, rule_lines, visit_words

__all__ = ["journey"]

_FATE_STYLE = {Fate.DELIVERED: "green", Fate.DROPPED: "bold red", Fate.UNSEEN: "yellow"}
_STEP_STYLE = {
    "transmit": "",
    "receive": "",
    "bridge": "cyan",
    "hook": "magenta",
    "pass-up": "yellow",
    "deliver": "green",
    "drop": "yellow",
    "route": "dim",
    "neighbour": "dim",
    "nat": "magenta",
    "unrecognised": "bold yellow",
}
_ALIKE = 3
"""So many copies that are all ignored are told one by one; of more, the first two."""


def journey(one: Journey, *, verbose: bool = False, elsewhere: Collection[str] = ()) -> Group:
    """One packet's tree of hops, times counted from its first event.

    Its notes follow, but for those that are told *elsewhere*.
    """
    head = Text.assemble((f"{one.title}  ", "bold"), (str(one.fate), _FATE_STYLE[one.fate]))
    if one.reason is not None:
        head.append(f": {one.reason.sentence}")
    grid = Table.grid(padding=(0, 1))
    grid.add_column(justify="right", style="dim", no_wrap=True)
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(ratio=1)
    for row in _hop_rows(one, one.first, 0, verbose=verbose):
        grid.add_row(*row)
    notes = [Text(f"note: {note}", "dim") for note in one.notes if note not in elsewhere]
    return Group(head, grid, *notes)


def _hop_rows(
    one: Journey, hop: Hop, depth: int, *, verbose: bool
) -> Iterator[tuple[Text, Text, Text]]:
    branch = "  " * max(0, depth)
    label = f"{branch}{hop.node}"
    alike = () if verbose else _alike(hop.onward)
    untold = frozenset(copy.came_from for copy in alike)
    for number, step in enumerate(_told(hop.steps, untold, verbose=verbose)):
        at = getattr(step, "at", None)
        since = Text(f"{(at - one.started) / 1000:.1f} µs" if at is not None else "")
        words = Text(headline(step), _STEP_STYLE[step.kind])
        if isinstance(step, HookStep) and step.verdict == "drop":
            words.stylize("bold red")
        if step.basis.kind != "seen":
            words.append(f"  [{step.basis.kind}]", "dim")
        yield since, Text(label if number == 0 else ""), words
        if isinstance(step, HookStep):
            for line in _hook_lines(step, verbose=verbose):
                yield Text(""), Text(""), Text(f"    {line}", "dim")
    deeper = depth + 1 if len(hop.onward) > 1 else depth
    for onward in hop.onward:
        if not any(onward is copy for copy in alike):
            yield from _hop_rows(one, onward, deeper, verbose=verbose)
    if alike:
        told = f"{len(alike)} more copies are received and ignored like these (all: --verbose)"
        yield Text(""), Text(f"{'  ' * deeper}…"), Text(told, "dim")


def _alike(onward: Sequence[Hop]) -> tuple[Hop, ...]:
    """Of many copies that are ignored where they arrive, those after the first two."""
    ignored = tuple(hop for hop in onward if not hop.onward and _ignored(hop.steps))
    return ignored[2:] if len(ignored) > _ALIKE else ()


def _ignored(steps: Sequence[Step]) -> bool:
    """Whether it ends as it should, without a rule that had a say."""
    ends = bool(steps) and isinstance(steps[-1], DropStep) and steps[-1].expected
    return ends and not any(isinstance(step, HookStep) and step.chains for step in steps)


def _told(
    steps: Sequence[Step], untold: Collection[DevName | None], *, verbose: bool
) -> Iterator[Step]:
    """Hooks where no chain is registered say nothing, so they are told only on demand.

    What was sent through a device of *untold* is not followed here.
    """
    for step in steps:
        if isinstance(step, TransmitStep) and step.dev in untold:
            continue
        if verbose or not isinstance(step, HookStep) or step.chains or step.verdict == "drop":
            yield step


def _hook_lines(step: HookStep, *, verbose: bool) -> Iterator[str]:
    for visit in step.chains:
        if verbose and len(step.chains) > 1:
            yield visit_words(visit)
        for line, check in zip(rule_lines(visit), visit.rules, strict=True):
            if verbose or check.matched:
                yield line
    if verbose:
        yield from (f"- {skipped}" for skipped in step.skipped)
