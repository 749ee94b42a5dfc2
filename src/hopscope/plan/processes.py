"""Which processes a lab declares otherwise than it did, or have failed; all others go on."""

from collections.abc import Iterable, Iterator, Mapping
from shlex import join

from msgspec.structs import replace

from hopscope.model.change import Action, Change, Subject
from hopscope.model.lab import LabSpec, ProcessSpec
from hopscope.model.process import ProcessPhase, ProcessState, ending
from hopscope.model.vocab import NodeName

__all__ = ["Key", "changes", "declared", "same"]

Key = tuple[NodeName, str]
"""A node, and the name of a process there."""


def declared(spec: LabSpec) -> dict[Key, ProcessSpec]:
    """All processes of a lab, in its order."""
    return {(node.name, one.name): one for node in spec.nodes for one in node.run}


def changes(
    spec: LabSpec, earlier: LabSpec | None = None, states: Iterable[ProcessState] | None = None
) -> Iterator[Change]:
    """What is to be started, stopped, or started anew to get from *earlier* to *spec*.

    *states*: how those of *earlier* fare, where that is known; one may have ended.
    """
    faring = {(state.node, state.name): state for state in states or ()}
    now, before = declared(spec), declared(earlier) if earlier else {}
    for (node, name), process in before.items():
        if (node, name) not in now:
            yield Change(
                action=Action.REMOVE,
                subject=Subject.PROCESS,
                node=node,
                name=name,
                before=join(process.argv),
                why="not declared",
            )
    for key, process in now.items():
        if not same(process, before.get(key)):
            yield _change(key, process, before)
        elif states is not None and ((state := faring.get(key)) is None or state.failed):
            yield _again(key, process, state)


def same(one: ProcessSpec, other: ProcessSpec | None) -> bool:
    """But for where it is declared, and for when it is ready: that is of its start."""
    plain = replace(one, place=None, ready=None)
    return other is not None and plain == replace(other, place=None, ready=None)


def _again(key: Key, process: ProcessSpec, state: ProcessState | None) -> Change:
    """One that does not run, though it is declared as it was."""
    why = "it was never started" if state is None else ending(state.code)
    if state is not None and state.restarts:
        why += f", restarted {'once' if state.restarts == 1 else f'{state.restarts} times'}"
    return Change(
        action=Action.CHANGE,
        subject=Subject.PROCESS,
        node=key[0],
        name=key[1],
        attribute="state",
        before=None if state is None else str(state.phase),
        after=str(ProcessPhase.RUNNING),
        why=why,
        place=process.place,
    )


def _change(key: Key, process: ProcessSpec, before: Mapping[Key, ProcessSpec]) -> Change:
    earlier = before.get(key)
    attribute, was, now = "", None if earlier is None else join(earlier.argv), join(process.argv)
    if earlier is not None and was == now:
        attribute, was, now = _beside(earlier, process)
    return Change(
        action=Action.CHANGE if earlier else Action.CREATE,
        subject=Subject.PROCESS,
        node=key[0],
        name=key[1],
        attribute=attribute,
        before=was,
        after=now,
        why="declared",
        place=process.place,
    )


def _beside(earlier: ProcessSpec, process: ProcessSpec) -> tuple[str, str, str]:
    """What differs of one whose command is the same: by its keys, then before, and after."""
    was, now = _settings(earlier), _settings(process)
    keys = [key for key in was if was[key] != now[key]]
    return ", ".join(keys), ", ".join(was[key] for key in keys), ", ".join(now[key] for key in keys)


def _settings(process: ProcessSpec) -> dict[str, str]:
    env = " ".join(f"{name}={value}" for name, value in process.env.items())
    return {"env": env or "none", "restart": process.restart, "stop": f"{process.stop:g} s"}
