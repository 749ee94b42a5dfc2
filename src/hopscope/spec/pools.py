"""Pools of addresses: first fit, each address once. Knows no lab file, and judges none."""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

from msgspec import Struct

__all__ = ["Drawing", "IpNetwork", "Pool"]

IpNetwork = IPv4Network | IPv6Network

_POINT_TO_POINT: Final = 1  # host bits: a /31 and a /127 have no ends to leave out


class Pool(Struct, frozen=True, kw_only=True):
    """A range to draw from, less what is *reserved*; its addresses have this *prefix* length."""

    name: str
    range: IpNetwork
    prefix: int
    reserved: tuple[IpNetwork, ...] = ()


class Drawing:
    """Draws addresses, and none of those *taken*; one that was drawn is taken too.

    Each is the lowest that is free, so the same questions in the same order get the same
    answers, and a question more at the end changes none of them.
    """

    def __init__(self, taken: Iterable[IPv4Address | IPv6Address] = ()) -> None:
        self._taken: dict[int, set[int]] = {4: set(), 6: set()}
        for address in taken:
            self._taken[address.version].add(int(address))
        self._streams: dict[str, Iterator[str]] = {}

    def draw(self, pool: Pool) -> str | None:
        """The next address of *pool*, in CIDR form; None when all are taken."""
        stream = self._streams.get(pool.name)
        if stream is None:
            stream = self._streams[pool.name] = self._free(pool)
        return next(stream, None)

    def _free(self, pool: Pool) -> Iterator[str]:
        taken = self._taken[pool.range.version]
        ends = tuple(_ends(pool))
        make = IPv4Address if pool.range.version == 4 else IPv6Address
        for first, last in _open_spans(pool):
            for number in range(first, last + 1):
                if number in taken or any(number & mask in values for mask, values in ends):
                    continue
                taken.add(number)
                yield f"{make(number)}/{pool.prefix}"


def _ends(pool: Pool) -> Iterator[tuple[int, tuple[int, ...]]]:
    """What no device may have: masks, and the host parts beneath them that are left out.

    The first and the last address of the subnet, and of the range when that is the larger.
    IPv6 knows no broadcast; its first address is any router's (RFC 4291, 2.6.1).
    """
    for length in {pool.prefix, min(pool.prefix, pool.range.prefixlen)}:
        bits = pool.range.max_prefixlen - length
        if bits > _POINT_TO_POINT:
            mask = (1 << bits) - 1
            yield mask, (0, mask) if pool.range.version == 4 else (0,)


def _open_spans(pool: Pool) -> Iterator[tuple[int, int]]:
    """The numbers of the range, from and to, between what is reserved."""
    first, last = _span(pool.range)
    for low, high in sorted(map(_span, pool.reserved)):
        if first < low:
            yield first, min(low - 1, last)
        first = max(first, high + 1)
    if first <= last:
        yield first, last


def _span(network: IpNetwork) -> tuple[int, int]:
    first = int(network.network_address)
    return first, first + network.num_addresses - 1
