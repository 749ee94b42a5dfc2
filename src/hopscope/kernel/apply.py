"""Perform a plan in a sandbox: batches of netlink messages, and errors that name the lab's line."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from typing import Final, NoReturn

from hopscope.errors import CannotError, KernelError, NotReadyError, Problem, SpecError
from hopscope.kernel.absent import Absent, absent
from hopscope.kernel.firewall import add_iptables, add_nft, reset
from hopscope.kernel.mending import load
from hopscope.kernel.messages import messages_of
from hopscope.kernel.sandbox import Sandbox
from hopscope.kernel.waiting import wait_until
from hopscope.model.vocab import DevRef, NodeName
from hopscope.plan.ops import (
    AddAddress,
    AddRules,
    AddTap,
    AddVeth,
    MakeNodes,
    Op,
    Plan,
    RemoveNodes,
    ResetRules,
    SetSysctl,
)
from hopscope.wire import rtnl, rtnl_read

__all__ = ["Progress", "apply"]

Progress = Callable[[int, int], None]
"""Called with how much is done, and of how much."""

_AT_ONCE: Final = 512
"""Operations between two words on progress."""

_DAD: Final = 5.0  # seconds; the kernel takes one or two


def apply(plan: Plan, sandbox: Sandbox, *, progress: Progress = lambda _done, _all: None) -> None:
    """Perform every operation in order. *progress* is told how many are done, and of how many.

    Raises KernelError (its note names the lab's line), SpecError for a refused rule,
    CannotError for a missing tool. What was made stays; the sandbox is let go as a whole.
    """
    spoken_to = [node for op in plan.ops for node in _spoken_to(op)]
    done = 0
    for group in _batches(plan.ops):
        progress(done, len(plan.ops))
        done += len(group)
        match group[0]:
            case MakeNodes() as op:
                _make_nodes(op, sandbox)
            case SetSysctl():
                _set_sysctls([op for op in group if isinstance(op, SetSysctl)], sandbox)
            case AddRules() as op:
                _add_rules(op, sandbox)
            case AddTap():
                _add_taps(plan, [op for op in group if isinstance(op, AddTap)], sandbox)
            case RemoveNodes():
                gone = [op for op in group if isinstance(op, RemoveNodes)]
                sandbox.remove_nodes([name for op in gone for name in op.names])
            case ResetRules(node=node):
                reset(sandbox, node)
            case _:
                sandbox.prepare(spoken_to)
                spoken_to = []
                _send(plan, group, sandbox)
    for node in dict.fromkeys(op.node for op in plan.ops if isinstance(op, AddAddress) and op.dad):
        with suppress(NotReadyError):  # the lab stands; the address will follow, or never
            told = f"{node}: looking for duplicates of its addresses"
            wait_until(lambda node=node: not _doubted(sandbox, node), told, within=_DAD)  # type: ignore[misc]


def _doubted(sandbox: Sandbox, node: NodeName) -> bool:
    """Whether an address is still tentative on a device that can look for duplicates."""
    links = [rtnl_read.link(one) for one in sandbox.ask(node, rtnl.dump_links())]
    able = {link.index for link in links if link is not None and link.carrier}
    addresses = [rtnl_read.address(one) for one in sandbox.ask(node, rtnl.dump_addresses())]
    return any(one is not None and one.tentative and one.index in able for one in addresses)


def _batches(ops: Sequence[Op]) -> Iterator[list[Op]]:
    """Neighbouring operations that one request can carry."""

    def carrier(op: Op) -> tuple[str, str]:
        match op:
            case MakeNodes() | RemoveNodes():
                return "nodes", ""
            case SetSysctl():
                return "sysctl", ""
            case AddRules() | ResetRules():
                return f"rules {id(op)}", op.node
            case AddTap():
                return "taps", op.node
            case _:
                return "netlink", op.node

    for _key, group in groupby(ops, carrier):
        waiting = list(group)
        for start in range(0, len(waiting), _AT_ONCE):
            yield waiting[start : start + _AT_ONCE]


def _spoken_to(op: Op) -> tuple[NodeName, ...]:
    """The nodes whose netlink socket, or namespace, an operation needs."""
    match op:
        case MakeNodes() | RemoveNodes() | SetSysctl() | AddRules() | ResetRules():
            return ()
        case AddVeth(near=near, far=far):
            return near.ref.node, far.ref.node
        case _:
            return (op.node,)


def _make_nodes(op: MakeNodes, sandbox: Sandbox) -> None:
    try:
        sandbox.make_nodes(op.names, home=op.home)
    except KernelError as error:
        _blame(error, op)
        raise


def _set_sysctls(ops: Sequence[SetSysctl], sandbox: Sandbox) -> None:
    try:
        sandbox.write_all_sysctls([(op.node, op.path, op.value) for op in ops])
    except KernelError as error:
        refused = ops[error.index or 0]
        if refused.place is not None:
            _blame(error, refused)
        raise


def _add_rules(op: AddRules, sandbox: Sandbox) -> None:
    if op.tool == "nft":
        add_nft(sandbox, op.node, op.lines[0], op.place)
    else:
        add_iptables(sandbox, op.node, op.tool, op.lines, op.places)


def _add_taps(plan: Plan, ops: Sequence[AddTap], sandbox: Sandbox) -> None:
    for op in ops:
        try:
            sandbox.make_tap(op.node, op.name, plan.indexes[DevRef(op.node, op.name)])
        except KernelError as error:
            _blame(error, op)
            raise


def _send(plan: Plan, ops: Sequence[Op], sandbox: Sandbox) -> None:
    messages = [(op, one) for op in ops for one in messages_of(plan, op, sandbox)]
    try:
        sandbox.send(ops[0].node, [one for _op, one in messages])  # type: ignore[union-attr]  # a batch has a node
    except KernelError as error:
        _blame(error, messages[error.index or 0][0])
        raise


def _blame(error: KernelError, op: Op) -> None:
    """Say which line of the lab asked for it; a line in a lab file makes it that file's error."""
    doing = str(op)
    if (lacks := absent(op, error.code)) is not None:
        _lacking(op, lacks, error)
    if op.place is not None:
        said = f" ({error.said})" if error.said else ""
        message = f"{doing}: the kernel says: {os.strerror(error.code)}{said}"
        raise SpecError(
            [Problem(place=op.place, rule="refused-by-kernel", message=message)]
        ) from error
    error.doing = doing
    error.args = (f"{doing}: {error}",)


def _lacking(op: Op, lacks: Absent, error: KernelError) -> NoReturn:
    """The kernel was built without what the lab asks for: say what it would come with."""
    what, mend = f"{op}: this kernel has no {lacks.what}", load(lacks.module, lacks.config)
    if op.place is None:
        raise CannotError(what, mend=mend) from error
    hint = f"it takes {mend}, or leave this out"
    problem = Problem(place=op.place, rule="absent-in-kernel", message=what, hint=hint)
    raise SpecError([problem]) from error
