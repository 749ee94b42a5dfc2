"""Which sysctls of a namespace somebody has set: those that a fresh one does not have so."""

from collections.abc import Iterator, Mapping
from typing import Final

from hopscope.lab.imports.facts import NodeFacts

__all__ = ["set_sysctls"]

_OWN: Final = ("all", "default", "lo")
_TWICE: Final = ("base_reachable_time", "retrans_time")  # the same in ms is told, too
_FIRST: Final = ("net/ipv4/ip_forward",)


def set_sysctls(node: NodeFacts, fresh: NodeFacts) -> dict[str, str]:
    """By path, in an order in which they can be set; what follows from another is left out."""
    found = {
        path: value
        for path, value in node.sysctls.items()
        if not path.endswith(_TWICE) and value != _otherwise(path, node, fresh)
    }
    implied = dict(_implied(node, found))
    kept = {path: value for path, value in found.items() if implied.get(path) != value}
    return {path: kept[path] for path in sorted(kept, key=_order)}


def _otherwise(path: str, node: NodeFacts, fresh: NodeFacts) -> str | None:
    """What it would be if nobody had set it: a device takes it from its namespace's default."""
    parts = path.split("/")
    if len(parts) > 4 and parts[2] in ("conf", "neigh") and parts[3] not in _OWN:
        parts[3] = "default"
        if (usual := node.sysctls.get("/".join(parts))) is not None:
            return usual
        parts[3] = "lo"  # those of default are told to the first user namespace alone
        return fresh.sysctls.get("/".join(parts), node.sysctls.get(path))
    return fresh.sysctls.get(path, None if path in fresh.sysctls else node.sysctls.get(path))


def _implied(node: NodeFacts, found: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What the kernel sets along with another.

    Mirrors inet_forward_change(), net/ipv4/devinet.c, and addrconf_forward_change() and
    addrconf_disable_change(), net/ipv6/addrconf.c.
    """
    if (forward := found.get("net/ipv4/ip_forward")) is not None:
        yield "net/ipv4/conf/all/accept_redirects", "0" if forward != "0" else "1"
        yield from _everywhere(node, "ipv4", "forwarding", forward)
        yield "net/ipv4/conf/all/forwarding", forward
    for name in ("forwarding", "disable_ipv6"):
        if (value := found.get(f"net/ipv6/conf/all/{name}")) is not None:
            yield from _everywhere(node, "ipv6", name, value)


def _everywhere(node: NodeFacts, version: str, name: str, value: str) -> Iterator[tuple[str, str]]:
    for dev in ("default", *(link.name for link in node.state.links)):
        yield f"net/{version}/conf/{dev}/{name}", value


def _order(path: str) -> tuple[int, str]:
    """What changes others comes before them."""
    parts = path.split("/")
    which = parts[3] if len(parts) > 4 else ""
    return (0 if path in _FIRST else {"all": 1, "default": 2}.get(which, 3), path)
