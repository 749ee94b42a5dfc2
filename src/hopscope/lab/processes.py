"""The processes of a lab: started with it, changed with it, and looked at."""

import functools
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from hopscope.errors import NotReadyError
from hopscope.kernel.interrupts import undisturbed
from hopscope.kernel.sandbox import Sandbox
from hopscope.kernel.state import state_home
from hopscope.kernel.tools import USUAL, own_folder
from hopscope.kernel.waiting import wait_until
from hopscope.lab.readiness import start_all
from hopscope.model.change import Change
from hopscope.model.lab import LabSpec, ProcessSpec
from hopscope.plan.processes import Key, changes, declared, same

__all__ = ["Keeping", "difference", "folder", "start"]


def folder(lab: str) -> Path:
    """Where the output of a lab's processes is kept."""
    return state_home() / lab / "processes"


def start(sandbox: Sandbox, spec: LabSpec) -> None:
    """Start all of a fresh lab, in their order; NotReadyError when one does not get ready."""
    if wanted := declared(spec):
        _start_all(sandbox, spec.name, wanted)


def difference(sandbox: Sandbox, spec: LabSpec, earlier: LabSpec) -> tuple[Change, ...]:
    """How the processes of *earlier*, as they fare, differ from what *spec* declares."""
    states = sandbox.processes() if declared(earlier) else ()
    return tuple(changes(spec, earlier, states))


class Keeping:
    """A change of the processes from those of *earlier*, as they fare, to those of *spec*.

    As a context manager it leads back when the change fails, once the nodes are led back.
    """

    def __init__(self, sandbox: Sandbox, spec: LabSpec, earlier: LabSpec) -> None:
        self._sandbox, self._lab = sandbox, spec.name
        self._spec, self._earlier = declared(spec), declared(earlier)
        self.changes: tuple[Change, ...] = difference(sandbox, spec, earlier)
        self._nodes = {node.name for node in spec.nodes}
        self._touched: list[Key] = []

    def leave(self) -> None:
        """End those of nodes that are to go, which would otherwise be killed with them."""
        self._touched = [key for key in self._earlier if key[0] not in self._nodes]
        self._end(self._touched)

    def change(self) -> None:
        """Start, stop and start anew what differs; NotReadyError when one does not get ready."""
        if not self.changes:
            return
        self._touched = keys = [(one.node, one.name) for one in self.changes]
        wanted = {key: self._spec[key] for key in keys if key in self._spec}
        self._end([key for key in keys if key in self._earlier])
        _start_all(self._sandbox, self._lab, wanted)

    def _end(self, keys: Sequence[Key]) -> None:
        """Ask these to end, and wait for it as long as each was promised."""
        logs, names = folder(self._lab), [list(key) for key in keys]
        if not keys:
            return
        self._sandbox.keep([], [], logs, quit=names)
        with suppress(NotReadyError):  # then they are killed
            longest = max(self._earlier[key].stop for key in keys)
            wait_until(lambda: not self._sandbox.left(keys), "their end", within=longest)
        self._sandbox.keep([], names, logs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None and (self._earlier or self._touched):
            with undisturbed():
                self._lead_back()

    def _lead_back(self) -> None:
        """Those that were changed, and those that ended with a node that is there again."""
        known = {(state.node, state.name) for state in self._sandbox.processes()}
        touched = [key for key in self._touched if not self._was_declared_so(key)]
        wanted = {
            key: process
            for key, process in self._earlier.items()
            if key in touched or key not in known
        }
        if wanted or touched:
            _keep(self._sandbox, self._lab, wanted, touched)

    def _was_declared_so(self, key: Key) -> bool:
        """Whether it was only started again: then it had ended, and stays as it is now."""
        return key in self._spec and same(self._spec[key], self._earlier.get(key))


def _start_all(sandbox: Sandbox, lab: str, wanted: Mapping[Key, ProcessSpec]) -> None:
    start_all(sandbox, wanted, folder(lab), functools.partial(_keep, sandbox, lab))


def _keep(
    sandbox: Sandbox, lab: str, wanted: Mapping[Key, ProcessSpec], gone: Iterable[Key] = ()
) -> None:
    logs = folder(lab)
    logs.mkdir(mode=0o700, exist_ok=True)
    here = own_folder()
    wishes = [
        {
            "node": node,
            "name": name,
            "argv": process.argv,
            "env": {**_environment(lab, node), **process.env},
            "restart": process.restart,
            "stop": process.stop,
            "folder": here,
            "sys": True,
        }
        for (node, name), process in wanted.items()
    ]
    sandbox.keep(wishes, [list(key) for key in gone], logs)


def _environment(lab: str, node: str) -> dict[str, str]:
    """The caller's, with the tools of root, and where in the lab it is; as `hopscope exec`."""
    path = os.environ.get("PATH", os.defpath).split(":")
    path += [one for one in USUAL.split(":") if one not in path]
    return {**os.environ, "PATH": ":".join(path), "HOPSCOPE_LAB": lab, "HOPSCOPE_NODE": node}
