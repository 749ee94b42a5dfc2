"""What is particular about some sysctls: they follow others, read otherwise, or leave a trace."""

from collections.abc import Iterable
from typing import Final

from hopscope.model.vocab import DevName, DevRef
from hopscope.plan.difference import stays
from hopscope.plan.ops import Op, SetSysctl
from hopscope.plan.wanted import Wanted
from hopscope.plan.world import Sysctls, World, default_path, mtu_of_ipv6

__all__ = [
    "default_of_loopback",
    "doubtful",
    "is_secret",
    "lasting",
    "takes_the_default",
    "written",
]

_LASTING: Final = ("addr_gen_mode", "stable_secret")
Written = tuple[str, str]
"""A path in a fresh namespace, and a value."""

_NOT_OF_LOOPBACK: Final = (
    *("disable_policy", "disable_xfrm", "drop_unicast_in_l2_multicast", "forwarding"),
    *("promote_secondaries", "route_localnet"),
)
"""Keys that devinet_conf_proc() does not set, or of which loopback has a value of its own."""


def default_of_loopback(path: str) -> str | None:
    """What loopback has a sysctl from, which is there before any line is followed; None: its own.

    A default of IPv4 is given to every device to which nothing was given yet
    (devinet_copy_dflt_conf(), net/ipv4/devinet.c), and loopback comes up after the lines.
    """
    match path.split("/"):
        case ["net", "ipv4", "conf", "lo", key] if key not in _NOT_OF_LOOPBACK:
            return f"net/ipv4/conf/default/{key}"
    return None


def takes_the_default(path: str) -> bool:
    """Whether a device has it from its node's default when it comes; the MTU it has by itself."""
    own = default_path(path) is not None and not mtu_of_ipv6(path)
    return own or default_of_loopback(path) is not None


def doubtful(wanted: Wanted, sysctls: Sysctls) -> set[Written]:
    """Those declared that read otherwise.

    Either they differ, or the kernel tells in other words what was written (`World.as_told`).
    """
    return {
        _written(op)
        for key, op in wanted.sysctls.items()
        if (now := sysctls.get(key)) is not None and now.split() != op.value.split()
    }


def written(wanted: Wanted) -> set[Written]:
    """All that is declared, as what it would be to write it in a fresh namespace."""
    return set(map(_written, wanted.sysctls.values()))


def _written(op: SetSysctl) -> Written:
    return default_path(op.path) or op.path, op.value


def is_secret(path: str) -> bool:
    """Whether a sysctl can never be again what it is at first: one that nobody can read."""
    return path.startswith("net/ipv6/conf/") and path.endswith("/stable_secret")


def lasting(wanted: Wanted, world: World, ops: Iterable[Op]) -> SetSysctl | None:
    """The first of *ops* that sets what stands, and cannot undo what it was before.

    The kernel keeps the link-local addresses that it made by these, and gives no secret back.

    See addrconf_sysctl_addr_gen_mode() and addrconf_sysctl_stable_secret(), net/ipv6/addrconf.c.
    """
    some = (op for op in ops if isinstance(op, SetSysctl) and _leaves_a_trace(op))
    return next((op for op in some if _stands(wanted, world, op)), None)


def _leaves_a_trace(op: SetSysctl) -> bool:
    return op.path.startswith("net/ipv6/conf/") and op.path.rpartition("/")[2] in _LASTING


def _stands(wanted: Wanted, world: World, op: SetSysctl) -> bool:
    """Whether its node does, and the device that it is of."""
    if default_path(op.path) is None:
        return op.node in world.nodes
    return stays(wanted, world, DevRef(op.node, DevName(op.path.split("/")[3])))
