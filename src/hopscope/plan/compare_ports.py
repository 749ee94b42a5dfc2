"""How bridges are declared to treat their ports against how they do."""

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec.structs import replace

from hopscope.model.change import Action, Subject
from hopscope.model.devices import PortOptions
from hopscope.model.snapshot import LinkState
from hopscope.model.vocab import DevName, DevRef
from hopscope.plan.difference import NOT_DECLARED, Difference, joined, shut, switch, told
from hopscope.plan.ops import ChangeDevice, Op, OpenPort, SetPort
from hopscope.plan.wanted import Wanted
from hopscope.plan.world import World

__all__ = ["ports"]

_USUAL: Final = PortOptions()
_COSTS: Final[Mapping[str, frozenset[int]]] = {
    "veth": frozenset({2}),
    "tap": frozenset({2, 100}),
    "macvlan": frozenset({2, 100}),
    "vxlan": frozenset({2, 100}),
}
"""Kind of a device → the costs that a bridge may give it, by its speed (port_cost, br_if.c)."""


_WAITING: Final = ("listening", "learning", "blocking")


def ports(wanted: Wanted, world: World) -> Iterator[Difference]:
    """A port that joins begins with what is usual."""
    for ref, device in wanted.devices.items():
        op = wanted.ports.get(ref)
        if device.master is None or ref.node not in wanted.nodes:
            continue
        link = world.links.get(ref)
        if link is not None and joined(wanted, world, ref):
            yield from _changed(ref, device.master, op, link)
            yield from _opened(wanted, world, ref, device.master, link)
        elif op is not None:
            yield from _made(ref, op)


def _opened(
    wanted: Wanted, world: World, ref: DevRef, master: DevName, link: LinkState
) -> Iterator[Difference]:
    """A port on its way to forwarding stays there when the spanning tree is switched off.

    So does one that someone disabled, which a plan that leads back may ask for.
    """
    bridge_ref = DevRef(ref.node, master)
    bridge, closed = wanted.devices[bridge_ref], ref in wanted.shut
    tree = bridge.bridge is not None and bridge.bridge.stp
    if tree or not (link.up and link.carrier):
        return
    now = shut(link, world.links.get(bridge_ref))
    if now is not closed or link.port_state in _WAITING:
        change = told(
            Action.CHANGE,
            Subject.PORT,
            ref.node,
            str(ref.dev),
            attribute="state",
            before=link.port_state,
            after="disabled" if closed else "forwarding",
            place=bridge.place,
            why="no spanning tree is declared",
        )
        op = OpenPort(node=ref.node, dev=ref.dev, shut=closed)
        yield Difference(change=change, makes=(op,))


def _made(ref: DevRef, op: SetPort) -> Iterator[Difference]:
    """What is not usual, which one operation sets."""
    for key, value in _texts(op.options).items():
        if value != _texts(_USUAL)[key]:
            change = told(
                Action.CREATE,
                Subject.PORT,
                ref.node,
                str(ref.dev),
                attribute=key,
                after=value,
                place=op.place,
            )
            yield Difference(change=change, makes=(op,))


def _changed(
    ref: DevRef, master: DevName, op: SetPort | None, link: LinkState
) -> Iterator[Difference]:
    goal, now = op.options if op is not None else _USUAL, link.port or _USUAL
    place = op.place if op is not None else None
    ops: tuple[Op, ...] = (op or SetPort(node=ref.node, dev=ref.dev, options=goal),)
    if goal.cost is None and now.cost in _COSTS.get(link.kind, (now.cost,)):
        now = replace(now, cost=None)
    elif goal.cost is None:
        ops = (*_joined_again(ref, master), *ops)
    before, after = _texts(now), _texts(goal)
    for key, value in after.items():
        if value != before[key]:
            change = told(
                Action.CHANGE,
                Subject.PORT,
                ref.node,
                str(ref.dev),
                attribute=key,
                before=before[key],
                after=value,
                place=place,
                why="" if op is not None else NOT_DECLARED,
            )
            yield Difference(change=change, makes=ops)


def _joined_again(ref: DevRef, master: DevName) -> tuple[Op, Op]:
    """A cost that was given once stays as long as the port is in its bridge."""
    return (
        ChangeDevice(node=ref.node, dev=ref.dev, bridge=DevName("")),
        ChangeDevice(node=ref.node, dev=ref.dev, bridge=master),
    )


def _texts(options: PortOptions) -> dict[str, str]:
    """By the names of the lab file."""
    return {
        "hairpin": switch(options.hairpin),
        "isolated": switch(options.isolated),
        "learning": switch(options.learning),
        "flood": switch(options.flood),
        "cost": "usual" if options.cost is None else str(options.cost),
    }
