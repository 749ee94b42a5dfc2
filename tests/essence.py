"""What two labs must share to be the same: a snapshot without what time and order put into it."""

from collections.abc import Iterator
from typing import Any

from hopscope.model.snapshot import LinkState, NodeState, Snapshot
from hopscope.model.vocab import NeighbourState
from hopscope.plan.world import rules_text

__all__ = ["essence"]

_OF_TIME = ("net.netfilter.nf_conntrack_count",)


def essence(snapshot: Snapshot, *, sysctls: bool = True) -> dict[str, Any]:
    """Node → what was configured in it: no indexes, counters, learnt entries, or order."""
    return {node.name: dict(_node(node, sysctls=sysctls)) for node in snapshot.nodes}


def _node(node: NodeState, *, sysctls: bool) -> Iterator[tuple[str, Any]]:
    yield "links", {link.name: _link(link) for link in node.links}
    yield (
        "routes",
        sorted(
            str((r.family, r.destination, r.table, r.type, r.dev, r.via, r.source, r.metric))
            for r in node.routes
            if not r.destination.startswith("fe80:")  # its local entry waits for detection
        ),
    )
    yield (
        "neighbours",
        sorted(
            (n.dev, n.ip, str(n.mac))
            for n in node.neighbours
            if n.state is NeighbourState.PERMANENT
        ),
    )
    yield "rules", rules_text(node.chains)
    yield "policy", sorted(map(str, node.policy_rules))
    if sysctls:
        yield "sysctls", {k: v for k, v in node.sysctls.items() if k not in _OF_TIME}


def _link(link: LinkState) -> tuple[Any, ...]:
    addresses = sorted(str(a) for a in link.addresses if not a.ip.startswith("fe80:"))
    master = (
        link.master,
        link.peer,
        bool(link.bridge and link.bridge.stp),
        link.nf_call,
        link.nf_call6,
    )
    mac = None if link.kind == "bridge" else link.mac  # chosen by chance, or a port's
    return (link.kind, mac, link.mtu, link.up, *master, addresses)
