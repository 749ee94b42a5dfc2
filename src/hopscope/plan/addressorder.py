"""In which order the kernel keeps the IPv4 addresses of a device, and which are out of it.

The first of a subnet is the one that packets to it are sent from, the first of all the one for
packets to anywhere else (inet_select_addr(), net/ipv4/devinet.c).
"""

from collections.abc import Iterable, Sequence
from ipaddress import ip_interface

__all__ = ["as_kept", "out_of_place", "with_others"]


def as_kept(cidrs: Sequence[str]) -> list[str]:
    """Those of IPv4, given in this order, as the kernel keeps them (__inet_insert_ifa()).

    The first of each subnet, and then all others.
    """
    four = [one for one in cidrs if ":" not in one]
    if len(four) < 2:
        return four
    leading = list(_firsts(four).values())
    return [*leading, *(one for one in four if one not in leading)]


def out_of_place(now: Sequence[str], goal: Sequence[str]) -> list[str]:
    """Those of *now*, all of which are in *goal*, that have to go and come again.

    One that comes stands behind those there are: so whatever follows the first that is out of place
    does. With the first of a subnet go all others of it.
    """
    if list(now) == list(goal[: len(now)]):
        return []
    wanted, there = _firsts(goal), _firsts(now)
    kept = {net for net, cidr in there.items() if wanted[net] == cidr}
    leading = [cidr for net, cidr in there.items() if net in kept]
    kept -= set(map(_subnet, _behind(leading, list(wanted.values()))))
    others = [one for one in now if _subnet(one) in kept and one not in leading]
    behind = _behind(others, goal[len(wanted) :])
    return [one for one in now if _subnet(one) not in kept or one in behind]


def with_others(some: Iterable[str], goal: Sequence[str]) -> set[str]:
    """These, and with the first of a subnet all others of it."""
    if not (found := set(some)):
        return found
    nets = {net for net, cidr in _firsts(goal).items() if cidr in found}
    return found | {cidr for cidr in goal if _subnet(cidr) in nets}


def _firsts(cidrs: Iterable[str]) -> dict[str, str]:
    """Subnet → the first of it."""
    found: dict[str, str] = {}
    for cidr in cidrs:
        found.setdefault(_subnet(cidr), cidr)
    return found


def _subnet(cidr: str) -> str:
    return str(ip_interface(cidr).network)


def _behind(now: Sequence[str], goal: Sequence[str]) -> Sequence[str]:
    """What follows the first that is not where it should be."""
    same = 0
    while same < len(now) and now[same] == goal[same]:
        same += 1
    return now[same:]
