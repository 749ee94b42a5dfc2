"""The operations beyond veth pairs and bridges as commands of ip, bridge and tc."""

from collections.abc import Iterator
from typing import assert_never

from hopscope.model.lab import PolicySpec
from hopscope.model.traffic import Htb, Netem, Tbf
from hopscope.plan.names import HOME
from hopscope.plan.ops import (
    AddFdb,
    AddMacvlan,
    AddPolicyRule,
    AddQdisc,
    AddRemote,
    AddTap,
    AddVxlan,
    SetPort,
    SetVlans,
)
from hopscope.render.exports.words import Expanded

__all__ = ["More", "more"]

More = (
    AddMacvlan
    | AddVxlan
    | AddTap
    | AddRemote
    | SetPort
    | SetVlans
    | AddFdb
    | AddQdisc
    | AddPolicyRule
)

Words = Iterator[str]


def more(op: More) -> Iterator[list[str]]:
    """What is typed in the operation's node, one command after the other."""
    match op:
        case AddMacvlan():
            yield ["ip", *_macvlan(op)]
        case AddVxlan():
            yield ["ip", *_vxlan(op)]
        case AddTap(name=name):
            yield ["ip", "tuntap", "add", "dev", name, "mode", "tap"]
        case AddRemote(dev=dev, mac=mac, remote=remote):
            yield ["bridge", "fdb", "append", mac, "dev", dev, "dst", remote]
        case SetPort():
            yield ["bridge", *_port(op)]
        case SetVlans():
            yield from (["bridge", *words] for words in _vlans(op))
        case AddFdb(dev=dev, mac=mac):
            yield ["bridge", "fdb", "replace", mac, "dev", dev, "master", "static"]
        case AddQdisc():
            yield from (["tc", *words] for words in _qdisc(op))
        case AddPolicyRule(rule=rule):
            yield ["ip", *_policy(rule)]
        case _:
            assert_never(op)


def _macvlan(op: AddMacvlan) -> Words:
    yield from ("link", "add", "link", op.over, "name", op.ref.dev)
    if op.ref.node != op.node:  # the namespace of the script has no name, but its shell's PID
        yield from ("netns", Expanded("$$") if op.ref.node == HOME else op.ref.node)
    yield from ("address", op.mac) if op.mac else ()
    yield from ("mtu", str(op.mtu)) if op.mtu is not None else ()
    yield from ("numtxqueues", str(op.queues)) if op.queues != 1 else ()
    yield from ("type", "macvlan", "mode", op.mode)


def _vxlan(op: AddVxlan) -> Words:
    yield from ("link", "add", "name", op.name, "address", op.mac)
    yield from ("mtu", str(op.mtu)) if op.mtu is not None else ()
    yield from ("numtxqueues", str(op.queues)) if op.queues != 1 else ()
    yield from ("type", "vxlan", "id", str(op.vxlan.id))
    yield from ("local", op.vxlan.local) if op.vxlan.local else ()
    yield from ("remote", op.vxlan.remote) if op.vxlan.remote else ()
    yield from ("dev", op.over) if op.over else ()
    yield from ("dstport", str(op.vxlan.port))
    yield "learning" if op.vxlan.learning else "nolearning"


def _port(op: SetPort) -> Words:
    yield from ("link", "set", "dev", op.dev)
    for word in ("hairpin", "isolated", "learning", "flood"):
        yield from (word, "on" if getattr(op.options, word) else "off")
    yield from ("cost", str(op.options.cost)) if op.options.cost is not None else ()


def _vlans(op: SetVlans) -> Iterator[list[str]]:
    end = ["self"] if op.itself else []
    for vlan in op.vlans:
        yield ["vlan", "add", "dev", op.dev, "vid", *str(vlan).split(), *end]
    if all(vlan.vid != 1 for vlan in op.vlans):
        yield ["vlan", "del", "dev", op.dev, "vid", "1", *end]


def _qdisc(op: AddQdisc) -> Iterator[list[str]]:
    below = ["root"] if op.parent == "root" else ["parent", op.parent]
    start = ["qdisc", "add", "dev", op.dev, *below, "handle", op.handle]
    match op.options:
        case Tbf(rate=rate, burst=burst, limit=limit):
            what = ["tbf", "rate", f"{rate}bit", "burst", str(burst), "limit", str(limit)]
            yield [*start, *what]
        case Htb(rate=rate, ceil=ceil, burst=burst):
            yield [*start, "htb", "default", "1"]
            one = ["class", "add", "dev", op.dev, "parent", op.handle, "classid", f"{op.handle}1"]
            limits = ["rate", f"{rate}bit", "ceil", f"{ceil}bit", "burst", str(burst)]
            yield [*one, "htb", *limits]
        case Netem() as line:
            yield [*start, "netem", *_line(line)]
        case _:
            assert_never(op.options)


def _line(line: Netem) -> Words:
    yield from ("limit", str(line.limit))
    if line.delay:
        yield from ("delay", f"{line.delay / 1000:g}us")
        yield from (f"{line.jitter / 1000:g}us",) if line.jitter else ()
    for word in ("loss", "duplicate", "corrupt", "reorder"):
        if percent := getattr(line, word):
            yield from (word, f"{percent:g}%")


def _policy(rule: PolicySpec) -> Words:
    yield from ("-6",) if rule.six else ()
    yield from ("rule", "add", "priority", str(rule.priority))
    for word, value in (
        ("from", rule.source),
        ("to", rule.destination),
        ("iif", rule.iif),
        ("oif", rule.oif),
    ):
        yield from (word, value) if value is not None else ()
    if rule.fwmark is not None:
        mask = "" if rule.fwmask is None else f"/{rule.fwmask:#x}"
        yield from ("fwmark", f"{rule.fwmark:#x}{mask}")
    yield from ("lookup", str(rule.table)) if rule.table else (rule.action,)
