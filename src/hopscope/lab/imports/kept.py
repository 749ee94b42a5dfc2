"""Which devices a lab file can make, and why it cannot make the others. Does no I/O."""

from collections.abc import Sequence
from typing import Final

from hopscope.lab.imports.facts import NodeFacts
from hopscope.model.snapshot import LinkState, Snapshot
from hopscope.model.vocab import DevName, DevRef, NodeName

__all__ = ["Kept"]

_MODES: Final = ("bridge", "private", "vepa", "passthru")
_INSTEAD: Final = {
    "dummy": "an address on lo, or a veth pair, may stand for it",
    "bond": "a veth pair may stand for it",
    "vlan": "a bridge with vlan_filtering and ports in VLANs may stand for it",
    "macvtap": "a macvlan may stand for it",
    "ipvlan": "a macvlan may stand for it",
    "tun": "it is no tap, which has frames",
}
"""What to write instead, where something comes near."""


class Kept:
    """The devices of all nodes that a lab file can make."""

    def __init__(self, facts: Sequence[NodeFacts], fresh: NodeFacts) -> None:
        self.snapshot: Snapshot = Snapshot(nodes=tuple(one.state for one in facts))
        self._fresh = fresh
        self._reasons: dict[DevRef, str | None] = {}
        for one in facts:
            for link in one.state.links:
                self._why(one.name, link)

    def holds(self, ref: DevRef) -> bool:
        """Whether the lab has that device."""
        return ref in self._reasons and self._reasons[ref] is None

    def of(self, node: NodeName) -> set[DevName]:
        """The devices of a node that the lab has."""
        return {ref.dev for ref, why in self._reasons.items() if ref.node == node and why is None}

    def notes(self) -> list[str]:
        """Each device that is left out, why, and which addresses go with it."""
        return [self._note(ref, why) for ref, why in self._reasons.items() if why and why != "-"]

    def _note(self, ref: DevRef, why: str) -> str:
        link = self.snapshot.link(ref)
        addresses = [str(one) for one in link.addresses if one.prefix != 64] if link else []
        own = f", with {', '.join(addresses)}" if addresses else ""
        return f"{ref} is left out{own}: {why}"

    def _why(self, node: NodeName, link: LinkState) -> str | None:
        ref = DevRef(node, link.name)
        if ref not in self._reasons:
            self._reasons[ref] = self._reason(ref, link)
        return self._reasons[ref]

    def _reason(self, ref: DevRef, link: LinkState) -> str | None:
        """None for one that a lab can make, "-" for one that is in every namespace."""
        match link.kind:
            case "loopback" | "bridge" | "tap":
                return None
            case "veth":
                far = link.peer and self.snapshot.link(link.peer)
                return None if far else "its other end is in a namespace without a name"
            case "vxlan":
                usual = link.vxlan is not None and (link.over is None or self._over(link) is None)
                return None if usual else "what it lies over is left out"
            case "macvlan":
                return self._macvlan(link)
        there = self._fresh.state.link(ref.dev)
        if there is not None and not link.up:
            return "-"
        instead = _INSTEAD.get(link.kind)
        said = f"a device of kind {link.kind or 'physical'}, which no lab file makes"
        return f"{said}; {instead}" if instead else said

    def _macvlan(self, link: LinkState) -> str | None:
        if link.macvlan not in _MODES:
            return f"a macvlan of mode {link.macvlan}, which no lab file makes"
        if link.over is None:
            return "it lies over a device in a namespace without a name"
        return self._over(link)

    def _over(self, link: LinkState) -> str | None:
        lower = self.snapshot.link(link.over) if link.over else None
        if link.over is None or lower is None or self._why(link.over.node, lower) is not None:
            return f"it lies over {link.over}, which is left out"
        return None
