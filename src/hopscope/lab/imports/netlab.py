"""A topology of netlab → the lab that has its nodes, links and addresses. Does no I/O."""

from collections.abc import Iterator
from ipaddress import ip_interface
from typing import Any, Final

from hopscope.lab.imports.imported import Imported
from hopscope.lab.imports.naming import device_names, node_names
from hopscope.plan.names import HOME
from hopscope.spec.foreign import Note
from hopscope.spec.netlab import LabLink, LabNode, NetlabTopology

__all__ = ["from_netlab"]

_FORWARDING: Final = (
    ("ipv4", 4, "net.ipv4.ip_forward"),
    ("ipv6", 6, "net.ipv6.conf.all.forwarding"),
)


def from_netlab(found: NetlabTopology, *, name: str) -> Imported:
    """Routers forward; a host's default route leads to the first router beside it."""
    made = _Made(found)
    tree: dict[str, Any] = {
        "name": name,
        "description": f"Imported from {found.file}.",
        "nodes": made.nodes(),
    }
    links = list(made.links())
    return Imported(
        tree={**tree, "links": links} if links else tree,
        notes=tuple(dict.fromkeys((*found.notes, *made.notes))),
        comments={
            str(made.names[node.name]): f"stands for a device {node.stands_for}"
            for node in found.nodes
            if node.stands_for
        },
    )


class _Made:
    def __init__(self, found: NetlabTopology) -> None:
        self.found = found
        self.names = node_names(_free(node.name) for node in found.nodes)
        self.names = {node.name: self.names[_free(node.name)] for node in found.nodes}
        self.notes = [
            Note(place=node.place, text=f"{node.name} is called {self.names[node.name]} here")
            for node in found.nodes
            if node.name != self.names[node.name]
        ]
        self.shared = [link for link in found.links if link.bridge is not None]
        self.bridges = device_names(link.bridge or "" for link in self.shared)
        wanted = [f"{end.node}-{end.dev}" for link in self.shared for end in link.ends]
        self.ports = device_names(wanted)

    def nodes(self) -> dict[str, dict[str, Any]]:
        """With host, when there are links of other than two ends: these are its bridges."""
        made = {str(self.names[node.name]): self._node(node) for node in self.found.nodes}
        if self.shared:
            made[HOME] = {"bridges": list(map(str, self.bridges.values()))}
        return made

    def _node(self, node: LabNode) -> dict[str, Any]:
        addresses: dict[str, Any] = {"lo": node.loopback} if node.loopback else {}
        for link in self.found.links:
            for end in link.ends:
                if end.node == node.name and end.addresses:
                    several = list(end.addresses)
                    addresses[end.dev] = several[0] if len(several) == 1 else several
        parts: dict[str, Any] = {"addresses": addresses}
        if node.router:
            said = [ip for link in self.found.links for end in link.ends for ip in end.addresses]
            versions = {4} | {ip_interface(ip).version for ip in said}
            parts["sysctls"] = {key: 1 for _, number, key in _FORWARDING if number in versions}
        else:
            parts["routes"] = list(self._routes(node))
        return {key: part for key, part in parts.items() if part}

    def _routes(self, node: LabNode) -> Iterator[str]:
        """One of each family."""
        routers = {one.name for one in self.found.nodes if one.router}
        told: set[int] = set()
        for link in self.found.links:
            if all(end.node != node.name for end in link.ends):
                continue
            for end in link.ends:
                for ip in map(ip_interface, end.addresses if end.node in routers else ()):
                    if ip.version not in told:
                        told.add(ip.version)
                        yield f"default via {ip.ip}"

    def links(self) -> Iterator[Any]:
        """A link of two ends is a veth pair; of any other, one for each port of its bridge."""
        for link in self.found.links:
            pairs = list(self._pairs(link))
            for pair in pairs:
                yield pair if link.mtu is None else {"ends": pair, "mtu": link.mtu}

    def _pairs(self, link: LabLink) -> Iterator[list[str]]:
        ends = [f"{self.names[end.node]}:{end.dev}" for end in link.ends]
        if link.bridge is None:
            yield ends
            return
        for end, text in zip(link.ends, ends, strict=True):
            port = self.ports[f"{end.node}-{end.dev}"]
            yield [text, f"{HOME}:{port}@{self.bridges[link.bridge]}"]


def _free(name: str) -> str:
    """The name host is that of the node with the bridges."""
    return f"{name}-2" if name == HOME else name
