"""What two labs must share to be the same: a snapshot without what time and order put into it."""

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from hopscope.model.snapshot import LinkState, NodeState, Route, Snapshot
from hopscope.model.traffic import Htb, Shaping, Tbf
from hopscope.model.vocab import Family, NeighbourState
from hopscope.plan.world import rules_text

__all__ = ["essence", "unlike"]

_CONFIGURED = (
    *("kind", "mtu", "up", "master", "peer", "queues", "bridge", "port", "over", "macvlan"),
    *("vxlan", "vlans", "nf_call", "nf_call6", "settings", "alias"),
)
_OF_TIME = ("net.netfilter.nf_conntrack_count",)


def essence(snapshot: Snapshot, *, sysctls: bool = True) -> dict[str, Any]:
    """Node → what was configured in it: no indexes, counters, learnt entries, or order."""
    return {node.name: dict(_node(node, sysctls=sysctls)) for node in snapshot.nodes}


def unlike(one: Any, other: Any, where: str = "") -> list[str]:
    """In what two of these differ, for a test that fails."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = {**one, **other}
        return [
            told for key in keys for told in unlike(one.get(key), other.get(key), f"{where}/{key}")
        ]
    return [] if one == other else [f"{where}: {one} ≠ {other}"]


def _node(node: NodeState, *, sysctls: bool) -> Iterator[tuple[str, Any]]:
    yield "links", {link.name: _link(link) for link in node.links}
    yield (
        "routes",
        sorted(
            str(
                (
                    r.family,
                    r.destination,
                    r.table,
                    r.type,
                    r.dev,
                    r.via,
                    r.source,
                    r.metric,
                    r.metrics,
                    r.tos,
                    r.nhid,
                    r.hops,
                    r.onlink,
                )
            )
            for r in node.routes
            if not _follows(r)
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
    yield "fdb", sorted((e.bridge, e.mac, e.port) for e in node.fdb if e.static and not e.local)
    yield "remotes", sorted((r.dev, r.mac, r.remote) for r in node.remotes if r.static)
    yield (
        "qdiscs",
        [
            (q.dev, q.kind, q.handle, q.parent, _rounded(q.options))
            for q in node.qdiscs
            if q.handle != "0:"
        ],
    )
    yield "rules", rules_text(node.chains)
    yield "policy", sorted(map(str, node.policy_rules))
    if sysctls:
        yield "sysctls", {k: v for k, v in node.sysctls.items() if k not in _OF_TIME}


def _follows(route: Route) -> bool:
    """Whether the kernel makes it by itself a moment later: with the carrier, or after detection.

    Its worker for IPv6 addresses does (addrconf_dad_work, addrconf_notify).
    """
    own = route.type in ("local", "multicast", "anycast")
    return route.family is Family.IP6 and (own or route.destination.startswith("fe80:"))


def _rounded(options: Shaping | None) -> Shaping | None:
    """The kernel keeps a burst as a time, and each telling makes it a tick shorter."""
    if isinstance(options, Tbf | Htb):
        return replace(options, burst=round(options.burst, -3))
    return options


def _link(link: LinkState) -> dict[str, Any]:
    addresses = [(str(a), a.nodad) for a in link.addresses if not a.ip.startswith("fe80:")]
    chance = link.kind == "bridge"  # its MAC address is chosen by chance, or a port's
    return {
        "mac": None if chance else link.mac,
        "addresses": sorted(addresses),
        "shut": link.port_state == "disabled" and link.carrier,
        **{key: getattr(link, key) for key in _CONFIGURED},
    }
