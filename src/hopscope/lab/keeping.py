"""A lab under a test: it remembers what was measured in it, so that a failure can be explained."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from hopscope.errors import CannotError, HopscopeError
from hopscope.kernel.machine.abilities import State, abilities
from hopscope.lab.conclusion import conclude
from hopscope.lab.outputs import write_folder
from hopscope.lab.standing import StandingLab
from hopscope.model.reachability import Reachability
from hopscope.model.record import ExpectResult, PingResult, Record, StepResult
from hopscope.model.snapshot import Snapshot
from hopscope.model.vocab import Nanos
from hopscope.render.account import plain
from hopscope.render.matrix import matrix
from hopscope.render.text import result
from hopscope.version import VERSION

__all__ = ["KeepingLab", "clear", "missing"]

_FILES: Final = (
    "report.html",
    "capture.pcapng",
    "icmp.pcapng",
    "iptables.log",
    "journeys.json",
)
_MOST_TOLD: Final = 3  # accounts of pings; the others are told in a line


class KeepingLab(StandingLab):
    """A standing lab that keeps every result of it."""

    results: tuple[StepResult, ...] = ()
    probed: tuple[Reachability, ...] = ()
    _initial: Snapshot | None = None

    def ping(
        self,
        source: str,
        target: str,
        *,
        count: int = 1,
        timeout: float = 1.0,
        size: int = 56,
        promiscuous: bool = True,
        expect: Mapping[str, object] | None = None,
    ) -> PingResult:
        """As of any standing lab."""
        found = super().ping(
            source,
            target,
            count=count,
            timeout=timeout,
            size=size,
            promiscuous=promiscuous,
            expect=expect,
        )
        self.results += (found,)
        self._initial = self._initial or found.before
        return found

    def reachability(
        self,
        sources: str | Sequence[str] = (),
        targets: str | Sequence[str] = (),
        *,
        protocol: str = "icmp",
        port: int | None = None,
        timeout: float = 1.0,
    ) -> Reachability:
        """As of any standing lab."""
        found = super().reachability(
            sources, targets, protocol=protocol, port=port, timeout=timeout
        )
        self.probed += (found,)
        return found

    def perform(
        self, *, told: Callable[[StepResult], None] = lambda _: None, promiscuous: bool = True
    ) -> Record:
        """As of any standing lab."""

        def hear(one: StepResult) -> None:
            self.results += (one,)
            told(one)

        record = super().perform(told=hear, promiscuous=promiscuous)
        self._initial = self._initial or record.initial
        return record

    def account(self) -> str:
        """What was measured: the last pings without a reply, or else the last one, in full.

        What was probed comes last: pairs that were not reached, with why.
        """
        checked = [r for r in self.results if isinstance(r, PingResult | ExpectResult)]
        wrong = [one for one in checked if _went_wrong(one)]
        whole = (wrong or checked)[-_MOST_TOLD if wrong else -1 :]
        lines = [plain(result(r)) if r in whole else repr(r) for r in checked]
        lines += (repr(one) if one.held else plain(matrix(one)) for one in self.probed)
        return "\n".join(lines) or "nothing was pinged, and nothing expected"

    def keep(self, folder: Path) -> Path | None:
        """Write the evidence; None when the lab has ended and nothing was measured before."""
        initial = self._initial
        if initial is None:
            try:
                initial = self.snapshot()
            except (HopscopeError, OSError):
                return None
        write_folder(conclude(self._record(initial)), folder)
        return folder

    def _record(self, initial: Snapshot) -> Record:
        return Record(
            lab=self.name,
            description=self.spec.description,
            mode="on-host" if self.on_host else "sandbox",
            kernel=os.uname().release,
            hopscope=VERSION,
            started=Nanos(self.file.started),
            finished=Nanos(time.time_ns()),
            initial=initial,
            steps=tuple(_numbered(self.results)),
            conclusion=(),
            notes=tuple(self.sandbox.notes),
            reachability=self.probed,
        )


def _went_wrong(one: PingResult | ExpectResult) -> bool:
    silent = isinstance(one, PingResult) and not one.replied
    return silent or any(not check.held for check in one.checks)


def _numbered(results: Sequence[StepResult]) -> Iterator[StepResult]:
    """Pings by themselves are all the first; in one record they are counted."""
    number = 0
    for one in results:
        if isinstance(one, PingResult):
            number += 1
            yield replace(one, number=number)
        else:
            yield one


def clear(folder: Path) -> None:
    """Remove the evidence of an earlier time, and nothing else."""
    for name in _FILES:
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not there, or something else is in it
        folder.rmdir()


def missing(error: HopscopeError) -> str:
    """Why this machine cannot, in the words of ``hopscope doctor``; "" when it can."""
    lacking = [
        f"{one.what}: {one.found}{f' (mend: {one.mend})' if one.mend else ''}"
        for one in abilities()
        if one.needed and one.state is State.MISSING
    ]
    if lacking:
        return "; ".join(lacking)
    return str(error) if isinstance(error, CannotError) else ""
