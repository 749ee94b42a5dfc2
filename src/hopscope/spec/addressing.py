"""The pools of a lab, and the addresses that its nodes draw from them.

Whatever the lab gives literally, anywhere, is taken before anything is drawn.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from ipaddress import ip_interface, ip_network
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from hopscope.errors import Problem
from hopscope.model.lab import AddressSpec, NodeSpec
from hopscope.model.limits import Limits
from hopscope.spec import schema, schemapools
from hopscope.spec.faults import Fault, near, shortened
from hopscope.spec.names import ip_of, name_fault
from hopscope.spec.origins import Origins
from hopscope.spec.pools import Drawing, IpNetwork, Pool
from hopscope.spec.scope import said
from hopscope.spec.topology import limit_fault
from hopscope.spec.tree import Locate, Path

__all__ = ["Drawn", "drawn"]

_RANGE: Final = re.compile(r"[0-9A-Fa-f:.]+(/[0-9]{1,3})?")


class Drawn(Struct, frozen=True, kw_only=True):
    """The nodes with their addresses, what is wrong, and the nodes that got too few."""

    nodes: tuple[NodeSpec, ...]
    problems: tuple[Problem, ...] = ()
    wanting: frozenset[str] = frozenset()


def drawn(
    lab: schema.Lab, nodes: Sequence[NodeSpec], origins: Origins, believed: Collection[str] = ()
) -> Drawn:
    """*nodes* with all the addresses that *lab* draws for them, in their order.

    Names that are *believed* may be those of pools that could not be read.
    """
    where = origins.where
    asked = {name: _asked(node) for name, node in lab.nodes.items()}
    asked = {name: pools for name, pools in asked.items() if any(pools)}
    if not asked and not lab.pools:
        return Drawn(nodes=tuple(nodes))
    known, problems = _pools(lab, where)
    for name in asked:
        problems += _misnamed(lab, name, where, believed)
    known |= _unnamed(asked, known)
    round_ = _Round(asked, known, _literal(nodes, asked, origins))
    found = tuple(round_.served(node, origins.node(node.name)) for node in nodes)
    problems += [said(fault, address.place or where(())) for fault, address in round_.exhausted()]
    return Drawn(nodes=found, problems=tuple(problems), wanting=frozenset(round_.wanting))


def _asked(node: schema.Node) -> tuple[str, ...]:
    """For each address of a node the pool that it is drawn from; empty when it is given."""
    return tuple(address.pool for several in node.addresses.values() for address in several)


class _Round:
    """One round through the nodes, in which each gets what it asked for."""

    def __init__(
        self,
        asked: Mapping[str, Sequence[str]],
        pools: Mapping[str, Pool],
        taken: Iterator[AddressSpec],
    ) -> None:
        self.wanting: set[str] = set()
        self._asked, self._pools = asked, pools
        literal = (ip_of(address.cidr.partition("/")[0]) for address in taken)
        self._drawing = Drawing(ip for ip in literal if ip is not None)
        self._given: dict[str, int] = {}
        self._short: dict[str, tuple[AddressSpec, int]] = {}  # first that got none, how many

    def served(self, node: NodeSpec, written: str) -> NodeSpec:
        """*node*, which the file calls *written*, with its addresses."""
        pools = self._asked.get(written)
        if pools is None:
            return node
        addresses = [
            self._drawn(address, pool) if pool else address
            for address, pool in zip(node.addresses, pools, strict=True)
        ]
        if None in addresses:
            self.wanting.add(node.name)
        return replace(node, addresses=tuple(a for a in addresses if a is not None))

    def _drawn(self, address: AddressSpec, name: str) -> AddressSpec | None:
        if (pool := self._pools.get(name)) is None:
            return None  # a mistake that is told already
        cidr = self._drawing.draw(pool)
        if cidr is not None:
            self._given[name] = self._given.get(name, 0) + 1
            return replace(address, cidr=cidr)
        first, short = self._short.get(name, (address, 0))
        self._short[name] = first, short + 1
        return None

    def exhausted(self) -> Iterator[tuple[Fault, AddressSpec]]:
        """The pools that had too few addresses, and the first that got none."""
        for name, (address, short) in self._short.items():
            pool, given = self._pools[name], self._given.get(name, 0)
            shown = name if name == str(pool.range) else f"{name} ({pool.range})"
            wanted = given + short
            message = f"the pool {shown} has {given} addresses to give, and {wanted} are wanted"
            hint = "widen its range, reserve less, or count fewer nodes"
            yield Fault(rule="pool-exhausted", message=message, text=name, hint=hint), address


def _literal(
    nodes: Sequence[NodeSpec], asked: Mapping[str, Sequence[str]], origins: Origins
) -> Iterator[AddressSpec]:
    for node in nodes:
        pools = asked.get(origins.node(node.name))
        for number, address in enumerate(node.addresses):
            if pools is None or not pools[number]:
                yield address


def _pools(lab: schema.Lab, where: Locate) -> tuple[dict[str, Pool], list[Problem]]:
    """The named pools that can be drawn from, and what is wrong with the others."""
    found: dict[str, Pool] = {}
    problems: list[Problem] = []
    for name, written in lab.pools.items():
        path: Path = ("pools", name)
        wrong = list(_pool_faults(name, written))
        problems += [said(fault, where((*path, *rest), key=not rest)) for fault, rest in wrong]
        if not wrong:
            range_ = ip_network(written.range)
            prefix = range_.prefixlen if written.prefix is None else written.prefix
            reserved = tuple(map(ip_network, written.reserved))
            found[name] = Pool(name=name, range=range_, prefix=prefix, reserved=reserved)
    return found, problems


def _pool_faults(name: str, pool: schemapools.Pool) -> Iterator[tuple[Fault, Path]]:
    """Faults of one pool, and where each stands in it; nowhere: its name."""
    if (fault := name_fault(name, "a pool")) is not None:
        yield fault, ()
    if (fault := _range_fault(pool.range, "the range of a pool")) is not None:
        yield fault, ("range",)
        return
    range_ = ip_network(pool.range)
    lengths = Limits(low=1, high=range_.max_prefixlen)
    if (fault := limit_fault("the prefix length of a pool", pool.prefix, lengths)) is not None:
        yield fault, ("prefix",)
    for number, text in enumerate(pool.reserved):
        fault = _range_fault(text, "what a pool reserves") or _outside(text, range_)
        if fault is not None:
            yield fault, ("reserved", number)


def _range_fault(text: str, what: str) -> Fault | None:
    """Whether *text* is no network, nor one address, that devices can be of."""

    def fault(message: str, hint: str = "write it as 10.244.0.0/16 or fd00::/64") -> Fault:
        return Fault(rule="bad-pool", message=message, text=text, hint=hint)

    if not _RANGE.fullmatch(text):
        return fault(f"{shortened(text)} is not a network, which {what} is")
    try:
        network = ip_network(text)
    except ValueError:
        try:
            loose = ip_interface(text).network
        except ValueError:
            return fault(f"{shortened(text)} is not a network, which {what} is")
        return fault(f"{text} names a host within a network", f"did you mean '{loose}'?")
    if network.is_multicast:
        return fault(f"addresses of {text} cannot belong to a device")
    return None


def _outside(text: str, range_: IpNetwork) -> Fault | None:
    inner = ip_network(text)
    if inner.version == range_.version and inner.subnet_of(range_):  # type: ignore[arg-type]
        return None
    message = f"{text} is not within {range_}, so there is nothing to reserve"
    return Fault(rule="bad-pool", message=message, text=text, hint="remove it, or widen the range")


def _misnamed(
    lab: schema.Lab, node: str, where: Locate, believed: Collection[str]
) -> Iterator[Problem]:
    """What is wrong with the pools that *node* asks."""
    for dev, addresses in lab.nodes[node].addresses.items():
        for number, address in enumerate(addresses):
            name = address.pool
            left_out = "pools" in believed and not lab.pools
            if not name or name in lab.pools or name in believed or left_out:
                continue
            fault = _unknown(name, lab.pools)
            if fault is not None:
                path: Path = ("nodes", node, "addresses", dev, number, "pool")
                yield said(fault, where(path))


def _unknown(name: str, known: Collection[str]) -> Fault | None:
    """Whether *name* is neither of a pool nor a range."""
    if "/" in name or ip_of(name) is not None:
        return _range_fault(name, "a pool without a name")
    hint = near(name, known) or "write a range, as 10.244.0.0/16, or declare it below 'pools'"
    message = f"there is no pool {shortened(name)}"
    return Fault(rule="unknown-pool", message=message, text=name, hint=hint)


def _unnamed(asked: Mapping[str, Sequence[str]], named: Collection[str]) -> dict[str, Pool]:
    """The ranges that are asked for as such; the same range is the same pool."""
    texts = {text for pools in asked.values() for text in pools if text and text not in named}
    ranges = {text: ip_network(text) for text in texts if not _unknown(text, ())}
    return {
        text: Pool(name=text, range=range_, prefix=range_.prefixlen)
        for text, range_ in ranges.items()
    }
