"""Tried: what became of labs that were run as tests, one case for each step that expects."""

from enum import StrEnum

from msgspec import Struct

from hopscope.errors import ExitCode, Place
from hopscope.model.record import Check, StepResult

__all__ = ["Case", "Outcome", "Tried"]


class Outcome(StrEnum):
    """What became of a case."""

    PASSED = "passed"
    FAILED = "failed"  # an expectation did not hold
    ERROR = "error"  # it could not be performed


class Case(Struct, frozen=True, kw_only=True):
    """One step of a story that expects something, or the lab itself when it went wrong.

    *seconds* run from the end of the case before it, so that none of a lab's time is lost.
    """

    name: str  # "2: ping ns1 -> ns2": the steps of a story count from 1
    outcome: Outcome
    seconds: float
    place: Place | None = None
    checks: tuple[Check, ...] = ()
    message: str = ""  # what went wrong; empty when nothing did
    status: int = ExitCode.OK  # what the command's exit status would be for this alone
    result: StepResult | None = None  # of a failure: what was measured


class Tried(Struct, frozen=True, kw_only=True):
    """What became of one lab."""

    file: str  # as it was called for
    lab: str  # its own name; "" when the file could not be read so far
    cases: tuple[Case, ...]
    seconds: float
    note: str = ""
    folder: str | None = None  # where its evidence is

    @property
    def went_wrong(self) -> tuple[Case, ...]:
        """Those that did not pass."""
        return tuple(case for case in self.cases if case.outcome is not Outcome.PASSED)
