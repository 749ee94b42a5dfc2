"""A filter of a device (tc) ended the packet: no hook tells of it, and its counters do."""

from collections.abc import Sequence
from typing import Final

from hopscope.model.journey import Hop, Reason
from hopscope.model.lookup import owner_of
from hopscope.model.traffic import Direction, Filter, Filtering
from hopscope.model.vocab import DevRef, inferred, seen
from hopscope.trace.causes.evidence import command, filters, leaves
from hopscope.trace.causes.firewall import device_end
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.ways import asked

__all__ = ["filtered"]

_PROTOCOLS: Final = {"arp", "ip", "ipv6"}
"""Of filters that are asked of one of these alone."""


def filtered(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """It ended between a device and the hooks, where filters are asked, and they count it.

    Mirrors sch_handle_ingress() and sch_handle_egress(), net/core/dev.c: frames are captured
    before the one and behind the other.
    """
    ends = leaves(first)
    for hop in ends:
        end = device_end(hop) if scene.traced(hop.node) else None
        if end is None or (len(ends) > 1 and not _leads(packet, end[0], scene)):
            continue
        side: Direction = "egress" if end[1] else "ingress"
        reason = _by_counts(end[0], scene, side, _spoken(packet))
        if reason is not None:
            return reason
    return None


def _leads(packet: Packet, ref: DevRef, scene: Scene) -> bool:
    """Whether that copy of a flood is the one that is missed: its goal is there, or beside it."""
    ip = packet.headers.ip
    goal = asked(packet.headers) or (ip.dst if ip is not None else "")
    owner, link = owner_of(scene.before, goal), scene.before.link(ref)
    beside = link.peer.node if link is not None and link.peer is not None else ref.node
    return owner is not None and owner.node in (ref.node, beside)


def _spoken(packet: Packet) -> str:
    """Its protocol, as tc names it."""
    ip = packet.headers.ip
    return "arp" if ip is None else {4: "ip", 6: "ipv6"}[ip.version]


def _by_counts(ref: DevRef, scene: Scene, side: Direction, protocol: str) -> Reason | None:
    now = _of(ref, scene.after.node(ref.node).filtering)
    was = _of(ref, scene.node(ref.node).filtering)
    if now is None or was is None:
        return None
    earlier = {(one.direction, one.text): one.taken for one in was.filters}
    others = {f"protocol {one} " for one in _PROTOCOLS - {protocol}}
    mine = [one for one in now.filters if not one.text.startswith(tuple(others))]
    own = [one for one in mine if one.direction == side]
    rose = [one for one in own if one.ends and one.taken > earlier.get((side, one.text), 0)]
    dropped = now.dropped - was.dropped
    programs = [one for one in own if one.ends is None]  # which keep no count of their own
    may = rose or ((programs or own) if dropped > 0 else [])
    if not may:
        return None
    counts = f"filters of {ref} dropped {dropped}, and no hook behind them saw it"
    if rose:
        taken = rose[0].taken - earlier.get((side, rose[0].text), 0)
        counts = f"that filter took {taken}, and no hook behind it saw the packet"
    sure = len(may) == 1 and (rose or own == mine)
    return Reason(
        code="filter-drop",
        sentence=_sentence(ref, may, side),
        at=ref,
        basis=seen(counts) if sure else inferred(counts),
        mend=_mend(ref, may, side),
    )


def _of(ref: DevRef, some: Sequence[Filtering]) -> Filtering | None:
    return next((one for one in some if one.dev == ref.dev), None)


def _sentence(ref: DevRef, may: Sequence[Filter], side: Direction) -> str:
    if len(may) == 1:
        ends = may[0].ends or "dropped it"
        return f"in {ref.node}, the filter `{may[0].text}` of {ref.dev} ({side}) {ends}"
    names = ", ".join(f"`{one.text}`" for one in may)
    return f"in {ref.node}, one of the filters of {ref.dev} ({side}) took it: {names}"


def _mend(ref: DevRef, may: Sequence[Filter], side: Direction) -> str:
    if len(may) == 1:
        words = f"tc filter del dev {ref.dev} {side} {may[0].text}"
        return f"let that filter pass it, or delete it: {command(ref.node, words)}"
    look = filters(ref.dev, out=side == "egress")
    return f"see which of them takes it: {command(ref.node, look)}"
