"""A lab as a topology of containerlab: containers of kind linux, and bridges of the host.

containerlab attaches links to bridges of the host, and makes and sets up nothing there. What
the node ``host`` of a lab has is told in the file's head, as commands.
"""

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from hopscope.model.lab import LabSpec, LinkEnd, LinkSpec, NodeSpec
from hopscope.model.vocab import DevName, DevRef, NodeName
from hopscope.plan.names import HOME
from hopscope.plan.ops import (
    AddAddress,
    AddBridge,
    AddMacvlan,
    AddNeighbour,
    AddQdisc,
    AddRemote,
    AddRoute,
    AddRules,
    AddTap,
    AddVeth,
    AddVxlan,
    MakeNodes,
    SetPort,
    SetSysctl,
    SetUp,
    SetVlans,
)
from hopscope.render.exports import commands
from hopscope.render.exports.commands import Building
from hopscope.render.exports.unsaid import processes
from hopscope.render.exports.words import command
from hopscope.render.exports.yamltext import dumped

__all__ = ["IMAGE", "topology"]

IMAGE: Final = "ghcr.io/srl-labs/network-multitool"
"""containerlab's own image of network tools: ip, bridge, iptables, tcpdump."""


def topology(lab: LabSpec, image: str = IMAGE) -> str:
    """The topology file: nodes and their commands, bridges, links."""
    bridges = _bridges(lab)
    links = [_link(bridges, link) for link in lab.links if not _is_hosts_own(bridges, link)]
    tree: dict[str, Any] = {
        "name": lab.name,
        "topology": {
            "defaults": {"kind": "linux", "image": image, "network-mode": "none"},
            "nodes": {**{name: {"kind": "bridge"} for name in bridges}, **dict(_nodes(lab))},
            **({"links": links} if links else {}),
        },
    }
    return dumped(tree, head=list(_head(lab)), tall=4, lists=("exec",))


def _head(lab: LabSpec) -> Iterator[str]:
    yield f"{lab.name}: {lab.description}" if lab.description else lab.name
    before, after = _of_host(lab)
    foreign = _foreign(lab)
    after += [_named(lab, op) for op in commands.building(lab) if _is_elsewhere(foreign, op)]
    for when, ops in (("Before it deploys this", before), ("When it has", after)):
        lines = [line for op in ops for line in _lines(op)]
        if lines:
            yield ""
            yield f"containerlab sets up nothing on the host. {when}, as root:"
            yield from map(_indented, lines)
    containers = {n.name: ["docker", "exec", "-d", _container(lab, n.name)] for n in lab.nodes}
    started = list(processes(lab, {**containers, HOME: []}))
    if started:
        yield from ("", "It starts no processes in them. When it has deployed this:")
        yield from map(_indented, started)
    chosen = [end for link in lab.links for end in (link.a, link.b) if end.queues != 1]
    if chosen:
        yield from ("", "What it cannot do:")
        yield from (f"  {end.ref} has {end.queues} queues" for end in chosen)


def _lines(op: Building) -> Iterator[str]:
    """Its commands; none ends at a line of its own, which it would not be in a comment."""
    match op:
        case AddRules(tool="nft", lines=lines):
            yield from (f"printf %s {shlex.quote(text)} | nft -f -" for text in lines)
        case _:
            yield from commands.lines_of(op)


def _indented(command: str) -> str:
    """Each line of it alike, so that the whole can be taken out of the comment."""
    return "\n".join(f"  {line}" for line in command.splitlines())


def _container(lab: LabSpec, node: NodeName) -> str:
    """The name of a node's container, which its namespace has too."""
    return f"clab-{lab.name}-{node}"


def _foreign(lab: LabSpec) -> set[DevRef]:
    """The devices that lie over one of another node: no container can make them by itself."""
    devices = (device for node in lab.nodes for device in node.devices)
    return {one.ref for one in devices if one.over is not None and one.over.node != one.ref.node}


def _is_elsewhere(foreign: Collection[DevRef], op: Building) -> bool:
    """Whether it makes a device in two nodes at once, one of *foreign*, or needs one."""
    match op:
        case AddMacvlan(ref=ref):
            return ref in foreign
        case SetUp(node=node, dev=dev) | AddAddress(node=node, dev=dev):
            return DevRef(node, dev) in foreign
        case AddNeighbour(node=node, dev=dev) | AddQdisc(node=node, dev=dev):
            return DevRef(node, dev) in foreign
        case AddRoute(node=node):  # it may need that device's address
            return any(ref.node == node for ref in foreign)
        case _:
            return False


def _named(lab: LabSpec, op: Building) -> Building:
    """The operation in the namespaces of containers."""

    def name(node: NodeName) -> NodeName:
        return node if node == HOME else NodeName(_container(lab, node))

    if isinstance(op, AddMacvlan):
        return replace(op, node=name(op.node), ref=DevRef(name(op.ref.node), op.ref.dev))
    return op if isinstance(op, MakeNodes | AddVeth) else replace(op, node=name(op.node))


