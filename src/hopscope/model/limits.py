"""Numbers that a lab may not leave; nothing that acts."""

from typing import Final

from msgspec import Struct

__all__ = [
    "AGEING",
    "BURST",
    "COST",
    "COUNT",
    "FORWARD_DELAY",
    "LARGEST_FILE",
    "METRIC",
    "MTU",
    "NEXT_HOPS",
    "PORT",
    "PRIORITY",
    "QUEUES",
    "RATE",
    "READY",
    "REPLICAS",
    "RULE_PRIORITY",
    "SIZE",
    "STOP",
    "TABLE",
    "TIMEOUT",
    "UDP_PORT",
    "VID",
    "VNI",
    "WAIT",
    "WEIGHT",
    "Limits",
]


LARGEST_FILE: Final = 1 << 20
"""Bytes of a lab file; some thousands of nodes."""


class Limits(Struct, frozen=True, kw_only=True):
    """From *low* to *high*, both allowed; *above*: more than *low*."""

    low: int
    high: int
    above: bool = False

    def hold(self, number: float) -> bool:
        """Whether *number* is within; not-a-number never is."""
        return self.low < number <= self.high if self.above else self.low <= number <= self.high

    def __str__(self) -> str:
        return f"{'more than ' if self.above else ''}{self.low} to {self.high}"


MTU: Final = Limits(low=68, high=65535)  # ETH_MIN_MTU, ETH_MAX_MTU
COUNT: Final = Limits(low=1, high=10_000)
SIZE: Final = Limits(low=12, high=65_507)  # our stamp, to what an IPv4 packet holds
TIMEOUT: Final = Limits(low=0, high=60, above=True)
METRIC: Final = Limits(low=0, high=0xFFFF_FFFF)
AGEING: Final = Limits(low=0, high=1_000_000)  # seconds
FORWARD_DELAY: Final = Limits(low=2, high=30)  # seconds: BR_MIN_FORWARD_DELAY, BR_MAX_…
PRIORITY: Final = Limits(low=0, high=0xFFFF)  # of a bridge
COST: Final = Limits(low=1, high=0xFFFF)  # BR_MIN_PATH_COST, BR_MAX_PATH_COST
VID: Final = Limits(low=1, high=4094)
QUEUES: Final = Limits(low=1, high=64)  # the kernel takes 4096; each costs memory in each node
TABLE: Final = Limits(low=1, high=0xFFFF_FFFF)  # of routes
WEIGHT: Final = Limits(low=1, high=256)  # of a next hop: rtnh_hops is one byte
RULE_PRIORITY: Final = Limits(low=0, high=0xFFFF_FFFF)  # of a policy rule
VNI: Final = Limits(low=0, high=(1 << 24) - 1)
UDP_PORT: Final = Limits(low=1, high=0xFFFF)
RATE: Final = Limits(low=1000, high=10**12)  # bits a second
BURST: Final = Limits(low=1, high=(1 << 31) - 1)  # bytes
WAIT: Final = Limits(low=0, high=60 * 10**9)  # nanoseconds
PORT: Final = Limits(low=1, high=65_535)  # of TCP
READY: Final = Limits(low=0, high=600, above=True)
STOP: Final = Limits(low=0, high=60)  # seconds
NEXT_HOPS: Final = Limits(low=1, high=1000)  # of a route
"""The kernel (6.18) takes more, and lists at most 2,020 of IPv4, or 1,150 of IPv6: of a route with
more, and of all that stand after it, it says nothing, as a part of a listing is at most 32 KiB."""
REPLICAS: Final = Limits(low=1, high=10_000)
