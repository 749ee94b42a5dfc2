"""A topology of containerlab → what of it a lab can hold, and what it cannot, line by line.

Known are the topology file's nodes, kinds, groups, defaults and links, as its manual describes
them. Pure: what the ``exec`` lines do is found out by whoever runs them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from hopscope.errors import Place
from hopscope.spec.foreign import Foreign, Note, Notes

__all__ = ["ClabEnd", "ClabLink", "ClabNode", "Exec", "Topology", "topology"]

HOST: Final = "host"
_BRIDGES: Final = ("bridge", "ovs-bridge")
_KEPT: Final = ("kind", "exec", "sysctls", "network-mode", "group")
_SILENT: Final = ("labels", "position", "certificate", "runtime", "auto-remove", "restart-policy")
"""Keys that say nothing about a network."""
_WHY: Final[Mapping[str, str]] = {
    "image": "a node of a lab is a network namespace, and runs nothing by itself",
    "cmd": "nothing is run in a node",
    "entrypoint": "nothing is run in a node",
    "binds": "a node has no files of its own",
    "startup-config": "a network operating system's configuration is not read",
    "mgmt": "the management network is not built",
    "mgmt-ipv4": "the management network is not built",
    "mgmt-ipv6": "the management network is not built",
    "ports": "the management network is not built",
}
_TO_HOST: Final = ("host", "mgmt-net", "dummy", "vxlan-stitch")
_SPECIAL: Final = ("macvlan", "mgmt-net")
"""What an end may be in a node's stead."""
_TUNNELS: Final = ("vxlan", "vxlan-stitch")
_LINK_KEYS: Final = (
    *("endpoints", "endpoint", "type", "mtu", "vars", "labels", "ipv4", "ipv6", "mode"),
    *("host-interface",),
)


class Exec(Struct, frozen=True, kw_only=True):
    """A command that is run in a node once its links are there."""

    node: str
    line: str
    place: Place


class ClabNode(Struct, frozen=True, kw_only=True):
    """A node that becomes a namespace; *kind* is told when a namespace only stands for it."""

    name: str
    place: Place
    stands_for: str = ""


class ClabEnd(Struct, frozen=True, kw_only=True):
    """An end of a link; *node* is a namespace's name, *bridge* the bridge it is a port of."""

    node: str
    dev: str
    bridge: str | None = None
    mac: str | None = None
    addresses: tuple[str, ...] = ()


class ClabLink(Struct, frozen=True, kw_only=True):
    """A veth pair."""

    ends: tuple[ClabEnd, ClabEnd]
    mtu: int | None
    place: Place


class Topology(Struct, frozen=True, kw_only=True):
    """What a lab can hold of it; *bridges* are pairs of a namespace and a name."""

    file: str
    name: str
    nodes: tuple[ClabNode, ...]
    bridges: tuple[tuple[str, str], ...]
    links: tuple[ClabLink, ...]
    commands: tuple[Exec, ...]
    notes: tuple[Note, ...]


def topology(text: str, file: str) -> Topology:
    """Read it. UsageError for what is no YAML, or no topology of containerlab."""
    return _Reader(Foreign.read(_filled(text), file)).result()


def _filled(text: str) -> str:
    """With the defaults of variables, as ``${NAME:=value}``; the environment is not asked."""
    return re.sub(r"\$\{\w+:?[=-]([^}]*)\}", r"\1", text)


