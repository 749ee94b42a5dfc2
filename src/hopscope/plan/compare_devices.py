"""The devices that are declared against those that there are."""

from collections.abc import Iterator

from hopscope.model.change import Action, Change, Subject
from hopscope.model.devices import BridgeState
from hopscope.model.lookup import is_group
from hopscope.model.snapshot import LinkState
from hopscope.model.vocab import DevName, DevRef
from hopscope.plan.difference import Difference, stays, switch, told
from hopscope.plan.ops import ChangeBridge, ChangeDevice, Op, RemoveDevice
from hopscope.plan.wanted import Device, Wanted
from hopscope.plan.world import World

__all__ = ["devices"]


def devices(wanted: Wanted, world: World) -> Iterator[Difference]:
    """Made, changed, and left over."""
    met: set[DevRef] = set()
    for ref, device in wanted.devices.items():
        link = world.links.get(ref)
        if link is not None and stays(wanted, world, ref):
            yield from _changed(ref, device, link)
        elif ref not in met and device.kind != "loopback":
            met |= {ref, *((device.peer,) if device.peer else ())}
            yield _made(wanted, world, ref, device)
    yield from _left_over(wanted, world)


def _made(wanted: Wanted, world: World, ref: DevRef, device: Device) -> Difference:
    """With what stands in its way removed: at its own name, and at its other end's."""
    op = wanted.made_by[ref]
    ends = [one for one in (ref, device.peer) if one is not None]
    then: list[Op] = [wanted.marks[one] for one in ends if one in wanted.marks]
    then += [later for one in ends for later in wanted.set_up.get(one, ())]
    in_the_way = [
        RemoveDevice(node=one.node, dev=one.dev)
        for one in ends
        if one in world.links and one.node in wanted.nodes
    ]
    subject = Subject.DEVICE if device.peer is None else Subject.LINK
    name = str(ref.dev) if device.peer is None else f"{ref.dev} – {device.peer}"
    why = _why(device, world.links.get(ref)) if in_the_way else ""
    change = told(Action.CREATE, subject, ref.node, name, place=op.place, why=why)
    return Difference(change=change, removes=tuple(in_the_way), makes=(op, *then))


def _why(device: Device, link: LinkState | None) -> str:
    """Why what is there cannot become it."""
    if link is None or (device.kind, device.peer) != (link.kind, link.peer):
        return "what has that name is another device, and is removed"
    now, goal = link.vxlan, device.vxlan
    fields = goal.__struct_fields__ if goal is not None and now is not None else ()
    told = [key for key in fields if getattr(now, key) != getattr(goal, key)]
    told += ["device below"] if device.over != link.over else []
    told += ["mode"] if device.mode != link.macvlan else []
    told += ["number of queues"] if device.queues != link.queues and device.kind != "tap" else []
    if told:
        return f"another {', another '.join(told)}: it is removed first"
    if device.over is not None:
        return "what it lies over is made anew, so it is removed first"
    return "its other end becomes another: it is removed first"


def _left_over(wanted: Wanted, world: World) -> Iterator[Difference]:
    met: set[DevRef] = set()
    for ref, link in world.links.items():
        if ref in wanted.devices or ref in met or not _in_the_way(wanted, ref, link):
            continue
        met |= {ref, *((link.peer,) if link.peer else ())}
        if link.peer in wanted.devices and link.peer in world.links:
            continue  # its other end is declared, with another end: that one's making removes it
        name = f"{ref.dev} – {link.peer}" if link.peer else str(ref.dev)
        subject = Subject.LINK if link.peer else Subject.DEVICE
        yield Difference(
            change=told(Action.REMOVE, subject, ref.node, name),
            removes=(RemoveDevice(node=ref.node, dev=ref.dev),),
        )


