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
    """Taps and vxlan devices first: a macvlan may lie over one."""
    links = list(_told(nodes))
    for node, link in links:
        if link.kind == "tap":
            yield AddTap(node=node.name, name=link.name)
        elif link.kind == "vxlan" and link.vxlan is not None and link.mac is not None:
            yield AddVxlan(
                node=node.name,
                name=link.name,
                vxlan=link.vxlan,
                mac=link.mac,
                over=link.over.dev if link.over is not None else None,
                mtu=link.mtu,
                queues=link.queues,
            )
    for node, link in links:
        if link.kind == "macvlan" and link.over is not None:
            yield AddMacvlan(
                node=link.over.node,
                over=link.over.dev,
                ref=DevRef(node.name, link.name),
                mode=link.macvlan or "",
                mac=None if link.macvlan == "passthru" else link.mac,
                mtu=link.mtu,
                queues=link.queues,
            )


def states_of(nodes: Sequence[NodeState]) -> Iterator[Op]:
    """Macvlans last: the device below must be up before."""
    for node, link in sorted(_told(nodes), key=lambda pair: pair[1].kind == "macvlan"):
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
