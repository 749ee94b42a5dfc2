"""Addresses and routes that a change may take away: kept as the kernel told them, and given back.

A plan cannot tell all of them: an address with a peer or a label, a route by two next hops, or by
a nexthop object, which is kept as well. So is a proxy entry.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Final

from msgspec import Struct

from hopscope.errors import KernelError
from hopscope.kernel.apply.settling import await_working
from hopscope.kernel.sandbox import Sandbox
from hopscope.model.change import Subject
from hopscope.model.vocab import DevRef, NodeName
from hopscope.plan.converge import Convergence
from hopscope.plan.difference import Difference
from hopscope.plan.ops import (
    AddAddress,
    ChangeDevice,
    Op,
    Plan,
    RemoveAddress,
    RemoveDevice,
    RemoveNeighbour,
    RemoveNexthop,
    RemoveNodes,
    RemoveRoute,
    SetSysctl,
)
from hopscope.plan.world import World
from hopscope.wire import rtnl, rtnl_read
from hopscope.wire.netlink import Message
from hopscope.wire.rtnl_again import Told, told
from hopscope.wire.rtnl_nexthop import dump_nexthops, nexthop, nexthop_told
from hopscope.wire.rtnl_proxy import dump_proxies, proxy, proxy_told

__all__ = ["Again", "disturbed"]

_REQUESTS: Final = {
    "address": (rtnl.dump_addresses(),),
    "proxy": (dump_proxies(),),
    "nexthop": (dump_nexthops(),),
    "route": (rtnl.dump_routes(rtnl.AF_INET), rtnl.dump_routes(rtnl.AF_INET6)),
}
"""Each after what it needs: with an address go routes, and they cannot come without; and so on."""
_TIMES: Final = 4


def disturbed(work: Convergence, world: World) -> frozenset[NodeName]:
    """The nodes in which some address or route that is there now may be lost."""
    ops = (*work.removal.ops, *work.making.ops, *work.letting_go.ops)
    return frozenset(node for op in ops for node in _lose(op, world) if node in world.nodes)


def _lose(op: Op, world: World) -> tuple[NodeName, ...]:
    match op:
        case RemoveNodes(names=names):
            return names
        case RemoveDevice():
            peer = world.links[DevRef(op.node, op.dev)].peer
            return (op.node,) if peer is None else (op.node, peer.node)
        case RemoveAddress() | RemoveRoute() | RemoveNexthop() | RemoveNeighbour(proxy=True):
            return (op.node,)
        case ChangeDevice() if op.up is not None or op.mtu is not None:
            return (op.node,)
        case SetSysctl() if op.path.endswith("/disable_ipv6"):
            return (op.node,)
        case _:
            return ()


class _Kept(Struct, frozen=True):
    """What a node had on the devices of these indexes; *alone*: and what is on no device at all."""

    devices: frozenset[int]
    alone: bool
    told: dict[str, list[Told]]


class Again:
    """What some nodes have now, to be given back to them later."""

    def __init__(
        self, sandbox: Sandbox, devices: Mapping[NodeName, Collection[int]], real: NodeName | None
    ) -> None:
        """*devices*: the nodes, with the indexes that count; *real*: the one that others use."""
        self._sandbox = sandbox
        self._kept: dict[NodeName, _Kept] = {}
        for node, indexes in devices.items():
            kept = _Kept(frozenset(indexes), node != real, {})
            for what in _REQUESTS:
                kept.told[what] = self._now(node, kept, what)
            self._kept[node] = kept

    def _now(self, node: NodeName, kept: _Kept, what: str) -> list[Told]:
        answers = (one for ask in _REQUESTS[what] for one in self._sandbox.ask(node, ask))
        return [
            one
            for one in (
                told(answer) or nexthop_told(answer) or proxy_told(answer) for answer in answers
            )
            if one is not None and (one.devices & kept.devices or (kept.alone and not one.devices))
        ]

    def others(self, found: Sequence[Difference]) -> list[Difference]:
        """Those differences that are none of what is kept here."""
        return [
            one
            for one in found
            if one.change.node not in self._kept
            or one.change.subject not in (Subject.ADDRESS, Subject.ROUTE)
        ]

    def give_back(self, plan: Plan) -> list[str]:
        """Once the devices are as *plan* makes them; returns what cannot be given back."""
        for what in _REQUESTS:
            for node, kept in self._kept.items():
                self._give_back(node, kept, what)
            if what == "address":  # one that is still tentative is no source of a route
                await_working(self._slow(plan), self._sandbox)
        return [
            f"{node}: the {_words(one)}"
            for node, kept in self._kept.items()
            for what in _REQUESTS
            for one in self._missing(kept, what, self._now(node, kept, what))
        ]

    def _slow(self, plan: Plan) -> Plan:
        mine = (op for op in plan.ops if isinstance(op, AddAddress) and op.node in self._kept)
        return Plan(ops=tuple(op for op in mine if ":" in op.cidr), indexes=plan.indexes)

    def _give_back(self, node: NodeName, kept: _Kept, what: str) -> None:
        """An address that goes may take others with it; a route may need another one."""
        for _again in range(_TIMES):
            now = self._now(node, kept, what)
            known = [one.alike for one in kept.told[what]]
            extra = [one for one in now if not one.stays and one.alike not in known]
            missing = self._missing(kept, what, now)
            if not extra and not missing:
                return
            for one in extra:
                self._sent(node, one.away)
            for one in missing:
                self._sent(node, one.again)

    def _missing(self, kept: _Kept, what: str, now: Sequence[Told]) -> list[Told]:
        there = [one.alike for one in now]
        return [one for one in kept.told[what] if not one.kernels and one.alike not in there]

    def _sent(self, node: NodeName, message: Message) -> None:
        with suppress(KernelError):  # what is still missing at the end is told
            self._sandbox.send(node, [message])


def _words(one: Told) -> str:
    if (address := rtnl_read.address(one.again)) is not None:
        return f"address {address.ip}/{address.prefix}"
    if (made := nexthop(one.again)) is not None:
        return f"nexthop {made.id}"
    if (answered := proxy(one.again)) is not None:
        return f"proxy {answered.ip}"
    route = rtnl_read.route(one.again)
    return "route" if route is None else f"route to {route.destination}"
