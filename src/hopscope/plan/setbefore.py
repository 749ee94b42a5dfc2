"""Sysctls that were set while a lab stood: which of them are to be again what they were before."""

from collections.abc import Iterator, Mapping
from typing import Final

from hopscope.model.vocab import NodeName
from hopscope.plan.wanted import Wanted

__all__ = ["TWINS", "Was", "coming_back"]

_FORWARDING: Final = ("net/ipv4/ip_forward", "net/ipv4/conf/all/forwarding")

TWINS: Final = dict([_FORWARDING, _FORWARDING[::-1]])
"""One sysctl by two names."""

Was = Mapping[tuple[NodeName, str], str]
"""Node and path below /proc/sys → the value before the first `set`."""


def coming_back(was: Was, earlier: Wanted, goal: Wanted) -> Was:
    """Those of which no line says, or said, what they are to be.

    Nor is one told that the kernel sets along with another, of which the lines differ, or without
    which a device could not have the IPv6 address that a line gives it.
    """
    speaking = {
        (ref.node, f"net/ipv6/conf/{ref.dev}/disable_ipv6")
        for ref, cidr in goal.addresses
        if ":" in cidr
    }
    return {
        (node, path): value
        for (node, path), value in was.items()
        if (node, path) not in speaking
        and not any((node, one) in lab.sysctls for one in _names(path) for lab in (earlier, goal))
        and all(_said(earlier, node, one) == _said(goal, node, one) for one in _leaders(path))
    }


def _names(path: str) -> tuple[str, ...]:
    return (path, TWINS[path]) if path in TWINS else (path,)


def _leaders(path: str) -> Iterator[str]:
    """Setting ``net/ipv4/conf/all/forwarding`` sets that of every device."""
    match path.split("/"):
        case ["net", family, "conf", _dev, key]:
            yield from _names(f"net/{family}/conf/all/{key}")


def _said(lab: Wanted, node: NodeName, path: str) -> str | None:
    op = lab.sysctls.get((node, path))
    return None if op is None else op.value
