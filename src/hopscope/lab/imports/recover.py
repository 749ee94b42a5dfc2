"""Namespaces as they are → the lab file's tree that makes them so again. Does no I/O."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

from hopscope.lab.imports.differing import set_sysctls
from hopscope.lab.imports.facts import NodeFacts
from hopscope.lab.imports.kept import Kept
from hopscope.lab.imports.recoverlinks import Linked
from hopscope.lab.imports.recoverports import bridge_options, fdb_of
from hopscope.lab.imports.recoverroutes import (
    made_rules,
    policy_of,
    route_text,
    routes_of,
    rule_text,
)
from hopscope.model.snapshot import Address, LinkState
from hopscope.model.vocab import DevName, DevRef, Family, Mac, NeighbourState

__all__ = ["Recovered", "recover"]

_MTU: Final = 1500
Tree = dict[str, Any]


class Recovered:
    """The tree of the lab, and in words what it does not say."""

    def __init__(
        self, facts: Sequence[NodeFacts], fresh: NodeFacts, usual_queues: int | None
    ) -> None:
        self.facts = facts
        self.fresh = fresh
        self.notes: list[str] = [note for one in facts for note in one.unread]
        self.kept: Kept = Kept(facts, fresh)
        self.needed: frozenset[Mac] = frozenset(mac for one in facts for mac in _named_macs(one))
        self.linked: Linked = Linked(facts, self.kept, self.needed, usual_queues, self.notes)
        self.six: bool = any(map(self._speaks_six, facts))

    def tree(self, name: str, description: str) -> Tree:
        """The whole lab."""
        nodes = {str(one.name): self._node(one) for one in self.facts}
        links = list(self.linked.links())
        tree: Tree = {"name": name, "description": description, "nodes": nodes}
        return {**tree, "links": links} if links else tree

    def _speaks_six(self, one: NodeFacts) -> bool:
        """Whether the node uses IPv6 in a way that the lab will tell; else it is left off."""
        return bool(
            one.ip6tables
            or "ip6" in one.nft
            or any(":" in str(a) for link in one.state.links for a in _addresses(link))
            or any(":" in route["to"] for route in self._routes(one, []))
            or any(rule.family == Family.IP6 for rule in made_rules(one.state))
            or any(":" in str(remote.remote) for remote in one.state.remotes)
            or any(
                path.startswith("net/ipv6") and not path.endswith(("disable_ipv6", "accept_dad"))
                for path in set_sysctls(one, self.fresh)
            )
        )

    def _node(self, one: NodeFacts) -> Tree:
        """What is empty is left out."""
        lo = one.state.link("lo")
        parts: Tree = {
            "bridges": {b.name: self._bridge(one, b) for b in one.state.links if _is_bridge(b)},
            "devices": dict(self.linked.devices(one)),
            "addresses": dict(self._addressed(one)),
            "routes": [route_text(route) for route in self._routes(one, self.notes)],
            "policy": [rule_text(rule) for rule in self._policy(one, self.notes)],
            "neighbours": self._neighbours(one),
            "sysctls": dict(self.sysctls(one)),
            "iptables": list(one.iptables),
            "ip6tables": list(one.ip6tables),
            "nft": one.nft,
            "down": [v.name for v in one.state.links if self._is_left_down(one, v)],
        }
        if any(self._is_kept(one, link) and _is_doubted(one, link) for link in one.state.links):
            parts["dad"] = True
        if lo is not None and not lo.up:
            parts["lo"] = False
        return {key: value for key, value in parts.items() if value not in ({}, [], "")}

    def _is_left_down(self, one: NodeFacts, link: LinkState) -> bool:
        own = link.kind not in ("bridge", "loopback") and self._is_kept(one, link)
        return own and not link.up

    def _addressed(self, one: NodeFacts) -> Iterator[tuple[str, Any]]:
        for link in one.state.links:
            found = [str(address) for address in _addresses(link)]
            if self._is_kept(one, link) and found:
                yield link.name, found[0] if len(found) == 1 else found

    def _is_kept(self, one: NodeFacts, link: LinkState) -> bool:
        return self.kept.holds(DevRef(one.name, link.name))

    def _routes(self, one: NodeFacts, notes: list[str]) -> list[Tree]:
        return routes_of(one.state, self.kept.of(one.name), notes)

    def _policy(self, one: NodeFacts, notes: list[str]) -> list[Tree]:
        routes = self._routes(one, [])
        return policy_of(one.state, routes, self.kept.of(one.name), notes)

    def _bridge(self, one: NodeFacts, link: LinkState) -> Tree:
        """Its options, where they differ from what it would have anyway."""
        ports = [p for p in one.state.links if p.master == link.name and self._is_kept(one, p)]
        found = bridge_options(link.bridge, link.vlans)
        fdb = fdb_of(one.state, link.name, {port.name for port in ports})
        found |= {"fdb": fdb} if fdb else {}
        if link.nf_call:
            found["nf_call_iptables"] = True
        if link.mac and (link.name in one.chosen_macs or link.mac in self.needed):
            if link.mac not in {port.mac for port in ports}:
                found["mac"] = str(link.mac)
        if link.mtu != min((port.mtu for port in ports), default=_MTU):
            found["mtu"] = link.mtu
        if not link.up:
            found["up"] = False
        return found

    def _neighbours(self, one: NodeFacts) -> Mapping[DevName, Mapping[str, str]]:
        found: dict[DevName, dict[str, str]] = {}
        kept = self.kept.of(one.name)
        for entry in one.state.neighbours:
            if entry.state == NeighbourState.PERMANENT and entry.mac and entry.dev in kept:
                found.setdefault(entry.dev, {})[entry.ip] = str(entry.mac)
        return found

    def sysctls(self, one: NodeFacts) -> Iterator[tuple[str, Any]]:
        """Those that somebody has set, but for what hopscope sets of itself."""
        for path, value in set_sysctls(one, self.fresh).items():
            if not self._is_quiet(one, path, value) and self._is_of_kept(one, path):
                key = path if "." in path else path.replace("/", ".")
                yield key, int(value) if value.isdecimal() else value

    def _is_of_kept(self, one: NodeFacts, path: str) -> bool:
        parts = path.split("/")
        if len(parts) < 5 or parts[2] not in ("conf", "neigh") or parts[3] in ("all", "default"):
            return True
        link = one.state.link(parts[3])
        return link is not None and self._is_kept(one, link) and parts[3] != "lo"

    def _is_quiet(self, one: NodeFacts, path: str, value: str) -> bool:
        """See `plan.compile`: it keeps IPv6 off where nothing speaks it, and does not ask twice."""
        if not path.endswith(("/disable_ipv6", "/accept_dad")):
            return False
        which, name = path.split("/")[3:5]
        if not self.six:
            return True
        if name == "accept_dad":
            return which in ("all", "default") and value == "0"
        link = one.state.link(which)
        silent = link is not None and (_is_bridge(link) or link.master is not None)
        return silent and value == "1"


def recover(
    facts: Sequence[NodeFacts],
    fresh: NodeFacts,
    *,
    name: str,
    description: str,
    usual_queues: int | None = None,
) -> tuple[Tree, list[str]]:
    """The tree of a lab file that makes *facts* of namespaces like *fresh*; and what it lacks.

    *usual_queues*: of a veth pair for which nobody chose how many.
    """
    recovered = Recovered(facts, fresh, usual_queues)
    tree = recovered.tree(name, description)
    return tree, list(dict.fromkeys(recovered.notes))


def _is_bridge(link: LinkState) -> bool:
    return link.kind == "bridge"


def _addresses(link: LinkState) -> Iterator[Address]:
    """Those that somebody gave it: not loopback's own, not what IPv6 makes of a MAC address."""
    for address in link.addresses:
        ip = ip_address(address.ip)
        own = link.kind == "loopback" and str(address) in ("127.0.0.1/8", "::1/128")
        if not own and not (ip.is_link_local and _is_eui64(ip)):
            yield address


def _is_eui64(ip: object) -> bool:
    """Whether it was made of a MAC address, though the device may have another by now.

    Mirrors addrconf_ifid_eui48(), include/net/addrconf.h.
    """
    return isinstance(ip, IPv6Address) and ip.packed[11:13] == b"\xff\xfe"


def _named_macs(one: NodeFacts) -> Iterator[Mac]:
    """Those that entries somebody made name."""
    for near in one.state.neighbours:
        if near.state == NeighbourState.PERMANENT and near.mac:
            yield near.mac
    yield from (entry.mac for entry in one.state.fdb if entry.static and not entry.local)
    yield from (entry.mac for entry in one.state.remotes if entry.static)


def _is_doubted(one: NodeFacts, link: LinkState) -> bool:
    """Whether IPv6 looked for duplicates of an address that somebody gave it.

    Mirrors addrconf_dad_begin(), net/ipv6/addrconf.c.
    """
    paths = (f"net/ipv6/conf/{which}/accept_dad" for which in ("all", link.name))
    asks = link.kind != "loopback" and any(one.sysctls.get(path, "1") != "0" for path in paths)
    return asks and any(":" in address.ip and not address.nodad for address in _addresses(link))
