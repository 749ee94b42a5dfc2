"""Hold the way that a ping's requests took against the one expected.

Compared is the branch on which each request was delivered, as nodes in the order in which it
entered them, each with the devices and bridges that it passed there. Every node stands for
itself, in the order written; ``host/br0`` also asks that it passed that device, and several
devices of a node, written one after the other, that it passed them in this order. ``...``
stands for any nodes, or none.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from hopscope.model.journey import (
    BridgeStep,
    DeliverStep,
    Hop,
    Journey,
    ReceiveStep,
    Step,
    TransmitStep,
)
from hopscope.model.record import Check
from hopscope.model.vocab import DevName, NodeName
from hopscope.trace.arrival import ECHO

__all__ = ["Stay", "deliveries", "path_check", "takes"]

_GAP: Final = "..."

Stay = tuple[NodeName, tuple[DevName, ...]]
"""A node that the packet entered, and the devices that it passed there."""


def path_check(path: Sequence[str], journeys: Sequence[Journey], why: str) -> Check:
    """Whether every request that was delivered took the *path*, and one was delivered."""
    requests = [
        journey
        for journey in journeys
        if journey.headers.icmp is not None
        and journey.headers.icmp.type in ECHO
        and journey.headers.stamp is not None
    ]
    delivered = [found for one in requests if (found := list(deliveries(one.first)))]
    others = [ways[0] for ways in delivered if not any(takes(path, way) for way in ways)]
    shown = others or [ways[0] for ways in delivered[:1]]
    return Check(
        expected=f"path: {' → '.join(path)}",
        seen="; ".join(dict.fromkeys(map(_told, shown))) or "no request was delivered",
        held=bool(delivered) and not others,
        why="" if delivered else why,
    )


def _told(way: Sequence[Stay]) -> str:
    return " → ".join(
        spot
        for node, devices in way
        for spot in ([f"{node}/{dev}" for dev in devices] or [str(node)])
    )


def deliveries(first: Hop) -> Iterator[tuple[Stay, ...]]:
    """The way to each node that a packet was delivered in; a broadcast has several."""
    waiting: list[tuple[Hop, tuple[Stay, ...]]] = [(first, ())]
    while waiting:
        hop, before = waiting.pop(0)
        if any(isinstance(step, DeliverStep) for step in hop.steps):
            yield _joined(before, hop, None)
        waiting += [(onward, _joined(before, hop, onward.came_from)) for onward in hop.onward]


def _joined(before: tuple[Stay, ...], hop: Hop, left: DevName | None) -> tuple[Stay, ...]:
    """A node that the packet left by a cable to itself, it did not leave."""
    devices = tuple(_passed(hop, left))
    if not before or before[-1][0] != hop.node:
        return (*before, (hop.node, devices))
    earlier = before[-1][1]
    again = devices[1:] if earlier[-1:] == devices[:1] else devices
    return (*before[:-1], (hop.node, earlier + again))


def _passed(hop: Hop, left: DevName | None) -> Iterator[DevName]:
    """Its devices on the branch that *left* through that one (None: that stayed)."""
    others = {port for step in hop.steps if isinstance(step, BridgeStep) for port in step.out}
    others |= {onward.came_from for onward in hop.onward if onward.came_from is not None}
    last: DevName | None = None
    for step in hop.steps:
        dev = _device(step)
        elsewhere = isinstance(step, TransmitStep) and dev in others and dev != left
        if dev is not None and dev != last and not elsewhere:
            yield dev
            last = dev


def _device(step: Step) -> DevName | None:
    match step:
        case TransmitStep(dev=dev) | ReceiveStep(dev=dev):
            return dev
        case BridgeStep(bridge=bridge):
            return bridge
        case _:
            return None


def takes(path: Sequence[str], way: Sequence[Stay]) -> bool:
    """Whether the *way* is as written."""
    if not path:
        return not way
    if path[0] == _GAP:
        return takes(path[1:], way) or (bool(way) and takes(path, way[1:]))
    if not way:
        return False
    (node, devices), left = way[0], list[DevName]()
    left.extend(devices)
    for number, spot in enumerate(path):
        name, slash, dev = spot.partition("/")
        if name != node or (slash and dev not in left):
            return False
        if slash:
            del left[: left.index(DevName(dev)) + 1]
        if takes(path[number + 1 :], way[1:]):
            return True
    return False
