"""Reachability on the terminal: the matrix of a few nodes, of many what their failures share."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Final, assert_never

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hopscope.model.naming import some_of
from hopscope.model.reachability import (
    Ends,
    Group,
    GroupKind,
    Look,
    Outcome,
    Pair,
    Protocol,
    Reachability,
)
from hopscope.model.vocab import NodeName
from hopscope.render.words import counted, duration

__all__ = ["fate", "group_words", "matrix"]

_MOST_DRAWN: Final = 12  # nodes in a matrix that a window holds
_MOST_TOLD: Final = 10  # groups of failures
_NAMED: Final = 4
_OWN: Final = "nothing listens there"
_ANY: Final = "nothing listens there, or a firewall answers in its name"
_INDENT: Final = (0, 0, 0, 2)


def matrix(found: Reachability) -> RenderableType:
    """What was reached, what was not, and why."""
    parts: list[RenderableType] = [_head(found)]
    if max(len(found.sources), len(found.targets)) <= _MOST_DRAWN:
        parts.append(Padding(_table(found), _INDENT))
    parts += [Padding(line, _INDENT) for line in _lines(found)]
    return Lines(*parts)


def _head(found: Reachability) -> Text:
    reached = len(found.pairs) - len(found.failures)
    style = "bold green" if found.held else "bold red"
    how = str(found.protocol) if found.port is None else f"{found.protocol} port {found.port}"
    text = Text(f"● {found.lab}: ", "bold")
    text.append(f"{reached} of {counted(len(found.pairs), 'pair')} reached", style)
    return text.append(f"  {how}, in {duration(found.took)}", "dim")


def _table(found: Reachability) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("from \\ to", style="bold")
    for target in found.targets:
        table.add_column(target, justify="right")
    by_ends = {(pair.source, pair.target): pair for pair in found.pairs}
    for source in found.sources:
        cells = (_cell(by_ends.get((source, target))) for target in found.targets)
        table.add_row(source, *cells)
    return table


def _cell(pair: Pair | None) -> Text:
    """Colour never speaks alone."""
    if pair is None:
        return Text("·", "dim")
    rtt = duration(pair.rtt) if pair.rtt is not None else ""
    match pair.outcome:
        case Outcome.ANSWERED:
            return Text(rtt or "answered", "green")
        case Outcome.REFUSED:
            return Text("refused", "yellow")
        case Outcome.SILENT:
            return Text("✗ silent", "red")
        case Outcome.FAILED:
            return Text("✗", "bold red")
        case _:
            assert_never(pair.outcome)


def _lines(found: Reachability) -> Iterator[Text]:
    yield from _spans(found)
    by_ends = {(pair.source, pair.target): pair for pair in found.failures}
    for group in found.groups[:_MOST_TOLD]:
        yield from _group(found, group, by_ends)
    if more := found.groups[_MOST_TOLD:]:
        pairs = counted(sum(group.pairs for group in more), "pair")
        yield Text(f"… and {pairs} more, in {counted(len(more), 'group')}: --json has them all")
    yield from _resolution(found)
    yield from (Text(note, "dim") for note in found.notes)


def _spans(found: Reachability) -> Iterator[Text]:
    rtts = sorted(pair.rtt for pair in found.pairs if pair.rtt is not None)
    if rtts:
        spans = f"{duration(rtts[0])} to {duration(rtts[-1])}, median {duration(int(median(rtts)))}"
        yield Text(f"round trips: {spans}")
    yield from (Text(line, "yellow") for line in _refused(found))
    silent = sum(pair.outcome is Outcome.SILENT for pair in found.pairs)
    if silent and found.protocol is Protocol.UDP:
        yield Text(
            f"{counted(silent, 'pair')} silent: open (a listener need not answer), or filtered"
        )


def _refused(found: Reachability) -> Iterator[str]:
    """By who refused, and what: first those that did so themselves."""
    by_words: dict[str, list[Pair]] = {_OWN: [], _ANY: []}
    for pair in found.pairs:
        if pair.outcome is Outcome.REFUSED:
            words = _ANY if pair.refused_by is None else pair.refusal or _OWN
            by_words.setdefault(words, []).append(pair)
    told = [(words, some) for words, some in by_words.items() if some]
    for words, some in told[:_MOST_TOLD]:
        ends = [f"{pair.source} → {pair.target}" for pair in some]
        which = f" ({some_of(ends)})" if words not in (_OWN, _ANY) else ""
        yield f"{counted(len(some), 'pair')} reached and refused{which}: {words}"
    if more := told[_MOST_TOLD:]:
        pairs = counted(sum(len(some) for _words, some in more), "more pair")
        yield f"… and {pairs} that are refused, by {counted(len(more), 'other')}: --json has all"


def _group(found: Reachability, group: Group, failed: Mapping[Ends, Pair]) -> Iterator[Text]:
    text = Text("✗ ", "bold red")
    yield text.append(f"{group_words(group)}", "bold").append(f": {counted(group.pairs, 'pair')}")
    first, *others = group.looks
    said = "for example " if group.pairs > 1 else ""
    yield from _look(found, first, failed[group.example], said)
    for look in others:
        if look.alike:
            yield Text(f"    likewise {look.source} → {look.target}")
        else:
            yield from _look(found, look, failed[look.source, look.target], "but ")


def _look(found: Reachability, look: Look, pair: Pair, said: str) -> Iterator[Text]:
    """What became of one pair of a group, and why."""
    address = f" ({pair.address})" if pair.address not in (None, pair.target) else ""
    ends = f"{pair.source} → {pair.target}"
    yield Text(f"    {said}{ends}{address}: {fate(pair, found.timeout)}")
    if look.reason is None:
        ask = f"hopscope ping {found.lab} {pair.source} {pair.target}"
        yield Text(f"    not looked into; {ask} explains it", "dim")
    elif look.reason != pair.error:
        yield Text("    why: ", "bold").append(look.reason, "not bold")
    if look.mend:
        yield Text("    mend it with: ", "bold").append(look.mend, "not bold")


def group_words(group: Group) -> str:
    """What the failures of a group share."""
    match group.kind:
        case GroupKind.OVERFLOW:
            return "pairs that did not fit the neighbour table"
        case GroupKind.EVERY:
            return "every pair"
        case GroupKind.NODE:
            return f"all from and to {group.node}"
        case GroupKind.SOURCE:
            return f"all from {group.node}"
        case GroupKind.TARGET:
            return f"all to {group.node}"
        case GroupKind.AMONG:
            return f"all among {_names(group.sources)}"
        case GroupKind.BETWEEN:
            return f"{_names(group.sources)} → {_names(group.targets)}"
        case _:
            assert_never(group.kind)


def _names(nodes: Sequence[NodeName]) -> str:
    more = len(nodes) - _NAMED
    return ", ".join(nodes[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def fate(pair: Pair, timeout: float) -> str:
    """What became of a pair, in words."""
    match pair.outcome:
        case Outcome.ANSWERED:
            return duration(pair.rtt) if pair.rtt is not None else "answered"
        case Outcome.REFUSED:
            return "reached, and refused" + (f": {pair.refusal}" if pair.refusal else "")
        case Outcome.SILENT:
            return f"no answer within {timeout:g} s"
        case Outcome.FAILED:
            return pair.error or "failed"
        case _:
            assert_never(pair.outcome)


def _resolution(found: Reachability) -> Iterator[Text]:
    resolution = found.resolution
    if resolution.how == "permanent":
        room = f" of {resolution.room}" if resolution.room is not None else ""
        yield Text(
            f"neighbours: {resolution.entries} permanent entries stood in for ARP meanwhile, more "
            f"than half the table{room} that all namespaces share; they are removed",
            "dim",
        )
