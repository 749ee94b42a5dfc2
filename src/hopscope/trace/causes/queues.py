"""A queue holds the packet, or dropped it: nothing left the device, and its qdisc counts it."""

from collections.abc import Iterator

from msgspec.structs import replace

from hopscope.model.flow import Headers
from hopscope.model.journey import HookStep, Hop, Reason, TransmitStep
from hopscope.model.lookup import owner_of
from hopscope.model.traffic import Qdisc
from hopscope.model.vocab import DevName, DevRef, Family, Hook, inferred, seen
from hopscope.trace.causes.evidence import all_hops, command
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.ways import asked

__all__ = ["queued"]


def queued(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """A device was given it and sent nothing, and that device's queue dropped or holds packets.

    Packet sockets see what leaves a queue (dev_queue_xmit_nit, net/core/dev.c), hooks what
    goes in.
    """
    for hop in all_hops(first):
        for dev in _given(hop):
            ref = DevRef(hop.node, dev)
            if hop.onward and not _leads(ref, packet.headers, scene):
                continue  # one copy of a flood, and not the one that is missed
            reason = _by_counters(ref, scene) or _no_room(packet, hop, scene)
            if reason is not None:
                return reason
    return None


def _given(hop: Hop) -> Iterator[DevName]:
    """The devices that the last hook on the way out names, and that sent nothing."""
    sent = {step.dev for step in hop.steps if isinstance(step, TransmitStep)}
    for step in hop.steps:
        if isinstance(step, HookStep) and step.oif is not None and step.oif not in sent:
            last = Hook.OUTPUT if step.family is Family.ARP else Hook.POSTROUTING
            if step.hook is last:
                yield step.oif


def _leads(port: DevRef, headers: Headers, scene: Scene) -> bool:
    """Whether the device that the packet is for is the other end of this port's link."""
    goal = headers.arp.target_ip if headers.arp is not None else None
    goal = headers.ip.dst if headers.ip is not None else goal
    goal = asked(headers) or goal
    link = scene.before.link(port)
    owner = owner_of(scene.before, goal) if goal is not None else None
    return owner is not None and link is not None and link.peer == owner


def _by_counters(ref: DevRef, scene: Scene) -> Reason | None:
    earlier = {_which(one): one.dropped for one in scene.node(ref.node).qdiscs}
    mine = [one for one in scene.after.node(ref.node).qdiscs if one.dev == ref.dev]
    dropping = [one for one in mine if one.dropped > earlier.get(_which(one), 0)]
    holding = [one for one in mine if one.backlog]
    if not dropping and not holding:
        return None
    queue = (dropping or holding)[-1]  # of one below another, what is below
    dropped = queue.dropped - earlier.get(_which(queue), 0)
    did, counts = "dropped it", f"dropped {dropped}"
    if not dropping:
        did, counts = "holds it back", f"held {queue.backlog} afterwards"
    elif holding:
        did = "dropped it, or holds it back"
        counts += f" meanwhile, and {holding[-1].backlog} waited afterwards"
    evidence = f"qdisc {queue.handle} of {ref} {counts}; no frame of it on {ref}"
    wait = "wait longer, or " if holding else ""
    look = command(ref.node, f"tc -s qdisc show dev {ref.dev}")
    reason = Reason(
        code="queue-drop",
        sentence=f"the queue ({queue.kind}) of {ref} {did}",
        at=ref,
        basis=inferred(evidence) if holding else seen(evidence),
        mend=f"{wait}let that queue send faster or hold more: {look}   (shows it)",
    )
    return reason if dropping else replace(reason, code="queue-wait")


def _no_room(packet: Packet, hop: Hop, scene: Scene) -> Reason | None:
    """Its sender was told that there was no room for it: ENOBUFS."""
    error = scene.errors.get(packet.headers.stamp or 0, "")
    if hop.came_in is not None or not error.endswith("(ENOBUFS)"):
        return None
    return Reason(
        code="refused",
        sentence=f"{hop.node} refused to send it: {error}",
        at=None,
        basis=seen(f"sendto() in {hop.node}"),
    )


def _which(qdisc: Qdisc) -> tuple[str, str, str, str]:
    return qdisc.dev, qdisc.kind, qdisc.parent, qdisc.handle
