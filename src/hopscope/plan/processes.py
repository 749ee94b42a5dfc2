"""Which processes a lab declares otherwise than it did; one that is the same goes on."""

from collections.abc import Iterator, Mapping
from shlex import join

from msgspec.structs import replace

from hopscope.model.change import Action, Change, Subject
from hopscope.model.lab import LabSpec, ProcessSpec
from hopscope.model.vocab import NodeName

__all__ = ["Key", "changes", "declared"]

Key = tuple[NodeName, str]
"""A node, and the name of a process there."""


def declared(spec: LabSpec) -> dict[Key, ProcessSpec]:
    """All processes of a lab, in its order."""
    return {(node.name, one.name): one for node in spec.nodes for one in node.run}


def changes(spec: LabSpec, earlier: LabSpec | None = None) -> Iterator[Change]:
    """What is to be started, stopped, or started anew to get from *earlier* to *spec*."""
    now, before = declared(spec), declared(earlier) if earlier else {}
    for (node, name), process in before.items():
        if (node, name) not in now:
            yield Change(
                action=Action.REMOVE,
                subject=Subject.PROCESS,
                node=node,
                name=name,
                before=join(process.argv),
                why="not declared",
            )
    for key, process in now.items():
        if not _same(process, before.get(key)):
            yield _change(key, process, before)


def _same(one: ProcessSpec, other: ProcessSpec | None) -> bool:
    """But for where it is declared, and for when it is ready: that is of its start."""
    plain = replace(one, place=None, ready=None)
    return other is not None and plain == replace(other, place=None, ready=None)


def _change(key: Key, process: ProcessSpec, before: Mapping[Key, ProcessSpec]) -> Change:
    earlier = before.get(key)
    return Change(
        action=Action.CHANGE if earlier else Action.CREATE,
        subject=Subject.PROCESS,
        node=key[0],
        name=key[1],
        before=join(earlier.argv) if earlier else None,
        after=join(process.argv),
        why="declared",
        place=process.place,
    )
