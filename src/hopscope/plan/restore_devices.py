"""Devices of a Snapshot, told as the operations that make them and bring them up again."""

from collections.abc import Iterator, Sequence

from hopscope.model.snapshot import LinkState, NodeState
from hopscope.model.vocab import DevRef
from hopscope.plan.ops import AddMacvlan, AddTap, AddVxlan, Op, SetUp

__all__ = ["devices_of", "states_of", "tellable"]

_MODES = ("private", "vepa", "bridge", "passthru")


def tellable(nodes: Sequence[NodeState]) -> frozenset[DevRef]:
    """The devices that a lab file could declare, and what they lie over too."""
    links = {DevRef(node.name, link.name): link for node in nodes for link in node.links}

    def told(ref: DevRef) -> bool:
        link = links.get(ref)
        if link is None or not _declarable(link):
            return False
        return link.over is None or told(link.over)

    return frozenset(filter(told, links))


def _declarable(link: LinkState) -> bool:
    match link.kind:
        case "loopback" | "bridge" | "tap":
            return True
        case "veth":
            return link.peer is not None
        case "macvlan":
            return link.over is not None and link.macvlan in _MODES
        case "vxlan":
            return link.vxlan is not None and link.mac is not None
        case _:
            return False


def devices_of(nodes: Sequence[NodeState]) -> Iterator[Op]:
    """Those that lie over others after these."""
    told = {DevRef(node.name, link.name): link for node, link in _told(nodes)}

    def depth(ref: DevRef) -> int:
        over = told[ref].over
        return 0 if over is None else 1 + depth(over)

    for ref in sorted(told, key=depth):
        if (op := _made(ref, told[ref])) is not None:
            yield op


def _made(ref: DevRef, link: LinkState) -> Op | None:
    over = link.over
    if link.kind == "tap":
        return AddTap(node=ref.node, name=ref.dev)
    if link.kind == "vxlan" and link.vxlan is not None and link.mac is not None:
        return AddVxlan(
            node=ref.node,
            name=ref.dev,
            vxlan=link.vxlan,
            mac=link.mac,
            over=over.dev if over is not None else None,
            mtu=link.mtu,
            queues=link.queues,
        )
    if link.kind == "macvlan" and over is not None:
        return AddMacvlan(
            node=over.node,
            over=over.dev,
            ref=ref,
            mode=link.macvlan or "",
            mac=None if link.macvlan == "passthru" else link.mac,
            mtu=link.mtu,
            queues=link.queues,
        )
    return None


def states_of(nodes: Sequence[NodeState]) -> Iterator[Op]:
    """What each is told to be: up or down, and a port of which bridge."""
    for node, link in _told(nodes):
        tap = link.kind == "tap"
        yield SetUp(
            node=node.name,
            dev=link.name,
            up=link.up,
            bridge=link.master,
            mac=link.mac if tap else None,
            mtu=link.mtu if link.kind in ("tap", "veth") else None,  # ends of a pair may differ
        )


def _told(nodes: Sequence[NodeState]) -> Iterator[tuple[NodeState, LinkState]]:
    told = tellable(nodes)
    for node in nodes:
        yield from ((node, one) for one in node.links if DevRef(node.name, one.name) in told)
