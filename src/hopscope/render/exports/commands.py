"""One operation of a plan as the commands of iproute2, sysctl, iptables and nft that do it."""

from collections.abc import Iterator, Sequence
from typing import Final, assert_never

from msgspec.structs import replace

from hopscope.model.lab import MAIN_TABLE, LabSpec
from hopscope.model.vocab import DevName, NodeName
from hopscope.plan.compile import compile_lab
from hopscope.plan.names import HOME
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
    Changing,
    MakeNodes,
    Mark,
    NewEnd,
    SetPort,
    SetSysctl,
    SetUp,
    SetVlans,
)
from hopscope.render.exports.more import More, more
from hopscope.render.exports.words import command, rule_words

__all__ = [
    "Building",
    "building",
    "inside",
    "is_quiet",
    "lines_of",
    "moved",
    "quieted",
    "sysctl_key",
]

OfOneNode = SetSysctl | AddBridge | SetUp | AddAddress | AddRoute | AddNeighbour | AddRules | More
Building = MakeNodes | AddVeth | OfOneNode
"""What a lab is built with; other operations change one that stands, or are for a real host."""

_QUIET: Final = tuple(
    f"net/ipv6/conf/{which}/{key}"
    for which in ("all", "default")
    for key in ("disable_ipv6", "accept_dad")
)


def building(lab: LabSpec) -> Iterator[Building]:
    """The operations that build the lab, in their order."""
    # a new kind of operation does not pass the type checker here
    return (op for op in compile_lab(lab).ops if not isinstance(op, Changing | Mark))


def is_quiet(op: SetSysctl) -> bool:
    """Whether hopscope sets it of itself, for the whole namespace, to keep a lab quiet."""
    return op.implied and op.path in _QUIET


def quieted(node: NodeName, ops: Sequence[SetSysctl]) -> Iterator[str]:
    """One command for all; the machine's own namespace, whose loopback is up, is left alone."""
    words = inside(node, "sysctl", "-qw", *(f"{sysctl_key(op.path)}={op.value}" for op in ops))
    if node == HOME:
        yield "# A machine's own namespace has devices that are up, and keeps what it has."
        yield f'[ -n "$(ip link show up)" ] || {command(words)}'
    else:
        yield command(words)


def inside(node: NodeName, *words: str) -> list[str]:
    """A command in a node; ``ip`` and ``bridge`` go there by themselves."""
    if node == HOME:
        return list(words)
    if words[:1] and words[0] in ("ip", "bridge"):
        return [words[0], "-n", node, *words[1:]]
    return ["ip", "netns", "exec", node, *words]


def sysctl_key(path: str) -> str:
    """With dots, unless the name of a device has one."""
    return path if "." in path else path.replace("/", ".")


def moved(op: OfOneNode, node: NodeName) -> OfOneNode:
    """The same operation as if its node were *node*: as it is typed by one who is there."""
    return replace(op, node=node)


def lines_of(op: Building) -> Iterator[str]:
    """The commands that do it."""
    match op:
        case MakeNodes(names=names, home=home):
            yield from (command(["ip", "netns", "add", n]) for n in names if n != home)
        case SetSysctl(node=node, path=path, value=value):
            yield command(inside(node, "sysctl", "-qw", f"{sysctl_key(path)}={value}"))
        case AddVeth():
            yield from _veth(op)
        case AddRules():
            yield from _rules(op)
        case (
            AddMacvlan()
            | AddVxlan()
            | AddTap()
            | AddRemote()
            | SetPort()
            | SetVlans()
            | AddFdb()
            | AddQdisc()
            | AddPolicyRule()
        ):
            yield from (command(inside(op.node, *words)) for words in more(op))
        case AddBridge() | SetUp() | AddAddress() | AddRoute() | AddNeighbour():
            yield command(inside(op.node, "ip", *_ip(op)))
        case _:
            assert_never(op)


