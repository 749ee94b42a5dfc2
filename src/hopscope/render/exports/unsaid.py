"""What a format cannot carry of a lab, in words: for its comments."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from hopscope.model.devices import PortOptions
from hopscope.model.lab import DeviceSpec, LabSpec, LinkEnd, NodeSpec, ProcessSpec, ReadySpec
from hopscope.model.vocab import NodeName
from hopscope.render.exports.words import command
from hopscope.render.settings import bits

__all__ = ["not_drawn", "processes"]

_SWITCHES: Final = ("nf_call_iptables", "stp", "vlan_filtering", "vlans", "fdb")
_VALUES: Final = ("ageing", "forward_delay", "priority", "mac", "mtu")


def processes(lab: LabSpec, prefixes: Mapping[NodeName, Sequence[str]]) -> Iterator[str]:
    """Each process as a command after its node's prefix, and what hopscope would see to.

    A command of several lines is several; what is said of it is one, else its rest were a command.
    """
    for node in lab.nodes:
        for one in node.run:
            env = ["env", *(f"{key}={value}" for key, value in one.env.items())] if one.env else []
            care = " ".join(_care(node, one).splitlines())
            told = command([*prefixes[node.name], *env, *one.argv]) + f"  # {care}"
            yield from told.split("\n")  # a shell knows no other end of a line


def _care(node: NodeSpec, one: ProcessSpec) -> str:
    ready = f"; ready when {_readiness(one.ready)}" if one.ready is not None else ""
    usual = ProcessSpec(name="", argv=()).stop
    stop = f"; stop: {one.stop:g} s" if one.stop != usual else ""
    return f"{one.name} of {node.name}; restart: {one.restart}{ready}{stop}"


def _readiness(ready: ReadySpec) -> str:
    if ready.tcp is not None:
        return f"TCP port {ready.tcp} answers"
    if ready.log is not None:
        return f"it writes {ready.log}"
    return f"{command(ready.command)} succeeds"


def not_drawn(lab: LabSpec) -> Iterator[str]:
    """What a picture of nodes, devices and addresses leaves out, a line for each node and end."""
    lines = [line for node in lab.nodes for line in _of_node(node)]
    ends: list[LinkEnd | DeviceSpec] = [end for link in lab.links for end in (link.a, link.b)]
    ends += [device for node in lab.nodes for device in node.devices]
    lines += [f"{end.ref}: {', '.join(parts)}" for end in ends if (parts := list(_of_end(end)))]
    lines += [f"{link.a.ref} – {link.b.ref}: MTU {link.mtu}" for link in lab.links if link.mtu]
    lines += [f"the story: {_counted(len(lab.story), 'step')}"] if lab.story else []
    if lines:
        yield "Not in the picture:"
        yield from (f"  {part}" for line in lines for part in line.splitlines())


def _of_node(node: NodeSpec) -> Iterator[str]:
    neighbours = len(node.neighbours)
    counted = [
        (len(node.routes), "route"),
        (len(node.policy), "policy rule"),
        (neighbours, "permanent neighbour"),
        (len(node.sysctls), "sysctl"),
        (len(node.iptables), "rule of iptables"),
        (len(node.ip6tables), "rule of ip6tables"),
        (1 if node.nft else 0, "script of nft"),
    ]
    parts = [_counted(number, what) for number, what in counted if number]
    parts += [] if node.lo else ["lo is down"]
    parts += ["duplicate address detection"] if node.dad else []
    parts += [f"runs {command(one.argv)}" for one in node.run]
    for bridge in node.bridges:
        options = [key for key in _SWITCHES if getattr(bridge, key)]
        values = ((key, getattr(bridge, key)) for key in _VALUES)
        options += [f"{key} {_value(value)}" for key, value in values if value is not None]
        parts += [f"{bridge.name} has {', '.join(options)}"] if options else []
    if parts:
        yield f"{node.name}: {'; '.join(parts)}"


def _value(value: float | str) -> str:
    """30, where 30.0 is kept."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _of_end(end: LinkEnd | DeviceSpec) -> Iterator[str]:
    usual = PortOptions()
    for key in PortOptions.__struct_fields__:
        if (value := getattr(end.port, key)) != getattr(usual, key):
            yield key if value is True else f"{key} {'off' if value is False else value}"
    yield from (f"VLAN {vlan}" for vlan in end.vlans)
    yield from (f"MAC {end.mac}",) if end.mac else ()
    yield from (f"{end.queues} queues",) if end.queues != 1 else ()
    if (rate := end.traffic.rate) is not None:
        yield f"{rate.kind} {bits(rate.rate)}"
    if (line := end.traffic.line) is not None:
        for key in ("delay", "jitter"):
            yield from (f"{key} {time / 1e6:g}ms",) if (time := getattr(line, key)) else ()
        for key in ("loss", "duplicate", "corrupt", "reorder"):
            yield from (f"{key} {share:g}%",) if (share := getattr(line, key)) else ()


def _counted(number: int, what: str) -> str:
    first, space, rest = what.partition(" of ")
    return f"{number} {what}" if number == 1 else f"{number} {first}s{space}{rest}"
