"""What was brought up is waited for until it works: the kernel ends some of it in the background.

A device whose carrier came is given its queue, and its bridge is told, by a work of the kernel
(linkwatch_event(), net/core/link_watch.c); an IPv6 address gets its local route by another
(addrconf_dad_work(), net/ipv6/addrconf.c). Until then packets are lost.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from enum import IntEnum, auto
from functools import partial
from typing import Final

from hopscope.errors import KernelError, NotReadyError
from hopscope.kernel.protocol import Kernel
from hopscope.kernel.waiting import wait_until
from hopscope.model.vocab import DevRef, NodeName
from hopscope.plan.ops import AddAddress, AddMacvlan, AddVeth, AddVxlan, ChangeDevice, Plan
from hopscope.wire import rtnl, rtnl_read, rtnl_route

__all__ = ["await_working"]


class _Kind(IntEnum):
    """What is waited for, in this order: each may begin only when the one before has ended."""

    DEVICES = auto()
    DEVICES_OVER_OTHERS = auto()
    DUPLICATES = auto()
    ROUTES = auto()


_SOON: Final = 2.0  # seconds; it takes far less than one
_WITHIN: Final = {_Kind.DUPLICATES: 5.0}  # looking for these takes one or two

Awaited = Mapping[NodeName, Callable[[], bool]]


def await_working(plan: Plan, kernel: Kernel) -> None:
    """Return when what *plan* brought up works, or after some seconds.

    What does not work by then is no error: it may never, as it was declared.
    """
    awaited = _awaited(plan, kernel)
    for kind in sorted(awaited):
        deadline = time.monotonic() + _WITHIN.get(kind, _SOON)  # for all nodes together
        for node, holds in awaited[kind].items():
            left = max(0.0, deadline - time.monotonic())
            with suppress(NotReadyError):
                wait_until(holds, f"{node}: {kind.name.lower()}", within=left)


def _awaited(plan: Plan, kernel: Kernel) -> Mapping[_Kind, Awaited]:
    ours = defaultdict[NodeName, set[int]](set)
    for device, index in plan.indexes.items():
        ours[device.node].add(index)
    found = defaultdict[_Kind, dict[NodeName, Callable[[], bool]]](dict)

    def running(node: NodeName) -> Callable[[], bool]:
        return partial(_operational, kernel, node, ours)

    for op in plan.ops:
        match op:
            case AddVeth(near=near, far=far):
                for node in (near.ref.node, far.ref.node):  # each end has a carrier of its own
                    found[_Kind.DEVICES][node] = running(node)
            case AddVxlan(node=node) | ChangeDevice(node=node, up=True):
                found[_Kind.DEVICES][node] = running(node)
            case AddMacvlan(ref=ref):
                found[_Kind.DEVICES_OVER_OTHERS][ref.node] = running(ref.node)
            case AddAddress(node=node, dad=True):
                found[_Kind.DUPLICATES][node] = partial(_settled, kernel, node)
            case AddAddress(node=node, cidr=cidr) if ":" in cidr:  # the last one of a node
                found[_Kind.ROUTES][node] = partial(_local, kernel, plan, op)
            case _:
                pass
    return found


def _operational(kernel: Kernel, node: NodeName, ours: Mapping[NodeName, set[int]]) -> bool:
    """Whether every device of *ours* that has a carrier can send; one that cannot is asked for.

    The kernel ends its work for a hundred devices at once, and for others up to a second later.
    """
    late = map(rtnl_read.not_yet_running, kernel.ask(node, rtnl.dump_link_flags()))
    return not any(_late_still(kernel, node, index) for index in ours[node].intersection(late))


def _late_still(kernel: Kernel, node: NodeName, index: int) -> bool:
    try:
        answers = kernel.ask(node, rtnl.get_link(index))
    except KernelError:  # it is gone
        return False
    return any(rtnl_read.not_yet_running(one) is not None for one in answers)


def _local(kernel: Kernel, plan: Plan, op: AddAddress) -> bool:
    """Whether the node takes packets for that address, if its device has a carrier."""
    with suppress(KernelError):  # there is no route to it at all
        answers = kernel.ask(op.node, rtnl_route.get_route(op.cidr.split("/")[0]))
        routes = [part for one in answers if (part := rtnl_read.route(one)) is not None]
        if any(route.type == "local" for route in routes):
            return True
    return plan.indexes[DevRef(op.node, op.dev)] not in _with_carrier(kernel, op.node)


def _with_carrier(kernel: Kernel, node: NodeName) -> Collection[int]:
    links = [rtnl_read.link(one) for one in kernel.ask(node, rtnl.dump_links())]
    return {link.index for link in links if link is not None and link.up and link.carrier}


def _settled(kernel: Kernel, node: NodeName) -> bool:
    """Whether no address is tentative any more on a device that can look for duplicates."""
    able = _with_carrier(kernel, node)
    addresses = [rtnl_read.address(one) for one in kernel.ask(node, rtnl.dump_addresses())]
    return not any(a is not None and a.tentative and a.index in able for a in addresses)
