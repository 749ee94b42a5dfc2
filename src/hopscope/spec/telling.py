"""What a story says of a counted node, told of each of its replicas."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import TypeVar

from msgspec.structs import replace

from hopscope.model.lab import (
    Expect,
    ExpectStep,
    FirewallStep,
    LabSpec,
    SetStep,
    ShowStep,
    StoryStep,
    ZeroStep,
)
from hopscope.model.vocab import DevRef, NodeName
from hopscope.spec.replicas import Replicas

__all__ = ["told"]

Part = TypeVar("Part")


def told(lab: LabSpec, replicas: Replicas) -> LabSpec:
    """*lab* with a story that speaks of no counted node any more."""
    if not replicas:
        return lab
    return replace(lab, story=tuple(_step(step, replicas) for step in lab.story))


def _step(step: StoryStep, replicas: Replicas) -> StoryStep:
    match step:
        case ShowStep() | ZeroStep():
            return replace(step, nodes=tuple(_nodes(step.nodes, replicas)))
        case SetStep(values=values):
            return replace(step, values=tuple(_pairs(values, replicas)))
        case FirewallStep(lines=lines):
            return replace(step, lines=tuple(_pairs(lines, replicas)))
        case ExpectStep(expect=expect):
            return replace(step, expect=_expect(expect, replicas))
        case _:  # a ping is of one node
            return step


def _each(name: NodeName, replicas: Replicas) -> tuple[NodeName, ...]:
    return replicas.get(name, (name,))


def _nodes(names: Iterable[NodeName], replicas: Replicas) -> Iterable[NodeName]:
    """Each once, in the order in which they are first named."""
    return dict.fromkeys(one for name in names for one in _each(name, replicas))


def _pairs(
    pairs: Iterable[tuple[NodeName, Part]], replicas: Replicas
) -> Iterator[tuple[NodeName, Part]]:
    """Replica by replica, as what is given to one node is done in one go."""
    for name, several in groupby(pairs, key=lambda pair: pair[0]):
        parts = [part for _, part in several]
        for one in _each(name, replicas):
            yield from ((one, part) for part in parts)


def _expect(expect: Expect, replicas: Replicas) -> Expect:
    neighbours: dict[str, Mapping[str, str]] = {}
    for name, entries in expect.neighbours.items():
        for one in _each(NodeName(name), replicas):
            neighbours[one] = {**neighbours.get(one, {}), **entries}
    refs = (DevRef(one, r.dev) for r in expect.no_address for one in _each(r.node, replicas))
    return replace(expect, neighbours=neighbours, no_address=tuple(refs))