def _in_the_way(wanted: Wanted, ref: DevRef, link: LinkState) -> bool:
    """Not of a node that goes, unless it lies over a device that stays, which it may block."""
    below = link.over.node if link.over is not None else ref.node
    return ref.node in wanted.nodes or below in wanted.nodes


def _changed(ref: DevRef, device: Device, link: LinkState) -> Iterator[Difference]:
    """The attributes in which a device differs, each with the operation that changes it."""
    node, dev, place = ref.node, ref.dev, device.place

    def one(attribute: str, before: object, after: object, op: Op) -> Difference:
        return _difference(_change(ref, device, attribute, str(before), str(after)), op)

    if device.mac is not None and device.mac != link.mac and not is_group(device.mac):
        op: Op = ChangeDevice(node=node, dev=dev, mac=device.mac, place=place)
        yield one("mac", link.mac, device.mac, op)
    if device.mtu is not None and device.mtu != link.mtu:
        op = ChangeDevice(node=node, dev=dev, mtu=device.mtu, place=place)
        yield one("mtu", link.mtu, device.mtu, op)
    if device.master != link.master:
        op = ChangeDevice(node=node, dev=dev, bridge=device.master or DevName(""), place=place)
        yield one("bridge", link.master or "none", device.master or "none", op)
    if device.bridge is not None and link.bridge is not None:
        yield from _bridge(ref, device, device.bridge, link.bridge)
    if device.kind == "bridge" and device.nf_call != link.nf_call:
        op = ChangeBridge(node=node, dev=dev, nf_call_iptables=device.nf_call, place=place)
        yield one("nf_call_iptables", switch(link.nf_call), switch(device.nf_call), op)
    if device.up != link.up:
        op = ChangeDevice(node=node, dev=dev, up=device.up, place=place)
        yield one("state", "up" if link.up else "down", "up" if device.up else "down", op)


def _bridge(
    ref: DevRef, device: Device, goal: BridgeState, now: BridgeState
) -> Iterator[Difference]:
    """The spanning tree first: with it, not every delay is taken."""
    node, dev, place = ref.node, ref.dev, device.place

    def one(attribute: str, before: str, after: str, op: Op) -> Difference:
        return _difference(_change(ref, device, attribute, before, after), op)

    if goal.stp != now.stp:
        op = ChangeBridge(node=node, dev=dev, stp=goal.stp, place=place)
        yield one("stp", switch(now.stp), switch(goal.stp), op)
    if _differ(goal.ageing, now.ageing):
        op = ChangeBridge(node=node, dev=dev, ageing=goal.ageing, place=place)
        yield one("ageing", f"{now.ageing:g} s", f"{goal.ageing:g} s", op)
    if _differ(goal.forward_delay, now.forward_delay):
        op = ChangeBridge(node=node, dev=dev, forward_delay=goal.forward_delay, place=place)
        yield one("forward_delay", f"{now.forward_delay:g} s", f"{goal.forward_delay:g} s", op)
    if goal.priority != now.priority:
        op = ChangeBridge(node=node, dev=dev, priority=goal.priority, place=place)
        yield one("priority", str(now.priority), str(goal.priority), op)
    if goal.vlan_filtering != now.vlan_filtering:
        op = ChangeBridge(node=node, dev=dev, vlan_filtering=goal.vlan_filtering, place=place)
        yield one("vlan_filtering", switch(now.vlan_filtering), switch(goal.vlan_filtering), op)


def _differ(one: float, other: float) -> bool:
    """Seconds; the kernel keeps them in ticks of its own, and tells them in hundredths."""
    return abs(one - other) > 0.015


def _change(ref: DevRef, device: Device, attribute: str, before: str, after: str) -> Change:
    return told(
        Action.CHANGE,
        Subject.DEVICE,
        ref.node,
        str(ref.dev),
        attribute=attribute,
        before=before,
        after=after,
        place=device.place,
    )


def _difference(change: Change, op: Op) -> Difference:
    return Difference(change=change, makes=(op,))
