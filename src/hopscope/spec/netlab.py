"""A topology of netlab → nodes, links and addresses as netlab gives them, and what is left out.

Known are nodes, links and address pools, with the allocation that netlab's manual describes.
What would change addresses, such as VLANs, is refused: netlab itself must work it out. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_interface, ip_network
from typing import Any, Final

from msgspec import Struct

from hopscope.errors import Place, UsageError
from hopscope.spec.foreign import Foreign, Note, Notes

__all__ = ["LabEnd", "LabLink", "LabNode", "NetlabTopology", "netlab_topology"]

_POOLS: Final[Mapping[str, Mapping[str, Any]]] = {
    "loopback": {"ipv4": "10.0.0.0/24"},
    "lan": {"ipv4": "172.16.0.0/16", "prefix": 24},
    "p2p": {"ipv4": "10.1.0.0/16", "prefix": 30},
}
_FAMILIES: Final = ("ipv4", "ipv6")
_SIX: Final = 64  # the length of every IPv6 prefix

_NO_MATTER: Final = ("name", "version", "message", "defaults", "addressing", "nodes", "links")
_SILENT: Final = ("provider", "group", "groups", "message")
_OF_GROUPS: Final = ("device", "role")
_CHANGES: Final = ("vlans", "vrfs", "plugin", "prefix", "components", "vlan", "vrf", "lag", "pools")
"""Keys that change which addresses there are."""
_NODE_KEYS: Final = ("name", "device", "id", "role", "loopback", "mtu")
_LINK_KEYS: Final = ("prefix", "type", "name", "mtu", "bridge", "role", "pool", "interfaces")
_LINK_SILENT: Final = ("bandwidth", "linkindex", "disable")


class LabNode(Struct, frozen=True, kw_only=True):
    """A node; *stands_for* is told when it is of another device than linux."""

    name: str
    number: int
    router: bool
    loopback: str | None
    stands_for: str
    place: Place


class LabEnd(Struct, frozen=True, kw_only=True):
    """A node's end of a link, with its addresses."""

    node: str
    dev: str
    addresses: tuple[str, ...]


class LabLink(Struct, frozen=True, kw_only=True):
    """A link of two ends, or with a *bridge* of any number."""

    ends: tuple[LabEnd, ...]
    bridge: str | None
    mtu: int | None
    place: Place


class NetlabTopology(Struct, frozen=True, kw_only=True):
    """What a lab can hold of it."""

    file: str
    name: str
    nodes: tuple[LabNode, ...]
    links: tuple[LabLink, ...]
    notes: tuple[Note, ...]


def netlab_topology(text: str, file: str) -> NetlabTopology:
    """Read it. UsageError for what is no YAML, or needs netlab itself."""
    return _Reader(Foreign.read(text, file)).result()


