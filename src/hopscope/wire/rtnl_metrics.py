"""What a route says of the packets that take it (RTA_METRICS), in the words of ``ip route``."""

from typing import Final

from hopscope.wire.netlink import attributes
from hopscope.wire.rtnl_link_read import as_int, as_text

__all__ = ["metrics"]

_LOCK, _CONGCTL = 1, 16
_NAMES: Final = {
    2: "mtu",
    3: "window",
    4: "rtt",
    5: "rttvar",
    6: "ssthresh",
    7: "cwnd",
    8: "advmss",
    9: "reordering",
    10: "hoplimit",
    11: "initcwnd",
    12: "features",
    13: "rto_min",
    14: "initrwnd",
    15: "quickack",
    _CONGCTL: "congctl",
    17: "fastopen_no_cookie",
}
"""RTAX_*; a number is told as the kernel has it, not in another unit."""


def metrics(data: bytes) -> tuple[str, ...]:
    """Each as ``mtu lock 600``, in the kernel's order; those that have no name yet by number."""
    found = attributes(data)
    locked = as_int(found.pop(_LOCK, None)) or 0
    return tuple(
        f"{_NAMES.get(number, number)}{' lock' if locked >> number & 1 else ''} "
        f"{as_text(value) if number == _CONGCTL else as_int(value)}"
        for number, value in found.items()
    )
