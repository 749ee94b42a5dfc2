"""How a run is told: as it goes, or not at all, for which nothing is loaded."""

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hopscope.lab.running import RunningLab
    from hopscope.model.record import Record, StepResult

__all__ = ["Silent", "Teller"]


class Silent:
    """Has a story performed, and tells nothing."""

    quiet = True

    def load(self) -> None:
        """What is needed as soon as the lab stands, for the writer too."""
        from hopscope.lab import story  # noqa: F401

    def performed(
        self, running: "RunningLab", *, promiscuous: bool, finished: "Callable[[Record], None]"
    ) -> "Record":
        """The whole story."""
        from hopscope.lab.story import perform

        return perform(running, told=self.told, finished=finished, promiscuous=promiscuous)

    def told(self, result: "StepResult") -> None:
        """A step that was done."""

    def conclude(self, record: "Record") -> None:
        """What follows from it all."""

    def written(self, paths: "Sequence[Path]") -> None:
        """The files that are left."""


class Teller(Silent):
    """Tells it as it goes; *since* is when, on time.perf_counter(), it began."""

    quiet = False

    def __init__(self, *, verbose: bool, since: float) -> None:
        self._verbose = verbose
        self._since = since

    def load(self) -> None:
        """That, and what tells."""
        super().load()
        from hopscope.cli import printing  # noqa: F401
        from hopscope.render import text  # noqa: F401

    def performed(
        self, running: "RunningLab", *, promiscuous: bool, finished: "Callable[[Record], None]"
    ) -> "Record":
        """The whole story, told."""
        from hopscope.cli import printing

        self._console = printing.lasting()
        took = (time.perf_counter() - self._since) * 1000
        self._console.print(
            f"[bold]{running.name}[/]  {'on this host' if running.on_host else 'in a sandbox'}, "
            f"{len(running.nodes)} nodes, built in {took:.0f} ms"
        )
        with self._console.status("performing the story …"):
            return super().performed(running, promiscuous=promiscuous, finished=finished)

    def told(self, result: "StepResult") -> None:
        """A step that was done, and what it showed."""
        from hopscope.cli import printing
        from hopscope.model.record import ShowResult
        from hopscope.render import text

        if isinstance(result, ShowResult):
            printing.show(text.result(result), self._console)
        else:
            self._console.print(text.result(result, verbose=self._verbose), crop=False)

    def conclude(self, record: "Record") -> None:
        """The conclusion, in sentences."""
        from hopscope.render import text

        self._console.print(text.conclusion(record.conclusion))
        if (silent := text.unasked(record)) is not None:
            self._console.print(silent)

    def written(self, paths: "Sequence[Path]") -> None:
        """Their paths."""
        self._console.print("[bold]written[/]")
        for path in paths:
            self._console.print(f"  {path}", soft_wrap=True, markup=False)
