"""Which names a lab declares, and what is said of one that it does not; judges no part."""

from collections.abc import Callable, Collection, Mapping, Sized
from functools import cache
from typing import Final

from msgspec import Struct

from hopscope.errors import Place, Problem
from hopscope.model.lab import LabSpec, LinkEnd, NodeSpec
from hopscope.spec.faults import Fault, near, nearest, shortened
from hopscope.spec.tree import Locate, Path

__all__ = ["LO", "Listing", "Scope", "ends_of", "said", "scope_of"]

LO: Final = "lo"

Listing = Callable[[str], Collection[str] | None]
"""What stands in a directory below /proc/sys, such as ``net/ipv4``.

None: it is no directory. None for ``net`` itself: nothing is known, and nothing is judged.
"""


class Scope(Struct, frozen=True, kw_only=True):
    """The names of one lab, and where they stand.

    *believed* are names in parts that were left out: they may well be declared there.
    """

    lab: LabSpec
    nodes: Mapping[str, NodeSpec]
    bridges: Mapping[str, tuple[str, ...]]  # node → its bridges
    devices: Mapping[str, tuple[str, ...]]  # node → its bridges, devices and ends of links
    ports: Mapping[tuple[str, str], tuple[str, ...]]  # node and bridge → ports
    believed: frozenset[str]
    where: Locate
    listing: Listing | None = None

    def node_fault(self, name: str) -> Fault | None:
        """Whether there is no such node."""
        if name in self.nodes or name in self.believed or self._left_out("nodes", self.nodes):
            return None
        hint = near(name, self.nodes)
        message = f"there is no node {shortened(name)}"
        return Fault(rule="unknown-node", message=message, text=name, hint=hint)

    def device_fault(self, node: str, name: str, *, lo: bool = True) -> Fault | None:
        """Whether *node* has no such device; its absence is said before its devices'."""
        if (fault := self.node_fault(node)) is not None:
            return fault
        known = self.devices.get(node, ())
        if name in known or (lo and name == LO) or self.believes(node, name):
            return None
        hint = near(name, known) or "a device exists because a link or 'bridges' names it"
        message = f"the node {node} has no device {shortened(name)}"
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
        message = f"the node {node} has no bridge {shortened(name)}"
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
    lab: LabSpec, *, where: Locate, believed: Collection[str] = (), listing: Listing | None = None
) -> Scope:
    """The names of *lab*."""
    bridges: dict[str, tuple[str, ...]] = {
        node.name: tuple(bridge.name for bridge in node.bridges) for node in lab.nodes
    }
    devices: dict[str, list[str]] = {
        node.name: [*bridges[node.name], *(device.ref.dev for device in node.devices)]
        for node in lab.nodes
    }
    ports: dict[tuple[str, str], list[str]] = {}
    for _, end in ends_of(lab):
        node = _meant(end.ref.node, bridges)
        devices.setdefault(node, []).append(end.ref.dev)
        if end.bridge is not None:
            bridge = _meant(end.bridge, bridges.get(node, ()))
            ports.setdefault((node, bridge), []).append(end.ref.dev)
    for each in lab.nodes:
        for device in each.devices:
            if device.bridge is not None:
                bridge = _meant(device.bridge, bridges[each.name])
                ports.setdefault((each.name, bridge), []).append(device.ref.dev)
    return Scope(
        lab=lab,
        nodes={node.name: node for node in lab.nodes},
        bridges=bridges,
        devices={name: tuple(found) for name, found in devices.items()},
        ports={bridge: tuple(found) for bridge, found in ports.items()},
        believed=frozenset(believed),
        where=where,
        listing=None if listing is None else cache(listing),  # a lab asks the same again and again
    )


def _meant(name: str, known: Collection[str]) -> str:
    """A slip is read as what it was meant to be, so that nothing follows from it."""
    return name if name in known else nearest(name, known) or name


def ends_of(lab: LabSpec) -> list[tuple[Path, LinkEnd]]:
    """Every end of a link, and the path that leads to its name."""
    return [
        (("links", number, "ends", side, "end"), end)
        for number, link in enumerate(lab.links)
        for side, end in enumerate((link.a, link.b))
    ]


def said(fault: Fault, place: Place) -> Problem:
    """A fault that was found at *place*."""
    return Problem(
        place=place, rule=fault.rule, message=fault.message, text=fault.text, hint=fault.hint
    )
