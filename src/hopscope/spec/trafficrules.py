"""Rules about rates and lines: what a queueing discipline would refuse, or never let through."""

from collections.abc import Iterator

from hopscope.errors import Place, Problem
from hopscope.model.lab import DeviceSpec, LinkEnd
from hopscope.model.limits import BURST, RATE, WAIT
from hopscope.model.traffic import Netem, RateLimit
from hopscope.spec.faults import Fault
from hopscope.spec.scope import Scope, said
from hopscope.spec.topology import limit_fault
from hopscope.spec.tree import Path

__all__ = ["traffic"]

_USUAL_MTU = 1500
_HEADER = 14  # of Ethernet


def traffic(scope: Scope) -> Iterator[Problem]:
    """What is wrong with rates and lines; what stands at a link is told once."""
    told: set[tuple[str, Place]] = set()
    for path, end, mtu in _senders(scope):
        for fault, keys in _faults(end, mtu):
            place = _place(scope, path, keys)
            if (fault.rule, place) not in told:
                told.add((fault.rule, place))
                yield said(fault, place)


def _senders(scope: Scope) -> Iterator[tuple[Path, LinkEnd | DeviceSpec, int]]:
    for path, end in scope.ends:
        link = scope.lab.links[int(path[1])]
        yield path[:-1], end, link.mtu or _USUAL_MTU
    for node in scope.lab.nodes:
        for device in node.devices:
            mtu = device.mtu or _USUAL_MTU
            yield ("nodes", node.name, "devices", device.ref.dev), device, mtu


def _place(scope: Scope, path: Path, keys: Path) -> Place:
    """At the end itself, or at the link that says it for both ends."""
    own = (*path, *keys)
    if path[0] == "links" and scope.where((*path, keys[0])) == scope.where(path):
        own = (*path[:2], *keys)
    return scope.where(own)


def _faults(end: LinkEnd | DeviceSpec, mtu: int) -> Iterator[tuple[Fault, Path]]:
    if end.traffic.line is not None:
        yield from _line(end.traffic.line)
    if end.traffic.rate is not None:
        yield from _rate(end.traffic.rate, mtu)


def _line(line: Netem) -> Iterator[tuple[Fault, Path]]:
    for key, time in (("delay", line.delay), ("jitter", line.jitter)):
        if (fault := limit_fault(f"the {key}, in ns,", time, WAIT)) is not None:
            yield fault, (key,)
    for key, given in (("jitter", line.jitter), ("reorder", line.reorder)):
        if given and not line.delay:
            message = f"{key!r} says how a delay varies, and there is none"
            yield Fault(rule="no-delay", message=message, hint="add 'delay: 20ms'"), (key,)


def _rate(rate: RateLimit, mtu: int) -> Iterator[tuple[Fault, Path]]:
    for key, what, number, limits in (
        ("rate", "a rate, in bits a second,", rate.rate, RATE),
        ("ceil", "a ceil, in bits a second,", rate.ceil, RATE),
        ("burst", "a burst, in bytes,", rate.burst, BURST),
        ("latency", "a latency, in ns,", rate.latency, WAIT),
    ):
        if (fault := limit_fault(what, number, limits)) is not None:
            yield fault, ("rate", key)
    if rate.ceil is not None and (rate.kind == "tbf" or rate.ceil < rate.rate):
        message = "a tbf has no ceil" if rate.kind == "tbf" else "the ceil is below the rate"
        hint = "write 'kind: htb'" if rate.kind == "tbf" else "make it as high, or leave it out"
        yield Fault(rule="bad-rate", message=message, hint=hint), ("rate", "ceil")
    if rate.burst is not None and rate.burst < mtu + _HEADER:
        message = f"a packet of {mtu} bytes never fits into a burst of {rate.burst}"
        hint = f"make it {mtu + _HEADER} at least"
        yield Fault(rule="small-burst", message=message, hint=hint), ("rate", "burst")