def _ip(op: AddBridge | SetUp | AddAddress | AddRoute | AddNeighbour) -> Iterator[str]:
    """What ``ip`` is told in one command."""
    match op:
        case AddBridge():
            yield from _bridge(op)
        case SetUp(dev=dev, bridge=bridge, mac=mac, mtu=mtu, up=up):
            yield from ("link", "set", "dev", dev)
            yield from ("address", mac) if mac else ()
            yield from ("master", bridge) if bridge else ()
            yield from ("mtu", str(mtu)) if mtu is not None else ()
            yield "up" if up else "down"
        case AddAddress(dev=dev, cidr=cidr, dad=dad):
            yield from ("addr", "add", cidr)
            if ":" in cidr:
                yield from () if dad else ("nodad",)
            else:
                yield from ("brd", "+") if _has_broadcast(cidr) else ()
            yield from ("dev", dev)
        case AddRoute():
            yield from _route(op)
        case AddNeighbour(dev=dev, ip=ip, mac=mac):
            yield from ("neigh", "replace", ip, "lladdr", mac, "dev", dev, "nud", "permanent")
        case _:
            assert_never(op)


def _has_broadcast(cidr: str) -> bool:
    return int(cidr.partition("/")[2]) < 31


def _bridge(op: AddBridge) -> Iterator[str]:
    yield from ("link", "add", "name", op.name)
    yield from ("address", op.mac) if op.mac else ()
    yield from ("mtu", str(op.mtu)) if op.mtu is not None else ()
    yield from ("type", "bridge")
    yield from ("stp_state", "1") if op.stp else ()
    for word, seconds in (("ageing_time", op.ageing), ("forward_delay", op.forward_delay)):
        yield from (word, str(round(seconds * 100))) if seconds is not None else ()
    yield from ("priority", str(op.priority)) if op.priority is not None else ()
    yield from ("vlan_filtering", "1") if op.vlan_filtering else ()
    yield from ("nf_call_iptables", "1") if op.nf_call_iptables else ()


def _route(op: AddRoute) -> Iterator[str]:
    six = ":" in op.to
    default = op.to in ("0.0.0.0/0", "::/0")
    yield from ("-6",) if six and default else ()
    yield from ("route", "add")
    yield from (op.type,) if op.type != "unicast" else ()
    yield "default" if default else op.to
    yield from () if op.hops else _way(op.via, op.dev)
    yield from ("onlink",) if op.onlink else ()
    yield from ("src", op.source) if op.source else ()
    yield from ("metric", str(op.metric)) if op.metric is not None else ()
    yield from ("table", str(op.table)) if op.table != MAIN_TABLE else ()
    yield from ("proto", "static")
    for hop in op.hops:
        yield from ("nexthop", *_way(hop.via, hop.dev))
        yield from ("weight", str(hop.weight)) if hop.weight > 1 else ()
        yield from ("onlink",) if hop.onlink else ()


def _way(via: str | None, dev: DevName | None) -> Iterator[str]:
    yield from ("via", via) if via else ()
    yield from ("dev", dev) if dev else ()


def _veth(op: AddVeth) -> Iterator[str]:
    """The pair is made from the end that has no name for ``netns``, that of host, if one is."""
    here, there = (op.far, op.near) if op.far.ref.node == HOME else (op.near, op.far)
    words = ["ip", "link", "add", "name", *_end(here, op.mtu), "type", "veth"]
    words += ["peer", "name", *_end(there, op.mtu)]
    if there.ref.node != here.ref.node:
        words += ["netns", there.ref.node]
    yield command(inside(here.ref.node, *words))
    near = op.near
    told = [*(("master", near.bridge) if near.bridge else ()), *(("up",) if op.up else ())]
    if told:
        yield command(inside(near.ref.node, "ip", "link", "set", "dev", near.ref.dev, *told))


def _end(end: NewEnd, mtu: int | None) -> Iterator[str]:
    yield end.ref.dev
    yield from ("address", end.mac)
    yield from ("mtu", str(mtu)) if mtu is not None else ()
    queues = str(end.queues)
    yield from ("numtxqueues", queues, "numrxqueues", queues) if end.queues != 1 else ()


def _rules(op: AddRules) -> Iterator[str]:
    if op.tool != "nft":
        start = command(inside(op.node, op.tool))
        yield from (f"{start} {rule_words(line)}" for line in op.lines)
        return
    for text in op.lines:
        end = "NFT"
        while end in text.splitlines():
            end += "_"
        yield f"{command(inside(op.node, 'nft', '-f', '-'))} <<'{end}'"
        yield text.rstrip("\n")
        yield end
