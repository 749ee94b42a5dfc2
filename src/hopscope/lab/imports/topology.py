"""A topology of containerlab → the lab that stands when its commands have been run in it."""

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec.structs import replace

from hopscope.errors import Place, UsageError
from hopscope.kernel.apply.plan import apply
from hopscope.lab.declare import parse
from hopscope.lab.imports.facts import NodeFacts
from hopscope.lab.imports.imported import Imported
from hopscope.lab.imports.naming import device_names, node_names
from hopscope.lab.imports.proving import lost
from hopscope.lab.imports.recover import recover
from hopscope.lab.imports.workshop import INSTALLERS, Workshop, opened
from hopscope.model.lab import LabSpec
from hopscope.model.vocab import NodeName
from hopscope.plan.compile import compile_lab
from hopscope.plan.ops import SetSysctl
from hopscope.render.exports.yamltext import dumped
from hopscope.spec.containerlab import ClabEnd, Exec, Topology
from hopscope.spec.foreign import Note

__all__ = ["from_topology"]

_SECONDS: Final = 20.0  # for one command
_PROGRAMS: Final = frozenset(
    {"ip", "bridge", "brctl", "sysctl", "iptables", "ip6tables", "nft", "ifconfig", "route", "arp"}
    | {"iptables-restore", "ip6tables-restore", "ethtool", "tc"}
)
"""What is run of a container's commands; the rest is not about its network."""

_SHELLS: Final = frozenset({"sh", "bash", "ash", "dash"})
_HARMLESS: Final = frozenset({"echo", "printf", "true", ":", "set", *INSTALLERS})


def from_topology(found: Topology, *, name: str) -> Imported:
    """Build it in a sandbox, run its commands there, and read what stands."""
    named = _Names(found)
    notes = [*found.notes, *named.notes]
    tree = named.tree(name)
    if not tree["nodes"]:
        message = f"{found.file}: this topology has no nodes"
        raise UsageError(message)
    commands = [one for one in found.commands if _is_run(one, notes)]
    comments = {
        str(named.nodes[node.name]): f"stands for one of kind {node.stands_for}"
        for node in found.nodes
        if node.stands_for
    }
    if commands:
        spec = parse(dumped(tree), found.file)
        with opened() as workshop:
            tree, left, facts = _performed(workshop, spec, named, commands, notes)
            usual_queues = workshop.usual_queues
        left += lost(tree, facts, left, usual_queues)
        notes += [Note(place=Place(found.file, 0, 0), text=one) for one in left]
    ordered = tuple(sorted(dict.fromkeys(notes), key=lambda note: note.place))
    return Imported(tree=tree, notes=ordered, comments=comments)


class _Names:
    """Nodes and devices under names that a lab file takes."""

    def __init__(self, found: Topology) -> None:
        self.found = found
        self.nodes = node_names(node.name for node in found.nodes)
        ends = [end for link in found.links for end in link.ends]
        self.devices = {
            node.name: device_names(
                [
                    *(bridge for owner, bridge in found.bridges if owner == node.name),
                    *(end.dev for end in ends if end.node == node.name),
                ]
            )
            for node in found.nodes
        }
        self.notes = list(self._renamed())

    def _renamed(self) -> Iterator[Note]:
        for node in self.found.nodes:
            pairs = [(node.name, self.nodes[node.name]), *self.devices[node.name].items()]
            for old, new in pairs:
                if old != new:
                    said = f"{old} is called {new}: a lab file takes no such name"
                    yield Note(place=node.place, text=said)

    def tree(self, name: str) -> dict[str, Any]:
        """The lab as the topology alone declares it."""
        nodes: dict[str, dict[str, Any]] = {new: {} for new in self.nodes.values()}
        for owner, bridge in self.found.bridges:
            given = self.devices[owner][bridge]
            nodes[self.nodes[owner]].setdefault("bridges", []).append(str(given))
        for link in self.found.links:
            for end in link.ends:
                self._address(nodes[self.nodes[end.node]], end)
        links = [self._link(link.ends, link.mtu) for link in self.found.links]
        tree: dict[str, Any] = {
            "name": name,
            "description": f"Imported from {self.found.file}.",
            "nodes": nodes,
        }
        return {**tree, "links": links} if links else tree

    def _address(self, node: dict[str, Any], end: ClabEnd) -> None:
        if end.addresses:
            dev = self.devices[end.node][end.dev]
            node.setdefault("addresses", {})[str(dev)] = list(end.addresses)

    def _link(self, ends: Sequence[ClabEnd], mtu: int | None) -> Any:
        ordered = sorted(ends, key=lambda end: end.bridge is not None)
        texts = [self._end(end) for end in ordered]
        macs = {self._end(end).partition("@")[0]: end.mac for end in ordered if end.mac}
        long: dict[str, Any] = {"ends": texts}
        long |= {} if mtu is None else {"mtu": mtu}
        long |= {"mac": macs} if macs else {}
        return texts if len(long) == 1 else long

    def _end(self, end: ClabEnd) -> str:
        devices = self.devices[end.node]
        port = f"@{devices[end.bridge]}" if end.bridge else ""
        return f"{self.nodes[end.node]}:{devices[end.dev]}{port}"


