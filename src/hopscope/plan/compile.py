"""Compile a checked lab into a plan: order, interface indexes and MAC addresses are chosen here.

The order is the fast and quiet one (docs/decisions): sysctls before links, so that a lab
without IPv6 never sends IPv6; each veth pair in one message; then node by node what is
left; a bridge comes up after its ports, so that each port is enabled once.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from hopscope.model.lab import (
    DeviceSpec,
    FirewallStep,
    LabSpec,
    LinkEnd,
    LinkSpec,
    NodeSpec,
    PingStep,
    PolicySpec,
    SetStep,
    StoryStep,
    SysctlSpec,
)
from hopscope.model.vocab import DevName, DevRef, NodeName
from hopscope.plan.devices import device_ops, devices_up
from hopscope.plan.leaders import LED
from hopscope.plan.macs import mac_of
from hopscope.plan.names import HOME, LO, alias_of, device_refs, sysctl_path
from hopscope.plan.ops import (
    AddAddress,
    AddBridge,
    AddNeighbour,
    AddPolicyRule,
    AddRoute,
    AddRules,
    AddVeth,
    MakeNodes,
    Mark,
    NewEnd,
    Op,
    Plan,
    SetSysctl,
    SetUp,
)
from hopscope.plan.ports import port_ops
from hopscope.plan.traffic import traffic_ops
from hopscope.plan.world import mtu_of_ipv6

__all__ = ["compile_lab", "uses_ipv6"]

_NONE: Final[Mapping[DevName, int]] = MappingProxyType({})
_MAIN_PRIORITY: Final = 32766  # of the rule that every namespace has for its main table


_Ends = Mapping[NodeName, list[tuple[LinkEnd, bool]]]
"""Node → its ends of links, in their order, and whether each is the far one."""


def compile_lab(
    spec: LabSpec, *, on_host: bool = False, known: Mapping[DevName, int] = _NONE
) -> Plan:
    """The operations that make *spec* in fresh namespaces.

    With *on_host* the node ``host`` is the real namespace: its loopback is left alone,
    our devices there are marked, and have the indexes that are *known*.
    """
    names = tuple(node.name for node in spec.nodes)
    home = HOME if HOME in names else None
    ends = _ends(spec)
    return Plan(
        ops=(
            MakeNodes(names=names, home=home, place=next((n.place for n in spec.nodes), None)),
            *_early_sysctls(spec, on_host=on_host),
            *_devices(spec, on_host=on_host),
            *_late_sysctls(spec, ends, on_host=on_host),
            *_set_up(spec, ends, on_host=on_host),
            *_last_sysctls(spec),
            *(op for node in spec.nodes for op in _rules(node)),
        ),
        indexes=_indexes(spec, known),
    )


def _set_up(spec: LabSpec, ends: _Ends, *, on_host: bool) -> Iterator[Op]:
    """Node by node what brings it up and what is set then."""
    mtus = {end.ref: link.mtu for link in spec.links if link.mtu for end in (link.a, link.b)}
    for node in spec.nodes:
        mine = [end for end, _far in ends[node.name]]
        yield from _bring_up(node, ends[node.name], on_host=on_host)
        yield from port_ops(node, mine)
        yield from traffic_ops(node, mine, mtus)
        yield from _layer3(node)


def uses_ipv6(spec: LabSpec) -> bool:
    """Whether anything in the lab is IPv6; if nothing is, the nodes keep it off."""
    return any(map(_speaks_ipv6, spec.story)) or any(
        node.ip6tables
        or (node.nft is not None and "ip6" in node.nft.text)
        or any(":" in address.cidr for address in node.addresses)
        or any(":" in route.to for route in node.routes)
        or any(rule.six for rule in node.policy)
        or any(map(_tunnels_over_ipv6, node.devices))
        or any(":" in neighbour.ip for neighbour in node.neighbours)
        or any("ipv6" in s.key and "disable_ipv6" not in s.key for s in node.sysctls)
        for node in spec.nodes
    )


def _tunnels_over_ipv6(device: DeviceSpec) -> bool:
    ends = (device.vxlan.local or "", device.vxlan.remote or "") if device.vxlan else ()
    return any(":" in ip for ip in (*ends, *(one.remote for one in device.remotes)))


def _speaks_ipv6(step: StoryStep) -> bool:
    match step:
        case PingStep(address=address):
            return ":" in address
        case FirewallStep(tool=tool):
            return tool == "ip6tables"
        case SetStep(values=values):
            return any("ipv6" in sysctl.key for _node, sysctl in values)
    return False


def _indexes(spec: LabSpec, known: Mapping[DevName, int]) -> Mapping[DevRef, int]:
    following = {node.name: 2 for node in spec.nodes}
    indexes = {DevRef(node.name, LO): 1 for node in spec.nodes}
    for ref in device_refs(spec):
        indexes[ref] = following[ref.node]
        following[ref.node] += 1
    if known:
        indexes |= {ref: known[ref.dev] for ref in indexes if ref.node == HOME and ref.dev in known}
    return indexes


def _ends(spec: LabSpec) -> _Ends:
    """In one pass: a lab may have as many links as nodes, and thousands of both."""
    found: dict[NodeName, list[tuple[LinkEnd, bool]]] = {node.name: [] for node in spec.nodes}
    for link in spec.links:
        near, far = _near_and_far(link)
        found[near.ref.node].append((near, False))
        found[far.ref.node].append((far, True))
    return found


def _names_a_device(sysctl: SysctlSpec) -> bool:
    parts = sysctl_path(sysctl.key).split("/")
    per_device = len(parts) > 3 and parts[2] in ("conf", "neigh")
    return per_device and parts[3] not in ("all", "default", "lo")


def _set(node: NodeSpec, sysctl: SysctlSpec) -> SetSysctl:
    return SetSysctl(
        node=node.name, path=sysctl_path(sysctl.key), value=sysctl.value, place=sysctl.place
    )


def _implied(node: NodeSpec, path: str, value: str) -> SetSysctl:
    """One that nobody wrote; the node is what asks for it."""
    return SetSysctl(node=node.name, path=path, value=value, implied=True, place=node.place)


def _early_sysctls(spec: LabSpec, *, on_host: bool) -> Iterator[Op]:
    six = uses_ipv6(spec)
    for node in spec.nodes:
        if not (on_host and node.name == HOME):
            yield from _quiet(node, six=six)
        for sysctl in sorted(node.sysctls, key=_sets_no_others):
            if not _names_a_device(sysctl):
                yield _set(node, sysctl)


def _sets_no_others(sysctl: SysctlSpec) -> bool:
    """What sets others goes first: of these, the lines of their own are what counts."""
    return sysctl_path(sysctl.key) not in LED


def _quiet(node: NodeSpec, *, six: bool) -> Iterator[Op]:
    """What keeps a node from saying more than it is asked to."""
    if six and node.dad:
        return
    key, value = ("accept_dad", "0") if six else ("disable_ipv6", "1")
    paths = [f"net/ipv6/conf/{which}/{key}" for which in ("all", "default")]
    asked = {sysctl_path(sysctl.key) for sysctl in node.sysctls}
    if not six and paths[0] in asked:  # which sets the default, too
        return
    yield from (_implied(node, path, value) for path in paths if path not in asked)


def _late_sysctls(spec: LabSpec, ends: _Ends, *, on_host: bool) -> Iterator[Op]:
    """Per device: a port or bridge without an address of its own gets no link-local one."""
    asked = {(node.name, sysctl_path(sysctl.key)) for node in spec.nodes for sysctl in node.sysctls}
    six = uses_ipv6(spec)
    for node in spec.nodes:
        addressed = {address.dev for address in node.addresses if ":" in address.cidr}
        silent = [
            *(bridge.name for bridge in node.bridges),
            *(end.ref.dev for end, _far in ends[node.name] if end.bridge),
            *(device.ref.dev for device in node.devices if device.bridge),
        ]
        for dev in silent:
            path = f"net/ipv6/conf/{dev}/disable_ipv6"
            wanted = six or (on_host and node.name == HOME)
            if wanted and dev not in addressed and (node.name, path) not in asked:
                yield _implied(node, path, "1")
        for sysctl in node.sysctls:
            if _names_a_device(sysctl) and not mtu_of_ipv6(sysctl_path(sysctl.key)):
                yield _set(node, sysctl)


def _last_sysctls(spec: LabSpec) -> Iterator[Op]:
    """A device that comes up gives IPv6 its own MTU (addrconf_notify())."""
    for node in spec.nodes:
        for sysctl in node.sysctls:
            if mtu_of_ipv6(sysctl_path(sysctl.key)):
                yield _set(node, sysctl)


def _devices(spec: LabSpec, *, on_host: bool) -> Iterator[Op]:
    for node in spec.nodes:
        for bridge in node.bridges:
            yield AddBridge(
                node=node.name,
                name=bridge.name,
                nf_call_iptables=bridge.nf_call_iptables,
                stp=bridge.stp,
                ageing=bridge.ageing,
                forward_delay=bridge.forward_delay,
                priority=bridge.priority,
                vlan_filtering=bridge.vlan_filtering,
                mac=bridge.mac,
                mtu=bridge.mtu,
                place=bridge.place,
            )
    down = {(node.name, dev) for node in spec.nodes for dev in node.down}
    for link in spec.links:
        yield _veth(link, down, on_host=on_host)
    yield from device_ops(spec)
    if on_host:
        for ref in device_refs(spec):
            if ref.node == HOME:
                yield Mark(node=HOME, dev=ref.dev, alias=alias_of(spec.name))


def _veth(link: LinkSpec, down: Container[tuple[NodeName, DevName]], *, on_host: bool) -> AddVeth:
    near, far = _near_and_far(link)
    left_down = (near.ref.node, near.ref.dev) in down
    return AddVeth(
        near=_new_end(near),
        far=_new_end(far),
        up=not left_down and not _is_real(near.ref, on_host=on_host),
        mtu=link.mtu,
        place=link.place,
    )


def _near_and_far(link: LinkSpec) -> tuple[LinkEnd, LinkEnd]:
    """The end with a bridge is the near one: only there one message also sets the bridge."""
    return (link.a, link.b) if link.a.bridge else (link.b, link.a)


def _new_end(end: LinkEnd) -> NewEnd:
    mac = end.mac or mac_of(end.ref)
    return NewEnd(ref=end.ref, mac=mac, bridge=end.bridge, queues=end.queues)


def _is_real(ref: DevRef, *, on_host: bool) -> bool:
    """A device of the machine's own namespace comes up only when its sysctls are set."""
    return on_host and ref.node == HOME


