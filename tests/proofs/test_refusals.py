"""Each single step of each built-in lab's build is refused once: all is told, and all is undone.

The kernel itself refuses, as the step is made one that it must refuse; or an error number is
put in its place, whichever.
"""

import contextlib
import errno
import itertools
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec import Struct
from msgspec.structs import replace

from hopscope.errors import KernelError, SpecError
from hopscope.kernel import state
from hopscope.kernel.apply import plan as applying
from hopscope.kernel.apply.messages import messages_of
from hopscope.kernel.apply.obstacles import obstacle
from hopscope.kernel.sandbox import Sandbox
from hopscope.kernel.waiting import wait_until
from hopscope.lab.declare import built_in, parse
from hopscope.lab.running import RunningLab
from hopscope.model.lab import LabSpec
from hopscope.model.vocab import NodeName
from hopscope.plan import ops
from hopscope.plan.compile import compile_lab
from hopscope.wire.netlink import Message
from hoststate import look, settled
from leftovers import adopted, adopting
from proofsizes import SEED, Tell, size

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.timeout(size(120, 1800))]

STEPS: Final = size(5, 1 << 30)  # of each lab
CODES: Final = (
    *(errno.EPERM, errno.ENOMEM, errno.EBUSY, errno.EEXIST, errno.ENODEV, errno.EINVAL),
    *(errno.ENOBUFS, errno.EOPNOTSUPP, errno.EADDRNOTAVAIL, errno.ENOSPC),
)


Value = tuple[NodeName, str, str]


class Step(Struct, frozen=True):
    """A part of an operation, and how it is refused: by the kernel itself, or with a number."""

    op: Any
    part: int = 0
    code: int = 0

    @property
    def words(self) -> tuple[str, ...]:
        """What the error must say: the operation, which names its object, and why."""
        match self.op:
            case ops.AddRules(tool=tool):
                return tool, "refuses this"
            case _ if obstacle(self.op, self.code):
                return str(self.op), "this kernel has no "
            case _ if self.code:
                return str(self.op), os.strerror(self.code), "as it was told to"
            case ops.MakeNodes():
                return str(self.op), os.strerror(errno.EEXIST), self.op.names[0]
            case ops.SetSysctl() | ops.AddRoute():  # of those the kernel says no more
                return str(self.op), os.strerror(errno.EINVAL)
            case _:
                return str(self.op), os.strerror(errno.EINVAL), "header"

    @property
    def places(self) -> tuple[Any, ...]:
        """Where the lab asks for it."""
        return self.op.places if isinstance(self.op, ops.AddRules) else (self.op.place,)


class Refusing:
    """A kernel that refuses one step; it does all others."""

    def __init__(self, step: Step, patch: pytest.MonkeyPatch) -> None:
        self._step = step
        self.struck = False
        patch.setattr(applying, "messages_of", self._messages)
        match step.op:
            case ops.MakeNodes():
                self._instead(patch, "make_nodes", self._make_nodes)
            case ops.SetSysctl():
                self._instead(patch, "write_all_sysctls", self._write)
                self._instead(patch, "make_nodes", self._make_with)
            case ops.AddRules():
                self._instead(patch, "run", self._run)
            case _:
                self._instead(patch, "send", self._send)

    def _instead(self, patch: pytest.MonkeyPatch, name: str, how: Callable[..., Any]) -> None:
        real = getattr(Sandbox, name)
        patch.setattr(Sandbox, name, lambda sandbox, *a, **k: how(partial(real, sandbox), *a, **k))

    def _messages(self, plan: ops.Plan, op: ops.NetlinkOp, sandbox: Sandbox) -> list[Message]:
        """Of one message only the family is left: rtnetlink looks for the header in vain."""
        found = list(messages_of(plan, op, sandbox))
        if op == self._step.op:
            self.struck = True
            whole = found[self._step.part]
            found[self._step.part] = replace(whole, payload=whole.payload[:1])
        return found

    def _send(self, real: Any, node: NodeName, messages: Sequence[Message]) -> None:
        bad = [number for number, one in enumerate(messages) if len(one.payload) == 1]
        if not (bad and self._step.code):
            real(node, messages)
            return
        real(node, messages[: bad[0]])
        error = KernelError(self._step.code, str(node), "as it was told to")
        error.index = bad[0]
        raise error

    def _make_nodes(self, real: Any, names: Sequence[NodeName], **more: Any) -> None:
        """One name twice."""
        self.struck = True
        if self._step.code:
            error = KernelError(self._step.code, "nodes", "as it was told to")
            more["refused"](error)
            raise error
        real([*names, names[0]], **more)

    def _make_with(
        self, real: Any, names: Sequence[NodeName], *, values: Sequence[Value], **more: Any
    ) -> None:
        """Nodes, of which one is to have a value that is no number."""
        at, bad = self._bad(values)
        if at is None or not self._step.code:
            real(names, values=bad, **more)
            return
        error = KernelError(self._step.code, names[0], "as it was told to")
        error.index = at
        more["refused"](error)
        raise error

    def _write(self, real: Any, values: Sequence[Value]) -> None:
        """A value that is no number."""
        at, bad = self._bad(values)
        if at is None or not self._step.code:
            real(bad)
            return
        real(values[:at])
        error = KernelError(self._step.code, values[at][0], "as it was told to")
        error.index = at
        raise error

    def _bad(self, values: Sequence[Value]) -> tuple[int | None, Sequence[Value]]:
        """Which of them is this step's, and all of them with that one wrong."""
        wanted = (self._step.op.node, self._step.op.path, self._step.op.value)
        if wanted not in values:
            return None, values
        self.struck = True
        at = values.index(wanted)
        return at, [*values[:at], (*wanted[:2], "none"), *values[at + 1 :]]

    def _run(
        self, real: Any, node: NodeName, argv: Sequence[str], stdin: bytes = b"", **more: Any
    ) -> Any:
        """A rule with an option that there is not, or a script with a word."""
        op = self._step.op
        asked = node == op.node and stdin and argv[0].startswith(op.tool)
        if self.struck or not asked:  # what follows are the other rules, which are tried alone
            return real(node, argv, stdin, **more)
        self.struck = True
        lines = stdin.decode().splitlines()
        rules = [n for n, line in enumerate(lines) if line.startswith("-") or op.tool == "nft"]
        lines[rules[self._step.part]] += " --nosuch"
        return real(node, argv, "\n".join([*lines, ""]).encode(), **more)


