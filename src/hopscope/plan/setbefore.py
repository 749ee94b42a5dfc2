"""Sysctls that were set while a lab stood: which of them are to be again what they were before."""

from collections.abc import Mapping

from hopscope.model.vocab import NodeName
from hopscope.plan.leaders import TWINS, leaders
from hopscope.plan.wanted import Wanted

__all__ = ["Was", "coming_back"]

Was = Mapping[tuple[NodeName, str], str]
"""Node and path below /proc/sys → the value before the first `set`."""


def coming_back(was: Was, earlier: Wanted, goal: Wanted) -> Was:
    """Those of which no line says, or said, what they are to be.

    Left out, too: one that the kernel sets along with another whose lines differ between the two
    labs; and ``disable_ipv6`` of a device to which a line gives an IPv6 address.
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
        and all(_said(earlier, node, one) == _said(goal, node, one) for one in leaders(path))
    }


def _names(path: str) -> tuple[str, ...]:
    return (path, TWINS[path]) if path in TWINS else (path,)


def _said(lab: Wanted, node: NodeName, path: str) -> str | None:
    op = lab.sysctls.get((node, path))
    return None if op is None else op.value
