"""What a device is set to beyond the usual, in the words of ``ip`` and ``bridge``."""

from collections.abc import Iterator
from typing import assert_never

from hopscope.model.devices import BridgeState, PortOptions, Vxlan
from hopscope.model.lookup import route_text
from hopscope.model.snapshot import LinkState, Route
from hopscope.model.traffic import Htb, Netem, Shaping, Tbf

__all__ = ["bits", "route_row", "settings", "shaping"]


def route_row(route: Route) -> str:
    """A route with all that was chosen of it; what the kernel chose is left out."""
    text = route_text(route)
    if route.protocol != "static":
        return text
    text += f" src {route.source}" if route.source else ""
    return text + (f" metric {route.metric}" if route.metric else "")


def settings(link: LinkState) -> str:
    """Only what is not as the kernel has it by itself; "" when all is."""
    found: list[str] = []
    if link.bridge is not None:
        found += _bridge(link.bridge)
    if link.port is not None:
        found += _port(link.port)
    if link.macvlan is not None:
        found.append(f"{link.macvlan} over {link.over or 'a device elsewhere'}")
    if link.vxlan is not None:
        found += _vxlan(link.vxlan)
        found += [f"over {link.over}"] if link.over is not None else []
    if link.vlans:
        found.append(f"vlan {', '.join(map(str, link.vlans))}")
    if link.queues != 1:
        found.append(f"{link.queues} queues")
    return ", ".join(found)


def shaping(options: Shaping) -> str:
    """A queueing discipline's options in the words of ``tc``."""
    match options:
        case Tbf(rate=rate, burst=burst, limit=limit):
            return f"rate {bits(rate)} burst {burst}b limit {limit}b"
        case Htb(rate=rate, ceil=ceil, burst=burst):
            return f"rate {bits(rate)} ceil {bits(ceil)} burst {burst}b"
        case Netem():
            words = [f"delay {options.delay / 1e6:g}ms"] if options.delay else []
            words += [f"jitter {options.jitter / 1e6:g}ms"] if options.jitter else []
            for word in ("loss", "duplicate", "corrupt", "reorder"):
                percent = getattr(options, word)
                words += [f"{word} {percent:g}%"] if percent else []
            return " ".join(words) or "nothing"
        case _:
            assert_never(options)


def bits(rate: int) -> str:
    """A rate as lab files and ``tc`` write it."""
    for factor, unit in ((10**9, "gbit"), (10**6, "mbit"), (10**3, "kbit")):
        if rate >= factor:
            return f"{rate / factor:g}{unit}"
    return f"{rate}bit"


def _vxlan(vxlan: Vxlan) -> Iterator[str]:
    yield f"id {vxlan.id}"
    yield from (
        f"{word} {ip}"
        for word, ip in (("local", vxlan.local), ("remote", vxlan.remote))
        if ip is not None
    )
    yield f"port {vxlan.port}"
    if not vxlan.learning:
        yield "no learning"


def _bridge(state: BridgeState) -> Iterator[str]:
    usual = BridgeState()
    if state.stp:
        yield "stp"
    if state.vlan_filtering:
        yield "vlan_filtering"
    for word, value, normal in (
        ("ageing", state.ageing, usual.ageing),
        ("forward_delay", state.forward_delay, usual.forward_delay),
        ("priority", state.priority, usual.priority),
    ):
        if value != normal:
            yield f"{word} {value:g}"


def _port(port: PortOptions) -> Iterator[str]:
    yield from (word for word in ("hairpin", "isolated") if getattr(port, word))
    yield from (f"no {word}" for word in ("learning", "flood") if not getattr(port, word))
