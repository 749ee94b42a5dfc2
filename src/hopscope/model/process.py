"""Processes that a lab declares: when they are started again, and how they fare."""

from enum import StrEnum

from msgspec import Struct

from hopscope.model.vocab import Nanos, NodeName

__all__ = ["ProcessPhase", "ProcessState", "Restart", "ending"]


class Restart(StrEnum):
    """When a process that ended is started again."""

    NEVER = "never"
    ON_FAILURE = "on-failure"  # any exit status but 0, or a signal
    ALWAYS = "always"


class ProcessPhase(StrEnum):
    """Where it stands."""

    STARTING = "starting"  # forked, and not the program yet
    RUNNING = "running"
    RESTARTING = "restarting"  # it ended, and waits to be started again
    EXITED = "exited"  # for good


class ProcessState(Struct, frozen=True, kw_only=True):
    """One process; *code* is what it ended with last: an exit status, or a signal's negative."""

    node: NodeName
    name: str
    argv: tuple[str, ...]
    restart: Restart
    phase: ProcessPhase
    pid: int  # among the lab's processes; 0 when it does not run
    code: int | None
    restarts: int
    since: Nanos  # when the phase began

    @property
    def failed(self) -> bool:
        """Whether it has ended, and not with status 0: what ends so has done what it was for."""
        ended = self.phase in (ProcessPhase.EXITED, ProcessPhase.RESTARTING)
        return ended and self.code != 0

    def __str__(self) -> str:
        return f"{self.node}/{self.name}"


def ending(code: int | None) -> str:
    """How a process ended, in words."""
    if code is None:
        return "it has not ended"
    return f"exit status {code}" if code >= 0 else f"killed by signal {-code}"
