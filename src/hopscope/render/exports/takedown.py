"""The part of a script that takes down what its other part built."""

import re
import shlex
from collections.abc import Iterator, Sequence

from hopscope.model.lab import LabSpec, NodeSpec
from hopscope.plan.names import HOME
from hopscope.plan.ops import AddPolicyRule, AddRoute
from hopscope.render.exports.commands import building, lines_of
from hopscope.render.exports.words import command

__all__ = ["take_down"]

_TABLES = re.compile(
    r"^\s*(?:add\s+)?table\s+(?:(ip|ip6|inet|arp|bridge|netdev)\s+)?(\w+)", re.MULTILINE
)


def take_down(lab: LabSpec) -> Iterator[str]:
    """A shell function ``down``. What is not there is passed over, so that half a lab goes too."""
    home = next((node for node in lab.nodes if node.name == HOME), None)
    yield "down() {"
    yield from list(_undone(lab, home)) or ["    :"]  # a shell has no empty function
    if home is not None and (kept := _kept(home)):
        yield f"    # {kept} of host stay as they are"
    yield "}"


def _undone(lab: LabSpec, home: NodeSpec | None) -> Iterator[str]:
    others = [node.name for node in lab.nodes if node.name != HOME]
    if home is not None:
        if devices := _devices(lab, home):
            yield from _each("device", devices, 'ip link del dev "$device"')
        undone = (*_rules(home), *_routing(lab))
        yield from (f"    {line} 2>/dev/null || true" for line in undone)
    if others:
        yield from _each("namespace", others, 'ip netns del "$namespace"')


def _each(what: str, names: Sequence[str], do: str) -> Iterator[str]:
    yield f"    for {what} in {command(names)}; do"
    yield f"        {do} 2>/dev/null || true"
    yield "    done"


def _devices(lab: LabSpec, home: NodeSpec) -> list[str]:
    """Of a link within host, either end takes the other along."""
    ends = []
    for link in lab.links:
        here = [end.ref.dev for end in (link.a, link.b) if end.ref.node == HOME]
        ends += here[:1]
    own = (device.ref.dev for device in home.devices)
    return [*own, *ends, *(bridge.name for bridge in home.bridges)]


def _rules(home: NodeSpec) -> Iterator[str]:
    """The inverse of each rule, the last first."""
    for tool, lines in (("iptables", home.iptables), ("ip6tables", home.ip6tables)):
        for line in reversed(lines):
            if inverse := _inverse(shlex.split(line.text)):
                yield command([tool, *inverse])
    if home.nft is not None:
        for family, table in dict.fromkeys(_TABLES.findall(home.nft.text)):
            yield command(["nft", "delete", "table", family or "ip", table])


def _routing(lab: LabSpec) -> Iterator[str]:
    """Of the machine's own namespace, what does not go with a device."""
    for op in building(lab):
        if not isinstance(op, AddPolicyRule | AddRoute) or op.node != HOME:
            continue
        if isinstance(op, AddPolicyRule) or op.type != "unicast":
            yield from (re.sub(r"\b(rule|route) add\b", r"\1 del", one) for one in lines_of(op))


def _inverse(words: list[str]) -> list[str]:
    """The command that removes what *words* added; [] when none does."""
    for at, word in enumerate(words):
        if word in ("-A", "--append"):
            return [*words[:at], "-D", *words[at + 1 :]]
        if word in ("-I", "--insert"):
            rest = words[at + 2 :]
            if rest and rest[0].isdigit():
                rest = rest[1:]
            return [*words[:at], "-D", *words[at + 1 : at + 2], *rest]
        if word in ("-N", "--new-chain"):
            return [*words[:at], "-X", *words[at + 1 :]]
    return []


def _kept(home: NodeSpec) -> str:
    """What cannot be undone without knowing how it was."""
    policies = any(
        {"-P", "--policy"} & set(shlex.split(line.text))
        for line in (*home.iptables, *home.ip6tables)
    )
    parts = [*(["sysctls"] if home.sysctls else []), *(["chain policies"] if policies else [])]
    return " and ".join(parts)
