"""What a refusal says of the kernel itself: the part that it was built without, and its option."""

import errno

from msgspec import Struct

from hopscope.plan.ops import AddBridge, AddMacvlan, AddQdisc, AddTap, AddVxlan, Op, SetVlans

__all__ = ["Absent", "absent"]


class Absent(Struct, frozen=True):
    """A part of the kernel, the module it may come in, and the option that builds it."""

    what: str
    module: str
    config: str


def absent(op: Op, code: int) -> Absent | None:
    """What this kernel lacks for *op*, which it refused with *code*; None: that is not why."""
    unknown = code in (errno.EOPNOTSUPP, errno.ENOENT)
    match op:
        case AddBridge(vlan_filtering=True) | SetVlans() if unknown:
            return Absent("VLAN filtering of bridges", "bridge", "CONFIG_BRIDGE_VLAN_FILTERING")
        case AddMacvlan() if code == errno.EOPNOTSUPP:
            return Absent("macvlan devices", "macvlan", "CONFIG_MACVLAN")
        case AddVxlan() if code == errno.EOPNOTSUPP:
            return Absent("vxlan devices", "vxlan", "CONFIG_VXLAN")
        case AddQdisc(options=options) if code == errno.ENOENT:
            kind = options.kind
            return Absent(kind, f"sch_{kind}", f"CONFIG_NET_SCH_{kind.upper()}")
        case AddTap() if code in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
            return Absent("tap devices", "tun", "CONFIG_TUN")
        case _:
            return None
