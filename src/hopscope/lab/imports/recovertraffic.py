"""Queueing disciplines as they are → the keys of a lab file that make them. Does no I/O."""

from collections.abc import Sequence
from typing import Any, Final

from hopscope.model.limits import BURST, RATE, WAIT
from hopscope.model.traffic import Htb, Netem, Qdisc, RateLimit, Tbf
from hopscope.plan.traffic import least_burst, shaped
from hopscope.wire.traffic import kept_burst

__all__ = ["sending"]

_RATES: Final = (("gbit", 10**9), ("mbit", 10**6), ("kbit", 10**3), ("bit", 1))
_TIMES: Final = (("s", 10**9), ("ms", 10**6), ("us", 10**3), ("ns", 1))
_SHARES: Final = ("loss", "duplicate", "corrupt", "reorder")
_VLAN: Final = 4  # bytes of a tag, for which `least_burst` leaves room


def sending(qdiscs: Sequence[Qdisc], mtu: int) -> dict[str, Any]:
    """What a device's *qdiscs* come to; those that no key stands for are left out."""
    found: dict[str, Any] = {}
    for qdisc in qdiscs:
        match qdisc.options:
            case Tbf() | Htb() as limit if "rate" not in found:
                found |= _rate(limit, mtu)
            case Netem() as line if "delay" not in found and "loss" not in found:
                found |= _line(line)
            case _:
                pass
    return found


def _rate(limit: Tbf | Htb, mtu: int) -> dict[str, Any]:
    """Its short form, when all the rest follows from the rate."""
    if not RATE.hold(limit.rate) or limit.burst < least_burst(mtu) - _VLAN:
        return {}
    usual = shaped(RateLimit(kind=limit.kind, rate=limit.rate), mtu)
    told: dict[str, Any] = {"rate": _unit(limit.rate, _RATES)}
    if isinstance(limit, Htb):
        told["kind"] = "htb"
        if limit.ceil != limit.rate:
            told["ceil"] = _unit(limit.ceil, _RATES)
    unsaid = kept_burst(usual.burst, limit.rate) == limit.burst
    burst = usual.burst if unsaid else _burst(limit)
    if burst != usual.burst:
        told["burst"] = burst
    if isinstance(limit, Tbf):
        latency = max(-(-(limit.limit - burst) * 8 * 10**9 // limit.rate), 0)
        again = shaped(RateLimit(kind="tbf", rate=limit.rate, burst=burst), mtu)
        if again != Tbf(rate=limit.rate, burst=burst, limit=limit.limit):
            told["latency"] = _unit(latency, _TIMES)
        if not WAIT.hold(latency):
            return {}
    if not BURST.hold(burst):
        return {}
    return {"rate": told["rate"] if len(told) == 1 else told}


def _burst(limit: Tbf | Htb) -> int:
    """The least that the kernel keeps as what was read: it counts in ticks of 64 ns."""
    burst = limit.burst
    while kept_burst(burst, limit.rate) < limit.burst:
        burst += 1
    return burst


def _line(line: Netem) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key in ("delay", "jitter"):
        if time := getattr(line, key):
            found[key] = _unit(time, _TIMES)
    for key in _SHARES:
        if percent := getattr(line, key):
            found[key] = f"{percent:g}%"
    return found or {"delay": "0ms"}


def _unit(number: int, units: Sequence[tuple[str, int]]) -> str:
    """In the largest unit that says it wholly."""
    word, factor = next(
        ((word, factor) for word, factor in units if number % factor == 0), units[-1]
    )
    if number // factor >= 10**9:  # more digits than a lab file takes
        word, factor = next((word, one) for word, one in reversed(units) if number // one < 10**9)
        return f"{number / factor:.6f}".rstrip("0").rstrip(".") + word
    return f"{number // factor}{word}"
