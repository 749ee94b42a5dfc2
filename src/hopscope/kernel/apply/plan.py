"""Perform a plan in a sandbox: batches of netlink messages, and errors that name the lab's line."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from itertools import groupby
from typing import Final, assert_never

from hopscope.errors import KernelError, Problem, SpecError
from hopscope.kernel.apply.firewall import add_iptables, add_nft, gathered, reset
from hopscope.kernel.apply.messages import messages_of
from hopscope.kernel.apply.obstacles import cannot, obstacle
from hopscope.kernel.apply.order import soonest
from hopscope.kernel.apply.settling import await_working
from hopscope.kernel.sandbox import Sandbox
from hopscope.model.vocab import DevRef, NodeName
from hopscope.plan.implied import purpose
from hopscope.plan.names import HOME
from hopscope.plan.ops import (
    AddMacvlan,
    AddRules,
    AddTap,
    AddVeth,
    MakeNodes,
    NetlinkOp,
    Op,
    Plan,
    RemoveNodes,
    RemoveRules,
    ResetRules,
    SetSysctl,
    is_netlink,
)

__all__ = ["Progress", "add_rules", "apply", "begin"]

Progress = Callable[[int, int], None]
"""Called with how much is done, and of how much."""

_AT_ONCE: Final = 32
"""Operations that are told to the kernel before the next are put into messages."""


def begin(plan: Plan, sandbox: Sandbox) -> None:
    """Have the holder make the namespaces of *plan*, with what is set in them first.

    That is the first part of `Plan.parted`. It goes on making them while `apply` fills those that
    are there, and raises what was refused.
    """
    match plan.ops:
        case (MakeNodes() as making, *first):
            early = [op for op in first if isinstance(op, SetSysctl)]
            news = frozenset(making.names)
            ours = [op for op in early if op.node in news]
            sandbox.make_nodes(
                making.names,
                home=making.home,
                values=[(op.node, op.path, op.value) for op in ours],
                refused=lambda error: (
                    _blame(error, making) if error.index is None else _blame_sysctl(error, ours)
                ),
            )
            _set_sysctls([op for op in early if op.node not in news], sandbox)


def apply(plan: Plan, sandbox: Sandbox, *, progress: Progress = lambda _done, _all: None) -> None:
    """Perform every operation, those of each node in their order.

    *progress* is told how many are done, and of how many. Raises SpecError for what a line of the
    lab asked for and the kernel or a tool refused, KernelError for what no line asked for,
    CannotError for what this machine lacks. What was made stays; the caller lets the sandbox go,
    or leads it back.
    """
    namespaces, contents = plan.parted()
    begin(namespaces, sandbox)
    sandbox.prepare([node for op in contents.ops for node in _spoken_to(op)])
    done, refused = 0, list[Problem]()
    for batch in _in_order(contents):
        rules = isinstance(batch[0], AddRules)
        if refused and not rules:
            continue
        progress(done, len(contents.ops))
        done += len(batch)
        with gathered(refused) if rules else nullcontext():
            _perform(plan, batch, sandbox)
    if refused:
        raise SpecError(refused)
    sandbox.await_nodes()
    await_working(plan, sandbox)


def _perform(plan: Plan, batch: Sequence[Op], sandbox: Sandbox) -> None:
    """Operations of one kind, as `_batches` has them."""
    first = batch[0]
    if is_netlink(first):
        _send(plan, first.node, [op for op in batch if is_netlink(op)], sandbox)
        return
    match first:
        case SetSysctl():
            _set_sysctls([op for op in batch if isinstance(op, SetSysctl)], sandbox)
        case AddTap():
            _add_taps(plan, [op for op in batch if isinstance(op, AddTap)], sandbox)
        case RemoveNodes():
            gone = [op for op in batch if isinstance(op, RemoveNodes)]
            sandbox.remove_nodes([name for op in gone for name in op.names])
        case AddRules(node=node):
            add_rules(first, sandbox, node, flushing=not _is_real(node, sandbox))
        case RemoveRules(node=node, tool=tool, lines=lines):
            add_iptables(sandbox, node, tool, lines)
        case ResetRules(node=node):
            reset(sandbox, node)
        case MakeNodes():
            message = f"{first} stands first in a plan, or nowhere"
            raise ValueError(message)
        case _:
            assert_never(first)


def _in_order(plan: Plan) -> Iterator[list[Op]]:
    """Batches; what is only made is made as soon as it can be, while other nodes still come.

    What is no netlink message stays where it is: what stands before it is done before it.
    """
    if plan.changes():
        yield from _batches(plan.ops)
        return
    for sent, some in groupby(_batches(plan.ops), lambda batch: is_netlink(batch[0])):
        batches = list(some)
        nodes = [dict.fromkeys(n for op in batch for n in _spoken_to(op)) for batch in batches]
        yield from soonest(batches, [tuple(one) for one in nodes]) if sent else batches


def _batches(ops: Sequence[Op]) -> Iterator[list[Op]]:
    """Neighbouring operations that one request can carry."""

    def carrier(op: Op) -> object:
        if is_netlink(op):
            return op.node
        together = isinstance(op, SetSysctl | AddTap | RemoveNodes)
        return type(op) if together else id(op)

    for _key, group in groupby(ops, carrier):
        waiting = list(group)
        for start in range(0, len(waiting), _AT_ONCE):
            yield waiting[start : start + _AT_ONCE]


def _spoken_to(op: Op) -> tuple[NodeName, ...]:
    """The nodes whose netlink socket, or namespace, an operation needs."""
    match op:
        case AddVeth(near=near, far=far):
            return near.ref.node, far.ref.node
        case AddMacvlan(node=node, ref=ref):
            return node, ref.node
        case AddTap(node=node):
            return (node,)
        case _:
            return (op.node,) if is_netlink(op) else ()


def _set_sysctls(ops: Sequence[SetSysctl], sandbox: Sandbox) -> None:
    if not ops:
        return
    sandbox.await_nodes([op.node for op in ops])
    try:
        sandbox.write_all_sysctls([(op.node, op.path, op.value) for op in ops])
    except KernelError as error:
        _blame_sysctl(error, ops)
        raise


def _blame_sysctl(error: KernelError, ops: Sequence[SetSysctl]) -> None:
    """The line that asked for it; or, if none did, the node's, and what it is set for."""
    refused = ops[error.index or 0]
    why = purpose(refused)
    hint = f"no line asks for this: hopscope sets it {why}" if why else ""
    if refused.place is not None:
        _blame(error, refused, hint)
    if hint:
        error.args = (f"{error}; {hint}",)