def _bring_up(
    node: NodeSpec, ends: Sequence[tuple[LinkEnd, bool]], *, on_host: bool
) -> Iterator[Op]:
    """Loopback, the ends that are not up yet, and last the bridges."""
    real = on_host and node.name == HOME
    if node.lo and not real:
        yield SetUp(node=node.name, dev=LO, place=node.place)
    left_down = frozenset(node.down)
    for end, far in ends:
        up = end.ref.dev not in left_down
        bridge = end.bridge if far else None
        if (far or real) and (up or bridge):
            yield SetUp(node=node.name, dev=end.ref.dev, up=up, bridge=bridge, place=end.place)
    yield from devices_up(node)
    for one in node.bridges:
        up = one.up and one.name not in node.down
        if up or one.mtu is not None:
            yield SetUp(node=node.name, dev=one.name, up=up, mtu=one.mtu, place=one.place)


def _layer3(node: NodeSpec) -> Iterator[Op]:
    for address in node.addresses:
        yield AddAddress(
            node=node.name,
            dev=address.dev,
            cidr=address.cidr,
            dad=node.dad and ":" in address.cidr,
            place=address.place,
        )
    for route in node.routes:
        yield AddRoute(
            node=node.name,
            to=route.to,
            via=route.via,
            dev=route.dev,
            metric=route.metric,
            type=route.type,
            source=route.source,
            onlink=route.onlink,
            hops=route.hops,
            table=route.table,
            place=route.place,
        )
    for rule in _with_priorities(node.policy):
        yield AddPolicyRule(node=node.name, rule=replace(rule, place=None), place=rule.place)
    for near in node.neighbours:
        yield AddNeighbour(node=node.name, dev=near.dev, ip=near.ip, mac=near.mac, place=near.place)


def _with_priorities(rules: Sequence[PolicySpec]) -> Iterator[PolicySpec]:
    """Those that say none are asked in their order, just before the main table."""
    left = sum(rule.priority is None for rule in rules)
    for rule in rules:
        if rule.priority is None:
            yield replace(rule, priority=_MAIN_PRIORITY - left)
            left -= 1
        else:
            yield rule


def _rules(node: NodeSpec) -> Iterator[Op]:
    for tool, lines in (("iptables", node.iptables), ("ip6tables", node.ip6tables)):
        if lines:
            yield AddRules(
                node=node.name,
                tool=tool,
                lines=tuple(line.text for line in lines),
                places=tuple(line.place for line in lines),
            )
    if node.nft:
        yield AddRules(node=node.name, tool="nft", lines=(node.nft.text,), places=(node.nft.place,))
