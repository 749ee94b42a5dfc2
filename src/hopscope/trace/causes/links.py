"""Devices, ports and bridges that do not carry the frame, and frames too long for them."""

from collections.abc import Iterator
from typing import Final

from hopscope.model.journey import (
    BridgeStep,
    DropStep,
    HookStep,
    Hop,
    Reason,
    ReceiveStep,
    TransmitStep,
)
from hopscope.model.lookup import owner_of_mac
from hopscope.model.snapshot import LinkState, Snapshot
from hopscope.model.vocab import DevName, DevRef, Family, Hook, NodeName, PktType, computed, seen
from hopscope.trace.carried import layer_two
from hopscope.trace.causes.evidence import (
    all_hops,
    command,
    device_command,
    last_device,
    leaves,
    main_steps,
    sends,
)
from hopscope.trace.loops import bridge_loop
from hopscope.trace.scene import Packet, Scene

__all__ = [
    "carries",
    "not_carried",
    "not_passed_on",
    "not_sent",
    "ring",
    "storm",
    "too_long",
    "unbridged",
    "wrong_port",
]

_ETHERNET: Final = 14
_FORWARD_DELAY: Final = 15.0  # seconds, as bridges have it from the start
_TAGS: Final = (b"\x81\x00", b"\x88\xa8")  # 802.1Q, 802.1ad


