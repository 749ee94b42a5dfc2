"""Processes that a lab declares: when they are started again, and how they fare."""

from enum import StrEnum

from msgspec import Struct

from hopscope.model.vocab import Nanos, NodeName

__all__ = ["ProcessPhase", "ProcessState", "Restart"]


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

    def __str__(self) -> str:
        return f"{self.node}/{self.name}"
