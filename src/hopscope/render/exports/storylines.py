"""A lab's story as commands in comments: what a person would type in the lab, step by step."""

from collections.abc import Iterator
from typing import assert_never

from hopscope.model.lab import (
    ExpectStep,
    FirewallStep,
    LabSpec,
    PingStep,
    SetStep,
    ShowStep,
    StoryStep,
    ZeroStep,
)
from hopscope.model.vocab import NodeName
from hopscope.plan.names import sysctl_path
from hopscope.render.exports.commands import inside, sysctl_key
from hopscope.render.exports.words import command, rule_words

__all__ = ["story_lines"]

_SHOWN = {
    "links": ["ip", "-d", "link"],
    "topology": ["ip", "addr"],
    "neighbours": ["ip", "neigh"],
    "fdb": ["bridge", "fdb"],
    "routes": ["ip", "route"],
    "policy": ["ip", "rule"],
    "qdiscs": ["tc", "-s", "qdisc"],
    "rules": ["iptables-save", "-c"],
    "sysctls": ["sysctl", "-a"],
}


def story_lines(lab: LabSpec) -> Iterator[str]:
    """The story's pings, changes and tables."""
    yield "# What hopscope run does in it, for you to try:"
    yield "#"
    told = None
    for step in lab.story:
        for line in _commands(lab, step):
            if line != told:
                yield f"#   {line}"
            told = line


def _commands(lab: LabSpec, step: StoryStep) -> Iterator[str]:
    match step:
        case PingStep(source=source, address=address, count=count, size=size):
            words = ["ping", "-c", str(count), *(["-s", str(size)] if size != 56 else []), address]
            yield command(inside(source, *words))
        case ShowStep(what=what, nodes=nodes):
            for node in nodes or _nodes(lab):
                yield from (command(inside(node, *_SHOWN[w])) for w in what if _has(lab, node, w))
        case SetStep(values=values):
            for node, one in values:
                key = sysctl_key(sysctl_path(one.key))
                yield command(inside(node, "sysctl", "-w", f"{key}={one.value}"))
        case FirewallStep(tool=tool, lines=lines):
            for node, rule in lines:
                yield f"{command(inside(node, tool))} {rule_words(rule.text)}"
        case ZeroStep(nodes=nodes):
            yield from (command(inside(node, "iptables", "-Z")) for node in nodes)
        case ExpectStep():
            return
        case _:
            assert_never(step)


def _nodes(lab: LabSpec) -> list[NodeName]:
    return [node.name for node in lab.nodes]


def _has(lab: LabSpec, node: NodeName, what: str) -> bool:
    """Only a node with a bridge has a forwarding table; only one with addresses, neighbours."""
    spec = lab.node(node)
    if what == "fdb":
        return bool(spec.bridges)
    return what != "neighbours" or bool(spec.addresses)
