"""Which names a lab declares, and what is said of one that it does not; judges no part."""

import re
from collections.abc import (
    Callable,
    Collection,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
    Sized,
)
from functools import cache, cached_property
from typing import Final

from msgspec import Struct

from hopscope.errors import Place, Problem
from hopscope.model.lab import FirewallStep, LabSpec, LinkEnd, NodeSpec
from hopscope.model.naming import cut
from hopscope.model.vocab import NodeName
from hopscope.spec.faults import Fault, near, nearest, shortened
from hopscope.spec.origins import Origins
from hopscope.spec.tree import Path

__all__ = ["LO", "Listing", "Scope", "first_of_each", "said", "scope_of"]

LO: Final = "lo"

_NEW_CHAIN: Final = re.compile(r"(?:-N|--new-chain)\s+(\S+)")
_PREFIX: Final = re.compile(
    r"""(?:--log-prefix|(?<![-\w])prefix)\s+(?:"((?:\\.|[^"\\])*)"|'([^']*)'|(\S+))"""
)
"""In the rules of iptables and of nft."""

Listing = Callable[[str], Collection[str] | None]
"""What stands in a directory below /proc/sys, such as ``net/ipv4``.

None: it is no directory. None for ``net`` itself: nothing is known, and nothing is judged.
"""


class Scope(Struct, frozen=True, kw_only=True, dict=True):
    """The names of one lab, and where they stand.

    *believed* are names in parts that were left out: they may well be declared there.
    """

    lab: LabSpec
    nodes: Mapping[str, NodeSpec]
    replicas: Mapping[str, tuple[NodeName, ...]]  # counted node → those it stands for
    bridges: Mapping[str, Collection[str]]  # node → its bridges
    devices: Mapping[str, Collection[str]]  # node → its bridges, devices and ends of links
    ports: Mapping[tuple[str, str], Collection[str]]  # node and bridge → ports
    ends: Sequence[tuple[Path, LinkEnd]]  # of links, and the path that leads to each one's name
    believed: frozenset[str]
    where: Origins
    listing: Listing | None = None

    @cached_property
    def rules(self) -> Mapping[str, Sequence[str]]:
        """Node → the lines of iptables and ip6tables that the lab gives it, and its story."""
        found: dict[str, list[str]] = {
            node.name: [line.text for line in (*node.iptables, *node.ip6tables)]
            for node in self.lab.nodes
        }
        for step in self.lab.story:
            if isinstance(step, FirewallStep):
                for owner, line in step.lines:
                    found.setdefault(owner, []).append(line.text)
        return found

    @cached_property
    def chains(self) -> Mapping[str, Collection[str]]:
        """Node → the chains that its rules make; of an nft script, all its words."""
        made: dict[str, set[str]] = {
            name: set(_NEW_CHAIN.findall("\n".join(some))) for name, some in self.rules.items()
        }
        for node in self.lab.nodes:
            if node.nft is not None:
                made[node.name].update(node.nft.text.split())
        return made

    @cached_property
    def prefixes(self) -> Collection[str]:
        """What the lab's own rules begin their log lines with."""
        texts = [text for some in self.rules.values() for text in some]
        texts += [node.nft.text for node in self.lab.nodes if node.nft is not None]
        found = (match.groups() for text in texts for match in _PREFIX.finditer(text))
        return frozenset(next(part for part in some if part is not None) for some in found)

    def node_fault(self, name: str) -> Fault | None:
        """Whether there is no such node."""
        if name in self.nodes or name in self.believed or self._left_out("nodes", self.nodes):
            return None
        if name in self.replicas:
            first, last, count = *self._ends(name), len(self.replicas[name])
            message = f"{name} stands for {count} nodes, and one is needed here"
            hint = f"did you mean {first!r}?" if count == 1 else f"write one of {first} to {last}"
            return Fault(rule="counted-node", message=message, text=name, hint=hint)
        stem = name.rstrip("0123456789")
        if stem in self.believed and "count" in self.believed:
            return None  # how many there are could not be read
        hint = near(name, self.nodes)
        if stem in self.replicas:
            hint = f"{stem} stands for {' to '.join(self._ends(stem))}"
        message = f"there is no node {shortened(name)}"
        return Fault(rule="unknown-node", message=message, text=name, hint=hint)

    def _ends(self, name: str) -> tuple[str, str]:
        """The first and the last of the replicas."""
        return self.replicas[name][0], self.replicas[name][-1]

    def nodes_fault(self, name: str) -> Fault | None:
        """Whether *name* means no node, nor several that are counted."""
        return None if name in self.replicas else self.node_fault(name)

    def one_of(self, name: str) -> str:
        """The node, or of one that is counted the first: in what is judged they are alike."""
        return self.replicas[name][0] if name in self.replicas else name

    def alike(self) -> Iterator[NodeSpec]:
        """The nodes, and of those that are counted one: to judge what is the same for each."""
        for node in self.lab.nodes:
            written = self.where.node(node.name)
            if written == node.name or self.one_of(written) == node.name:
                yield node

    def device_fault(self, node: str, name: str, *, lo: bool = True) -> Fault | None:
        """Whether *node* has no such device; its absence is said before its devices'."""
        if (fault := self.node_fault(node)) is not None:
            return fault
        known = self.devices.get(node, ())
        if name in known or (lo and name == LO) or self.believes(node, name):
            return None
        hint = near(name, known) or "a device exists because a link or 'bridges' names it"
        message = f"the node {cut(node)} has no device {shortened(name)}"
        return Fault(rule="unknown-device", message=message, text=name, hint=hint)

    def bridge_fault(self, node: str, name: str) -> Fault | None:
        """Whether *node*, which exists, declares no such bridge."""
        known = self.bridges.get(node, ())
        if name in known or self.believes(node, name):
            return None
        owners = [owner for owner, bridges in self.bridges.items() if name in bridges]
        hint = near(name, known)
        if owners and not hint.startswith("did"):
            hint = f"{name} is a bridge of {owners[0]}, and a port is in its bridge's own node"
        if not hint:
            hint = f"declare it: nodes: {{{node}: {{bridges: [{name}]}}}}"
        message = f"the node {cut(node)} has no bridge {shortened(name)}"
        return Fault(rule="unknown-bridge", message=message, text=name, hint=hint)

    def believes(self, node: str, name: str) -> bool:
        """Whether *name* may be declared in a part of the lab that was left out."""
        return (
            name in self.believed
            or node not in self.nodes
            or self._left_out("links", self.lab.links)
            or (node in self.believed and self._left_out("bridges", self.bridges[node]))
        )

    def _left_out(self, part: str, rest: Sized) -> bool:
        """Whether *part* was written, and nothing of it could be read."""
        return part in self.believed and not rest

    def first(self, path: Path) -> str:
        """A hint that leads to an earlier mention."""
        return f"the first is in line {self.where(path).line}"


