"""The operations that hold back what a node's devices send."""

from collections.abc import Iterator, Mapping, Sequence

from hopscope.model.lab import DeviceSpec, LinkEnd, NodeSpec
from hopscope.model.traffic import Htb, RateLimit, Tbf
from hopscope.model.vocab import DevRef
from hopscope.plan.ops import AddQdisc, Op

__all__ = ["least_burst", "shaped", "traffic_ops"]

_USUAL_MTU = 1500
_HEADER = 18  # of Ethernet, with a VLAN's tag


def traffic_ops(
    node: NodeSpec, ends: Sequence[LinkEnd], mtus: Mapping[DevRef, int]
) -> Iterator[Op]:
    """Of a device with both, the line is the root, and the rate hangs below it."""
    for end in ends:
        yield from _held_back(end, mtus.get(end.ref))
    for device in node.devices:
        yield from _held_back(device, device.mtu)


def _held_back(end: LinkEnd | DeviceSpec, mtu: int | None) -> Iterator[Op]:
    node, dev, place = end.ref.node, end.ref.dev, end.place
    rate, line = end.traffic.rate, end.traffic.line
    if line is not None:
        yield AddQdisc(node=node, dev=dev, options=line, place=place)
    if rate is not None:
        yield AddQdisc(
            node=node,
            dev=dev,
            options=shaped(rate, mtu or _USUAL_MTU),
            handle="1:" if line is None else "10:",
            parent="root" if line is None else "1:1",
            place=place,
        )


def shaped(limit: RateLimit, mtu: int) -> Tbf | Htb:
    """The rate with what follows from it, for packets of up to *mtu* bytes."""
    in_ten_ms = limit.rate // 8 // 100
    burst = limit.burst if limit.burst is not None else max(in_ten_ms, least_burst(mtu) * 2)
    if limit.kind == "htb":
        return Htb(rate=limit.rate, ceil=limit.ceil or limit.rate, burst=burst)
    queue = limit.rate * limit.latency // 8_000_000_000
    return Tbf(rate=limit.rate, burst=burst, limit=queue + burst)


def least_burst(mtu: int) -> int:
    """Bytes; a packet that is larger than the burst would never leave."""
    return mtu + _HEADER
