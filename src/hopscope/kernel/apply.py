"""Perform a plan in a sandbox: batches of netlink messages, and errors that name the lab's line."""

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Final

from hopscope.errors import KernelError, Problem, SpecError
from hopscope.kernel.firewall import add_iptables, add_nft, reset
from hopscope.kernel.sandbox import Sandbox
from hopscope.model.vocab import DevRef, NodeName
from hopscope.plan.ops import (
    AddAddress,
    AddBridge,
    AddNeighbour,
    AddRoute,
    AddRules,
    AddVeth,
    ChangeBridge,
    ChangeDevice,
    MakeNodes,
    Mark,
    Op,
    Plan,
    RemoveAddress,
    RemoveDevice,
    RemoveNeighbour,
    RemoveNodes,
    RemoveRoute,
    ResetRules,
    SetSysctl,
    SetUp,
)
from hopscope.wire import rtnl
from hopscope.wire.netlink import Message

__all__ = ["Progress", "apply"]

Progress = Callable[[int, int], None]
"""Called with how much is done, and of how much."""

_AT_ONCE: Final = 512
"""Operations between two words on progress."""


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
            case MakeNodes(names=names, home=home):
                sandbox.make_nodes(names, home=home)
            case SetSysctl():
                _set_sysctls([op for op in group if isinstance(op, SetSysctl)], sandbox)
            case AddRules() as op:
                _add_rules(op, sandbox)
            case RemoveNodes(names=names):
                sandbox.remove_nodes(names)
            case ResetRules(node=node):
                reset(sandbox, node)
            case _:
                sandbox.prepare(spoken_to)
                spoken_to = []
                _send(plan, group, sandbox)


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


def _send(plan: Plan, ops: Sequence[Op], sandbox: Sandbox) -> None:
    messages = [_message(plan, op, sandbox) for op in ops]
    try:
        sandbox.send(ops[0].node, messages)  # type: ignore[union-attr]  # a batch has a node
    except KernelError as error:
        _blame(error, ops[error.index or 0])
        raise


def _blame(error: KernelError, op: Op) -> None:
    """Say which line of the lab asked for it; a line in a lab file makes it that file's error."""
    doing = str(op)
    if op.place is not None:
        said = f" ({error.said})" if error.said else ""
        message = f"{doing}: the kernel says: {os.strerror(error.code)}{said}"
        raise SpecError(
            [Problem(place=op.place, rule="refused-by-kernel", message=message)]
        ) from error
    error.doing = doing
    error.args = (f"{doing}: {error}",)


def _message(plan: Plan, op: Op, sandbox: Sandbox) -> Message:
    match op:
        case AddVeth():
            return _veth(plan, op, sandbox)
        case AddBridge():
            return rtnl.add_bridge(
                op.name,
                index=plan.indexes[DevRef(op.node, op.name)],
                mac=op.mac,
                mtu=op.mtu,
                stp=op.stp,
                nf_call_iptables=op.nf_call_iptables,
            )
        case SetUp():
            master = plan.indexes[DevRef(op.node, op.bridge)] if op.bridge else None
            index = plan.indexes[DevRef(op.node, op.dev)]
            return rtnl.set_link(index, up=op.up, master=master, mtu=op.mtu)
        case Mark():
            return rtnl.set_link(plan.indexes[DevRef(op.node, op.dev)], alias=op.alias)
        case AddAddress():
            index = plan.indexes[DevRef(op.node, op.dev)]
            return rtnl.add_address(index, op.cidr, nodad=True)
        case AddRoute():
            dev = plan.indexes[DevRef(op.node, op.dev)] if op.dev else None
            return rtnl.add_route(op.to, via=op.via, dev=dev, metric=op.metric)
        case AddNeighbour():
            return rtnl.add_neighbour(plan.indexes[DevRef(op.node, op.dev)], op.ip, op.mac)
        case ChangeDevice() | ChangeBridge():
            return _change(plan, op)
        case RemoveDevice() | RemoveAddress() | RemoveRoute() | RemoveNeighbour():
            return _removal(plan, op)
        case MakeNodes() | RemoveNodes() | SetSysctl() | AddRules() | ResetRules():
            message = f"{op} is no netlink message"
            raise TypeError(message)


def _change(plan: Plan, op: ChangeDevice | ChangeBridge) -> Message:
    index = plan.indexes[DevRef(op.node, op.dev)]
    if isinstance(op, ChangeBridge):
        return rtnl.change_bridge(index, stp=op.stp, nf_call_iptables=op.nf_call_iptables)
    master = None
    if op.bridge is not None:
        master = plan.indexes[DevRef(op.node, op.bridge)] if op.bridge else 0
    return rtnl.set_link(index, up=op.up, master=master, mac=op.mac, mtu=op.mtu)


def _removal(
    plan: Plan, op: RemoveDevice | RemoveAddress | RemoveRoute | RemoveNeighbour
) -> Message:
    index = plan.indexes[DevRef(op.node, op.dev)] if op.dev else None
    match op:
        case RemoveRoute(to=to, via=via, metric=metric):
            return rtnl.remove_route(to, via=via, dev=index, metric=metric)
        case RemoveAddress(cidr=cidr):
            return rtnl.remove_address(index or 0, cidr)
        case RemoveNeighbour(ip=ip):
            return rtnl.remove_neighbour(index or 0, ip)
        case RemoveDevice():
            return rtnl.delete_link(index or 0)


def _veth(plan: Plan, op: AddVeth, sandbox: Sandbox) -> Message:
    near, far = op.near, op.far
    return rtnl.add_veth(
        near.ref.dev,
        index=plan.indexes[near.ref],
        master=plan.indexes[DevRef(near.ref.node, near.bridge)] if near.bridge else None,
        mac=near.mac,
        mtu=op.mtu,
        up=op.up,
        peer=rtnl.VethPeer(
            name=far.ref.dev,
            index=plan.indexes[far.ref],
            ns_fd=sandbox.ns_fd(far.ref.node),
            mac=far.mac,
            mtu=op.mtu,
        ),
    )
