"""The kernel's tables → a Snapshot of some of a lab's nodes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from errno import EAFNOSUPPORT
from typing import Final

from msgspec.structs import replace

from hopscope.errors import KernelError
from hopscope.kernel.protocol import Kernel
from hopscope.kernel.read import files as readfiles
from hopscope.kernel.read.qdiscs import filtering_of, qdiscs_of, told_of
from hopscope.kernel.read.rules import LEGACY, Listings, read_chains
from hopscope.model.devices import Vlan
from hopscope.model.snapshot import (
    Address,
    FdbEntry,
    LinkState,
    Neighbour,
    NextHop,
    NodeState,
    PolicyRule,
    RemoteEntry,
    Route,
    Snapshot,
)
from hopscope.model.vocab import DevName, DevRef, NeighbourState, NodeName
from hopscope.wire import rtnl, rtnl_bridge, rtnl_options, rtnl_read
from hopscope.wire.netlink import Message
from hopscope.wire.rtnl_read import LinkPart

__all__ = ["read"]

_SILENT: Final = (NeighbourState.NOARP, NeighbourState.NONE)
"""Group and loopback entries that resolve nothing; ``ip neighbour`` hides them too."""

Links = Mapping[NodeName, Sequence[LinkPart]]
End = tuple[NodeName, int]
"""A device by its index."""


def read(
    kernel: Kernel,
    nodes: Sequence[NodeName],
    *,
    rules: bool = True,
    files: bool = True,
    listed: Listings | None = None,
) -> Snapshot:
    """The nodes' state now; without *rules*, the firewall is left out.

    Without *files*, what the kernel tells as files is: sysctls and protocol counters.
    *listed* is what an earlier reading kept of it, and is kept up to date.

    The devices of all the lab's nodes are read, so that every veth end knows its peer.
    Raises KernelError when the kernel refuses, CannotError when the lab has ended.
    """
    links = {node: _links(kernel, node) for node in kernel.nodes}
    peers = _Peers(kernel, links)
    wanted = {node: _paths(links[node], rules=rules, files=files) for node in nodes}
    return Snapshot(
        nodes=tuple(
            _node(kernel, node, links[node], peers, texts, rules=rules, listed=listed)
            for node, texts in _ahead(kernel, wanted)
        )
    )


def _paths(links: Sequence[LinkPart], *, rules: bool, files: bool) -> list[str]:
    """All files that are wanted of a node."""
    devices = [DevName(link.name) for link in links]
    return [
        *(readfiles.sysctl_files(devices) if files else ()),
        *(readfiles.COUNTERS if files else ()),
        *(LEGACY if rules else ()),
    ]


def _ahead(
    kernel: Kernel, wanted: Mapping[NodeName, Sequence[str]]
) -> Iterator[tuple[NodeName, Callable[[], readfiles.Texts]]]:
    """The nodes, each with its files: the holder reads them while we ask the kernel the rest."""
    begun: list[tuple[NodeName, Callable[[], readfiles.Texts]]] = []
    for node, paths in wanted.items():
        begun.append((node, kernel.reading(node, paths) if paths else dict))
        if len(begun) > 1:
            yield begun.pop(0)
    yield from begun


def _node(
    kernel: Kernel,
    node: NodeName,
    links: Sequence[LinkPart],
    peers: "_Peers",
    reading: Callable[[], readfiles.Texts],
    *,
    rules: bool,
    listed: Listings | None,
) -> NodeState:
    names = {link.index: DevName(link.name) for link in links}
    fdb, remotes = _forwarding(kernel, node, links, names)
    parts = told_of(kernel, node)
    state = NodeState(
        name=node,
        links=_link_states(kernel, node, links, names, peers),
        routes=tuple(_routes(kernel, node, names)),
        policy_rules=tuple(_policy_rules(kernel, node)),
        neighbours=tuple(_neighbours(kernel, node, names)),
        fdb=fdb,
        remotes=remotes,
        qdiscs=qdiscs_of(kernel, node, links, parts),
        filtering=filtering_of(kernel, node, links, parts),
    )
    texts = reading()
    chains, unread = read_chains(kernel, node, listed, texts) if rules else ((), ())
    return replace(
        state,
        chains=chains,
        sysctls=readfiles.sysctls(texts),
        counters=readfiles.counters(texts),
        unread=unread,
    )


def _links(kernel: Kernel, node: NodeName) -> list[LinkPart]:
    answers = kernel.ask(node, rtnl.dump_links())
    return [part for answer in answers if (part := rtnl_read.link(answer)) is not None]


def _link_states(
    kernel: Kernel,
    node: NodeName,
    links: Sequence[LinkPart],
    names: Mapping[int, DevName],
    peers: "_Peers",
) -> tuple[LinkState, ...]:
    addresses: dict[int, list[Address]] = {}
    for answer in kernel.ask(node, rtnl.dump_addresses()):
        if (part := rtnl_read.address(answer)) is not None:
            addresses.setdefault(part.index, []).append(
                Address(ip=part.ip, prefix=part.prefix, nodad=part.nodad)
            )
    vlans = _vlans(kernel, node, links)
    return tuple(
        LinkState(
            name=DevName(link.name),
            index=link.index,
            kind=link.kind,
            mac=link.mac if link.kind != "loopback" else None,
            mtu=link.mtu,
            up=link.up,
            carrier=link.carrier,
            promiscuity=link.promiscuity,
            master=names.get(link.master) if link.master else None,
            port_state=link.port_state,
            peer=peers.of(node, link),
            addresses=tuple(addresses.get(link.index, ())),
            nf_call=link.nf_call,
            nf_call6=link.nf_call6,
            bcast_flood=link.bcast_flood,
            mcast_flood=link.mcast_flood,
            noarp=link.noarp,
            running=link.running,
            alias=link.alias,
            settings=link.settings,
            queues=link.queues,
            bridge=link.bridge,
            port=link.port,
            over=peers.below(node, link),
            macvlan=link.macvlan,
            vxlan=link.vxlan,
            vlans=vlans.get(link.index, ()),
            counters=link.counters,
        )
        for link in links
    )


def _vlans(
    kernel: Kernel, node: NodeName, links: Sequence[LinkPart]
) -> dict[int, tuple[Vlan, ...]]:
    """By index; asked for only where a bridge keeps VLANs apart."""
    if not any(link.bridge is not None and link.bridge.vlan_filtering for link in links):
        return {}
    answers = kernel.ask(node, rtnl_bridge.dump_vlans())
    return dict(part for answer in answers if (part := rtnl_options.vlans(answer)) is not None)


class _Peers:
    """Finds the other end of a veth pair, which the kernel names by index and namespace number."""

    def __init__(self, kernel: Kernel, links: Links) -> None:
        self._kernel = kernel
        self._by_pair: dict[tuple[int, int], list[NodeName]] = {}
        self._names: dict[End, DevName] = {}
        self._known: dict[End, End | None] = {}
        self._numbers: dict[tuple[NodeName, NodeName], int | None] = {}
        self._all = {
            node: {link.index: DevName(link.name) for link in some} for node, some in links.items()
        }
        for node, some in links.items():
            for link in some:
                if link.kind == "veth" and link.peer is not None:
                    self._by_pair.setdefault((link.index, link.peer), []).append(node)
                    self._names[node, link.index] = DevName(link.name)

    def of(self, node: NodeName, link: LinkPart) -> DevRef | None:
        """The peer of a veth end; None when it is in no node of this lab."""
        if link.kind != "veth" or link.peer is None:
            return None
        here = (node, link.index)
        if here not in self._known:
            there = self._find(node, link)
            self._known[here] = there
            if there is not None:  # and so is its own peer
                self._known[there] = here
        peer = self._known[here]
        return None if peer is None else DevRef(peer[0], self._names[peer])

    def below(self, node: NodeName, link: LinkPart) -> DevRef | None:
        """The device that a macvlan or vxlan lies over; None when no node of this lab has it."""
        if link.kind not in ("macvlan", "vxlan") or not link.peer:
            return None
        if link.peer_nsid is None:
            name = self._all[node].get(link.peer)
            return None if name is None else DevRef(node, name)
        for other, names in self._all.items():
            if other != node and link.peer in names:
                if self._number(node, other) == link.peer_nsid:
                    return DevRef(other, names[link.peer])
        return None

    def _find(self, node: NodeName, link: LinkPart) -> End | None:
        """Of the ends with the right indexes, the one in the namespace that is meant."""
        index = link.peer or 0
        free = (
            other
            for other in self._by_pair.get((index, link.index), [])
            if (other, index) not in self._known
        )
        for other in free:
            number = None if other == node else self._number(node, other)
            if number == link.peer_nsid and (other == node) == (number is None):
                return other, index
        return None

    def _number(self, node: NodeName, other: NodeName) -> int | None:
        if (node, other) not in self._numbers:
            answers = self._kernel.ask(node, rtnl.get_nsid(self._kernel.ns_fd(other)))
            found = [rtnl_read.nsid(answer) for answer in answers]
            self._numbers[node, other] = found[0] if found else None
        return self._numbers[node, other]


def _routes(kernel: Kernel, node: NodeName, names: Mapping[int, DevName]) -> Iterator[Route]:
    for family in (rtnl.AF_INET, rtnl.AF_INET6):
        for answer in kernel.ask(node, rtnl.dump_routes(family)):
            part = rtnl_read.route(answer)
            if part is not None:
                yield Route(
                    family=part.family,
                    destination=part.destination,
                    table=part.table,
                    type=part.type,
                    dev=names.get(part.dev) if part.dev else None,
                    via=part.via,
                    source=part.source,
                    metric=part.metric,
                    scope=part.scope,
                    metrics=part.metrics,
                    protocol=part.protocol,
                    tos=part.tos,
                    nhid=part.nhid,
                    hops=tuple(
                        NextHop(
                            dev=names.get(hop.dev),
                            via=hop.via,
                            weight=hop.weight,
                            onlink=hop.onlink,
                        )
                        for hop in part.hops
                    ),
                    onlink=part.onlink,
                )


def _policy_rules(kernel: Kernel, node: NodeName) -> Iterator[PolicyRule]:
    for family in (rtnl.AF_INET, rtnl.AF_INET6):
        for answer in _told_rules(kernel, node, family):
            part = rtnl_read.policy_rule(answer)
            if part is not None:
                yield PolicyRule(
                    family=part.family,
                    priority=part.priority,
                    table=part.table,
                    source=part.source,
                    destination=part.destination,
                    conditions=part.conditions,
                    action=part.action,
                    values=part.values,
                )


def _told_rules(kernel: Kernel, node: NodeName, family: int) -> Sequence[Message]:
    """None of a family of which the kernel has none: it is booted, or made, without IPv6."""
    try:
        return kernel.ask(node, rtnl.dump_policy_rules(family))
    except KernelError as error:
        if error.code == EAFNOSUPPORT:  # fib_nl_dumprule(), net/core/fib_rules.c
            return ()
        raise


def _neighbours(
    kernel: Kernel, node: NodeName, names: Mapping[int, DevName]
) -> Iterator[Neighbour]:
    for family in (rtnl.AF_INET, rtnl.AF_INET6):
        for answer in kernel.ask(node, rtnl.dump_neighbours(family)):
            part = rtnl_read.neighbour_event(answer)
            if part is not None and part.state not in _SILENT and part.index in names:
                yield Neighbour(
                    dev=names[part.index],
                    ip=part.ip,
                    mac=part.mac,
                    state=part.state,
                    ours=part.ours,
                )


def _forwarding(
    kernel: Kernel, node: NodeName, links: Sequence[LinkPart], names: Mapping[int, DevName]
) -> tuple[tuple[FdbEntry, ...], tuple[RemoteEntry, ...]]:
    """What bridges and vxlan devices know; one dump tells both."""
    if not any(link.kind in ("bridge", "vxlan") for link in links):
        return (), ()
    answers = kernel.ask(node, rtnl.dump_fdb())
    tunnels = {link.index: DevName(link.name) for link in links if link.kind == "vxlan"}
    parts = [part for one in answers if (part := rtnl_options.remote(one)) is not None]
    remotes = tuple(
        RemoteEntry(dev=tunnels[one.index], mac=one.mac, remote=one.remote, static=one.static)
        for one in parts
        if one.index in tunnels
    )
    return tuple(_fdb(answers, names)), remotes


def _fdb(answers: Sequence[Message], names: Mapping[int, DevName]) -> Iterator[FdbEntry]:
    told: set[FdbEntry] = set()  # one that a VLAN repeats is one
    for answer in answers:
        part = rtnl_read.fdb_event(answer)
        if part is None or part.index not in names or (part.master or 0) not in names:
            continue
        entry = FdbEntry(
            bridge=names[part.master or 0],
            mac=part.mac,
            port=names[part.index],
            local=part.local,
            static=part.static,
        )
        if entry not in told:
            told.add(entry)
            yield entry
