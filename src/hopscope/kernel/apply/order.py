"""In which order a plan's batches are sent: what can be done is done while the rest is made."""

from collections import deque
from collections.abc import Sequence
from typing import TypeVar

from hopscope.model.vocab import NodeName

__all__ = ["soonest"]

Batch = TypeVar("Batch")


def soonest(batches: Sequence[Batch], touched: Sequence[Sequence[NodeName]]) -> list[Batch]:
    """The batches, each that *touched* one node alone right after the last that it waits for.

    That is the last before it that touches this node. All others stay in their order.
    """
    left: dict[NodeName, deque[int]] = {}
    for number, nodes in enumerate(touched):
        for node in nodes:
            left.setdefault(node, deque()).append(number)
    order: list[int] = []
    done: set[int] = set()
    for number in range(len(batches)):
        ready = [] if number in done else [number]
        while ready:
            one = ready.pop()
            done.add(one)
            order.append(one)
            for node in touched[one]:
                left[node].popleft()
            heads = (left[node][0] for node in touched[one] if left[node])
            ready += [head for head in heads if len(touched[head]) == 1]
    return [batches[number] for number in order]
