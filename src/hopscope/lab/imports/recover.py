"""Namespaces as they are → the lab file's tree that makes them so again. Does no I/O."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

from hopscope.lab.imports.differing import set_sysctls
from hopscope.lab.imports.facts import NodeFacts
from hopscope.lab.imports.recoverroutes import routes_of
from hopscope.model.snapshot import Address, LinkState, Snapshot
from hopscope.model.vocab import DevName, DevRef, Mac, NeighbourState
from hopscope.plan.compile import mac_of

__all__ = ["Recovered", "recover"]

_MTU: Final = 1500
Tree = dict[str, Any]


class Recovered:
    """The tree of the lab, and in words what it does not say."""

    def __init__(self, facts: Sequence[NodeFacts], fresh: NodeFacts) -> None:
        self.facts = facts
        self.fresh = fresh
        self.notes: list[str] = [note for one in facts for note in one.unread]
        self.snapshot = Snapshot(nodes=tuple(one.state for one in facts))
        self.needed = frozenset(
            entry.mac
            for one in facts
            for entry in one.state.neighbours
            if entry.state == NeighbourState.PERMANENT and entry.mac
        )
        self.six = any(map(self._speaks_six, facts))

    def tree(self, name: str, description: str) -> Tree:
        """The whole lab."""
        nodes = {str(one.name): self._node(one) for one in self.facts}
        links = list(self._links())
        tree: Tree = {"name": name, "description": description, "nodes": nodes}
        return {**tree, "links": links} if links else tree

    def _speaks_six(self, one: NodeFacts) -> bool:
        """Whether the node uses IPv6 in a way that the lab will tell; else it is left off."""
        return bool(
            one.ip6tables
            or "ip6" in one.nft
            or any(":" in str(a) for link in one.state.links for a in _addresses(link))
            or any(":" in route.get("to", "") for route in self._routes(one, []))
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
            "addresses": dict(self._addressed(one)),
            "routes": [_shortened(route) for route in self._routes(one, self.notes)],
            "neighbours": _neighbours(one),
            "sysctls": dict(self._sysctls(one)),
            "iptables": list(one.iptables),
            "ip6tables": list(one.ip6tables),
            "nft": one.nft,
            "down": [v.name for v in one.state.links if v.kind == "veth" and not v.up and v.peer],
        }
        if lo is not None and not lo.up:
            parts["lo"] = False
        return {key: value for key, value in parts.items() if value not in ({}, [], "")}

    def _addressed(self, one: NodeFacts) -> Iterator[tuple[str, Any]]:
        for link in one.state.links:
            found = [str(address) for address in _addresses(link)]
            if self._is_kept(link) and found:
                yield link.name, found[0] if len(found) == 1 else found

    def _is_kept(self, link: LinkState) -> bool:
        return link.kind in ("loopback", "bridge") or (link.kind == "veth" and bool(link.peer))

    def _routes(self, one: NodeFacts, notes: list[str]) -> list[Tree]:
        kept = {link.name for link in one.state.links if self._is_kept(link)}
        return routes_of(one.state, kept, notes)

    def _bridge(self, one: NodeFacts, link: LinkState) -> Tree:
        """Its options, where they differ from what it would have anyway."""
        ports = [port for port in one.state.links if port.master == link.name]
        found: Tree = {}
        if link.bridge is not None and link.bridge.stp:
            found["stp"] = True
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

    def _sysctls(self, one: NodeFacts) -> Iterator[tuple[str, Any]]:
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
        return link is not None and self._is_kept(link) and parts[3] != "lo"

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

    def _links(self) -> Iterator[Any]:
        """Each veth pair once; the end that is no port comes first."""
        told: set[DevRef] = set()
        for one in self.facts:
            for link in one.state.links:
                ref = DevRef(one.name, link.name)
                if link.kind == "veth" and ref not in told:
                    yield from self._pair(ref, link, told)
                elif link.kind not in ("veth", "bridge", "loopback"):
                    self._say_foreign(one, link)

    def _say_foreign(self, one: NodeFacts, link: LinkState) -> None:
        if self.fresh.state.link(link.name) is None or link.up:
            kind = link.kind or "physical"
            self.notes.append(f"{one.name}/{link.name} is left out: a device of kind {kind}")

    def _pair(self, ref: DevRef, link: LinkState, told: set[DevRef]) -> Iterator[Any]:
        far = None if link.peer is None else self.snapshot.link(link.peer)
        if far is None or link.peer is None:
            said = f"{ref} is left out: its other end is in a namespace without a name"
            self.notes.append(said)
            return
        told.update((ref, link.peer))
        ends = [(ref, link), (link.peer, far)]
        ends.sort(key=lambda end: end[1].master is not None)
        texts = [self._end(end, state) for end, state in ends]
        macs = {
            f"{end.node}:{end.dev}": str(state.mac)
            for end, state in ends
            if state.mac is not None and self._matters(end, state.mac)
        }
        mtu = min(state.mtu for _end, state in ends)
        if link.mtu != far.mtu:
            self.notes.append(f"the ends of {ref} – {link.peer} differ in MTU: {mtu} is taken")
        long: Tree = {"ends": texts}
        long |= {"mtu": mtu} if mtu != _MTU else {}
        long |= {"mac": macs} if macs else {}
        yield texts if len(long) == 1 else long

    def _end(self, ref: DevRef, state: LinkState) -> str:
        master = self.snapshot.link(DevRef(ref.node, state.master)) if state.master else None
        if master is not None and master.kind != "bridge":
            self.notes.append(f"{ref} is a port of {master.name}, which is no bridge: left out")
            master = None
        return f"{ref.node}:{ref.dev}" + (f"@{master.name}" if master else "")

    def _matters(self, ref: DevRef, mac: Mac) -> bool:
        """Whether it was chosen, or something names it; and hopscope would choose another."""
        one = next(one for one in self.facts if one.name == ref.node)
        return mac != mac_of(ref) and (ref.dev in one.chosen_macs or mac in self.needed)


def recover(
    facts: Sequence[NodeFacts], fresh: NodeFacts, *, name: str, description: str
) -> tuple[Tree, list[str]]:
    """The tree of a lab file that makes *facts* of namespaces like *fresh*; and what it lacks."""
    recovered = Recovered(facts, fresh)
    tree = recovered.tree(name, description)
    return tree, list(dict.fromkeys(recovered.notes))


def _is_bridge(link: LinkState) -> bool:
    return link.kind == "bridge"


def _addresses(link: LinkState) -> Iterator[Address]:
    """Those that somebody gave it: not loopback's own, not what IPv6 makes of a MAC address."""
    for address in link.addresses:
        ip = ip_address(address.ip)
        own = link.kind == "loopback" and str(address) in ("127.0.0.1/8", "::1/128")
        if not own and not (ip.is_link_local and _is_eui64(ip, link.mac)):
            yield address


def _is_eui64(ip: object, mac: Mac | None) -> bool:
    """Mirrors addrconf_ifid_eui48(), include/net/addrconf.h."""
    if not isinstance(ip, IPv6Address) or mac is None:
        return False
    octets = bytes.fromhex(mac.replace(":", ""))
    return ip.packed[8:] == bytes([octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]])


def _neighbours(one: NodeFacts) -> Mapping[DevName, Mapping[str, str]]:
    found: dict[DevName, dict[str, str]] = {}
    for entry in one.state.neighbours:
        if entry.state == NeighbourState.PERMANENT and entry.mac:
            found.setdefault(entry.dev, {})[entry.ip] = str(entry.mac)
    return found


def _shortened(route: Tree) -> Any:
    """As ``ip route`` reads it."""
    return " ".join(
        [route["to"], *(f"{k} {route[k]}" for k in ("via", "dev", "metric") if k in route)]
    )
