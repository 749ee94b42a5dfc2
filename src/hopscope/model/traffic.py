"""How a device holds back what it sends: queueing disciplines, declared and as read."""

from typing import Literal

from msgspec import Struct

from hopscope.model.kind import Kind
from hopscope.model.vocab import DevName

__all__ = [
    "Direction",
    "Filter",
    "Filtering",
    "Htb",
    "Netem",
    "Qdisc",
    "RateLimit",
    "Shaping",
    "Tbf",
    "Traffic",
]


class Tbf(Kind, frozen=True, kw_only=True, tag="tbf"):
    """A token bucket: *rate* in bits a second, after a *burst*; a queue of *limit* bytes."""

    rate: int
    burst: int  # bytes; what is read is what the kernel makes of it, some bytes less
    limit: int


class Htb(Kind, frozen=True, kw_only=True, tag="htb"):
    """A token bucket that may borrow: all that leaves is of one class, 1."""

    rate: int  # bits a second
    ceil: int
    burst: int  # bytes, as that of `Tbf`


class Netem(Kind, frozen=True, kw_only=True, tag="netem"):
    """A long or bad line. Times are nanoseconds, shares are percent."""

    delay: int = 0
    jitter: int = 0
    loss: float = 0.0
    duplicate: float = 0.0
    corrupt: float = 0.0
    reorder: float = 0.0
    limit: int = 1000  # packets


Shaping = Tbf | Htb | Netem


class RateLimit(Struct, frozen=True, kw_only=True):
    """A declared rate; what is None follows from it."""

    kind: str  # "tbf" or "htb"
    rate: int  # bits a second
    ceil: int | None = None  # of htb; None: the rate itself
    burst: int | None = None  # bytes
    latency: int = 50_000_000  # of tbf: how long a packet may wait, nanoseconds


class Traffic(Struct, frozen=True, kw_only=True):
    """What is declared of a device's sending."""

    rate: RateLimit | None = None
    line: Netem | None = None


class Qdisc(Struct, frozen=True, kw_only=True):
    """A queueing discipline of a device.

    *options* are None for what labs do not declare: other kinds, and an htb of several classes.
    """

    dev: DevName
    kind: str
    handle: str  # "1:"
    parent: str  # "root", or the class that it hangs below: "1:1"
    options: Shaping | None = None
    sent: int = 0  # packets
    dropped: int = 0
    backlog: int = 0  # packets that wait in it


Direction = Literal["ingress", "egress"]


class Filter(Struct, frozen=True, kw_only=True):
    """A filter of a device (tc); *text* says which, as ``tc filter`` takes it.

    *ends*: how it ends a packet's way: "dropped it", "redirected it to lo". "" of one that does
    not, None where only its program knows.
    """

    direction: Direction
    text: str
    ends: str | None
    taken: int = 0  # packets that its actions had


class Filtering(Struct, frozen=True, kw_only=True):
    """The filters of a device, and how many packets they dropped together."""

    dev: DevName
    dropped: int
    filters: tuple[Filter, ...]
