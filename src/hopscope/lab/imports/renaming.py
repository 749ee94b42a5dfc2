"""Namespaces and devices under names that a lab file takes."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from hopscope.lab.imports.facts import NodeFacts
from hopscope.lab.imports.naming import device_names, node_names
from hopscope.lab.imports.told import Thing
from hopscope.model.snapshot import LinkState, NodeState
from hopscope.model.vocab import DevName, DevRef, NodeName

__all__ = ["Renaming"]


class Renaming:
    """The same facts under other names where it must be, and what was renamed."""

    def __init__(self, facts: Sequence[NodeFacts], given: Mapping[NodeName, NodeName]) -> None:
        """*given*: names that are known to be taken, of nodes that have others as yet."""
        self.notes: list[str] = []
        taken = set(given.values())
        others = [one.name for one in facts if one.name not in given]
        clashing = {name: NodeName(f"{name}-2") for name in others if name in taken}
        mapped = node_names(clashing.get(name, name) for name in others)
        self._nodes = {
            **given,
            **{name: mapped[clashing.get(name, name)] for name in others},
        }
        self._devices = {
            one.name: device_names(link.name for link in one.state.links if link.kind != "loopback")
            for one in facts
        }
        for name in others:
            self._say(f"the namespace {name}", name, self._nodes[name])
        for node, devices in self._devices.items():
            for old, new in devices.items():
                self._say(f"the device {old} of {self._nodes[node]}", old, new)
        self.facts: list[NodeFacts] = [self._renamed(one) for one in facts]

    def named(self, told: Iterable[tuple[NodeName, str]]) -> list[tuple[NodeName, str]]:
        """Pairs that begin with a node, under its new name."""
        return [(self._nodes[node], text) for node, text in told if node in self._nodes]

    def _say(self, what: str, old: str, new: str) -> None:
        if old != new:
            self.notes.append(f"{what} is called {new}: a lab file takes no such name")

    def _renamed(self, one: NodeFacts) -> NodeFacts:
        if all(old == new for old, new in self._devices[one.name].items()):
            state = replace(
                one.state,
                name=self._nodes[one.name],
                links=tuple(map(self._peered, one.state.links)),
            )
            return replace(one, state=state)
        return self._deeply(one)

    def _peered(self, link: LinkState) -> LinkState:
        peer = link.peer and self._ref(link.peer)
        return replace(link, peer=peer, over=link.over and self._ref(link.over))

    def _ref(self, ref: DevRef) -> DevRef:
        return DevRef(self._nodes[ref.node], self._devices[ref.node].get(ref.dev, ref.dev))

    def _deeply(self, one: NodeFacts) -> NodeFacts:
        """Everything that names a device, too."""
        names = self._devices[one.name]
        for old, given in names.items():
            rules = (*one.iptables, *one.ip6tables, one.nft)
            if old != given and any(old in text for text in rules):
                self.notes.append(f"rules of {self._nodes[one.name]} still name the device {old}")
        return replace(
            one,
            state=self._state(one.state, names),
            sysctls={_path(path, names): value for path, value in one.sysctls.items()},
            chosen_macs=frozenset(names.get(mac, mac) for mac in one.chosen_macs),
            things={
                Thing(thing.what, _words(thing.name, names), _words(thing.dev, names)): {
                    key: _words(value, names) for key, value in settings.items()
                }
                for thing, settings in one.things.items()
            },
        )

    def _state(self, state: NodeState, names: Mapping[str, DevName]) -> NodeState:
        def new(name: DevName | None) -> DevName | None:
            return None if name is None else names.get(name, name)

        def sure(name: str) -> DevName:
            return names.get(name, DevName(name))

        return replace(
            state,
            name=self._nodes[state.name],
            links=tuple(
                replace(self._peered(link), name=sure(link.name), master=new(link.master))
                for link in state.links
            ),
            routes=tuple(replace(route, dev=new(route.dev)) for route in state.routes),
            neighbours=tuple(replace(n, dev=sure(n.dev)) for n in state.neighbours),
            fdb=tuple(
                replace(one, bridge=sure(one.bridge), port=sure(one.port)) for one in state.fdb
            ),
            remotes=tuple(replace(one, dev=sure(one.dev)) for one in state.remotes),
            qdiscs=tuple(replace(one, dev=sure(one.dev)) for one in state.qdiscs),
            policy_rules=tuple(
                replace(rule, values={key: sure(word) for key, word in rule.values.items()})
                for rule in state.policy_rules
            ),
        )


def _words(text: str, names: Mapping[str, DevName]) -> str:
    return " ".join(names.get(word, word) for word in text.split(" "))


def _path(path: str, names: Mapping[str, DevName]) -> str:
    parts = path.split("/")
    if len(parts) > 4 and parts[2] in ("conf", "neigh"):
        parts[3] = names.get(parts[3], parts[3])
    return "/".join(parts)
