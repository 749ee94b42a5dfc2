"""One operation of a plan → the rtnetlink messages that perform it; sends none."""

from collections.abc import Iterator

from hopscope.kernel.apply.changemessages import change_messages, hop_parts
from hopscope.kernel.protocol import Kernel
from hopscope.model.vocab import DevRef
from hopscope.plan.ops import (
    AddAddress,
    AddBridge,
    AddFdb,
    AddMacvlan,
    AddNeighbour,
    AddPolicyRule,
    AddQdisc,
    AddRemote,
    AddRoute,
    AddVeth,
    AddVxlan,
    Mark,
    NetlinkOp,
    Plan,
    SetPort,
    SetUp,
    SetVlans,
)
from hopscope.wire import rtnl, rtnl_bridge, rtnl_links, rtnl_route, traffic
from hopscope.wire.netlink import Message

__all__ = ["messages_of"]

_DEFAULT_VLAN = 1  # the kernel's vlan_default_pvid


def messages_of(plan: Plan, op: NetlinkOp, kernel: Kernel) -> list[Message]:
    """The messages, in order; they are for the socket of the operation's node."""
    match op:
        case AddVeth():
            return _veth(plan, op, kernel)
        case AddBridge():
            return [_bridge(plan, op)]
        case SetUp():
            master = plan.indexes[DevRef(op.node, op.bridge)] if op.bridge else None
            index = plan.indexes[DevRef(op.node, op.dev)]
            return [rtnl.set_link(index, up=op.up, master=master, mac=op.mac, mtu=op.mtu)]
        case AddMacvlan():
            return [_macvlan(plan, op, kernel)]
        case AddVxlan():
            return [_vxlan(plan, op)]
        case AddRemote():
            index = plan.indexes[DevRef(op.node, op.dev)]
            via = plan.indexes[DevRef(op.node, op.via)] if op.via else None
            return [rtnl_links.add_remote(index, op.mac, op.remote, via=via, replaces=op.replaces)]
        case SetPort() | SetVlans() | AddFdb() | AddQdisc():
            return _setting(plan, op)
        case Mark():
            return [rtnl.set_link(plan.indexes[DevRef(op.node, op.dev)], alias=op.alias)]
        case AddAddress():
            index = plan.indexes[DevRef(op.node, op.dev)]
            return [rtnl.add_address(index, op.cidr, nodad=not op.dad)]
        case AddRoute():
            return [_route(plan, op)]
        case AddPolicyRule(rule=rule):
            return [rtnl_route.add_policy_rule(rule)]
        case AddNeighbour():
            return [rtnl.add_neighbour(plan.indexes[DevRef(op.node, op.dev)], op.ip, op.mac)]
        case _:
            return change_messages(plan, op)


def _setting(plan: Plan, op: SetPort | SetVlans | AddFdb | AddQdisc) -> list[Message]:
    """What is set of a device that is there."""
    index = plan.indexes[DevRef(op.node, op.dev)]
    match op:
        case SetPort(options=options):
            return [rtnl_bridge.set_port(index, options)]
        case SetVlans():
            return list(_vlans(plan, op))
        case AddFdb(mac=mac, replaces=replaces):
            return [rtnl_bridge.add_fdb(index, mac, replaces=replaces)]
        case AddQdisc(parent=parent, handle=handle, options=shaping):
            return traffic.add_qdisc(index, parent=parent, handle=handle, options=shaping)


def _bridge(plan: Plan, op: AddBridge) -> Message:
    return rtnl_bridge.add_bridge(
        op.name,
        index=plan.indexes[DevRef(op.node, op.name)],
        mac=op.mac,
        mtu=op.mtu,
        stp=op.stp,
        nf_call_iptables=op.nf_call_iptables,
        ageing=op.ageing,
        forward_delay=op.forward_delay,
        priority=op.priority,
        vlan_filtering=op.vlan_filtering,
    )


def _macvlan(plan: Plan, op: AddMacvlan, kernel: Kernel) -> Message:
    return rtnl_links.add_macvlan(
        op.ref.dev,
        index=plan.indexes[op.ref],
        over=plan.indexes[DevRef(op.node, op.over)],
        ns_fd=None if op.ref.node == op.node else kernel.ns_fd(op.ref.node),
        mode=op.mode,
        mac=op.mac,
        mtu=op.mtu,
        queues=op.queues,
    )


def _vxlan(plan: Plan, op: AddVxlan) -> Message:
    return rtnl_links.add_vxlan(
        op.name,
        index=plan.indexes[DevRef(op.node, op.name)],
        vxlan=op.vxlan,
        over=None if op.over is None else plan.indexes[DevRef(op.node, op.over)],
        mac=op.mac,
        mtu=op.mtu,
        queues=op.queues,
    )


def _route(plan: Plan, op: AddRoute) -> Message:
    return rtnl_route.add_route(
        op.to,
        type=op.type,
        via=op.via,
        dev=plan.indexes[DevRef(op.node, op.dev)] if op.dev else None,
        onlink=op.onlink,
        hops=hop_parts(plan, op.node, op.hops),
        source=op.source,
        metric=op.metric,
        table=op.table,
    )


def _vlans(plan: Plan, op: SetVlans) -> Iterator[Message]:
    """Those that are wanted, and then without the default one if it is none of them."""
    index = plan.indexes[DevRef(op.node, op.dev)]
    for vlan in op.vlans:
        yield rtnl_bridge.add_vlan(index, vlan, itself=op.itself)
    if all(vlan.vid != _DEFAULT_VLAN for vlan in op.vlans):
        yield rtnl_bridge.remove_vlan(index, _DEFAULT_VLAN, itself=op.itself)


def _veth(plan: Plan, op: AddVeth, kernel: Kernel) -> list[Message]:
    """The pair, and its near end comes up: 0064 says why that one is asked for before."""
    near, far = op.near, op.far
    index = plan.indexes[near.ref]
    pair = rtnl.add_veth(
        near.ref.dev,
        index=index,
        master=plan.indexes[DevRef(near.ref.node, near.bridge)] if near.bridge else None,
        mac=near.mac,
        mtu=op.mtu,
        queues=near.queues,
        peer=rtnl.VethPeer(
            name=far.ref.dev,
            index=plan.indexes[far.ref],
            ns_fd=kernel.ns_fd(far.ref.node),
            mac=far.mac,
            mtu=op.mtu,
            queues=far.queues,
        ),
    )
    return [pair, rtnl.get_link(index), rtnl.set_link(index, up=True)] if op.up else [pair]