def _of_host(lab: LabSpec) -> tuple[list[Building], list[Building]]:
    """What prepares the host: before there are links, and what is about their ends."""
    bridges = _bridges(lab)
    ends = {
        end.ref.dev
        for link in lab.links
        for end in (link.a, link.b)
        if end.ref.node == HOME and not _is_hosts_own(bridges, link)
    }
    own = lab.node(HOME).devices if any(node.name == HOME for node in lab.nodes) else ()
    above = {one.ref.dev for one in own if one.over is not None and one.over.dev in ends}
    before: list[Building] = []
    after: list[Building] = []
    for op in _by_node(lab).get(HOME, ()):
        if _goes_without_saying(lab.node(HOME), op):
            continue
        if isinstance(op, AddVeth) and (op.far.ref.node != HOME or op.far.ref.dev in ends):
            continue
        (after if _names_one_of(op, ends | above) else before).append(op)
    downs = (dev for node in lab.nodes if node.name == HOME for dev in _downs(node))
    after += [SetUp(node=HOME, dev=DevName(dev), up=False) for dev in downs if dev in ends]
    return before, after


def _names_one_of(op: Building, ends: set[DevName]) -> bool:
    match op:
        case AddAddress(dev=dev) | SetUp(dev=dev) | AddNeighbour(dev=dev):
            return dev in ends
        case AddTap(name=name) | AddVxlan(name=name):
            return name in ends
        case AddMacvlan(ref=ref):
            return ref.dev in ends
        case SetPort(dev=dev) | SetVlans(dev=dev) | AddQdisc(dev=dev) | AddRemote(dev=dev):
            return dev in ends
        case SetSysctl(path=path):
            return bool(ends & set(path.split("/")))
        case AddBridge() | AddVeth() | AddRules() | MakeNodes():
            return False
        case _:  # a route may need an address that is there only then
            return bool(ends)


def _goes_without_saying(node: NodeSpec, op: Building) -> bool:
    """What containerlab, or the machine, has done anyway."""
    if isinstance(op, SetSysctl):
        return op.implied
    if not isinstance(op, SetUp):
        return False
    own = [*(b.name for b in node.bridges), *(d.ref.dev for d in node.devices)]
    is_end = op.dev not in own
    return op.dev == "lo" or (op.up and is_end and (op.bridge is None or node.name == HOME))


def _is_hosts_own(bridges: Collection[str], link: LinkSpec) -> bool:
    """A link within the host that no bridge node of containerlab can carry."""
    ends = (link.a, link.b)
    return all(end.ref.node == HOME for end in ends) and not all(
        _bridge_node(bridges, end) for end in ends
    )


def _bridges(lab: LabSpec) -> dict[str, None]:
    """The bridges of the host that ports can name: unless a namespace has the name."""
    names = {str(node.name) for node in lab.nodes}
    own = (bridge for node in lab.nodes if node.name == HOME for bridge in node.bridges)
    return {str(bridge.name): None for bridge in own if bridge.name not in names}


def _bridge_node(bridges: Collection[str], end: LinkEnd) -> str | None:
    return end.bridge if end.ref.node == HOME and end.bridge in bridges else None


def _link(bridges: Collection[str], link: LinkSpec) -> dict[str, Any]:
    named = [(_bridge_node(bridges, end) or end.ref.node, end) for end in (link.a, link.b)]
    mtu = {} if link.mtu is None else {"mtu": link.mtu}
    if not any(end.mac for _node, end in named):
        return {"endpoints": [f"{node}:{end.ref.dev}" for node, end in named], **mtu}
    ends = [
        {"node": node, "interface": end.ref.dev, **({"mac": end.mac} if end.mac else {})}
        for node, end in named
    ]
    return {"type": "veth", "endpoints": ends, **mtu}


def _nodes(lab: LabSpec) -> Iterator[tuple[str, Mapping[str, Any]]]:
    done = _by_node(lab)
    for node in lab.nodes:
        if node.name != HOME:
            lines = list(_exec(node, done[node.name]))
            yield node.name, {"exec": lines} if lines else {}


def _by_node(lab: LabSpec) -> Mapping[NodeName, Sequence[Building]]:
    """What is done in each; its making is containerlab's, and what takes two comes after."""
    found: dict[NodeName, list[Building]] = {node.name: [] for node in lab.nodes}
    foreign = _foreign(lab)
    for op in commands.building(lab):
        if not isinstance(op, MakeNodes) and not _is_elsewhere(foreign, op):
            found[op.node].append(op)
    return found


def _exec(node: NodeSpec, ops: Sequence[Building]) -> Iterator[str]:
    """What is done inside a container once its links are there. No shell reads the lines."""
    for op in ops:
        if _goes_without_saying(node, op):
            continue
        match op:
            case AddVeth(near=near) if near.bridge:
                yield command(["ip", "link", "set", "dev", near.ref.dev, "master", near.bridge])
            case AddVeth() | MakeNodes():
                continue
            case AddRules(tool="nft"):
                yield from (command(["sh", "-c", line]) for line in _lines(op))
            case _:
                yield from commands.lines_of(commands.moved(op, HOME))
    for dev in _downs(node):
        yield command(["ip", "link", "set", "dev", dev, "down"])


def _downs(node: NodeSpec) -> Iterator[str]:
    """What stays down: containerlab brings up loopback, and every end; nothing else."""
    own = {*(bridge.name for bridge in node.bridges), *(one.ref.dev for one in node.devices)}
    yield from () if node.lo or node.name == HOME else ("lo",)
    yield from (dev for dev in node.down if dev not in own)
