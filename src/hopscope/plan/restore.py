"""A plan that makes what there was: a Snapshot, told as operations in fresh namespaces."""

from collections.abc import Iterator, Mapping

from hopscope.model.devices import BridgeState
from hopscope.model.snapshot import LinkState, NodeState, Snapshot
from hopscope.model.vocab import DevRef, Mac, NeighbourState, NodeName
from hopscope.plan.compare_policy import declarable_rules
from hopscope.plan.compare_traffic import declarable
from hopscope.plan.difference import natural
from hopscope.plan.ops import (
    AddAddress,
    AddBridge,
    AddNeighbour,
    AddPolicyRule,
    AddQdisc,
    AddRoute,
    AddRules,
    AddVeth,
    MakeNodes,
    NewEnd,
    Op,
    Plan,
    SetPort,
    SetSysctl,
    SetUp,
)
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
    return Plan(
        ops=(
            MakeNodes(names=tuple(node.name for node in nodes), home=None),
            *_sysctls(sysctls, of_devices=False),
            *(op for node in nodes for op in _bridges(node)),
            *_pairs(snapshot),
            *_sysctls(sysctls, of_devices=True),
            *(op for node in nodes for op in _states(node)),
            *(op for node in nodes for op in _ports(node)),
            *(op for node in nodes for op in _qdiscs(node)),
            *(op for node in nodes for op in _layer3(node)),
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
    return NewEnd(ref=ref, mac=link.mac or Mac(""), bridge=None)


def _states(node: NodeState) -> Iterator[Op]:
    for link in node.links:
        known = link.kind in ("loopback", "bridge") or (link.kind == "veth" and link.peer)
        if known:
            yield SetUp(node=node.name, dev=link.name, up=link.up, bridge=link.master)


def _ports(node: NodeState) -> Iterator[Op]:
    for link in node.links:
        if link.master and link.port is not None:
            yield SetPort(node=node.name, dev=link.name, options=link.port)


def _qdiscs(node: NodeState) -> Iterator[Op]:
    for one in declarable(node):
        if one.options is not None:
            yield AddQdisc(
                node=node.name,
                dev=one.dev,
                options=one.options,
                handle=one.handle,
                parent=one.parent,
            )


def _layer3(node: NodeState) -> Iterator[Op]:
    for link in node.links:
        for address in link.addresses:
            if not natural(str(address), link.name):
                yield AddAddress(node=node.name, dev=link.name, cidr=str(address))
    for route in node.routes:
        if route.protocol in ("static", "boot"):
            yield AddRoute(
                node=node.name,
                to=route.destination,
                via=route.via,
                dev=route.dev,
                metric=route.metric or None,
                type=route.type,
                source=route.source,
                table=route.table,
            )
    for rule in declarable_rules(node):
        yield AddPolicyRule(node=node.name, rule=rule)
    for entry in node.neighbours:
        if entry.state is NeighbourState.PERMANENT and entry.mac is not None:
            yield AddNeighbour(node=node.name, dev=entry.dev, ip=entry.ip, mac=entry.mac)
