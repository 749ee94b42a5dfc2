"""Changes as lines a person reads: what, where, from what to what, and why."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from rich.text import Text

from hopscope.model.change import Action, Change, Subject

__all__ = ["lines", "summary"]

_MARK: Final = {Action.CREATE: "+", Action.CHANGE: "~", Action.REMOVE: "-"}
_STYLE: Final = {Action.CREATE: "green", Action.CHANGE: "yellow", Action.REMOVE: "red"}
_DONE: Final = {
    Action.CREATE: ("to create", "created"),
    Action.CHANGE: ("to change", "changed"),
    Action.REMOVE: ("to remove", "removed"),
}


def lines(changes: Sequence[Change]) -> Iterator[Text]:
    """A line for each, whose reason stands in a column of its own; and the rules that differ."""
    told = [f"{_MARK[one.action]} {_what(one)}" for one in changes]
    width = min(max(map(len, told), default=0), 80)
    for one, words in zip(changes, told, strict=True):
        yield Text.assemble((f"{words:<{width}}", _STYLE[one.action]), f"  {_why(one)}")
        for line in one.lines:
            yield Text(f"    {line}", "green" if line.startswith("+") else "red")


def summary(changes: Sequence[Change], *, done: bool = False) -> str:
    """``2 to create, 1 to change``; with *done* ``2 created, 1 changed``."""
    counts = Counter(one.action for one in changes)
    parts = [f"{counts[action]} {words[done]}" for action, words in _DONE.items() if counts[action]]
    return ", ".join(parts) or "nothing to change"


def _what(change: Change) -> str:
    if change.subject is Subject.NODE:
        return f"node {change.name}"
    values = f" {change.attribute}" if change.attribute else ""
    if change.action is Action.CHANGE and change.after is not None:
        values += f" {change.before if change.before is not None else 'none'} → {change.after}"
    elif change.after is not None:
        values += f" = {change.after}"
    elif change.before is not None:
        values += f" = {change.before}"
    return f"{change.node}: {change.subject} {change.name}{values}"


def _why(change: Change) -> str:
    where = f"{change.place}" if change.place else ""
    usual = change.why == "declared" and bool(where)
    return where if usual else ", ".join(part for part in (where, change.why) if part)
