"""Perform a plan in a sandbox: batches of netlink messages, and errors that name the lab's line."""

import os
from collections.abc import Iterator, Sequence
from itertools import groupby

from hopscope.errors import KernelError, Problem, SpecError
from hopscope.kernel.firewall import add_iptables, add_nft
from hopscope.kernel.sandbox import Sandbox
from hopscope.model.vocab import DevRef
from hopscope.plan.ops import (
    AddAddress,
    AddBridge,
    AddNeighbour,
    AddRoute,
    AddRules,
    AddVeth,
    MakeNodes,
    Mark,
    Op,
    Plan,
    SetSysctl,
    SetUp,
)
from hopscope.wire import rtnl
from hopscope.wire.netlink import Message

__all__ = ["apply"]


def apply(plan: Plan, sandbox: Sandbox) -> None:
    """Perform every operation in order.

    Raises KernelError (its note names the lab's line), SpecError for a refused rule,
    CannotError for a missing tool. What was made stays; the sandbox is let go as a whole.
    """
    for group in _batches(plan.ops):
        match group[0]:
            case MakeNodes(names=names, home=home):
                sandbox.make_nodes(names, home=home)
            case SetSysctl():
                _set_sysctls([op for op in group if isinstance(op, SetSysctl)], sandbox)
            case AddRules() as op:
                _add_rules(op, sandbox)
            case _:
                _send(plan, group, sandbox)


def _batches(ops: Sequence[Op]) -> Iterator[list[Op]]:
    """Neighbouring operations that one request can carry: same node, same kind of request."""

    def carrier(op: Op) -> tuple[str, str]:
        match op:
            case MakeNodes():
                return "nodes", ""
            case SetSysctl():
                return "sysctl", op.node
            case AddRules():
                return f"rules {id(op)}", op.node
            case _:
                return "netlink", op.node

    for _key, group in groupby(ops, carrier):
        yield list(group)


def _set_sysctls(ops: Sequence[SetSysctl], sandbox: Sandbox) -> None:
    try:
        sandbox.write_sysctls(ops[0].node, {op.path: op.value for op in ops})
    except KernelError as error:
        refused = list({op.path: op for op in ops}.values())[error.index or 0]
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
        case MakeNodes() | SetSysctl() | AddRules():
            message = f"{op} is no netlink message"
            raise TypeError(message)


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
