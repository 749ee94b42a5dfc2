"""Sysctls that nobody wrote: what each is set for, in words."""

from typing import Final

from hopscope.plan.ops import SetSysctl

__all__ = ["purpose"]

_PURPOSES: Final = {
    "accept_dad": "so that IPv6 addresses work at once; dad: true of a node leaves it as it is",
    "disable_ipv6": "so that the nodes of a lab without IPv6 send nothing of their own accord",
}
_OF_A_DEVICE: Final = "so that a bridge, or a port, without an IPv6 address has no fe80:: one"


def purpose(op: SetSysctl) -> str | None:
    """The end of a sentence: what hopscope sets it for; None when a line of the lab asks for it."""
    if not op.implied:
        return None
    which, key = op.path.split("/")[-2:]
    return _PURPOSES[key] if which in ("all", "default") else _OF_A_DEVICE
