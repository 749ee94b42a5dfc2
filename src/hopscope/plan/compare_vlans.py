"""The VLANs that bridges and ports are declared to be in against those that they are in."""

from collections.abc import Iterator, Sequence
from typing import Final

from hopscope.model.change import Action, Subject
from hopscope.model.devices import Vlan
from hopscope.model.vocab import DevRef
from hopscope.plan.difference import NOT_DECLARED, Difference, joined, stays, told
from hopscope.plan.ops import ChangeVlans, SetVlans
from hopscope.plan.wanted import Wanted
from hopscope.plan.world import World

__all__ = ["vlans"]

_USUAL: Final = (Vlan(vid=1, pvid=True, untagged=True),)
"""Those of a bridge or port of which nothing was said (vlan_default_pvid)."""


def vlans(wanted: Wanted, world: World) -> Iterator[Difference]:
    """Where the bridge filters them: the kernel tells of no others."""
    for ref, device in wanted.devices.items():
        bridge = DevRef(ref.node, device.master) if device.master else ref
        goal, link = wanted.devices.get(bridge), world.links.get(bridge)
        if goal is None or goal.bridge is None or not goal.bridge.vlan_filtering:
            continue
        op = wanted.vlans.get(ref)
        remains = joined(wanted, world, ref) if device.master else stays(wanted, world, ref)
        if not remains or link is None:
            if op is not None:
                yield _made(ref, op)
        elif link.bridge is not None and link.bridge.vlan_filtering:
            yield from _changed(ref, op, world.links[ref].vlans, itself=bridge == ref)


def _made(ref: DevRef, op: SetVlans) -> Difference:
    change = told(
        Action.CREATE, Subject.VLANS, ref.node, ref.dev, after=_words(op.vlans), place=op.place
    )
    return Difference(change=change, makes=(op,))


def _changed(
    ref: DevRef, op: SetVlans | None, now: Sequence[Vlan], *, itself: bool
) -> Iterator[Difference]:
    goal = op.vlans if op is not None else _USUAL
    joins = tuple(vlan for vlan in goal if vlan not in now)
    wanted = {vlan.vid for vlan in goal}
    leaves = tuple(vlan.vid for vlan in now if vlan.vid not in wanted)
    if not joins and not leaves:
        return
    change = told(
        Action.CHANGE,
        Subject.VLANS,
        ref.node,
        ref.dev,
        before=_words(now),
        after=_words(goal),
        place=op.place if op is not None else None,
        why="" if op is not None else NOT_DECLARED,
    )
    done = ChangeVlans(
        node=ref.node,
        dev=ref.dev,
        joins=joins,
        leaves=leaves,
        itself=itself,
        place=change.place,
    )
    yield Difference(change=change, makes=(done,))


def _words(vlans: Sequence[Vlan]) -> str:
    return ", ".join(map(str, sorted(vlans, key=lambda vlan: vlan.vid))) or "none"
