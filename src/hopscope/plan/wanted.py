"""What a plan leads to, read off its operations: the state that a reconciliation aims at."""

from ipaddress import ip_address, ip_interface
from typing import Final, assert_never

from msgspec import Struct, field
from msgspec.structs import replace

from hopscope.errors import Place
from hopscope.model.devices import BridgeState, Vxlan
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
    OpenPort,
    Plan,
    SetOthers,
    SetPort,
    SetSysctl,
    SetUp,
    SetVlans,
)

__all__ = ["Device", "Wanted", "interface", "wanted"]

_MTU: Final = 1500
_USUAL: Final = BridgeState()


Making = AddBridge | AddVeth | AddMacvlan | AddVxlan | AddTap


class Device(Struct, kw_only=True):
    """A device to be; *mtu* of a bridge None: that of its ports."""

    kind: str
    mac: Mac | None = None
    mtu: int | None = _MTU
    up: bool = False
    master: DevName | None = None
    peer: DevRef | None = None
    over: DevRef | None = None
    mode: str | None = None  # of a macvlan
    vxlan: Vxlan | None = None
    queues: int = 1
    bridge: BridgeState | None = None
    nf_call: bool = False
    place: Place | None = None


class Wanted(Struct, kw_only=True):
    """The state, by what names its parts; each part is the operation that makes it."""

    nodes: tuple[NodeName, ...] = ()
    devices: dict[DevRef, Device] = field(default_factory=dict)
    set_up: dict[DevRef, list[SetUp]] = field(default_factory=dict)
    made_by: dict[DevRef, Making] = field(default_factory=dict)
    marks: dict[DevRef, Mark] = field(default_factory=dict)  # who owns it; no part of its state
    addresses: dict[tuple[DevRef, str], AddAddress] = field(default_factory=dict)
    routes: list[AddRoute] = field(default_factory=list)
    neighbours: dict[tuple[DevRef, str], AddNeighbour] = field(default_factory=dict)
    ports: dict[DevRef, SetPort] = field(default_factory=dict)
    others: dict[DevRef, SetOthers] = field(default_factory=dict)  # no lab file declares any
    shut: set[DevRef] = field(default_factory=set)  # … nor ports through which nothing passes
    vlans: dict[DevRef, SetVlans] = field(default_factory=dict)
    fdb: dict[tuple[DevRef, Mac], AddFdb] = field(default_factory=dict)
    remotes: dict[tuple[DevRef, Mac, str], AddRemote] = field(default_factory=dict)
    qdiscs: dict[DevRef, list[AddQdisc]] = field(default_factory=dict)
    policy: dict[NodeName, list[AddPolicyRule]] = field(default_factory=dict)
    sysctls: dict[tuple[NodeName, str], SetSysctl] = field(default_factory=dict)
    rules: dict[NodeName, list[AddRules]] = field(default_factory=dict)


def wanted(plan: Plan) -> Wanted:
    """The state after *plan* in fresh namespaces."""
    state = Wanted()
    for op in plan.ops:
        _take(state, op)
    _settle_mtus(state)
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
        case AddMacvlan() | AddVxlan() | AddTap():
            _take_device(state, op)
        case SetUp(node=node, dev=dev):
            state.set_up.setdefault(DevRef(node, dev), []).append(op)
            device = state.devices[DevRef(node, dev)]
            device.up = op.up
            device.master = op.bridge or device.master
            device.mtu = op.mtu or device.mtu
            device.mac = op.mac or device.mac
        case Mark(node=node, dev=dev):
            state.marks[DevRef(node, dev)] = op
        case _:
            _take_part(state, op)


def _take_part(state: Wanted, op: Op) -> None:
    """What is on a device, or of a node."""
    match op:
        case SetSysctl(node=node, path=path):
            state.sysctls[node, path] = op
        case SetPort(node=node, dev=dev):
            state.ports[DevRef(node, dev)] = op
        case SetOthers(node=node, dev=dev):
            state.others[DevRef(node, dev)] = op
        case OpenPort(node=node, dev=dev):
            state.shut.add(DevRef(node, dev))
        case SetVlans(node=node, dev=dev):
            state.vlans[DevRef(node, dev)] = op
        case AddFdb(node=node, dev=dev, mac=mac):
            state.fdb[DevRef(node, dev), mac] = op
        case AddRemote(node=node, dev=dev, mac=mac, remote=remote):
            ip = str(ip_address(remote))
            state.remotes[DevRef(node, dev), mac, ip] = replace(op, remote=ip)
        case AddQdisc(node=node, dev=dev):
            state.qdiscs.setdefault(DevRef(node, dev), []).append(op)
        case AddAddress(node=node, dev=dev, cidr=cidr):
            state.addresses[DevRef(node, dev), interface(cidr)] = op
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
        queues=end.queues,
        place=op.place,
    )


def _take_device(state: Wanted, op: AddMacvlan | AddVxlan | AddTap) -> None:
    match op:
        case AddMacvlan(ref=ref, node=node, over=over):
            below = DevRef(node, over)
            state.devices[ref] = Device(
                kind="macvlan",
                mac=op.mac,
                mtu=op.mtu or _mtu_so_far(state, below),
                over=below,
                mode=op.mode,
                queues=op.queues,
                place=op.place,
            )
        case AddVxlan(node=node, over=over, vxlan=vxlan):
            ref = DevRef(node, op.name)
            lower = DevRef(node, over) if over is not None else None
            state.devices[ref] = Device(
                kind="vxlan",
                mac=op.mac,
                mtu=op.mtu or (_mtu_so_far(state, lower) - _headers(vxlan) if lower else _MTU),
                over=lower,
                vxlan=replace(vxlan, local=_ip(vxlan.local), remote=_ip(vxlan.remote)),
                queues=op.queues,
                place=op.place,
            )
        case AddTap(node=node, name=name):
            ref = DevRef(node, name)
            state.devices[ref] = Device(kind="tap", place=op.place)
        case _:
            assert_never(op)
    state.made_by[ref] = op


def _headers(vxlan: Vxlan) -> int:
    """The bytes that go around a frame (VXLAN_HEADROOM, VXLAN6_HEADROOM)."""
    return 70 if ":" in f"{vxlan.local} {vxlan.remote}" else 50


def _ip(text: str | None) -> str | None:
    return None if text is None else str(ip_address(text))


def _settle_mtus(state: Wanted) -> None:
    """Of bridges whose MTU nobody chose; a macvlan's is never larger than that below."""
    ports: dict[DevRef, int] = {}
    for ref, device in state.devices.items():
        if device.master and device.mtu:
            bridge = DevRef(ref.node, device.master)
            ports[bridge] = min(device.mtu, ports.get(bridge, device.mtu))
    for ref, device in state.devices.items():
        if device.kind == "bridge" and device.mtu is None:
            device.mtu = ports.get(ref, _MTU)
    for device in state.devices.values():
        lower = state.devices[device.over].mtu if device.over is not None else None
        if device.kind == "macvlan" and device.mtu and lower:
            device.mtu = min(device.mtu, lower)


def _mtu_so_far(state: Wanted, ref: DevRef) -> int:
    """A bridge has its ports' least (br_mtu_auto_adjust)."""
    ports = (
        port.mtu
        for one, port in state.devices.items()
        if (one.node, port.master) == (ref.node, ref.dev) and port.mtu
    )
    device = state.devices.get(ref)  # None: two that lie over each other, which nothing makes
    return (device.mtu if device else None) or min(ports, default=_MTU)
