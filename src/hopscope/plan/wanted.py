"""What a plan leads to, read off its operations: the state that a reconciliation aims at."""

from collections.abc import Iterable
from ipaddress import ip_address, ip_interface
from typing import Final

from msgspec import Struct, field

from hopscope.errors import Place
from hopscope.model.devices import BridgeState
from hopscope.model.vocab import DevName, DevRef, Mac, NodeName
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
    AddRules,
    AddTap,
    AddVeth,
    AddVxlan,
    MakeNodes,
    Mark,
    NewEnd,
    Op,
    Plan,
    SetPort,
    SetSysctl,
    SetUp,
    SetVlans,
)

__all__ = ["Device", "Wanted", "interface", "wanted"]

_NOT_COMPARED: Final = (
    *(AddMacvlan, AddVxlan, AddTap, AddRemote),
    *(SetVlans, AddFdb),
)
_MTU: Final = 1500
_USUAL: Final = BridgeState()


class Device(Struct, kw_only=True):
    """A device to be; *mtu* of a bridge None: that of its ports."""

    kind: str
    mac: Mac | None = None
    mtu: int | None = _MTU
    up: bool = False
    master: DevName | None = None
    peer: DevRef | None = None
    bridge: BridgeState | None = None
    nf_call: bool = False
    place: Place | None = None


class Wanted(Struct, kw_only=True):
    """The state, by what names its parts; each part is the operation that makes it."""

    nodes: tuple[NodeName, ...] = ()
    devices: dict[DevRef, Device] = field(default_factory=dict)
    set_up: dict[DevRef, list[SetUp]] = field(default_factory=dict)
    made_by: dict[DevRef, AddBridge | AddVeth] = field(default_factory=dict)
    addresses: dict[tuple[DevRef, str], AddAddress] = field(default_factory=dict)
    routes: list[AddRoute] = field(default_factory=list)
    neighbours: dict[tuple[DevRef, str], AddNeighbour] = field(default_factory=dict)
    ports: dict[DevRef, SetPort] = field(default_factory=dict)
    qdiscs: dict[DevRef, list[AddQdisc]] = field(default_factory=dict)
    policy: dict[NodeName, list[AddPolicyRule]] = field(default_factory=dict)
    sysctls: dict[tuple[NodeName, str], SetSysctl] = field(default_factory=dict)
    rules: dict[NodeName, list[AddRules]] = field(default_factory=dict)
    others: list[Op] = field(default_factory=list)
    """Parts that are made, and that nothing compares yet with what there is."""


def wanted(plan: Plan) -> Wanted:
    """The state after *plan* in fresh namespaces."""
    state = Wanted()
    for op in plan.ops:
        _take(state, op)
    _bridge_mtus(state)
    return state


def interface(cidr: str) -> str:
    """One spelling for one address."""
    return str(ip_interface(cidr))


def _take(state: Wanted, op: Op) -> None:
    match op:
        case MakeNodes(names=names):
            state.nodes = names
            for name in names:
                state.devices[DevRef(name, DevName("lo"))] = Device(kind="loopback", mtu=None)
        case AddBridge():
            _take_bridge(state, op)
        case AddVeth():
            _take_end(state, op, op.near, op.far.ref, up=op.up)
            _take_end(state, op, op.far, op.near.ref, up=False)
            if op.near.queues != 1 or op.far.queues != 1:
                state.others.append(op)
        case SetUp(node=node, dev=dev):
            state.set_up.setdefault(DevRef(node, dev), []).append(op)
            device = state.devices.setdefault(DevRef(node, dev), Device(kind="other"))
            device.up = op.up
            device.master = op.bridge or device.master
            device.mtu = op.mtu or device.mtu
        case Mark():
            pass  # whose a device is, not how it is
        case _ if isinstance(op, _NOT_COMPARED):
            state.others.append(op)
        case _:
            _take_part(state, op)


def _take_part(state: Wanted, op: Op) -> None:
    """What is on a device, or of a node."""
    match op:
        case SetSysctl(node=node, path=path):
            state.sysctls[node, path] = op
        case SetPort(node=node, dev=dev):
            state.ports[DevRef(node, dev)] = op
        case AddQdisc(node=node, dev=dev):
            state.qdiscs.setdefault(DevRef(node, dev), []).append(op)
        case AddAddress(node=node, dev=dev, cidr=cidr):
            state.addresses[DevRef(node, dev), interface(cidr)] = op
            if op.dad:
                state.others.append(op)
        case AddRoute():
            state.routes.append(op)
        case AddPolicyRule(node=node):
            state.policy.setdefault(node, []).append(op)
        case AddNeighbour(node=node, dev=dev, ip=ip):
            state.neighbours[DevRef(node, dev), str(ip_address(ip))] = op
        case AddRules(node=node):
            state.rules.setdefault(node, []).append(op)
        case _:
            message = f"a plan for fresh namespaces holds no such operation: {op}"
            raise TypeError(message)


def _take_bridge(state: Wanted, op: AddBridge) -> None:
    ref = DevRef(op.node, op.name)
    state.made_by[ref] = op
    state.devices[ref] = Device(
        kind="bridge",
        mac=op.mac,
        mtu=op.mtu,
        bridge=BridgeState(
            stp=op.stp,
            ageing=_USUAL.ageing if op.ageing is None else op.ageing,
            forward_delay=_USUAL.forward_delay if op.forward_delay is None else op.forward_delay,
            priority=_USUAL.priority if op.priority is None else op.priority,
            vlan_filtering=op.vlan_filtering,
        ),
        nf_call=op.nf_call_iptables,
        place=op.place,
    )


def _take_end(state: Wanted, op: AddVeth, end: NewEnd, peer: DevRef, *, up: bool) -> None:
    state.made_by[end.ref] = op
    state.devices[end.ref] = Device(
        kind="veth",
        mac=end.mac,
        mtu=op.mtu or _MTU,
        up=up,
        master=end.bridge,
        peer=peer,
        place=op.place,
    )


def _bridge_mtus(state: Wanted) -> None:
    """A bridge whose MTU nobody chose has its ports' least (br_mtu_auto_adjust)."""
    ports: dict[DevRef, list[int]] = {}
    for ref, device in state.devices.items():
        if device.master and device.mtu:
            ports.setdefault(DevRef(ref.node, device.master), []).append(device.mtu)
    for ref, device in _bridges(state):
        if device.mtu is None:
            device.mtu = min(ports.get(ref, [_MTU]))


def _bridges(state: Wanted) -> Iterable[tuple[DevRef, Device]]:
    return ((ref, device) for ref, device in state.devices.items() if device.kind == "bridge")