def _is_real(node: NodeName, sandbox: Sandbox) -> bool:
    """Whether the node is the machine's own namespace, in which others have rules, too."""
    return node == HOME and sandbox.guarded


def add_rules(op: AddRules, sandbox: Sandbox, node: NodeName, *, flushing: bool) -> None:
    """Give rules to their tool in *node*; *flushing*: see `add_iptables`."""
    if op.tool == "nft":
        add_nft(sandbox, node, op.lines[0], op.place)
    else:
        add_iptables(sandbox, node, op.tool, op.lines, op.places, flushing=flushing)


def _add_taps(plan: Plan, ops: Sequence[AddTap], sandbox: Sandbox) -> None:
    for op in ops:
        sandbox.await_nodes([op.node])
        try:
            sandbox.make_tap(op.node, op.name, plan.indexes[DevRef(op.node, op.name)])
        except KernelError as error:
            _blame(error, op)
            raise


def _send(plan: Plan, node: NodeName, ops: Sequence[NetlinkOp], sandbox: Sandbox) -> None:
    messages = [(op, one) for op in ops for one in messages_of(plan, op, sandbox)]
    sandbox.await_nodes([node])
    try:
        sandbox.send(node, [one for _op, one in messages])
    except KernelError as error:
        _blame(error, messages[error.index or 0][0])
        raise


def _blame(error: KernelError, op: Op, hint: str = "") -> None:
    """Say which line of the lab asked for it; a line in a lab file makes it that file's error."""
    doing = str(op)
    if (found := obstacle(op, error.code, error.said)) is not None:
        raise cannot(op, found) from error
    if op.place is not None:
        said = f" ({error.said})" if error.said else ""
        message = f"{doing}: the kernel says: {os.strerror(error.code)}{said}"
        raise SpecError(
            [Problem(place=op.place, rule="refused-by-kernel", message=message, hint=hint)]
        ) from error
    error.doing = doing
    error.args = (f"{doing}: {error}",)
