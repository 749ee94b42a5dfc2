"""Hooks and fates as comments on the frames of a capture, so that Wireshark shows them too."""

from collections.abc import Iterable, Iterator, Sequence
from typing import assert_never

from hopscope.model.events import FrameSeen
from hopscope.model.journey import (
    DropStep,
    HookStep,
    Hop,
    Journey,
    PassUpStep,
    ReceiveStep,
    TransmitStep,
    hops,
)
from hopscope.model.vocab import DevRef, Direction, Fate, Nanos
from hopscope.render.words import headline

__all__ = ["frame_comments"]

Key = tuple[DevRef, Direction, Nanos]
_FRAMES = (TransmitStep, ReceiveStep, PassUpStep)


def frame_comments(journeys: Iterable[Journey], seen: Sequence[FrameSeen]) -> dict[int, str]:
    """Comments by a frame's index in *seen*, one line each.

    What a packet met between two devices stands at the frame before it; what it met
    before its first device, at that device's frame.
    """
    index = {(frame.dev, frame.direction, frame.at): number for number, frame in enumerate(seen)}
    said: dict[int, list[str]] = {}
    for journey in journeys:
        last: int | None = None
        for keys, text in _remarks(journey):
            last = next((index[key] for key in keys if key in index), last)
            if last is not None and text:
                said.setdefault(last, []).append(text)
        if last is not None and journey.fate is not Fate.DELIVERED and journey.reason:
            said.setdefault(last, []).append(f"{journey.fate}: {journey.reason.sentence}")
    return {number: "\n".join(lines) for number, lines in said.items()}


def _remarks(journey: Journey) -> Iterator[tuple[tuple[Key, ...], str]]:
    """Each remark; before it the frame that it stands at, by keys of which the first is best."""
    for hop in hops(journey):
        waiting: list[str] = []
        placed: tuple[Key, ...] = ()
        came: tuple[Key, ...] = ()
        for step in hop.steps:
            if isinstance(step, _FRAMES):
                placed = _keys(hop, step, came)
                came = placed if isinstance(step, ReceiveStep) else came
                yield placed, ""
                yield from (((), text) for text in waiting)
                waiting = []
            elif isinstance(step, HookStep | DropStep):
                text = f"{hop.node}: {headline(step)}"
                if placed:
                    yield (), text
                else:
                    waiting.append(text)
        yield from (((), text) for text in waiting)


def _keys(
    hop: Hop, step: TransmitStep | ReceiveStep | PassUpStep, came: tuple[Key, ...]
) -> tuple[Key, ...]:
    """*came*: those of the frame on the port, whose stamp a copy on the bridge may share."""
    match step:
        case TransmitStep(dev=dev, at=at):
            return ((DevRef(hop.node, dev), Direction.TRANSMIT, at or Nanos(0)),)
        case ReceiveStep(dev=dev, at=at):
            return ((DevRef(hop.node, dev), Direction.RECEIVE, at or Nanos(0)),)
        case PassUpStep(bridge=bridge, at=at):
            stamp = at or next((stamp for _dev, _direction, stamp in came), Nanos(0))
            return ((DevRef(hop.node, bridge), Direction.RECEIVE, stamp), *came)
        case _:
            assert_never(step)