def steps(spec: LabSpec, text: str) -> Iterator[Step]:
    """All of a lab's build, each refused in both ways. How many messages there are is seen."""
    parts: dict[ops.Op, int] = {}

    def counting(plan: ops.Plan, op: ops.NetlinkOp, sandbox: Sandbox) -> list[Message]:
        found = list(messages_of(plan, op, sandbox))
        parts[op] = len(found)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(applying, "messages_of", counting)
        RunningLab.start(spec, text).down()
    codes = itertools.cycle(CODES)
    for op in compile_lab(spec).ops:
        rules = isinstance(op, ops.AddRules)
        count = parts.get(op, 1)
        if isinstance(op, ops.AddRules) and op.tool != "nft":
            count = sum(" -P " not in f" {line}" for line in op.lines)
        for part in range(count):
            yield Step(op, part)
            if not rules:
                yield Step(op, part, next(codes))


def refused(spec: LabSpec, text: str, step: Step) -> SpecError:
    """The error when that one step of the lab's build is refused."""
    with pytest.MonkeyPatch.context() as patch:
        refusing = Refusing(step, patch)
        with pytest.raises(SpecError) as caught:
            RunningLab.start(spec, text)
        assert refusing.struck
    return caught.value


def nothing_is_left(descriptors: Mapping[str, str]) -> bool:
    """No record, no process, no descriptor."""
    return not adopted() and not any(state.state_home().iterdir()) and open_now() == descriptors


def open_now() -> dict[str, str]:
    """The descriptors of this process, and of what."""
    found = {}
    for one in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # that of the list itself
            found[one.name] = str(one.readlink())
    return found


@pytest.mark.parametrize("name", built_in())
def test_every_step_of_a_build(records: Path, name: str, tell: Tell) -> None:
    """The error names operation, object, the kernel's words and the lab's line; nothing is left."""
    text = built_in()[name]
    spec = parse(text, f"{name}.yaml")
    with adopting():
        before, known = look(), open_now()
        every = list(steps(spec, text))
        chosen = random.Random(SEED).sample(every, min(STEPS, len(every)))  # noqa: S311
        for step in chosen:
            told = f"seed {SEED}, {step.op}, part {step.part}, {step.code}"
            [problem] = refused(spec, text, step).problems
            assert problem.place in step.places, told
            assert problem.place.file == f"{name}.yaml", told
            assert [word for word in step.words if word not in problem.message] == [], told
            wait_until(lambda: nothing_is_left(known), f"{told}: nothing to be left", within=10)
        RunningLab.start(spec, text).down()
        assert settled(before, look) == []
    tell(f"{len(chosen)} of {len(every)} refusals")
