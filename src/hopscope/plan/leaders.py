"""Which sysctls the kernel sets along with others: one table, and two questions to it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["LED", "TWINS", "as_led", "leaders"]

_FORWARDING: Final = ("net/ipv4/ip_forward", "net/ipv4/conf/all/forwarding")
_REDIRECTS: Final = "net/ipv4/conf/all/accept_redirects"
_SIX: Final = ("addr_gen_mode", "disable_ipv6", "forwarding", "ignore_routes_with_linkdown")

TWINS: Final = dict([_FORWARDING, _FORWARDING[::-1]])
"""One sysctl by two names."""

LED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        **dict.fromkeys(
            _FORWARDING,
            ("net/ipv4/conf/default/forwarding", "net/ipv4/conf/*/forwarding", _REDIRECTS),
        ),
        **{
            f"net/ipv6/conf/all/{key}": (f"net/ipv6/conf/default/{key}", f"net/ipv6/conf/*/{key}")
            for key in _SIX
        },
        "net/ipv6/conf/all/force_forwarding": ("net/ipv6/conf/*/force_forwarding",),
    }
)
"""Path → what is set along with it, if it changes; * is each device that is there, loopback, too.

See inet_forward_change(), net/ipv4/devinet.c; in net/ipv6/addrconf.c addrconf_fixup_forwarding(),
addrconf_disable_ipv6(), addrconf_fixup_linkdown(), addrconf_sysctl_addr_gen_mode(), and
addrconf_force_forward_change(), which leaves the default alone.
"""


def leaders(path: str) -> tuple[str, ...]:
    """Those along with which the kernel sets this one."""
    match path.split("/"):
        case ["net", family, "conf", dev, key] if dev not in ("all", "default"):
            path = f"net/{family}/conf/*/{key}"
    return tuple(leader for leader, led in LED.items() if path in led)


def as_led(path: str, value: str) -> str | None:
    """What it becomes when one that leads it becomes *value*; None: what it is at first.

    A router takes no redirects.
    """
    if path == _REDIRECTS:
        return None if value == "0" else "0"
    return value
