"""What all causes ask of a woven packet; decides nothing."""

from collections.abc import Callable, Iterator

from hopscope.model.journey import (
    HookStep,
    Hop,
    NeighbourStep,
    PassUpStep,
    Reason,
    ReceiveStep,
    Step,
    TransmitStep,
)
from hopscope.model.vocab import DevName, DevRef, Family, Hook, NodeName
from hopscope.trace.scene import Packet, Scene

__all__ = [
    "LAB",
    "Cause",
    "all_hops",
    "command",
    "device_command",
    "devices",
    "filters",
    "last_device",
    "leaves",
    "main_steps",
    "routed",
    "sends",
    "sysctl_command",
    "waits",
]

Cause = Callable[[Packet, Hop, Scene], Reason | None]

LAB = "LAB"
"""Stands in a command for the lab's name, which only its runner knows."""


def all_hops(first: Hop) -> Iterator[Hop]:
    """A hop and all that follow it."""
    yield first
    for hop in first.onward:
        yield from all_hops(hop)


def leaves(first: Hop) -> list[Hop]:
    """The hops where a copy of the packet was last."""
    return [hop for hop in all_hops(first) if not hop.onward]


def main_steps(hop: Hop) -> list[Step]:
    """The steps of a hop without those of the copy that only a capture made."""
    found: list[Step] = []
    for step in hop.steps:
        if isinstance(step, PassUpStep) and step.because == "promiscuous":
            break
        found.append(step)
    return found


def devices(hop: Hop) -> list[DevName]:
    """The devices that had the packet in this hop, in order."""
    return [s.dev for s in main_steps(hop) if isinstance(s, TransmitStep | ReceiveStep)]


def last_device(hop: Hop) -> DevRef | None:
    """The device that had it last."""
    found = devices(hop)
    return DevRef(hop.node, found[-1]) if found else None


def sends(hop: Hop) -> bool:
    """Whether the packet left through a device."""
    return any(isinstance(step, TransmitStep) for step in hop.steps)


def routed(hop: Hop) -> bool:
    """Whether the node sent it on its own account: as its maker, or as a router."""
    forwarded = any(
        isinstance(step, HookStep)
        and step.hook is Hook.FORWARD
        and step.family in (Family.IP, Family.IP6)
        and step.iif == hop.came_in
        for step in hop.steps
    )
    neighbours = any(isinstance(step, NeighbourStep) for step in hop.steps)
    return hop.came_in is None or forwarded or neighbours


def waits(hop: Hop) -> NeighbourStep | None:
    """The step that says that the packet waits for its next hop's link-layer address."""
    return next((s for s in hop.steps if isinstance(s, NeighbourStep) and s.mac is None), None)


def command(node: NodeName, words: str) -> str:
    """A command line that runs something in a node."""
    return f"hopscope exec {LAB} {node} -- {words}"


def device_command(ref: DevRef, words: str) -> str:
    """A command line that changes a device, as ``up``."""
    return command(ref.node, f"ip link set dev {ref.dev} {words}")


def filters(dev: DevName, *, out: bool = False) -> str:
    """The words that list the filters of a device, of what comes in or goes out."""
    return f"tc -s filter show dev {dev} {'egress' if out else 'ingress'}"


def sysctl_command(node: NodeName, key: str, value: int) -> str:
    """A command line that sets a sysctl in a node."""
    return f"hopscope set {LAB} {node} {key}={value}"
