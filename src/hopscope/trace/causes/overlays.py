"""Macvlans over one device: some of them never meet."""

from typing import Final

from hopscope.model.journey import Hop, NeighbourStep, Reason
from hopscope.model.lookup import owner_of
from hopscope.model.vocab import DevRef, computed
from hopscope.trace.causes.evidence import command, devices
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.ways import asked

__all__ = ["apart"]

_BRIDGING: Final = "type macvlan mode bridge"


def apart(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """It is from one macvlan to another, or to the device below, and these keep apart.

    Mirrors macvlan_queue_xmit(), drivers/net/macvlan.c.
    """
    steps = [step.ip for step in first.steps if isinstance(step, NeighbourStep)]
    target = next(iter(steps), asked(packet.headers))
    here, goal = next(iter(devices(first)), None), _owner(target, scene)
    if here is None or goal is None:
        return None
    own = DevRef(first.node, here)
    one, other = scene.before.link(own), scene.before.link(goal)
    if one is None or other is None:
        return None
    found = None
    if one.macvlan and one.over == goal:
        found = _from_below(own, goal)
    elif other.macvlan and other.over == own:
        found = _from_below(goal, own)
    elif one.macvlan and other.macvlan and one.over is not None and one.over == other.over:
        found = _closed({own: one.macvlan, goal: other.macvlan})
    if found is None:
        return None
    basis = computed(f"links of {own.node} and {goal.node} as read")
    return Reason(code="macvlan-apart", sentence=found[0], at=own, basis=basis, mend=found[1])


def _owner(ip: str | None, scene: Scene) -> DevRef | None:
    return owner_of(scene.before, ip) if ip is not None else None


def _from_below(upper: DevRef, lower: DevRef) -> tuple[str, str]:
    return (
        f"{upper} lies over {lower}, and a macvlan never reaches the device below it",
        f"give the address of {lower} to another macvlan over it",
    )


def _closed(modes: dict[DevRef, str]) -> tuple[str, str] | None:
    """Two macvlans over one device reach each other if both are of mode bridge."""
    some = [ref for ref, mode in modes.items() if mode != "bridge"]
    if not some:
        return None
    mends = [command(one.node, f"ip link set dev {one.dev} {_BRIDGING}") for one in some]
    why = (
        f"{' and '.join(map(str, modes))} lie over one device and keep apart: their modes are "
        f"{' and '.join(modes.values())}, and not both bridge"
    )
    return why, "; ".join(mends)
