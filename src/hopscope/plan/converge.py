"""Differences → two plans: what is removed first, and what is then made, each in a sound order."""

from collections.abc import Collection, Sequence
from typing import Final

from msgspec import Struct

from hopscope.model.change import Change
from hopscope.model.vocab import DevRef, NodeName
from hopscope.plan.difference import Difference
from hopscope.plan.ops import (
    AddBridge,
    AddMacvlan,
    AddTap,
    AddVeth,
    AddVxlan,
    ChangeBridge,
    ChangeDevice,
    MakeNodes,
    Mark,
    Op,
    Plan,
    RemoveAddress,
    RemoveDevice,
    RemoveFdb,
    RemoveNeighbour,
    RemoveNexthop,
    RemovePolicyRules,
    RemoveQdisc,
    RemoveRemote,
    RemoveRoute,
    RemoveRules,
    ResetRules,
    SetOthers,
    SetSysctl,
)
from hopscope.plan.world import World

__all__ = ["Convergence", "converge"]

_REMOVALS: Final = (
    *(ResetRules, RemoveRules, RemovePolicyRules, RemoveNeighbour, RemoveRoute, RemoveNexthop),
    *(RemoveAddress, RemoveFdb, RemoveRemote, RemoveQdisc, RemoveDevice),
)
_DEVICES: Final = (AddBridge, AddVeth, AddMacvlan, AddVxlan, AddTap)


class Convergence(Struct, frozen=True, kw_only=True):
    """The changes, and the plans that make them: *removal*, *making*, and last *letting_go*."""

    changes: tuple[Change, ...]
    removal: Plan
    making: Plan
    letting_go: Plan


def converge(plan: Plan, found: Sequence[Difference], world: World) -> Convergence:
    """How *world* becomes what *plan* leads to; *found* are the `differences` of the two."""
    before = {ref: link.index for ref, link in world.links.items()}
    removed = {
        DevRef(op.node, op.dev)
        for one in found
        for op in one.removes
        if isinstance(op, RemoveDevice)
    }
    gone = removed | {link.peer for ref in removed if (link := world.links[ref]).peer}
    gone |= {ref for ref in world.links if not gone.isdisjoint(_below(world, ref))}
    return Convergence(
        changes=tuple(one.change for one in found),
        removal=Plan(ops=_removals(found, world), indexes=before),
        making=Plan(ops=_making(plan, found), indexes=_indexes(plan, world, gone)),
        letting_go=Plan(ops=tuple(op for one in found for op in one.goes)),
    )


def _removals(found: Sequence[Difference], world: World) -> tuple[Op, ...]:
    """What hangs on something, or lies over it, goes before it; a veth pair goes as one."""
    ops = dict.fromkeys(op for one in found for op in one.removes)
    removed: set[DevRef] = set()
    kept: list[Op] = []

    def order(op: Op) -> tuple[int, int]:
        lower = len(_below(world, DevRef(op.node, op.dev))) if isinstance(op, RemoveDevice) else 0
        return _REMOVALS.index(type(op)), -lower

    for op in sorted(ops, key=order):
        if isinstance(op, RemoveDevice):
            ref = DevRef(op.node, op.dev)
            if ref in removed:
                continue
            removed |= {ref, world.links[ref].peer or ref}
        kept.append(op)
    return tuple(kept)


def _below(world: World, ref: DevRef) -> list[DevRef]:
    """The devices that one lies over."""
    found: list[DevRef] = []
    while (link := world.links.get(ref)) is not None and link.over is not None:
        ref = link.over
        found.append(ref)
    return found


def _making(plan: Plan, found: Sequence[Difference]) -> tuple[Op, ...]:
    """In the order of the plan for fresh namespaces; changes once all devices are there."""
    place = {id(op): number for number, op in enumerate(plan.ops)}
    devices = [n for n, op in enumerate(plan.ops) if isinstance(op, _DEVICES)]
    after_devices = max(devices, default=0) + 0.5

    def order(op: Op) -> float:
        match op:
            case MakeNodes():
                return -2
            case ChangeDevice(bridge=""):
                return -0.5  # over a port no macvlan can be made
            case ChangeDevice(bridge=bridge, up=up):
                return after_devices + (0.1 if bridge else 0.2 if up is not None else 0)
            case ChangeBridge():
                return after_devices
            case SetOthers() | Mark() if id(op) not in place:
                return after_devices + 0.3  # of ports; before neighbours, whom `arp` takes away
            case SetSysctl() if id(op) not in place:
                return -1
            case _:
                return place.get(id(op), len(plan.ops))

    placed: list[tuple[float, Op]] = []
    taken: set[int] = set()
    for one in found:
        at: float | None = None
        for op in one.makes:
            if id(op) in taken:
                continue  # one operation that makes several differences go away
            taken.add(id(op))
            follows = isinstance(op, SetSysctl) and id(op) not in place and at is not None
            at = at + 0.001 if follows and at is not None else order(op)
            placed.append((at, op))
    ops = [op for _at, op in sorted(placed, key=lambda pair: pair[0])]
    nodes = tuple(name for op in ops if isinstance(op, MakeNodes) for name in op.names)
    made = (MakeNodes(names=nodes, home=None),) if nodes else ()  # one that can be let go again
    return (*made, *(op for op in ops if not isinstance(op, MakeNodes)))


def _indexes(plan: Plan, world: World, gone: Collection[DevRef | None]) -> dict[DevRef, int]:
    """Those of the devices that stay, and for others the plan's, or the next that is free."""
    indexes: dict[DevRef, int] = {}
    used: dict[NodeName, set[int]] = {}
    for node in world.snapshot.nodes:
        for link in node.links:
            ref = DevRef(node.name, link.name)
            if ref not in gone:
                indexes[ref] = link.index
                used.setdefault(node.name, set()).add(link.index)
    for ref, index in plan.indexes.items():
        if ref not in indexes:
            taken = used.setdefault(ref.node, {1} if ref.dev != "lo" else set())
            indexes[ref] = index if index not in taken else max(taken) + 1
            taken.add(indexes[ref])
    return indexes