def not_sent(_packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """Its maker chose a device for it, and that is down or has no carrier."""
    return _dead(first, scene) if first.came_in is None else None


def not_passed_on(_packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """So did a router, as one of several ways that its route has."""
    found = (_dead(hop, scene) for hop in all_hops(first) if hop is not first)
    return next((why for why in found if why is not None), None)


def _dead(hop: Hop, scene: Scene) -> Reason | None:
    chosen = [s.oif for s in hop.steps if isinstance(s, HookStep) and s.oif is not None]
    own = DevRef(hop.node, chosen[-1]) if chosen and not sends(hop) else None
    link = scene.before.link(own) if own is not None else None
    if own is None or link is None or (link.up and link.carrier):
        return None
    what, culprit = ("is down", own) if not link.up else _no_carrier(scene.before, link)
    return Reason(
        code="device-down",
        sentence=f"{own} {what}, so nothing leaves through it",
        at=own,
        basis=computed(f"links of {own.node} as read"),
        mend=device_command(culprit, "up") if culprit is not None else "",
    )


def _no_carrier(snapshot: Snapshot, link: LinkState) -> tuple[str, DevRef | None]:
    """What keeps a device from having a carrier: its other end, or the device that it lies over."""
    said = "has no carrier"
    below = link.over if link.macvlan is not None else None
    under = snapshot.link(below) if below is not None else None
    if below is not None and under is not None:
        said += f": {below}, which it lies over, "
        if not under.up:
            return f"{said}is down", below
        said, link = f"{said}has none", under
    far = snapshot.link(link.peer) if link.peer is not None else None
    if far is not None and not far.up:
        return f"{said}: {link.peer} is down", link.peer
    return said, None


def not_carried(_packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """The only copy of it ended at a device, port or bridge that does not carry it."""
    last = leaves(first)
    if len(last) != 1:
        return None
    hop = last[0]
    for step in hop.steps:
        if isinstance(step, DropStep) and not step.expected:  # the port that took it is blocked
            ref = last_device(hop)
            return carries(scene.before, ref) if ref is not None else None
    sent = [s for s in main_steps(hop) if isinstance(s, TransmitStep)]
    links = [scene.before.link(DevRef(hop.node, s.dev)) for s in sent]
    ends = [link.peer for link in links if link is not None and link.peer is not None]
    if len(ends) != 1:
        return None
    return _down(scene.before, ends[0])


def ring(_packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """It met a bridge, or may have, and bridges are joined in a ring that nothing breaks."""
    met = any(step.kind == "bridge" for hop in all_hops(first) for step in hop.steps)
    return storm(scene.before) if met or scene.observation.lost else None


def storm(snapshot: Snapshot) -> Reason | None:
    """What a ring of bridges does to everything that is sent in it; None when there is no ring."""
    ends = bridge_loop(snapshot)
    if ends is None:
        return None
    link = snapshot.link(ends[0])
    bridge = link.master if link is not None else None
    off = command(ends[0].node, f"ip link set dev {bridge} type bridge stp_state 1")
    return Reason(
        code="bridge-loop",
        sentence=f"bridges are joined in a ring, which {ends[0]} and {ends[1]} close, and no "
        "spanning tree breaks it: broadcasts go round for ever and leave no room for others",
        at=ends[0],
        basis=computed("links and bridges as read"),
        mend=f"take one link out of the ring, or run the spanning tree on its bridges: {off}",
    )


def carries(snapshot: Snapshot, ref: DevRef) -> Reason | None:
    """Why a device takes no frames from its link; None if it takes them."""
    link = snapshot.link(ref)
    if link is None:
        return None
    down = _down(snapshot, ref)
    if down is not None or link.master is None:
        return down
    above = DevRef(ref.node, link.master)
    return _down(snapshot, above, what="the bridge ") or _blocked(ref, link, snapshot.link(above))


def _down(snapshot: Snapshot, ref: DevRef, *, what: str = "") -> Reason | None:
    link = snapshot.link(ref)
    if link is None or link.up:
        return None
    peer = f", so {link.peer} has no carrier" if link.peer is not None else ""
    return Reason(
        code="device-down",
        sentence=f"{what}{ref} is down{peer}",
        at=ref,
        basis=computed(f"links of {ref.node} as read"),
        mend=device_command(ref, "up"),
    )


def _blocked(ref: DevRef, link: LinkState, bridge: LinkState | None) -> Reason | None:
    if link.port_state in (None, "forwarding"):
        return None
    mend = ""
    if bridge is not None and bridge.bridge is not None and not bridge.bridge.stp and link.carrier:
        mend = command(ref.node, f"bridge link set dev {ref.dev} state 3")
    elif link.port_state in ("listening", "learning", "blocking"):
        delay = bridge.bridge.forward_delay if bridge and bridge.bridge else _FORWARD_DELAY
        mend = (
            f"wait until the spanning tree has settled: a port forwards {2 * delay:g} s after it "
            "came up, which is twice its bridge's forward_delay, and one that closes a ring never"
        )
    return Reason(
        code="port-not-forwarding",
        sentence=f"{ref}, a port of {link.master}, is {link.port_state}, not forwarding",
        at=ref,
        basis=computed(f"links of {ref.node} as read"),
        mend=mend,
    )


def wrong_port(_packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """A bridge's entry for its destination names a port that does not lead there.

    Nothing is sent back through the port that it came in by: should_deliver(),
    net/bridge/br_forward.c.
    """
    for hop in all_hops(first):
        for step in hop.steps:
            entry = step.entry if isinstance(step, BridgeStep) else None
            owner = owner_of_mac(scene.before, entry.mac) if entry is not None else None
            if not isinstance(step, BridgeStep) or entry is None or owner is None:
                continue
            leading = _leading(hop.node, entry.bridge, owner, scene.before)
            if not leading or entry.port in leading:
                continue
            static = "static " if entry.static else ""
            back = ", by which it came in" if entry.port == step.came_in else ""
            words = f"bridge fdb del {entry.mac} dev {entry.port} master"
            return Reason(
                code="wrong-port",
                sentence=f"the {static}entry of {hop.node}/{entry.bridge} for {entry.mac} names "
                f"{entry.port}{back}, and {owner}, whose address that is, is behind {leading[0]}",
                at=DevRef(hop.node, entry.port),
                basis=computed(f"forwarding table and links of {hop.node} as read"),
                mend=command(hop.node, words),
            )
    return None


def _leading(node: NodeName, bridge: DevName, owner: DevRef, snapshot: Snapshot) -> list[DevName]:
    """The ports of a bridge behind which a device is, the nearest to that first."""
    met = layer_two(snapshot, owner, but=DevRef(node, bridge), tunnels=True)
    links = (snapshot.link(ref) for ref in met if ref.node == node)
    return [link.name for link in links if link is not None and link.master == bridge]


def unbridged(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """A device that it came in by, or should have left by, is neither a port nor has an address."""
    mac = packet.sightings[-1].headers.dst_mac if packet.sightings else None
    owner = owner_of_mac(scene.before, mac) if mac is not None else None
    goal = scene.before.link(owner) if owner is not None else None
    last = leaves(first)
    came_in = last_device(last[0]) if len(last) == 1 and _ignored(last[0]) else None
    for ref in (came_in, goal.peer if goal is not None else None):
        link = scene.before.link(ref) if ref is not None else None
        if ref is None or link is None or link.master is not None or link.addresses:
            continue
        bridges = [one.name for one in scene.node(ref.node).links if one.kind == "bridge"]
        if link.kind != "bridge" and bridges:
            return Reason(
                code="no-layer-2-path",
                sentence=f"{ref} is no port of a bridge, so nothing passes on what is for others",
                at=ref,
                basis=computed(f"links of {ref.node} as read"),
                mend=f"make it a port: {device_command(ref, f'master {bridges[0]}')}",
            )
    return None


def _ignored(hop: Hop) -> bool:
    """Whether a hop ended because the frame was for another host's device."""
    steps = main_steps(hop)
    other = any(isinstance(s, ReceiveStep) and s.pkttype is PktType.OTHERHOST for s in steps)
    return other and isinstance(steps[-1], DropStep)


def too_long(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """A bridge let it pass all hooks and did not send it: it is longer than the port's MTU.

    Mirrors is_skb_forwardable(), net/core/dev.c, which says nothing to the sender.
    """
    ip = packet.headers.ip
    length = max((s.event.length - _header(s.event.frame) for s in packet.sightings), default=0)
    if ip is None or not length:
        return None
    for hop in leaves(first):
        for ref, link in _refusing(hop, scene.before):
            if length > link.mtu:
                bridged = any(isinstance(step, BridgeStep) for step in hop.steps)
                where = "all links of a bridge" if bridged else "both ends of that link"
                return Reason(
                    code="too-long",
                    sentence=f"it is {length} bytes long, {ref} takes {link.mtu} (its MTU), and "
                    "in layer 2 nobody fragments it or tells its sender",
                    at=ref,
                    basis=seen(f"no frame on {ref} after the hooks of {hop.node}; MTU as read"),
                    mend=f"use one MTU on {where}, or send smaller packets",
                )
    return None


def _header(frame: bytes) -> int:
    """The length of a frame's Ethernet header, a VLAN tag included."""
    return _ETHERNET + (4 if frame[12:14] in _TAGS else 0)


def _refusing(hop: Hop, snapshot: Snapshot) -> Iterator[tuple[DevRef, LinkState]]:
    """Ports that a bridge chose and did not send through, and ends that did not receive."""
    sent = {step.dev for step in hop.steps if isinstance(step, TransmitStep)}
    for step in main_steps(hop):
        if isinstance(step, BridgeStep):
            for port in step.out:
                ref = DevRef(hop.node, port)
                link = snapshot.link(ref)
                if port not in sent and link is not None and _passed(hop, port):
                    yield ref, link
    for dev in sent:
        link = snapshot.link(DevRef(hop.node, dev))
        peer = snapshot.link(link.peer) if link is not None and link.peer is not None else None
        if link is not None and link.peer is not None and peer is not None:
            yield link.peer, peer


def _passed(hop: Hop, port: DevName) -> bool:
    """Whether the last hook on the way out through this port let it pass."""
    return any(
        isinstance(step, HookStep)
        and step.family is Family.BRIDGE
        and step.hook is Hook.POSTROUTING
        and step.oif == port
        for step in hop.steps
    )
