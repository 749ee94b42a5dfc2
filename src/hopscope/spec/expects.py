"""Rules about what a story expects: each chain, device, cause, way and route can be."""

import re
from collections.abc import Iterator
from typing import Final

from hopscope.errors import Problem
from hopscope.model.lab import Expect
from hopscope.model.reasons import REASONS
from hopscope.spec.faults import Fault, near, nearest, shortened
from hopscope.spec.firewall import chain_fault
from hopscope.spec.names import address_fault, ip_fault, network_of
from hopscope.spec.scope import Scope, said
from hopscope.spec.tree import Path

__all__ = ["GAP", "ping_expects", "table_expects"]

GAP: Final = "..."
_TYPES: Final = (
    "local",
    "blackhole",
    "unreachable",
    "prohibit",
    "throw",
    "broadcast",
    "anycast",
    "multicast",
)


def ping_expects(scope: Scope, expect: Expect, path: Path) -> Iterator[Problem]:
    """What is wrong with what is expected of a ping."""
    for part, chains in (("crosses", expect.crosses), ("avoids", expect.avoids)):
        for number, chain in enumerate(chains):
            if (fault := chain_fault(scope, chain)) is not None:
                yield said(fault, scope.where((*path, part, number)))
    for number, spot in enumerate(expect.path):
        if (fault := None if spot == GAP else _spot_fault(scope, spot)) is not None:
            yield said(fault, scope.where((*path, "path", number)))
    yield from _drop(scope, expect, (*path, "drop"))


def _drop(scope: Scope, expect: Expect, path: Path) -> Iterator[Problem]:
    if expect.drop is None:
        return
    cause, at = expect.drop.cause, expect.drop.at
    if cause is not None and cause not in REASONS:
        message = f"there is no cause {shortened(cause)} of a drop"
        meant = nearest(cause, REASONS)
        hint = f"did you mean {meant!r}?" if meant else "docs/journeys.md lists them: rule-drop, …"
        fault = Fault(rule="unknown-cause", message=message, text=cause, hint=hint)
        yield said(fault, scope.where((*path, "cause")))
    if at is not None and (wrong := _spot_fault(scope, at)) is not None:
        yield said(wrong, scope.where((*path, "at")))


def _spot_fault(scope: Scope, text: str) -> Fault | None:
    """A node, or a device written with its node."""
    node, slash, dev = text.partition("/")
    if not slash:
        fault = scope.node_fault(text)
        owners = [owner for owner, devices in scope.devices.items() if text in devices]
        if fault is not None and owners:
            hint = f"write a device with its node: {owners[0]}/{text}"
            return Fault(rule=fault.rule, message=fault.message, text=text, hint=hint)
        return fault
    if node and dev:
        return scope.device_fault(node, dev)
    message = f"{shortened(text)} is neither a node nor a device of one"
    return Fault(rule="bad-device", message=message, text=text, hint="write host, or host/br0")


def table_expects(scope: Scope, expect: Expect, path: Path) -> Iterator[Problem]:
    """What is wrong with what is expected of addresses, routes and rules."""
    yield from _addresses(scope, expect, (*path, "addresses"))
    yield from _routes(scope, expect, (*path, "routes"))
    for key in expect.hits:
        if key not in scope.prefixes and (fault := _hits_fault(scope, key)) is not None:
            yield said(fault, scope.where((*path, "hits", key), key=True))


def _addresses(scope: Scope, expect: Expect, path: Path) -> Iterator[Problem]:
    for text, addresses in expect.addresses.items():
        inner: Path = (*path, text)
        node, _, dev = text.partition("/")
        if (fault := scope.device_fault(node, dev)) is not None:
            yield said(fault, scope.where(inner, key=True))
        for number, address in enumerate(addresses):
            wrong = (
                address_fault(address)
                if "/" in address
                else ip_fault(address, "an expected address")
            )
            if wrong is not None:
                yield said(wrong, scope.where((*inner, number)))


def _routes(scope: Scope, expect: Expect, path: Path) -> Iterator[Problem]:
    for node, routes in expect.routes.items():
        if (fault := scope.node_fault(node)) is not None:
            yield said(fault, scope.where((*path, node), key=True))
        for number, (to, how) in enumerate(routes.items()):
            inner: Path = (*path, node, number)
            wrong = network_of(to) if "/" in to else ip_fault(to, "where a route leads")
            if wrong is not None:
                yield said(wrong, scope.where(inner, key=True))
            if (wrong := _how_fault(scope, node, how)) is not None:
                yield said(wrong, scope.where(inner))


def _how_fault(scope: Scope, node: str, how: str) -> Fault | None:
    """``via 10.0.0.1 dev eth0``, one of these, a type, or ``none``."""
    words = how.split()
    if words == ["none"]:
        return None
    rest = words[1:] if words[:1] and words[0] in _TYPES else words
    for word, argument in zip(rest[::2], [*rest[1::2], ""], strict=False):
        if word == "via" and (fault := ip_fault(argument, "a gateway")) is not None:
            return fault
        if word == "dev" and (fault := _dev_fault(scope, node, argument)) is not None:
            return fault
        if word not in ("via", "dev"):
            words = []
    if words:
        return None
    message = f"{shortened(how)} does not say which way a route leads"
    hint = "write 'via 10.0.0.1', 'dev eth0', both, a type such as 'blackhole', or 'none'"
    return Fault(rule="bad-route", message=message, text=how, hint=hint)


def _dev_fault(scope: Scope, node: str, dev: str) -> Fault | None:
    return scope.device_fault(node, dev) if node in scope.nodes else None


def _hits_fault(scope: Scope, key: str) -> Fault | None:
    """A chain, or one rule of it; what has no slash was meant as a prefix."""
    if "/" in key:
        chain, _, number = key.rpartition("/")
        if re.fullmatch("0[0-9]*", number) and chain.count("/") >= 2:
            message = f"{shortened(key)} names no rule: they are counted from 1"
            return Fault(rule="bad-hook", message=message, text=key, hint=f"write {chain}/1")
        numbered = re.fullmatch("[0-9]+", number) and chain.count("/") >= 2
        return chain_fault(scope, chain if numbered else key)
    message = f"no rule of this lab logs with the prefix {shortened(key)}"
    hint = near(key, sorted(scope.prefixes)) or "or write a chain: host/filter/FORWARD"
    return Fault(rule="unknown-prefix", message=message, text=key, hint=hint)
