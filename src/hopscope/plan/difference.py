"""One difference between what is declared and what there is, and what makes it go away."""

from typing import Final

from msgspec import Struct

from hopscope.errors import Place
from hopscope.model.change import Action, Change, Subject
from hopscope.model.snapshot import LinkState
from hopscope.model.vocab import DevName, DevRef, NodeName
from hopscope.plan.ops import Op
from hopscope.plan.wanted import Device, Wanted
from hopscope.plan.world import World

__all__ = [
    "NOT_DECLARED",
    "Difference",
    "joined",
    "natural",
    "same",
    "shut",
    "stays",
    "switch",
    "told",
]

NOT_DECLARED: Final = "not declared"
_QUEUED: Final = ("veth", "macvlan", "vxlan")


class Difference(Struct, frozen=True, kw_only=True):
    """A change, and how it is made: *removes* before anything is made, *makes* in the plan's order.

    *goes* is what is done last: letting namespaces go ends processes, and cannot be undone.
    """

    change: Change
    removes: tuple[Op, ...] = ()
    makes: tuple[Op, ...] = ()
    goes: tuple[Op, ...] = ()


def told(
    action: Action,
    subject: Subject,
    node: NodeName,
    name: str,
    *,
    attribute: str = "",
    before: str | None = None,
    after: str | None = None,
    place: Place | None = None,
    why: str = "",
    lines: tuple[str, ...] = (),
) -> Change:
    """The change, with the usual reason where none is given."""
    usual = NOT_DECLARED if action is Action.REMOVE else "declared"
    return Change(
        action=action,
        subject=subject,
        node=node,
        name=name,
        attribute=attribute,
        before=before,
        after=after,
        place=place,
        why=why or usual,
        lines=lines,
    )


def same(device: Device, link: LinkState) -> bool:
    """Whether the one may become the other."""
    return (
        (device.kind, device.peer, device.over) == (link.kind, link.peer, link.over)
        and (device.mode, device.vxlan) == (link.macvlan, link.vxlan)
        and (device.queues == link.queues or device.kind not in _QUEUED)
    )


def stays(wanted: Wanted, world: World, ref: DevRef) -> bool:
    """Whether a device of *world* is kept, and with it what is on it."""
    device, link = wanted.devices.get(ref), world.links.get(ref)
    if device is None or link is None:
        return False
    if device.kind == "loopback":
        return True
    other, far = wanted.devices.get(device.peer or ref), world.links.get(device.peer or ref)
    if not same(device, link) or other is None or far is None or not same(other, far):
        return False
    return device.over is None or stays(wanted, world, device.over)


def joined(wanted: Wanted, world: World, ref: DevRef) -> bool:
    """Whether a port stays in its bridge, and with it what the bridge knows of the port."""
    device, link = wanted.devices.get(ref), world.links.get(ref)
    if device is None or link is None or device.master is None or device.master != link.master:
        return False
    return stays(wanted, world, ref) and stays(wanted, world, DevRef(ref.node, device.master))


def shut(link: LinkState, bridge: LinkState | None) -> bool:
    """Whether someone disabled a port: one that runs is, by itself, where its bridge is down.

    See br_stp_enable_port(), net/bridge/br_stp_if.c. With a spanning tree nobody can.
    """
    if link.port_state != "disabled" or bridge is None or not bridge.up:
        return False
    tree = bridge.bridge is not None and bridge.bridge.stp
    return link.up and link.carrier and link.running and not tree


def switch(on: bool) -> str:  # noqa: FBT001 - it is what it says
    """As a person reads it."""
    return "on" if on else "off"


def natural(cidr: str, dev: DevName) -> bool:
    """What the kernel gives by itself: loopback's addresses, and link-local ones."""
    return cidr.startswith("fe80:") or (dev == "lo" and cidr in ("127.0.0.1/8", "::1/128"))
