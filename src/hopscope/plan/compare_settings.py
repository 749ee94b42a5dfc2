"""What no lab file declares of a device against what the kernel has by itself."""

from collections.abc import Iterator

from hopscope.model.change import Action, Subject
from hopscope.model.snapshot import LinkState
from hopscope.model.vocab import DevRef
from hopscope.plan.difference import NOT_DECLARED, Difference, joined, stays, told
from hopscope.plan.ops import Mark, SetOthers
from hopscope.plan.wanted import Wanted
from hopscope.plan.world import World
from hopscope.wire.rtnl_settings import USUAL, setting_text

__all__ = ["settings"]


def settings(wanted: Wanted, world: World) -> Iterator[Difference]:
    """Of devices that stay: one that is made is as usual, and so is a port that joins."""
    for ref in wanted.devices:
        link = world.links.get(ref)
        if link is not None and _odd(wanted, ref, link) and stays(wanted, world, ref):
            yield from _others(wanted, world, ref, link)
            yield from _alias(wanted, ref, link)


def _odd(wanted: Wanted, ref: DevRef, link: LinkState) -> bool:
    """Whether it needs a closer look; most do not."""
    return bool(link.settings or link.alias) or ref in wanted.others or ref in wanted.marks


def _others(wanted: Wanted, world: World, ref: DevRef, link: LinkState) -> Iterator[Difference]:
    """A plan that leads back may ask for some that are not usual."""
    op = wanted.others.get(ref)
    goal = dict(op.values) if op is not None else {}
    if goal == link.settings:
        return
    port = joined(wanted, world, ref)
    differ = {
        name: (link.settings.get(name, usual), goal.get(name, usual))
        for name, usual in USUAL.items()
        if port or not name.startswith("port.")
    }
    differ = {name: pair for name, pair in differ.items() if pair[0] != pair[1]}
    values = tuple((name, after) for name, (_before, after) in differ.items())
    makes = (SetOthers(node=ref.node, dev=ref.dev, values=values),)
    for name, (before, after) in differ.items():
        part, _, attribute = name.rpartition(".")
        change = told(
            Action.CHANGE,
            Subject.PORT if part == "port" else Subject.DEVICE,
            ref.node,
            str(ref.dev),
            attribute=attribute,
            before=setting_text(name, before),
            after=setting_text(name, after),
            why=NOT_DECLARED,
        )
        yield Difference(change=change, makes=makes)


def _alias(wanted: Wanted, ref: DevRef, link: LinkState) -> Iterator[Difference]:
    """Of a lab's device on the real host it says whose the device is."""
    op = wanted.marks.get(ref, Mark(node=ref.node, dev=ref.dev, alias=""))
    if op.alias != link.alias:
        change = told(
            Action.CHANGE,
            Subject.DEVICE,
            ref.node,
            str(ref.dev),
            attribute="alias",
            before=link.alias or "none",
            after=op.alias or "none",
            why="" if op.alias else NOT_DECLARED,
        )
        yield Difference(change=change, makes=(op,))
