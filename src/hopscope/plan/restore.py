"""A plan that makes what there was: a Snapshot, told as operations in fresh namespaces."""

from collections.abc import Container, Iterator, Mapping

from hopscope.model.devices import BridgeState
from hopscope.model.snapshot import LinkState, NodeState, Snapshot
from hopscope.model.vocab import DevRef, Mac, NeighbourState, NodeName
from hopscope.plan.compare_layer3 import declarable_route
from hopscope.plan.compare_policy import declarable_rules
from hopscope.plan.compare_traffic import declarable
from hopscope.plan.difference import natural, shut
from hopscope.plan.ops import (
    AddAddress,
    AddBridge,
    AddFdb,
    AddNeighbour,
    AddPolicyRule,
    AddQdisc,
    AddRemote,
    AddRoute,
    AddRules,
    AddVeth,
    MakeNodes,
    Mark,
    NewEnd,
    Op,
    OpenPort,
    Plan,
    SetOthers,
    SetPort,
    SetSysctl,
    SetVlans,
)
from hopscope.plan.restore_devices import devices_of, states_of, tellable
from hopscope.plan.world import Sysctls, default_path

__all__ = ["plan_of"]


def plan_of(
    snapshot: Snapshot,
    sysctls: Sysctls,
    rules: Mapping[NodeName, tuple[AddRules, ...]],
) -> Plan:
    """The operations that lead to *snapshot*, with these sysctls and rules.

    Devices that no lab file can declare, as those a user made inside by hand, are not told.
    """
    nodes = snapshot.nodes
    told = tellable(nodes)
    return Plan(
        ops=(
            MakeNodes(names=tuple(node.name for node in nodes), home=None),
            *_sysctls(sysctls, of_devices=False),
            *(op for node in nodes for op in _bridges(node)),
            *_pairs(snapshot),
            *devices_of(nodes),
            *_sysctls(sysctls, of_devices=True),
            *states_of(nodes),
            *(op for node in nodes for op in _others(node, told)),
            *(op for node in nodes for op in _ports(node, told)),
            *(op for node in nodes for op in _forwarding(node, told)),
            *(op for node in nodes for op in _qdiscs(node, told)),
            *(op for node in nodes for op in _layer3(node, told)),
            *(op for node in nodes for op in rules.get(node.name, ())),
        ),
        indexes={DevRef(node.name, link.name): link.index for node in nodes for link in node.links},
    )


def _sysctls(sysctls: Sysctls, *, of_devices: bool) -> Iterator[Op]:
    for (node, path), value in sysctls.items():
        if value is not None and (default_path(path) is not None) is of_devices:
            yield SetSysctl(node=node, path=path, value=value)


def _bridges(node: NodeState) -> Iterator[Op]:
    """A MAC address and an MTU that a bridge has from its ports are not given to it."""
    for link in node.links:
        ports = [one for one in node.links if one.master == link.name]
        if link.kind == "bridge":
            state = link.bridge or BridgeState()
            yield AddBridge(
                node=node.name,
                name=link.name,
                nf_call_iptables=link.nf_call,
                stp=state.stp,
                ageing=state.ageing,
                forward_delay=state.forward_delay,
                priority=state.priority,
                vlan_filtering=state.vlan_filtering,
                mac=link.mac if link.mac not in {port.mac for port in ports} else None,
                mtu=link.mtu if link.mtu not in {port.mtu for port in ports} else None,
            )


def _pairs(snapshot: Snapshot) -> Iterator[Op]:
    told: set[DevRef] = set()
    for node in snapshot.nodes:
        for link in node.links:
            ref = DevRef(node.name, link.name)
            peer = snapshot.link(link.peer) if link.peer else None
            if link.kind != "veth" or link.peer is None or peer is None or ref in told:
                continue
            told |= {ref, link.peer}
            yield AddVeth(near=_end(ref, link), far=_end(link.peer, peer), up=False, mtu=link.mtu)


def _end(ref: DevRef, link: LinkState) -> NewEnd:
    return NewEnd(ref=ref, mac=link.mac or Mac(""), bridge=None, queues=link.queues)


def _others(node: NodeState, told: Container[DevRef]) -> Iterator[Op]:
    """What no lab file declares of a device."""
    for link in node.links:
        if DevRef(node.name, link.name) not in told:
            continue
        if link.settings:
            values = tuple(link.settings.items())
            yield SetOthers(node=node.name, dev=link.name, values=values)
        if link.alias:
            yield Mark(node=node.name, dev=link.name, alias=link.alias)


def _ports(node: NodeState, told: Container[DevRef]) -> Iterator[Op]:
    for link in node.links:
        if link.master and link.port is not None and DevRef(node.name, link.name) in told:
            yield SetPort(node=node.name, dev=link.name, options=link.port)
            if shut(link, node.link(link.master)):
                yield OpenPort(node=node.name, dev=link.name, shut=True)
    filtering = {one.name for one in node.links if one.bridge and one.bridge.vlan_filtering}
    for link in node.links:
        if (link.master or link.name) in filtering and DevRef(node.name, link.name) in told:
            itself = link.kind == "bridge"
            yield SetVlans(node=node.name, dev=link.name, vlans=link.vlans, itself=itself)


def _forwarding(node: NodeState, told: Container[DevRef]) -> Iterator[Op]:
    for entry in node.fdb:
        if entry.static and not entry.local and DevRef(node.name, entry.port) in told:
            yield AddFdb(node=node.name, dev=entry.port, mac=entry.mac)
    for one in node.remotes:
        if one.static and DevRef(node.name, one.dev) in told:
            link = node.link(one.dev)
            own = link is not None and link.vxlan is not None and link.vxlan.remote == one.remote
            via = link.over.dev if own and link and link.over and not one.mac.strip("0:") else None
            yield AddRemote(node=node.name, dev=one.dev, mac=one.mac, remote=one.remote, via=via)


def _qdiscs(node: NodeState, told: Container[DevRef]) -> Iterator[Op]:
    for one in declarable(node):
        if one.options is not None and DevRef(node.name, one.dev) in told:
            yield AddQdisc(
                node=node.name,
                dev=one.dev,
                options=one.options,
                handle=one.handle,
                parent=one.parent,
            )


def _layer3(node: NodeState, told: Container[DevRef]) -> Iterator[Op]:
    for link in node.links:
        for address in link.addresses if DevRef(node.name, link.name) in told else ():
            if not natural(str(address), link.name) or (link.name == "lo" and not link.up):
                dad = ":" in address.ip and not address.nodad
                yield AddAddress(node=node.name, dev=link.name, cidr=str(address), dad=dad)
    for route in node.routes:
        devs = (route.dev, *(hop.dev for hop in route.hops))
        held = all(dev is None or DevRef(node.name, dev) in told for dev in devs)
        if held and route.protocol in ("static", "boot") and declarable_route(route):
            yield AddRoute(
                node=node.name,
                to=route.destination,
                via=None if route.hops else route.via,
                dev=None if route.hops else route.dev,
                metric=route.metric or None,
                type=route.type,
                source=route.source,
                onlink=route.onlink,
                hops=route.hops,
                table=route.table,
            )
    for rule in declarable_rules(node):
        yield AddPolicyRule(node=node.name, rule=rule)
    for entry in node.neighbours:
        held = DevRef(node.name, entry.dev) in told
        if held and entry.state is NeighbourState.PERMANENT and entry.mac is not None:
            yield AddNeighbour(node=node.name, dev=entry.dev, ip=entry.ip, mac=entry.mac)
