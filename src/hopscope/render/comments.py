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
        for key, text in _remarks(journey):
            last = index.get(key, last) if key else last
            if last is not None and text:
                said.setdefault(last, []).append(text)
        if last is not None and journey.fate is not Fate.DELIVERED and journey.reason:
            said.setdefault(last, []).append(f"{journey.fate}: {journey.reason.sentence}")
    return {number: "\n".join(lines) for number, lines in said.items()}


def _remarks(journey: Journey) -> Iterator[tuple[Key | None, str]]:
    for hop in hops(journey):
        waiting: list[str] = []
        placed = False
        for step in hop.steps:
            if isinstance(step, _FRAMES):
                placed = True
                yield _key(hop, step), ""
                yield from ((None, text) for text in waiting)
                waiting = []
            elif isinstance(step, HookStep | DropStep):
                text = f"{hop.node}: {headline(step)}"
                if placed:
                    yield None, text
                else:
                    waiting.append(text)
        yield from ((None, text) for text in waiting)


def _key(hop: Hop, step: TransmitStep | ReceiveStep | PassUpStep) -> Key:
    match step:
        case TransmitStep(dev=dev, at=at):
            direction = Direction.TRANSMIT
        case ReceiveStep(dev=dev, at=at) | PassUpStep(bridge=dev, at=at):
            direction = Direction.RECEIVE
        case _:
            assert_never(step)
    return DevRef(hop.node, dev), direction, at or Nanos(0)