def _performed(
    workshop: Workshop,
    spec: LabSpec,
    named: _Names,
    commands: Sequence[Exec],
    notes: list[Note],
) -> tuple[dict[str, Any], list[str], list[NodeFacts]]:
    """The tree of what stands after the commands; nodes as containers have them, with IPv6."""
    plan = compile_lab(spec)
    ops = (op for op in plan.ops if not (isinstance(op, SetSysctl) and op.implied))
    apply(replace(plan, ops=tuple(ops)), workshop.sandbox)
    for one in commands:
        _perform(workshop, NodeName(named.nodes[one.node]), one, notes)
    facts = workshop.facts([node.name for node in spec.nodes])
    tree, left = recover(
        facts,
        workshop.fresh,
        name=spec.name,
        description=spec.description,
        usual_queues=workshop.usual_queues,
    )
    return tree, left, facts


def _perform(workshop: Workshop, node: NodeName, one: Exec, notes: list[Note]) -> None:
    words = shlex.split(one.line)
    if words[0].rpartition("/")[2] in _SHELLS - {"bash"}:
        words[0] = "sh"  # of which every machine has one
    argv = workshop.prepared(words, _SECONDS)
    done = workshop.sandbox.run(node, argv, own_sys=True)
    if done.code:
        said = " ".join(done.stderr.decode(errors="replace").split()) or f"exit {done.code}"
        notes.append(Note(place=one.place, text=f"{one.node}: {one.line}: {said}"))


def _is_run(one: Exec, notes: list[Note]) -> bool:
    """Whether the command is about the network alone; what is not, is said."""
    why = _unfit(one.line)
    if why:
        notes.append(Note(place=one.place, text=f"not run: {one.line} ({why})"))
    return not why


def _unfit(line: str) -> str:
    """Why a command is not run; "" when it is."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        return str(error)
    if not words:
        return "it is empty"
    if words[0].rpartition("/")[2] in _SHELLS:
        scripts = [word for word in words[1:] if not word.startswith("-")]
        has_text = any(re.fullmatch(r"-[a-z]*c", word) for word in words[1:])
        return (
            _unfit_script(scripts[0]) if has_text and scripts else "what a script does is unknown"
        )
    return _unfit_program(words[0])


def _unfit_program(word: str) -> str:
    name = word.rpartition("/")[2]
    return "" if name in _PROGRAMS or name in _HARMLESS else f"{name} is about no network device"


def _unfit_script(script: str) -> str:
    """Every command of a text for a shell must be known."""
    if re.search(r"`|\$\(|<\(", script):
        return "it runs commands within words"
    lexer = shlex.shlex(script.replace("\n", ";"), posix=True, punctuation_chars=";&|")
    lexer.whitespace_split = True
    begins = True
    for word in lexer:
        if set(word) <= set(";&|"):
            begins = True
        elif begins:
            if why := _unfit_program(word):
                return why
            begins = False
    return ""
