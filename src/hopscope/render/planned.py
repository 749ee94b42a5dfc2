"""Changes as lines a person reads: what, where, from what to what, and why."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec.structs import replace
from rich.text import Text

from hopscope.model.change import Action, Change, Subject
from hopscope.model.naming import some_of
from hopscope.model.vocab import NodeName

__all__ = ["lines", "summary"]

_MARK: Final = {Action.CREATE: "+", Action.CHANGE: "~", Action.REMOVE: "-"}
_STYLE: Final = {Action.CREATE: "green", Action.CHANGE: "yellow", Action.REMOVE: "red"}
_FEW: Final = 4
"""So many that are alike are told one by one."""
_DONE: Final = {
    Action.CREATE: ("to create", "created"),
    Action.CHANGE: ("to change", "changed"),
    Action.REMOVE: ("to remove", "removed"),
}


def lines(changes: Sequence[Change]) -> Iterator[Text]:
    """A line for each, whose reason stands in a column of its own; and the rules that differ.

    Changes that are alike but for their node, or their name, are drawn together: replicas' are.
    """
    changes = _drawn_together(changes)
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


def _drawn_together(changes: Sequence[Change]) -> list[Change]:
    """Those of many nodes as one; then of many things of a node; then what replicas draw."""
    of_nodes = _together(changes, _beside_its_node, _of_all)
    of_things = _together(of_nodes, _beside_its_name, _with_names)
    return _together(
        of_things, _but_its_line, lambda group: _with_names([_of_all(group), *group[1:]])
    )


def _together(
    changes: Sequence[Change],
    alike: Callable[[Change], Change],
    joined: Callable[[Sequence[Change]], Change],
) -> list[Change]:
    """Where more than a few are alike, they stand as one in the place of the first."""
    groups: dict[Change, list[Change]] = {}
    for one in changes:
        groups.setdefault(alike(one), []).append(one)
    found: list[Change] = []
    for one in changes:
        group = groups[alike(one)]
        if len(group) <= _FEW:
            found.append(one)
        elif one is group[0]:
            found.append(joined(group))
    return found


def _beside_its_node(change: Change) -> Change:
    name = "" if change.subject is Subject.NODE else change.name
    return replace(change, node=NodeName(""), name=name)


def _of_all(group: Sequence[Change]) -> Change:
    nodes = some_of([one.node for one in group])
    name = nodes if group[0].subject is Subject.NODE else group[0].name
    return replace(group[0], node=NodeName(nodes), name=name)


def _beside_its_name(change: Change) -> Change:
    """One that no line asks for stays itself: nothing else says what it is."""
    return replace(change, name="") if change.place is not None else change


def _but_its_line(change: Change) -> Change:
    """Neither its node nor its name: each replica has another address."""
    return replace(_beside_its_name(change), node=NodeName("")) if change.place else change


def _with_names(group: Sequence[Change]) -> Change:
    return replace(group[0], name=some_of([one.name for one in group]))


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
