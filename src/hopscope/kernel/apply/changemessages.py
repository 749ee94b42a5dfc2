"""One operation that changes a lab which stands → the rtnetlink messages that do; sends none."""

from collections.abc import Iterator, Sequence
from typing import assert_never

from hopscope.model.snapshot import NextHop
from hopscope.model.vocab import DevName, DevRef, NodeName
from hopscope.plan.ops import (
    ChangeBridge,
    ChangeDevice,
    ChangeVlans,
    NetlinkChange,
    OpenPort,
    Plan,
    RemoveAddress,
    RemoveDevice,
    RemoveFdb,
    RemoveNeighbour,
    RemoveNexthop,
    RemovePolicyRules,
    RemoveQdisc,
    RemoveRemote,
    RemoveRoute,
    SetOthers,
)
from hopscope.wire import (
    rtnl,
    rtnl_bridge,
    rtnl_links,
    rtnl_nexthop,
    rtnl_proxy,
    rtnl_route,
    rtnl_settings,
    traffic,
)
from hopscope.wire.netlink import Message
from hopscope.wire.rtnl_read import HopPart

__all__ = ["change_messages", "hop_parts"]


def change_messages(plan: Plan, op: NetlinkChange) -> list[Message]:
    """The messages, in order; they are for the socket of the operation's node."""
    match op:
        case OpenPort(shut=shut):
            return [rtnl_bridge.open_port(_index(plan, op.node, op.dev), shut=shut)]
        case SetOthers(values=values):
            return [rtnl_settings.set_settings(_index(plan, op.node, op.dev), dict(values))]
        case ChangeDevice() | ChangeBridge() | ChangeVlans():
            return list(_changes(plan, op))
        case RemovePolicyRules(priority=priority, number=number, six=six):
            return [rtnl_route.remove_policy_rule(priority, six=six)] * number
        case RemoveRoute():
            return [_route_removal(plan, op)]
        case RemoveNexthop(id=number):
            return [rtnl_nexthop.remove_nexthop(number)]
        case (
            RemoveDevice()
            | RemoveAddress()
            | RemoveNeighbour()
            | RemoveFdb()
            | RemoveRemote()
            | RemoveQdisc()
        ):
            return [_removal(_index(plan, op.node, op.dev), op)]
        case _:
            assert_never(op)


def _index(plan: Plan, node: NodeName, dev: DevName) -> int:
    return plan.indexes[DevRef(node, dev)]


def _changes(plan: Plan, op: ChangeDevice | ChangeBridge | ChangeVlans) -> Iterator[Message]:
    index = _index(plan, op.node, op.dev)
    match op:
        case ChangeDevice(bridge=bridge):
            freed = 0 if bridge is not None else None
            master = _index(plan, op.node, bridge) if bridge else freed
            yield rtnl.set_link(index, up=op.up, master=master, mac=op.mac, mtu=op.mtu)
        case ChangeBridge():
            yield rtnl_bridge.change_bridge(
                index,
                stp=op.stp,
                nf_call_iptables=op.nf_call_iptables,
                ageing=op.ageing,
                forward_delay=op.forward_delay,
                priority=op.priority,
                vlan_filtering=op.vlan_filtering,
            )
        case ChangeVlans(joins=joins, leaves=leaves, itself=itself):
            yield from (rtnl_bridge.remove_vlan(index, vid, itself=itself) for vid in leaves)
            yield from (rtnl_bridge.add_vlan(index, vlan, itself=itself) for vlan in joins)


def _route_removal(plan: Plan, op: RemoveRoute) -> Message:
    """A nexthop object says where its route leads, and the kernel wants no more to be said.

    Not the type either: of a route to a blackhole, the kernel tells another than it has.
    """
    said = not op.hops and op.nhid is None
    return rtnl_route.remove_route(
        op.to,
        type=op.type if op.nhid is None else "",
        via=op.via if said else None,
        dev=_index(plan, op.node, op.dev) if said and op.dev else None,
        metric=op.metric,
        table=op.table,
        tos=op.tos,
        nhid=op.nhid,
        hops=hop_parts(plan, op.node, op.hops) if op.nhid is None else (),
    )


def hop_parts(plan: Plan, node: NodeName, hops: Sequence[NextHop]) -> list[HopPart]:
    """By interface index; 0, where no device is said, is whichever leads there."""
    return [
        HopPart(
            dev=plan.indexes.get(DevRef(node, hop.dev), 0) if hop.dev else 0,
            via=hop.via,
            weight=hop.weight,
            onlink=hop.onlink,
        )
        for hop in hops
    ]


def _removal(
    index: int,
    op: RemoveDevice | RemoveAddress | RemoveNeighbour | RemoveFdb | RemoveRemote | RemoveQdisc,
) -> Message:
    match op:
        case RemoveDevice():
            return rtnl.delete_link(index)
        case RemoveAddress(cidr=cidr):
            return rtnl.remove_address(index, cidr)
        case RemoveNeighbour(ip=ip, proxy=True):
            return rtnl_proxy.remove_proxy(index, ip)
        case RemoveNeighbour(ip=ip):
            return rtnl.remove_neighbour(index, ip)
        case RemoveFdb(mac=mac):
            return rtnl_bridge.remove_fdb(index, mac)
        case RemoveRemote(mac=mac):
            return rtnl_links.remove_remotes(index, mac)
        case RemoveQdisc(parent=parent):
            return traffic.remove_qdisc(index, parent)
