"""Whether two builds of a lab came to the same: Snapshots without what differs each time."""

from collections.abc import Callable

from msgspec.structs import replace

from hopscope.kernel.waiting import wait_until
from hopscope.model.snapshot import Chain, LinkState, NodeState, Snapshot
from hopscope.model.vocab import DevRef, NeighbourState, NodeName

__all__ = ["comparable", "renamed", "settled"]

_VOLATILE = "net.netfilter.nf_conntrack_count"


def comparable(snapshot: Snapshot) -> dict[str, dict[str, object]]:
    """By node, by table; without indexes, counters, handles, and what traffic taught."""
    return {node.name: _node(node) for node in snapshot.nodes}


def settled(look: Callable[[], Snapshot]) -> Snapshot:
    """What *look* sees when carriers, port states and link-local addresses have followed."""
    seen: list[Snapshot] = []

    def holds() -> bool:
        seen.append(look())
        return all(_has_followed(seen[-1], node) for node in seen[-1].nodes)

    wait_until(holds, "the links have settled", within=10)
    return seen[-1]


def _has_followed(snapshot: Snapshot, node: NodeState) -> bool:
    """Whether nothing is left that linkwatch (net/core/link_watch.c) does a moment later."""
    local = {route.destination for route in node.routes if route.type == "local"}
    for link in node.links:
        if link.carrier and not {f"{a.ip}/128" for a in link.addresses if ":" in a.ip} <= local:
            return False  # a duplicate is still looked for (addrconf_dad_completed)
        bridge = node.link(link.master or "")
        far = snapshot.link(link.peer) if link.peer is not None else None
        if far is not None and link.carrier != (link.up and far.up):
            return False
        if bridge is not None and link.carrier and bridge.up and link.port_state == "disabled":
            return False
        lower = snapshot.link(link.over) if link.kind == "macvlan" and link.over else None
        if lower is not None and link.carrier != (link.up and lower.carrier):
            return False
        if link.kind == "bridge" and link.carrier != (link.up and _forwards(node, link)):
            return False
        if link.carrier and node.sysctls.get(f"net.ipv6.conf.{link.name}.disable_ipv6") == "0":
            if not any(address.ip.startswith("fe80:") for address in link.addresses):
                return False
    return True


def _forwards(node: NodeState, bridge: LinkState) -> bool:
    ports = [link for link in node.links if link.master == bridge.name]
    return any(port.port_state == "forwarding" for port in ports)


def renamed(snapshot: Snapshot, old: str, new: str) -> Snapshot:
    """The same with another name for a node."""

    def name(of: NodeName) -> NodeName:
        return NodeName(new if of == old else of)

    def link(one: LinkState) -> LinkState:
        peer = one.peer and DevRef(name(one.peer.node), one.peer.dev)
        return replace(one, peer=peer)

    return Snapshot(
        nodes=tuple(
            replace(node, name=name(node.name), links=tuple(map(link, node.links)))
            for node in snapshot.nodes
        )
    )


def _node(node: NodeState) -> dict[str, object]:
    ported = {link.master for link in node.links}
    return {
        "links": {link.name: _link(link, random=link.name not in ported) for link in node.links},
        "routes": {str(route) for route in node.routes},
        "policy rules": {str(rule) for rule in node.policy_rules},
        "neighbours": {str(n) for n in node.neighbours if n.state == NeighbourState.PERMANENT},
        "fdb": {
            str(replace(entry, local=True))
            for entry in node.fdb
            if entry.static and entry.bridge != entry.port
        },
        "remotes": {str(entry) for entry in node.remotes if entry.static},
        "qdiscs": {
            str(replace(one, handle="", sent=0, dropped=0, backlog=0))
            for one in node.qdiscs
            if one.options
        },
        "chains": [_chain(chain) for chain in sorted(node.chains, key=_key)],
        "sysctls": {key: value for key, value in node.sysctls.items() if key != _VOLATILE},
    }


def _link(link: LinkState, *, random: bool) -> LinkState:
    """A bridge without a port has a MAC address of the kernel's choice."""
    mac = None if link.kind == "bridge" and random else link.mac
    return replace(
        link,
        index=0,
        queues=0,  # of a link made by hand as many as there are cores
        mac=mac,
        running=True,  # follows the carrier a moment later
        counters={},
        promiscuity=0,
        port_state=None,  # follows the carrier, a moment later
        addresses=tuple(sorted(link.addresses, key=str)),
        peer=link.peer,
    )


def _key(chain: Chain) -> tuple[str, str, str]:
    return chain.family, chain.table, chain.name


def _chain(chain: Chain) -> Chain:
    rules = tuple(replace(rule, handle=0, packets=None, bytes=None) for rule in chain.rules)
    return replace(chain, rules=rules, packets=None)
