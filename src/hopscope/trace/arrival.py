"""Where a packet ends in a node's own stack: delivered, or not for this node.

Delivery is only claimed on evidence: an answer that was born there, a neighbour entry
that it made, the prober's socket, or at least the input hook that let it pass.
"""

from collections.abc import Sequence

from hopscope.model.flow import Arp, Headers
from hopscope.model.journey import DeliverStep, DropStep, HookStep, Step
from hopscope.model.lookup import is_local, local_device
from hopscope.model.vocab import (
    Basis,
    BasisKind,
    DevName,
    Family,
    NodeName,
    Verdict,
    computed,
    inferred,
    seen,
)
from hopscope.trace.identify import Key
from hopscope.trace.scene import Packet, Scene

__all__ = ["ECHO", "answer_key", "arrival"]

ECHO = {8: 0, 128: 129}
"""ICMP type of an echo request → that of its reply."""

_SOLICITATION, _ADVERTISEMENT = 135, 136


def answer_key(headers: Headers, key: Key) -> Key | None:
    """The key that an answer to this packet has; None when nothing answers it."""
    icmp = headers.icmp
    if key[0] == "stamp" and icmp is not None and icmp.type in ECHO:
        return ("stamp", ECHO[icmp.type], key[2])
    return None


def arrival(
    packet: Packet,
    scene: Scene,
    node: NodeName,
    came_in: DevName,
    headers: Headers,
    *,
    hooks: Sequence[HookStep],
) -> list[Step]:
    """The last step of a packet in *node*, or nothing when no evidence says how it ended.

    *headers* are those with which it arrived there, *hooks* the input hooks that it passed.
    """
    if headers.arp is not None:
        return _arp(headers.arp, scene, node, came_in)
    if headers.icmp is not None and headers.icmp.target is not None:
        return _discovery(headers.icmp.type, headers.icmp.target, scene, node, came_in)
    if headers.ip is None or not is_local(scene.node(node), headers.ip.dst):
        return []
    passed = any(
        step.family in (Family.IP, Family.IP6) and step.verdict is Verdict.ACCEPT for step in hooks
    )
    basis = _proof(packet, scene, node, passed=passed)
    if basis is None:
        return []
    answer = answer_key(packet.headers, packet.key)
    answers = answer is not None and scene.born(answer, node)
    told = basis.kind is BasisKind.SEEN
    return [DeliverStep(to=_receiver(headers, node, answers=answers, told=told), basis=basis)]


def _proof(packet: Packet, scene: Scene, node: NodeName, *, passed: bool) -> Basis | None:
    answer = answer_key(packet.headers, packet.key)
    if answer is not None and scene.born(answer, node):
        return seen(f"the reply was sent from {node}")
    stamp = packet.headers.stamp
    kind = packet.headers.icmp.type if packet.headers.icmp else None
    if kind in ECHO.values() and stamp in scene.replied:
        return seen("the prober's socket received it")
    inner = packet.headers.inner
    if inner is not None and inner.stamp in scene.errors:
        return seen("the prober's socket was told of it")
    if passed:
        return inferred(f"the input hook of {node} let it pass; no answer shows what came after")
    return None


def _receiver(headers: Headers, node: NodeName, *, answers: bool, told: bool) -> str:
    if headers.ports is not None:
        return f"the stack of {node}"
    if headers.icmp is not None and headers.icmp.type in ECHO:
        return f"the ICMP code of {node}" + (", which answers" if answers else "")
    return f"the prober's socket in {node}" if told else f"the ICMP code of {node}"


def _arp(arp: Arp, scene: Scene, node: NodeName, came_in: DevName) -> list[Step]:
    if arp.op == 1:
        if _answered(scene, node, arp):
            evidence = seen(f"the ARP reply was sent from {node}")
            return [DeliverStep(to=f"ARP in {node}", basis=evidence)]
        if local_device(scene.node(node), arp.target_ip) is None:
            return [_ignored(scene, node, came_in, f"ARP asks for {arp.target_ip}")]
        return []
    entry = scene.neighbours.get((node, arp.sender_ip))
    if entry is not None and entry.mac == arp.sender_mac:
        evidence = seen(f"{entry.dev} learnt {entry.ip} at {entry.mac}")
        return [DeliverStep(to=f"the ARP table of {node}", basis=evidence)]
    return []


def _answered(scene: Scene, node: NodeName, arp: Arp) -> bool:
    return any(
        packet.headers.arp is not None
        and packet.headers.arp.op == 2
        and packet.headers.arp.sender_ip == arp.target_ip
        and packet.headers.arp.target_ip == arp.sender_ip
        and packet.made_in == node
        for packet in scene.packets
    )


def _discovery(
    icmp_type: int, target: str, scene: Scene, node: NodeName, came_in: DevName
) -> list[Step]:
    if icmp_type == _SOLICITATION:
        answered = any(
            packet.key[:3] == ("nd", _ADVERTISEMENT, target) and packet.made_in == node
            for packet in scene.packets
        )
        if answered:
            evidence = seen(f"the neighbour advertisement was sent from {node}")
            return [DeliverStep(to=f"neighbour discovery in {node}", basis=evidence)]
        if local_device(scene.node(node), target) is None:
            return [_ignored(scene, node, came_in, f"the solicitation asks for {target}")]
        return []
    entry = scene.neighbours.get((node, target))
    if entry is not None:
        evidence = seen(f"{entry.dev} learnt {entry.ip} at {entry.mac}")
        return [DeliverStep(to=f"the neighbour table of {node}", basis=evidence)]
    return []


def _ignored(scene: Scene, node: NodeName, came_in: DevName, asks: str) -> DropStep:
    where = f"{node}/{came_in}"
    own = [
        str(address)
        for link in scene.node(node).links
        for address in link.addresses
        if link.name == came_in
    ]
    has = f"{where} has {', '.join(own)}" if own else f"{where} has no address"
    return DropStep(
        reason=f"ignored: {asks}, and {has}",
        where=where,
        basis=computed(f"addresses of {node} as read"),
        expected=True,
    )
