"""What is declared to hold back a device's sending against what there is."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, assert_never

from hopscope.model.change import Action, Subject
from hopscope.model.snapshot import NodeState
from hopscope.model.traffic import Htb, Netem, Qdisc, Shaping, Tbf
from hopscope.model.vocab import DevRef
from hopscope.plan.difference import Difference, stays, told
from hopscope.plan.ops import AddQdisc, RemoveQdisc
from hopscope.plan.wanted import Wanted
from hopscope.plan.world import World

__all__ = ["declarable", "qdiscs"]

_KINDS: Final = ("tbf", "htb", "netem")
_TICK: Final = 64  # nanoseconds, in which the kernel keeps bursts as the time that they take
_TOPS: Final = ("root", "ffff:fff1")


def qdiscs(wanted: Wanted, world: World) -> Iterator[Difference]:
    """Device by device as one whole: where any differs, all are removed and made again."""
    there = {
        ref: found
        for node in world.snapshot.nodes
        for ref, found in _by_device(node).items()
        if node.name in wanted.nodes and stays(wanted, world, ref)
    }
    for ref in {**wanted.qdiscs, **there}:
        goal, now = wanted.qdiscs.get(ref, []), there.get(ref, [])
        if _alike(goal, now) or (world.only_told and not all(map(_known, now))):
            continue
        action = Action.CREATE if not now else Action.CHANGE if goal else Action.REMOVE
        change = told(
            action,
            Subject.QDISC,
            ref.node,
            str(ref.dev),
            before=", ".join(_words(one.kind, one.options) for one in now) or None,
            after=", ".join(_words(op.options.kind, op.options) for op in goal) or None,
            place=next((op.place for op in goal), None),
        )
        tops = (one.parent for one in now if one.parent in _TOPS)
        removes = tuple(RemoveQdisc(node=ref.node, dev=ref.dev, parent=top) for top in tops)
        yield Difference(change=change, removes=removes, makes=tuple(goal))


def declarable(node: NodeState) -> Iterator[Qdisc]:
    """Those of devices that have no others, and can be made again."""
    for found in _by_device(node).values():
        if all(one.options is not None and _known(one) for one in found):
            yield from found


def _by_device(node: NodeState) -> Mapping[DevRef, list[Qdisc]]:
    """Without those that the kernel gives by itself, which have no handle."""
    found: dict[DevRef, list[Qdisc]] = {}
    for one in node.qdiscs:
        if one.handle != "0:":
            found.setdefault(DevRef(node.name, one.dev), []).append(one)
    return found


def _known(one: Qdisc) -> bool:
    return one.kind in _KINDS


def _alike(goal: Sequence[AddQdisc], now: Sequence[Qdisc]) -> bool:
    made = sorted((op.handle, op.parent) for op in goal)
    options = {one.handle: one.options for one in now}
    return made == sorted((one.handle, one.parent) for one in now) and all(
        _same(op.options, options[op.handle]) for op in goal
    )


def _same(goal: Shaping, now: Shaping | None) -> bool:
    """But for what the kernel rounds."""
    match goal, now:
        case Tbf(), Tbf():
            bucket = goal.limit == now.limit and _same_burst(goal, now)
            return bucket and _same_rate(goal.rate, now.rate)
        case Htb(), Htb():
            ceils = _same_rate(goal.ceil, now.ceil)
            return ceils and _same_rate(goal.rate, now.rate) and _same_burst(goal, now)
        case Netem(), Netem():
            return all(
                abs(getattr(goal, key) - getattr(now, key)) <= within
                for keys, within in _NETEM.items()
                for key in keys
            )
        case _:
            return False


_NETEM: Final = {
    ("delay", "jitter"): _TICK,
    ("loss", "duplicate", "corrupt", "reorder"): 2e-6,
    ("limit",): 0,
}


def _same_rate(one: int, other: int) -> bool:
    """The kernel counts in bytes."""
    return one // 8 == other // 8


def _same_burst(one: Tbf | Htb, other: Tbf | Htb) -> bool:
    in_two_ticks = 2 * _TICK * one.rate // 8 // 1_000_000_000
    return abs(one.burst - other.burst) <= 1 + in_two_ticks


def _words(kind: str, options: Shaping | None) -> str:
    match options:
        case Tbf(rate=rate, burst=burst, limit=limit):
            return f"tbf {_bits(rate)}, burst {burst}, limit {limit}"
        case Htb(rate=rate, ceil=ceil, burst=burst):
            return f"htb {_bits(rate)}, ceil {_bits(ceil)}, burst {burst}"
        case Netem(delay=delay, jitter=jitter):
            line = f"netem {delay / 1_000_000:g} ms ± {jitter / 1_000_000:g} ms"
            shares = ("loss", "duplicate", "corrupt", "reorder")
            parts = [f"{key} {value:g}%" for key in shares if (value := getattr(options, key))]
            return " ".join([line, *parts])
        case None:
            return kind
        case _:
            assert_never(options)


def _bits(rate: int) -> str:
    for size, word in ((10**9, "gbit"), (10**6, "mbit"), (10**3, "kbit")):
        if rate >= size:
            return f"{rate / size:g}{word}"
    return f"{rate}bit"