class _Reader:
    def __init__(self, foreign: Foreign) -> None:
        self.foreign = foreign
        self.notes = Notes()
        self.nodes: dict[str, LabNode] = {}
        self.devices: dict[str, int] = {}  # node → how many it has
        self.taken: dict[tuple[str, str], int] = {}  # pool and family → prefixes in use
        self.pools = self._pools()

    def result(self) -> NetlabTopology:
        for key in self.foreign.tree:
            self._judge(str(key), (key,), _NO_MATTER, _SILENT, "")
        for node in self._nodes():
            self.nodes[node.name] = node
        if not self.nodes:
            raise self._needed(self.foreign.place(), "it has no nodes that are written down")
        links = tuple(self._links())
        return NetlabTopology(
            file=self.foreign.file,
            name=str(self.foreign.tree.get("name") or "lab"),
            nodes=tuple(self.nodes.values()),
            links=links,
            notes=self.notes.all(),
        )

    def _needed(self, place: Place, why: str) -> UsageError:
        """What only netlab can work out."""
        line = f":{place.line}" if place.line else ""
        hint = "run netlab create with provider clab, and import the clab.yml that it writes"
        return UsageError(f"{place.file}{line}: {why}; {hint}")

    def _judge(
        self, key: str, path: tuple[Any, ...], known: Sequence[str], silent: Sequence[str], of: str
    ) -> None:
        """Say, or refuse, a key that is not read."""
        plain = key.partition(".")[0]
        named = f"{of}.{key}" if of else key
        if plain in known or plain in silent:
            return
        if plain in _CHANGES:
            raise self._needed(
                self.foreign.place(*path), f"{named} changes which addresses are there"
            )
        self.notes.add(self.foreign.place(*path), f"{named} is left out: {_why(plain)}")

    def _pools(self) -> dict[str, dict[str, Any]]:
        found = {name: dict(pool) for name, pool in _POOLS.items()}
        for above in (("defaults", "addressing"), ("addressing",)):
            for name, told in self.foreign.mapping(*above).items():
                own = found.setdefault(str(name), {})
                own.update(told if isinstance(told, Mapping) else {})
        return found

    def _default_device(self) -> str:
        flat = self.foreign.tree.get("defaults.device")
        return str(flat or self.foreign.mapping("defaults").get("device") or "")

    def _nodes(self) -> Iterator[LabNode]:
        told = list(self._told_nodes())
        for name, group, path in self._grouped():
            at = next((n for n, (other, _, _) in enumerate(told) if other == name), None)
            inherited = {key: group[key] for key in _OF_GROUPS if key in group}
            if at is not None:
                told[at] = (name, {**inherited, **told[at][1]}, told[at][2])
            elif group["made"]:
                told.append((name, inherited, path))
        taken = {data["id"] for _, data, _ in told if isinstance(data.get("id"), int)}
        numbers = (number for number in range(1, 10_000) if number not in taken)
        for name, data, path in told:
            place = self.foreign.place(*path)
            for key in data:
                self._judge(str(key), (*path, key), _NODE_KEYS, _SILENT, "node")
            device = str(data.get("device") or self._default_device() or "none")
            role = str(data.get("role") or ("host" if device == "linux" else "router"))
            if role not in ("host", "router"):
                raise self._needed(place, f"the role {role} of {name} is not read")
            if device != "linux":
                said = f"device {device} is not supported: an empty namespace stands for it"
                self.notes.add(place, said)
            number = data["id"] if isinstance(data.get("id"), int) else next(numbers)
            yield LabNode(
                name=name,
                number=number,
                router=role == "router",
                loopback=self._loopback(number, data, place) if role == "router" else None,
                stands_for="" if device == "linux" else device,
                place=place,
            )

    def _told_nodes(self) -> Iterator[tuple[str, Mapping[str, Any], tuple[Any, ...]]]:
        nodes = self.foreign.tree.get("nodes")
        if isinstance(nodes, Mapping):
            for name, data in nodes.items():
                yield str(name), data if isinstance(data, Mapping) else {}, ("nodes", name)
        for at, one in enumerate(nodes if isinstance(nodes, list) else ()):
            data = one if isinstance(one, Mapping) else {"name": one}
            yield str(data.get("name")), data, ("nodes", at)

    def _grouped(self) -> Iterator[tuple[str, Mapping[str, Any], tuple[Any, ...]]]:
        """What groups say of their members, and members that only a group names."""
        groups = self.foreign.mapping("groups")
        for key, group in groups.items():
            told = group if isinstance(group, Mapping) else {"members": group}
            members = told.get("members")
            for name in members if isinstance(members, list) else ():
                made = groups.get("_auto_create") or told.get("_auto_create")
                yield str(name), {**told, "made": bool(made)}, ("groups", key)

    def _loopback(self, number: int, data: Mapping[str, Any], place: Place) -> str | None:
        own = data.get("loopback")
        if own is False:
            return None
        told = {**(own if isinstance(own, Mapping) else {}), **_below("loopback.", data)}
        for key in told:
            if key != "ipv4":
                self.notes.add(place, f"loopback.{key} is left out: it has no counterpart in a lab")
        if told.get("ipv4"):
            return self._static(str(told["ipv4"]), place)
        if self.pools["loopback"].get("ipv6"):
            self.notes.add(place, "IPv6 addresses of loopbacks are left out")
        pool = _network(self.pools["loopback"].get("ipv4"))
        if pool is None:
            return None
        if number >= pool.num_addresses:
            raise self._needed(place, f"the loopback pool {pool} has no address for node {number}")
        return f"{pool[number]}/{pool.max_prefixlen}"

    def _links(self) -> Iterator[LabLink]:
        links = self.foreign.tree.get("links") or []
        if not isinstance(links, list):
            raise self._needed(self.foreign.place("links"), "links in groups are not read")
        for at, link in enumerate(links):
            yield self._link(at, link)

    def _link(self, at: int, link: Any) -> LabLink:
        place = self.foreign.place("links", at)
        ends, told = self._ends(link, place)
        for key in told:
            self._judge(str(key), ("links", at, key), _LINK_KEYS, _LINK_SILENT, "link")
        kind = str(told.get("type") or self._kind(ends))
        if kind == "p2p":
            self._say_order([name for name, _ in ends], place)
        if kind not in ("lan", "p2p", "stub") or not ends:
            raise self._needed(place, f"a link of type {kind} with {len(ends)} nodes is not read")
        prefixes = list(self._prefixes(told, kind, place))
        ordered = sorted(name for name, _ in ends)
        made = []
        for name, own in ends:
            number = ordered.index(name) + 1 if kind == "p2p" else self.nodes[name].number
            self.devices[name] = self.devices.get(name, 0) + 1
            made.append(
                LabEnd(
                    node=name,
                    dev=f"eth{self.devices[name]}",
                    addresses=tuple(self._addresses(own, prefixes, number, place)),
                )
            )
        bridge = str(told.get("bridge") or f"br_{at + 1}") if len(ends) != 2 else None
        mtu = told.get("mtu")
        return LabLink(
            ends=tuple(made), bridge=bridge, mtu=mtu if isinstance(mtu, int) else None, place=place
        )

    def _say_order(self, names: Sequence[str], place: Place) -> None:
        """Its manual gives the lower address to the smaller name, which is not always the first."""
        if sorted(names) != list(names):
            said = f"{min(names)} has the lower address of this link, by its name"
            self.notes.add(place, said)

    def _kind(self, ends: Sequence[tuple[str, Any]]) -> str:
        """Of a link that says none: between two routers it is point to point."""
        routers = [name for name, _ in ends if self.nodes[name].router]
        return "p2p" if len(ends) == len(routers) == 2 else "lan"

    def _ends(
        self, link: Any, place: Place
    ) -> tuple[list[tuple[str, Mapping[str, Any]]], Mapping[str, Any]]:
        """The nodes with what is said of each; and what is said of the link."""
        if isinstance(link, str):
            names = [link] if link in self.nodes else link.split("-")
            return [self._end(name, {}, place) for name in names], {}
        if isinstance(link, list):
            return [self._end(str(name), {}, place) for name in link], {}
        if not isinstance(link, Mapping):
            raise self._needed(place, "this link is not read")
        told = {key: value for key, value in link.items() if str(key) not in self.nodes}
        ends = [self._end(str(k), v, place) for k, v in link.items() if str(k) in self.nodes]
        interfaces = told.get("interfaces") or []
        if not isinstance(interfaces, list):
            raise self._needed(place, "the interfaces of this link are no list")
        for one in interfaces:
            data = one if isinstance(one, Mapping) else {"node": one}
            ends.append(self._end(str(data.get("node")), data, place))
        return ends, told

    def _end(self, name: str, own: Any, place: Place) -> tuple[str, Mapping[str, Any]]:
        if name not in self.nodes:
            raise self._needed(place, f"this link names {name!r}, which is none of the nodes")
        said = own if isinstance(own, Mapping) else {}
        for key in said:
            if str(key) not in ("node", *_FAMILIES):
                self.notes.add(place, f"{key} of {name}'s end is left out: {_why(str(key))}")
        return name, said

    def _prefixes(
        self, told: Mapping[str, Any], kind: str, place: Place
    ) -> Iterator[IPv4Network | IPv6Network]:
        """Those that the link says, or the next of its pool."""
        own = told.get("prefix")
        if own is False:
            return
        if own is not None:
            for one in own.values() if isinstance(own, Mapping) else [own]:
                network = _network(one)
                if network is None:
                    raise self._needed(place, f"the prefix {one} is not read")
                yield network
            return
        name = str(told.get("pool") or told.get("role") or "")
        name = name if name in self.pools else "p2p" if kind == "p2p" else "lan"
        pool = self.pools[name]
        if pool.get("unnumbered"):
            raise self._needed(place, f"the pool {name} is unnumbered")
        for family in _FAMILIES:
            whole = _network(pool.get(family))
            if whole is not None:
                length = _SIX if family == "ipv6" else pool.get("prefix", 24)
                if not isinstance(length, int) or not 0 <= length <= whole.max_prefixlen:
                    raise self._needed(place, f"the pool {name} has no prefixes of /{length}")
                yield self._next(name, family, whole, length, place)

    def _next(
        self, name: str, family: str, whole: Any, length: int, place: Place
    ) -> IPv4Network | IPv6Network:
        at = self.taken.get((name, family), 0)
        self.taken[name, family] = at + 1
        step = 1 << (whole.max_prefixlen - length)
        start = int(whole.network_address) + at * step
        if start + step > int(whole.network_address) + whole.num_addresses:
            raise self._needed(place, f"the pool {name} has no prefix left in {whole}")
        return ip_network((start, length))

    def _addresses(
        self,
        own: Mapping[str, Any],
        prefixes: Sequence[IPv4Network | IPv6Network],
        number: int,
        place: Place,
    ) -> Iterator[str]:
        """Static ones; else the node's number in each prefix."""
        by_family = {f"ipv{network.version}": network for network in prefixes}
        for family in _FAMILIES:
            said = own.get(family)
            network = by_family.get(family)
            if isinstance(said, str) and "/" in said:
                yield self._static(said, place)
                continue
            host = said if isinstance(said, int) and not isinstance(said, bool) else number
            if said is False or network is None:
                continue
            if not 0 < host < network.num_addresses - (network.version == 4):
                raise self._needed(place, f"the prefix {network} has no address {host}")
            yield f"{network[host]}/{network.prefixlen}"

    def _static(self, text: str, place: Place) -> str:
        try:
            return str(ip_interface(text))
        except ValueError:
            raise self._needed(place, f"the address {text} is not read") from None


def _below(above: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """What keys with dots say, as ``loopback.ipv4``."""
    return {
        str(key).removeprefix(above): value
        for key, value in data.items()
        if str(key).startswith(above)
    }


def _network(text: Any) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(str(text)) if isinstance(text, str) else None
    except ValueError:
        return None


def _why(key: str) -> str:
    if key in ("module", "ospf", "bgp", "isis", "eigrp", "ripv2", "bfd", "mpls", "sr", "evpn"):
        return "no routing protocol runs in a lab by itself"
    if key == "validate":
        return "in a lab file, a story's steps say what they expect"
    return "it has no counterpart in a lab"
