"""The tables of a lab as the steps of its story find them."""

import time
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from hopscope.lab.running import RunningLab
from hopscope.model.snapshot import Snapshot
from hopscope.model.vocab import NodeName

__all__ = ["Tables"]

_FRESH: Final = 0.05
"""Seconds: a neighbour entry changes by itself after more than ten times as many."""


class Tables:
    """One reading serves the steps that follow each other at once and change nothing."""

    def __init__(self, lab: RunningLab) -> None:
        self._lab = lab
        self._last: Snapshot | None = None
        self._read = 0.0

    def now(self, nodes: Sequence[NodeName] = (), *, rules: bool = True) -> Snapshot:
        """Those of *nodes*, or of all; without *rules*, these may be left out."""
        last = self._last
        if last is None or time.monotonic() - self._read > _FRESH:
            if nodes or not rules:
                return self._lab.snapshot(nodes, rules=rules)
            last = self._lab.snapshot()
            self.are(last)
        return replace(last, nodes=tuple(map(last.node, nodes))) if nodes else last

    def are(self, snapshot: Snapshot) -> None:
        """They were just read."""
        self._last, self._read = snapshot, time.monotonic()

    def change(self) -> None:
        """What was read is not so any more."""
        self._last = None
