"""What is asked of many nodes at once, and what is known of each probe; nothing that sends."""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from hopscope.model.reachability import Outcome
from hopscope.model.vocab import NodeName

__all__ = ["Answer", "Answers", "Ask", "Goal"]

Goal = tuple[int, str]
"""A target's number, which is the caller's, and an address of it."""


class Ask(NamedTuple):
    """A node, and whom it is to reach; each number at most once, below 65,536."""

    node: NodeName
    goals: Sequence[Goal]
    own: frozenset[str] = frozenset()  # the node's addresses


class Answer(Struct, frozen=True, gc=False):
    """What became of a probe; *rtt* in nanoseconds."""

    outcome: Outcome
    rtt: int | None = None
    error: str | None = None


Answers = dict[int, int | Answer]
"""Of one node, by the numbers of its goals: the nanoseconds that an answer took, or what else came.

Silent ones are not in it.
"""
