"""The sysctls of a lab that stands, and of a namespace in which nothing was done yet."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

from hopscope.errors import KernelError, UsageError
from hopscope.kernel.sandbox import Sandbox
from hopscope.model.vocab import NodeName
from hopscope.plan.ops import SetSysctl
from hopscope.plan.setbefore import Was
from hopscope.plan.wanted import Wanted
from hopscope.plan.world import default_path

__all__ = ["Paths", "as_built", "as_told", "at_first", "check_lasting", "paths_of", "values_of"]

Paths = Mapping[NodeName, Sequence[str]]
Values = dict[tuple[NodeName, str], str | None]


def paths_of(*some: Collection[tuple[NodeName, str]]) -> Paths:
    """Node → the sysctls of all these, each once."""
    found: dict[NodeName, dict[str, None]] = {}
    for keys in some:
        for node, path in keys:
            found.setdefault(node, {})[path] = None
    return {node: list(paths) for node, paths in found.items()}


def values_of(sandbox: Sandbox, *some: Paths) -> Values:
    """What they are now; None for what cannot be read."""
    found: Values = {}
    for node in sandbox.nodes:
        paths = [path for one in some for path in one.get(node, ())]
        if paths:
            texts = _read(sandbox, node, paths)
            found |= {(node, path): text for path, text in zip(paths, texts, strict=True)}
    return found


def at_first(sandbox: Sandbox, fresh: NodeName, paths: Sequence[str]) -> dict[str, str | None]:
    """What they are where nothing was done yet."""
    texts = _read(sandbox, fresh, [_template(path) for path in paths])
    return dict(zip(paths, texts, strict=True))


def as_built(sandbox: Sandbox, was: Was, said: Wanted, goal: Wanted) -> Was:
    """What was set, as it would be if its node were made now: somebody may have changed it before.

    *said* was declared until now, and written: some sysctls are the machine's. Of those of a device
    it is as it *was*.
    """
    found = dict(was)
    for node, paths in paths_of([one for one in was if default_path(one[1]) is None]).items():
        with sandbox.fresh_node() as fresh:
            for key, op in goal.sysctls.items():
                known = key in said.sysctls and said.sysctls[key].value == op.value
                if op.node == node and known and default_path(op.path) is None:
                    with suppress(KernelError):
                        sandbox.write_sysctls(fresh, {_template(op.path): op.value})
            told = at_first(sandbox, fresh, paths)
        found |= {(node, path): value for path, value in told.items() if value is not None}
    return found


def as_told(sandbox: Sandbox, some: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """How the kernel tells each of these (path, value) once it is written; as it is, if refused.

    ``8080,8081`` is told as ``8080-8081``, and 333 ms as so many ticks.
    """
    if not some:
        return {}
    with sandbox.fresh_node() as fresh:
        return {one: _written(sandbox, fresh, *one) for one in some}


def check_lasting(op: SetSysctl | None, lab: str) -> None:
    """UsageError for one that cannot be undone, or done as if it had been so at first."""
    if op is not None:
        message = (
            f"{op.node}: {op.path.replace('/', '.')} cannot be changed while lab {lab!r} stands: "
            "the kernel keeps the addresses that it made by what it was before; "
            f"hopscope down {lab}, and up again"
        )
        raise UsageError(message)


def _written(sandbox: Sandbox, fresh: NodeName, path: str, value: str) -> str:
    try:
        sandbox.write_sysctls(fresh, {_template(path): value})
    except KernelError:  # told with its line when it is written for good
        return value
    (text,) = _read(sandbox, fresh, [_template(path)])
    return value if text is None else text


def _read(sandbox: Sandbox, node: NodeName, paths: Sequence[str]) -> list[str | None]:
    files = [f"/proc/sys/{path}" for path in paths]
    texts = sandbox.read_files(node, files)
    return [None if (text := texts[file]) is None else text.strip() for file in files]


def _template(path: str) -> str:
    """Where a fresh namespace shows it: neighbours' defaults as those of loopback only."""
    return path.replace("/neigh/default/", "/neigh/lo/")
