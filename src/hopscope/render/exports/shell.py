"""A lab as the commands that a person would type: a POSIX script that builds the same state.

It is written from the plan that hopscope performs itself, operation by operation, so that
nothing of it can be forgotten: a new kind of operation does not pass the type checker here.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final, assert_never

from hopscope.model.lab import LabSpec
from hopscope.plan.compile import uses_ipv6
from hopscope.plan.names import HOME
from hopscope.plan.ops import (
    AddAddress,
    AddBridge,
    AddFdb,
    AddMacvlan,
    AddNeighbour,
    AddPolicyRule,
    AddQdisc,
    AddRemote,
    AddRoute,
    AddRules,
    AddTap,
    AddVeth,
    AddVxlan,
    MakeNodes,
    SetPort,
    SetSysctl,
    SetUp,
    SetVlans,
)
from hopscope.render.exports import commands
from hopscope.render.exports.commands import Building
from hopscope.render.exports.storylines import story_lines
from hopscope.render.exports.takedown import take_down
from hopscope.render.exports.unsaid import processes
from hopscope.render.exports.words import comment

__all__ = ["script"]

_BEGIN: Final = "set -eu\nPATH=$PATH:/usr/sbin:/sbin  # which an ordinary user's may lack"
_USAGE: Final = """

case ${1:-up} in
up) ;;
down) down; exit ;;
*) echo "usage: $0 [up|down]" >&2; exit 2 ;;
esac
"""

_SILENT: Final = "No node sends IPv6, which nothing here needs."
_PROMPT: Final = "An IPv6 address is usable at once, without asking whether another has it."


def script(lab: LabSpec) -> str:
    """The script: what it is, how to take it down, how to build it, what to do in it."""
    ops = commands.building(lab)
    parts = ["\n".join(_head(lab)), _BEGIN, "\n".join(take_down(lab)) + _USAGE.rstrip()]
    quiet = _PROMPT if uses_ipv6(lab) else _SILENT
    for title, group in groupby(ops, lambda op: _title(op, quiet)):
        lines = list(_lines(list(group)))
        if lines:
            parts.append("\n".join([*comment(title), *lines]))
    if any(node.run for node in lab.nodes):
        parts.append("\n".join(_run(lab)))
    parts += ["\n".join(story_lines(lab))] if lab.story else []
    return "\n\n".join(parts) + "\n"


def _head(lab: LabSpec) -> Iterator[str]:
    name = f"{lab.name}.sh"
    yield "#!/bin/sh"
    yield from comment(f"{lab.name}: {lab.description}" if lab.description else lab.name)
    home = any(node.name == HOME for node in lab.nodes)
    yield "#"
    if home:
        yield "# The node host is the network namespace in which this script runs. As root:"
    else:
        yield "# Every node is a network namespace of its own. As root:"
    yield "#"
    yield f"#   sh {name}          builds it"
    yield f"#   sh {name} down     takes it down again"
    yield "#"
    yield "# Without root, and without touching the machine, in a shell that is its own world:"
    yield "#"
    yield "#   unshare -Urnm sh -c 'mount -t tmpfs tmpfs /run && mkdir /run/netns &&"
    yield f"#     sh {name} && exec sh'"


def _run(lab: LabSpec) -> Iterator[str]:
    """The processes, which a script does not see to: they would outlive it."""
    yield "# What hopscope runs as long as the lab stands, for you to start, and to stop:"
    yield "#"
    prefixes = {node.name: commands.inside(node.name) for node in lab.nodes}
    yield from (f"#   {line}" for line in processes(lab, prefixes))


def _title(op: Building, quiet: str) -> str:
    """What part of the script an operation belongs to; *quiet*: that which keeps it quiet."""
    match op:
        case MakeNodes():
            return "The namespaces."
        case SetSysctl() if commands.is_quiet(op):
            return quiet
        case SetSysctl(node=node):
            return f"Sysctls of {node}."
        case AddBridge():
            return "The bridges; without an address, they forward in layer 2 only."
        case AddVeth():
            return "The links: veth pairs, each end in its node."
        case AddMacvlan() | AddVxlan() | AddTap() | AddRemote():
            return "The devices that are no end of a link."
        case SetPort(node=node) | SetVlans(node=node) | AddFdb(node=node):
            return f"How the bridges of {node} treat their ports."
        case AddQdisc(node=node):
            return f"How {node} holds back what it sends."
        case AddPolicyRule(node=node):
            return f"What {node} has: devices that are up, addresses, routes."
        case SetUp(node=node) | AddAddress(node=node) | AddRoute(node=node):
            return f"What {node} has: devices that are up, addresses, routes."
        case AddNeighbour(node=node):
            return f"What {node} has: devices that are up, addresses, routes."
        case AddRules(node=node, tool=tool):
            return f"The rules of {node}, for {tool}."
        case _:
            assert_never(op)


def _lines(group: Sequence[Building]) -> Iterator[str]:
    """The commands of one part; the quiet sysctls of a node are one command."""
    quiet = [op for op in group if isinstance(op, SetSysctl) and commands.is_quiet(op)]
    if quiet:
        for node, some in groupby(quiet, lambda op: op.node):
            yield from commands.quieted(node, list(some))
        return
    for op in group:
        yield from commands.lines_of(op)
