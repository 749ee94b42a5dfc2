"""A counted node becomes its replicas, and a link that names it a link for each of them.

What is made from one part of the file keeps its place there; see `origins`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from hopscope.errors import Problem
from hopscope.model.lab import LinkEnd, LinkSpec, NodeSpec
from hopscope.model.limits import REPLICAS
from hopscope.model.vocab import DevName, DevRef, NodeName
from hopscope.spec import schema
from hopscope.spec.faults import Fault
from hopscope.spec.scope import said
from hopscope.spec.topology import limit_fault
from hopscope.spec.tree import Locate

__all__ = ["Counts", "Numbered", "Replicas", "counts_of", "links_of", "nodes_of"]

_MOST: Final = 200_000
"""Nodes, addresses, links and parts of the story that counted nodes may make, all together."""

Counts = Mapping[str, int]
"""Each counted node, and how many it stands for."""

Replicas = Mapping[str, tuple[NodeName, ...]]
"""Each counted node, and those that it stands for."""


def counts_of(lab: schema.Lab, where: Locate) -> tuple[Counts, list[Problem]]:
    """The counts that can be, and what is wrong with the others: those are taken as one."""
    asked = {name: node.count for name, node in lab.nodes.items() if node.count is not None}
    sizes = Counter(_parts(lab)) if asked else {}
    found, problems, parts = dict(asked), list[Problem](), 0
    for name, count in asked.items():
        fault = limit_fault(f"the count of {name}", count, REPLICAS)
        if fault is None and parts + count * sizes[name] > _MOST:
            message = f"with {count} of {name}, the lab has more than {_MOST} parts"
            fault = Fault(rule="too-big", message=message, text=str(count), hint="count fewer")
        if fault is None:
            parts += count * sizes[name]
        else:
            found[name] = 1
            problems.append(said(fault, where(("nodes", name, "count"))))
    return found, problems


def _parts(lab: schema.Lab) -> Iterator[str]:
    """The node of each part that is there once for every replica of it."""
    for name, node in lab.nodes.items():
        yield from [name] * (1 + len(node.run) + sum(map(len, node.addresses.values())))
    for link in lab.links:
        yield from (one.end.node for one in link.ends)
    for step in lab.story:
        yield from (*(step.zero or ()), *(step.show.nodes if step.show else ()))
        of_nodes = [step.set_, step.iptables, step.ip6tables]
        if step.expect is not None:
            of_nodes.append(step.expect.neighbours)
            yield from (text.partition("/")[0] for text in step.expect.no_address)
        for name, given in ((n, g) for several in of_nodes for n, g in (several or {}).items()):
            yield from [name] * len(given)


class Numbered(Struct, frozen=True, kw_only=True):
    """All nodes, the replicas of those that are counted, and of which each of these is one."""

    nodes: tuple[NodeSpec, ...]
    replicas: Replicas
    owners: Mapping[str, str]
    problems: tuple[Problem, ...] = ()


def nodes_of(written: Sequence[NodeSpec], counts: Counts, where: Locate) -> Numbered:
    """Each node, or its replicas; a name that two of them would have is given once."""
    found: list[NodeSpec] = []
    replicas: dict[str, tuple[NodeName, ...]] = {}
    owners = {node.name: node.name for node in written if node.name not in counts}
    problems: list[Problem] = []
    for node in written:
        if node.name not in counts:
            found.append(node)
            continue
        names = tuple(NodeName(f"{node.name}{number}") for number in _numbers(counts[node.name]))
        replicas[node.name] = names
        free = [name for name in names if name not in owners]
        if len(free) < len(names):
            taken = next(name for name in names if name in owners)
            fault = _collision(taken, node.name, owners[taken], where)
            problems.append(said(fault, where(("nodes", node.name), key=True)))
        found += [_replica(node, name) for name in free]
        owners |= dict.fromkeys(free, node.name)
    return Numbered(
        nodes=tuple(found),
        replicas=replicas,
        owners={name: owner for name, owner in owners.items() if owner in counts},
        problems=tuple(problems),
    )


def _replica(node: NodeSpec, name: NodeName) -> NodeSpec:
    """Its devices are its own, and lie over its own."""

    def own(ref: DevRef) -> DevRef:
        return DevRef(name, ref.dev) if ref.node == node.name else ref

    devices = tuple(
        replace(one, ref=own(one.ref), over=None if one.over is None else own(one.over))
        for one in node.devices
    )
    return replace(node, name=name, devices=devices)


def _numbers(count: int) -> range:
    return range(1, count + 1)


def _collision(name: str, node: str, other: str, where: Locate) -> Fault:
    line = where(("nodes", other), key=True).line
    owner = "a node of its own" if name == other else f"one of {other}"
    message = f"{name} is one of {node}, and {owner} too"
    hint = f"the other is in line {line}; rename one"
    return Fault(rule="duplicate-node", message=message, text=node, hint=hint)


def links_of(
    written: Sequence[LinkSpec], counts: Counts, where: Locate
) -> tuple[list[LinkSpec], list[tuple[int, int]], list[Problem]]:
    """Each link, or one for each replica that it joins; the origin of each; what cannot be."""
    links: list[LinkSpec] = []
    origins: list[tuple[int, int]] = []
    problems: list[Problem] = []
    for number, link in enumerate(written):
        a, b = (counts.get(end.ref.node) for end in (link.a, link.b))
        if a is not None and b is not None and a != b:
            problems.append(said(_unequal(link, a, b), where(("links", number))))
        copies = list(_copies(link, counts))
        links += copies
        origins += [(number, n) for n in range(1, len(copies) + 1)] if a or b else [(number, 0)]
    return links, origins, problems


def _unequal(link: LinkSpec, a: int, b: int) -> Fault:
    one, other = link.a.ref.node, link.b.ref.node
    message = f"there are {a} of {one} and {b} of {other}, and a link joins them in pairs"
    hint = "give both the same count, or link them to a node with a bridge"
    return Fault(rule="unequal-counts", message=message, hint=hint)


def _copies(link: LinkSpec, counts: Counts) -> Iterator[LinkSpec]:
    counted = [counts[end.ref.node] for end in (link.a, link.b) if end.ref.node in counts]
    if not counted:
        yield link
    for number in _numbers(min(counted, default=0)):
        a, b = (_numbered(end, number, counts) for end in (link.a, link.b))
        yield replace(link, a=a, b=b)


def _numbered(end: LinkEnd, number: int, counts: Counts) -> LinkEnd:
    """The end at a replica, or the device of that number at the node that all of them join."""
    node, dev = end.ref.node, end.ref.dev
    if node in counts:
        return replace(end, ref=DevRef(NodeName(f"{node}{number}"), dev))
    return replace(end, ref=DevRef(node, DevName(f"{dev}{number}")))
