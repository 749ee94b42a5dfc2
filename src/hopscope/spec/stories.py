"""Rules about the story: every step speaks of what the lab has, and can be performed."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import assert_never

from hopscope.errors import Problem
from hopscope.model.lab import (
    TABLES,
    Expect,
    ExpectStep,
    FirewallStep,
    PingStep,
    SetStep,
    ShowStep,
    StoryStep,
    ZeroStep,
)
from hopscope.model.limits import COUNT, SIZE, TIMEOUT
from hopscope.spec.expects import ping_expects, table_expects
from hopscope.spec.faults import Fault, near, shortened
from hopscope.spec.firewall import lines
from hopscope.spec.names import ip_fault, ip_of, is_mac, mac_fault
from hopscope.spec.scope import Scope, said
from hopscope.spec.sysctls import sysctls
from hopscope.spec.topology import limit_fault
from hopscope.spec.tree import Path

__all__ = ["story"]


def story(scope: Scope) -> Iterator[Problem]:
    """What is wrong with the steps."""
    for number, step in enumerate(scope.lab.story):
        yield from _step(scope, step, ("story", number))


def _step(scope: Scope, step: StoryStep, path: Path) -> Iterator[Problem]:
    match step:
        case ShowStep():
            yield from _show(scope, step, (*path, "show"))
        case PingStep():
            yield from _ping(scope, step, (*path, "ping"))
            if step.expect is not None:
                yield from ping_expects(scope, step.expect, (*path, "ping", "expect"))
        case SetStep(values=values):
            for node, given in groupby(values, key=lambda pair: pair[0]):
                inner: Path = (*path, "set", node)
                yield from _node(scope, node, inner, key=True)
                yield from sysctls(scope, scope.one_of(node), [pair[1] for pair in given], inner)
        case FirewallStep(tool=tool, lines=rules):
            for node, pairs in groupby(rules, key=lambda pair: pair[0]):
                inner = (*path, tool, node)
                yield from _node(scope, node, inner, key=True)
                yield from lines(scope, [line for _, line in pairs], tool, inner)
        case ZeroStep(nodes=nodes):
            yield from _nodes(scope, nodes, (*path, "zero"))
        case ExpectStep(expect=expect):
            yield from _tables(scope, expect, (*path, "expect"))
        case _:
            assert_never(step)


def _node(scope: Scope, name: str, path: Path, *, key: bool = False) -> Iterator[Problem]:
    """One, or all that are counted under the name."""
    if (fault := scope.nodes_fault(name)) is not None:
        yield said(fault, scope.where(path, key=key, piece="" if key else name))


def _nodes(scope: Scope, names: Sequence[str], path: Path) -> Iterator[Problem]:
    for number, name in enumerate(names):
        yield from _node(scope, name, (*path, number))


def _show(scope: Scope, step: ShowStep, path: Path) -> Iterator[Problem]:
    if not step.what:
        hint = f"write one of {', '.join(TABLES)}"
        fault = Fault(rule="unknown-table", message="'show' names no table", hint=hint)
        yield said(fault, scope.where(path))
    for number, table in enumerate(step.what):
        if table not in TABLES:
            message = f"there is no table {shortened(table)} to show"
            hint = near(table, TABLES)
            fault = Fault(rule="unknown-table", message=message, text=table, hint=hint)
            yield said(fault, scope.where((*path, "what", number)))
    yield from _nodes(scope, step.nodes, (*path, "nodes"))


def _ping(scope: Scope, step: PingStep, path: Path) -> Iterator[Problem]:
    if (fault := scope.node_fault(step.source)) is not None:
        yield said(fault, scope.where((*path, "from"), piece=step.source))
    if (fault := _target_fault(scope, step)) is not None:
        yield said(fault, scope.where((*path, "to"), piece=step.target))
    for what, key, number, limits in (
        ("the number of requests", "count", step.count, COUNT),
        ("the payload of a request", "size", step.size, SIZE),
        ("the time to wait for a reply", "timeout", step.timeout, TIMEOUT),
    ):
        if (fault := limit_fault(what, number, limits)) is not None:
            yield said(fault, scope.where((*path, key)))


def _target_fault(scope: Scope, step: PingStep) -> Fault | None:
    target = step.target
    node = scope.nodes.get(target)
    if node is not None:
        if node.addresses or target in scope.believed:
            return None
        message = f"{target} has no address, so there is nothing to send a ping to"
        hint = f"give {target} an address, or ping the address that it should have"
        return Fault(rule="no-address", message=message, text=target, hint=hint)
    if ip_of(target) is not None:
        return None
    if re.search(r"[:/%]", target) or re.fullmatch(r"[0-9.]+", target):
        return ip_fault(target, "the target of a ping")
    return scope.node_fault(target)


def _tables(scope: Scope, expect: Expect, path: Path) -> Iterator[Problem]:
    yield from _neighbours(scope, expect, (*path, "neighbours"))
    yield from _fdb(scope, expect, (*path, "fdb"))
    for number, ref in enumerate(expect.no_address):
        if (fault := scope.device_fault(scope.one_of(ref.node), ref.dev)) is not None:
            yield said(fault, scope.where((*path, "no_address", number)))
    yield from table_expects(scope, expect, path)


def _neighbours(scope: Scope, expect: Expect, path: Path) -> Iterator[Problem]:
    for node, entries in expect.neighbours.items():
        yield from _node(scope, node, (*path, node), key=True)
        for number, (ip, wanted) in enumerate(entries.items()):
            if (fault := ip_fault(ip, "a neighbour")) is not None:
                yield said(fault, scope.where((*path, node, number), key=True))
            if wanted != "none" and (fault := _station_fault(scope, wanted)) is not None:
                yield said(fault, scope.where((*path, node, number)))


def _fdb(scope: Scope, expect: Expect, path: Path) -> Iterator[Problem]:
    for text, entries in expect.fdb.items():
        inner: Path = (*path, text)
        node, bridge = text.split("/", 1)
        fault = scope.node_fault(node) or scope.bridge_fault(node, bridge)
        if fault is not None:
            yield said(fault, scope.where(inner, key=True))
        for station, port in entries.items():
            if (wrong := _station_fault(scope, station)) is not None:
                yield said(wrong, scope.where((*inner, station), key=True))
            if fault is None and (wrong := _port_fault(scope, node, bridge, port)) is not None:
                yield said(wrong, scope.where((*inner, station)))


def _station_fault(scope: Scope, text: str) -> Fault | None:
    """A device written with its node, or a MAC address."""
    node, slash, dev = text.partition("/")
    if slash and node and dev:
        return scope.device_fault(node, dev)
    if is_mac(text):
        return None
    if ":" in text:
        return mac_fault(text)
    hint = "write NODE/DEVICE, as ns2/veth2a, or a MAC address"
    message = f"{shortened(text)} is neither a device of a node nor a MAC address"
    return Fault(rule="bad-device", message=message, text=text, hint=hint)


def _port_fault(scope: Scope, node: str, bridge: str, port: str) -> Fault | None:
    known = scope.ports.get((node, bridge), ())
    if port in (*known, "none") or scope.believes(node, port):
        return None
    message = f"{node}/{bridge} has no port {shortened(port)}"
    hint = near(port, (*known, "none"))
    return Fault(rule="unknown-port", message=message, text=port, hint=hint)