def scope_of(
    lab: LabSpec,
    *,
    where: Origins,
    replicas: Mapping[str, tuple[NodeName, ...]],
    believed: Collection[str] = (),
    listing: Listing | None = None,
) -> Scope:
    """The names of *lab*. They are looked up by the thousand, so each is a key."""
    bridges: dict[str, dict[str, None]] = {
        node.name: {bridge.name: None for bridge in node.bridges} for node in lab.nodes
    }
    devices: dict[str, dict[str, None]] = {
        node.name: {**bridges[node.name], **{one.ref.dev: None for one in node.devices}}
        for node in lab.nodes
    }
    ports: dict[tuple[str, str], dict[str, None]] = {}
    node_meant = cache(lambda name: _meant(name, bridges))
    bridge_meant = cache(lambda node, name: _meant(name, bridges.get(node, ())))
    ends = _ends_of(lab)
    for _, end in ends:
        node = node_meant(end.ref.node)
        devices.setdefault(node, {})[end.ref.dev] = None
        if end.bridge is not None:
            bridge = bridge_meant(node, end.bridge)
            ports.setdefault((node, bridge), {})[end.ref.dev] = None
    for each in lab.nodes:
        for device in each.devices:
            if device.bridge is not None:
                bridge = bridge_meant(each.name, device.bridge)
                ports.setdefault((each.name, bridge), {})[device.ref.dev] = None
    return Scope(
        lab=lab,
        nodes={node.name: node for node in lab.nodes},
        replicas=replicas,
        bridges=bridges,
        devices=devices,
        ports=ports,
        ends=ends,
        believed=frozenset(
            (*believed, *(one for name in believed for one in replicas.get(name, ())))
        ),
        where=where,
        listing=None if listing is None else cache(listing),  # a lab asks the same again and again
    )


def _meant(name: str, known: Collection[str]) -> str:
    """A slip is read as what it was meant to be, so that nothing follows from it."""
    return name if name in known else nearest(name, known) or name


def _ends_of(lab: LabSpec) -> list[tuple[Path, LinkEnd]]:
    """Every end of a link, and the path that leads to its name."""
    return [
        (("links", number, "ends", side, "end"), end)
        for number, link in enumerate(lab.links)
        for side, end in enumerate((link.a, link.b))
    ]


def first_of_each(judged: Iterable[tuple[Hashable, Iterator[Problem]]]) -> Iterator[Problem]:
    """The problems of things, and of those with the same key only of the first that has any.

    What is wrong with one replica is wrong with all of them, and is one mistake.
    """
    wrong: set[Hashable] = set()
    for key, problems in judged:
        if key in wrong:
            continue
        for problem in problems:
            wrong.add(key)
            yield problem


def said(fault: Fault, place: Place) -> Problem:
    """A fault that was found at *place*."""
    return Problem(
        place=place, rule=fault.rule, message=fault.message, text=fault.text, hint=fault.hint
    )