class _Reader:
    def __init__(self, foreign: Foreign) -> None:
        self.foreign = foreign
        self.notes = Notes()
        self.top: Mapping[str, Any] = foreign.mapping("topology")
        self.given: Mapping[str, Any] = foreign.mapping("topology", "nodes")
        self.nodes: dict[str, ClabNode] = {}
        self.bridges: dict[str, str] = {}  # name of the node → the namespace that has it
        self.shared: dict[str, str] = {}  # node → the node whose namespace it uses
        self.commands: list[Exec] = []

    def result(self) -> Topology:
        self.say_unknown(self.foreign.tree, (), ("name", "prefix", "topology", "settings"), "")
        known = ("nodes", "kinds", "groups", "defaults", "links")
        self.say_unknown(self.top, ("topology",), known, "topology")
        for name in self.given:
            self.node(name)
        links = list(self.links())
        for node in [*self.bridges.values(), *(end.node for link in links for end in link.ends)]:
            self.nodes.setdefault(node, ClabNode(name=node, place=self.foreign.place()))
        return Topology(
            file=self.foreign.file,
            name=str(self.foreign.tree.get("name") or "lab"),
            nodes=tuple(self.nodes.values()),
            bridges=tuple((node, bridge) for bridge, node in self.bridges.items()),
            links=tuple(links),
            commands=tuple(self.commands),
            notes=self.notes.all(),
        )

    def say_unknown(
        self, part: Mapping[str, Any], path: tuple[Any, ...], known: Sequence[str], what: str
    ) -> None:
        """Everything that is there and was not carried over."""
        for key in part:
            if key not in known and key not in _SILENT:
                why = _WHY.get(str(key).replace("_", "-"), "it has no counterpart in a lab")
                named = f"{what}.{key}" if what else str(key)
                self.notes.add(self.foreign.place(*path, key), f"{named} is left out: {why}")

    def node(self, key: Any) -> None:
        """One node, with what it inherits from its group, its kind and the defaults."""
        name = str(key)
        layers = self.layers(_mapping(self.given[key]), ("topology", "nodes", key))
        merged = {key: value for layer, _path in reversed(layers) for key, value in layer.items()}
        kind = str(merged.get("kind", "linux"))
        place = self.foreign.place("topology", "nodes", key)
        mode = str(merged.get("network-mode", ""))
        if kind in _BRIDGES:
            self.bridges[name] = mode.partition(":")[2] if mode.startswith("container:") else HOST
            if kind != "bridge":
                self.notes.add(place, f"{kind} is not supported: a Linux bridge stands for it")
            return
        for layer, path in layers:
            self.say_unknown(layer, path, _KEPT, "node")
        if kind == "host" or mode == "host":
            self.shared[name] = HOST
        elif mode.startswith("container:"):
            self.shared[name] = mode.partition(":")[2]
            said = f"{name} is no node of its own: it is in the namespace of {self.shared[name]}"
            self.notes.add(place, f"{said}, and what it runs changes that")
        else:
            self.nodes[name] = ClabNode(
                name=name, place=place, stands_for="" if kind == "linux" else kind
            )
            if kind != "linux":
                said = f"kind {kind} is not supported: an empty namespace stands for it"
                self.notes.add(place, said)
        self.commands += self.execs(name, layers)

    def layers(
        self, own: Mapping[str, Any], path: tuple[str, ...]
    ) -> list[tuple[Mapping[str, Any], tuple[str, ...]]]:
        """The nearest first."""
        group = ("topology", "groups", str(own.get("group", "")))
        defaults = ("topology", "defaults")
        kind = own.get("kind") or self.foreign.mapping(*group).get("kind")
        kind = kind or self.foreign.mapping(*defaults).get("kind", "linux")
        paths = [group, ("topology", "kinds", str(kind)), defaults]
        return [(own, path), *((self.foreign.mapping(*one), one) for one in paths)]

    def execs(
        self, name: str, layers: Sequence[tuple[Mapping[str, Any], tuple[str, ...]]]
    ) -> Iterator[Exec]:
        """Sysctls and commands; those of the defaults come first."""
        where = self.shared.get(name, name)
        for layer, path in reversed(layers):
            for key, value in _mapping(layer.get("sysctls")).items():
                place = self.foreign.place(*path, "sysctls", key)
                line = f"sysctl -w {key}='{value}'"
                yield Exec(node=where, line=line, place=place)
        for layer, path in reversed(layers):
            for number, line in enumerate(_listed(layer.get("exec"))):
                place = self.foreign.place(*path, "exec", number)
                said = str(line).replace("__clabNodeName__", name)
                yield Exec(node=where, line=said, place=place)

    def links(self) -> Iterator[ClabLink]:
        """The links that a veth pair can be."""
        for number, link in enumerate(_listed(self.top.get("links"))):
            path = ("topology", "links", number)
            place = self.foreign.place(*path)
            if not isinstance(link, Mapping):
                self.notes.add(place, "this link is no mapping, and is left out")
                continue
            if link.get("type") not in _TUNNELS:  # which are told as a whole
                self.say_unknown(link, path, _LINK_KEYS, "link")
            ends = self.ends(link, place)
            if ends is not None:
                yield ClabLink(ends=ends, mtu=_mtu(link), place=place)

    def ends(self, link: Mapping[str, Any], place: Place) -> tuple[ClabEnd, ClabEnd] | None:
        """Both ends, of any form of link; None, and said, for what cannot be."""
        kind = str(link.get("type", "veth"))
        one = link.get("endpoint")
        if kind in _TO_HOST and isinstance(one, Mapping):
            end = self.end(self.outside(_text(one), place), one)
            far = str(link.get("host-interface") or f"{end.node[:8]}-{end.dev[:6]}")
            if kind == "dummy":
                self.notes.add(place, "a dummy device is a veth pair here, whose far end is host's")
            if kind == "vxlan-stitch":
                said = "the tunnel of a vxlan-stitch is left out: its veth pair ends in host here"
                self.notes.add(place, said)
            bridge = None
            if kind == "mgmt-net":
                bridge = "br-mgmt"
                self.bridges.setdefault(bridge, HOST)
                self.notes.add(place, "the management network is the bridge br-mgmt of host here")
            return end, ClabEnd(node=HOST, dev=far, bridge=bridge)
        given = link.get("endpoints")
        if kind != "veth":
            self.notes.add(place, f"a link of type {kind} is left out: it is not supported")
            return None
        ends = _listed(given) or ([] if one is None else [one])
        if len(ends) != 2:
            count = "1 end" if len(ends) == 1 else f"{len(ends)} ends"
            self.notes.add(place, f"this link has {count}, where a veth pair has two: left out")
            return None
        texts = [self.outside(_text(end), place) for end in ends]
        special = [text for text in texts if text.partition(":")[0] in _SPECIAL]
        if special or not all(":" in text for text in texts):
            said = f"the link {' – '.join(texts)} is left out: it is not supported"
            self.notes.add(place, said)
            return None
        first, second = (
            self.end(text, end if isinstance(end, Mapping) else self.shared_part(link, at))
            for at, (text, end) in enumerate(zip(texts, ends, strict=True))
        )
        return first, second

    def outside(self, text: str, place: Place) -> str:
        """An end; one of a container that others started, or of no node, is of a node here."""
        kind, _, rest = text.partition(":")
        if kind != "container" or ":" not in rest:
            if rest and kind not in (*map(str, self.given), HOST, *_SPECIAL):
                said = f"this topology has no node {kind}: an empty namespace stands for it"
                self.notes.add(place, f"{said}, where containerlab refuses")
            return text
        node = rest.partition(":")[0]
        said = f"the container {node} is none of this topology: an empty namespace stands for it"
        self.notes.add(place, said)
        return rest

    def shared_part(self, link: Mapping[str, Any], at: int) -> Mapping[str, Any]:
        """What the short form says of its ends in lists of two."""
        found = {**link, **_mapping(link.get("vars"))}
        return {
            key: value[at]
            for key in ("ipv4", "ipv6")
            if isinstance(value := found.get(key), Sequence)
            and not isinstance(value, str)
            and len(value) == 2
        }

    def end(self, text: str, told: Mapping[str, Any]) -> ClabEnd:
        """``node:interface``; one of a bridge is a port of it."""
        node, _, dev = text.partition(":")
        said = {**_mapping(told.get("vars")), **told}
        addresses = tuple(str(said[key]) for key in ("ipv4", "ipv6") if said.get(key))
        mac = str(told["mac"]).lower() if told.get("mac") else None
        bridge = node if node in self.bridges else None
        where = self.bridges.get(node) or self.shared.get(node, node)
        return ClabEnd(node=where, dev=dev, bridge=bridge, mac=mac, addresses=addresses)


def _text(end: Any) -> str:
    """``node:interface``, of the long form too."""
    if isinstance(end, Mapping):
        return f"{end.get('node')}:{end.get('interface')}"
    return str(end)


def _mapping(value: Any) -> Mapping[str, Any]:
    """What is none counts as empty: containerlab itself would refuse the file."""
    return value if isinstance(value, Mapping) else {}


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def _mtu(link: Mapping[str, Any]) -> int | None:
    given = link.get("mtu")
    return given if isinstance(given, int) and not isinstance(given, bool) else None
