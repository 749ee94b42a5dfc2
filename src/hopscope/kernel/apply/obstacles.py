"""What a refusal says of this machine, not of the lab: what the kernel lacks, or does not allow."""

import errno
from typing import Final

from msgspec import Struct

from hopscope.errors import CannotError
from hopscope.kernel.machine.mending import load, open_tun
from hopscope.plan.ops import (
    AddBridge,
    AddMacvlan,
    AddQdisc,
    AddTap,
    AddVeth,
    AddVxlan,
    ChangeBridge,
    ChangeVlans,
    Op,
    SetVlans,
)

__all__ = ["Obstacle", "cannot", "obstacle"]

_UNKNOWN_KIND: Final = "Unknown device type"  # rtnl_newlink_create(), net/core/rtnetlink.c


class Obstacle(Struct, frozen=True):
    """What stands in the way, as the end of a sentence, and what removes it."""

    what: str
    mend: str


def obstacle(op: Op, code: int, said: str = "") -> Obstacle | None:
    """What is in the way of *op*, which the kernel refused with *code*; None: it is the lab.

    *said*: in the kernel's words. Only these tell a kernel without bridges from one without VLANs.
    """
    unknown = code in (errno.EOPNOTSUPP, errno.ENOENT)
    match op:
        case AddBridge() if said == _UNKNOWN_KIND:
            return _absent("bridges", "bridge", "CONFIG_BRIDGE")
        case AddVeth() if said == _UNKNOWN_KIND:
            return _absent("veth pairs", "veth", "CONFIG_VETH")
        case AddBridge(vlan_filtering=True) | ChangeBridge(vlan_filtering=True) if unknown:
            return _absent("VLAN filtering of bridges", "bridge", "CONFIG_BRIDGE_VLAN_FILTERING")
        case SetVlans() | ChangeVlans() if unknown:
            return _absent("VLAN filtering of bridges", "bridge", "CONFIG_BRIDGE_VLAN_FILTERING")
        case AddMacvlan() if code == errno.EOPNOTSUPP:
            return _absent("macvlan devices", "macvlan", "CONFIG_MACVLAN")
        case AddVxlan() if code == errno.EOPNOTSUPP:
            return _absent("vxlan devices", "vxlan", "CONFIG_VXLAN")
        case AddQdisc(options=options) if code == errno.ENOENT:
            kind = options.kind
            return _absent(kind, f"sch_{kind}", f"CONFIG_NET_SCH_{kind.upper()}")
        case AddTap() if code in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
            return _absent("tap devices", "tun", "CONFIG_TUN")
        case AddTap() if code in (errno.EACCES, errno.EPERM):
            what = "this user may not open /dev/net/tun"
            return Obstacle(what, open_tun())
        case _:
            return None


def cannot(op: Op, found: Obstacle) -> CannotError:
    """The lab is right, and this machine cannot do what that line of it asks for."""
    if op.place is None:
        return CannotError(f"{op}: {found.what}", mend=found.mend)
    return CannotError(f"{op.place}: {op}: {found.what}", mend=f"{found.mend}, or leave this out")


def _absent(what: str, module: str, config: str) -> Obstacle:
    """A part that the kernel was built without: the module it may come in, and its option."""
    return Obstacle(f"this kernel has no {what}", load(module, config))
