"""Links and devices as they are → the lab file's links and devices that make them. Does no I/O."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from hopscope.lab.imports.facts import NodeFacts
from hopscope.lab.imports.kept import Kept
from hopscope.lab.imports.recoverports import port_options
from hopscope.lab.imports.recovertraffic import sending
from hopscope.model.limits import QUEUES
from hopscope.model.snapshot import LinkState
from hopscope.model.vocab import DevName, DevRef, Mac
from hopscope.plan.macs import mac_of

__all__ = ["Linked"]

_MTU: Final = 1500
_OVERHEAD: Final = {4: 50, 6: 70}  # of a vxlan: VXLAN_HEADROOM, VXLAN6_HEADROOM
_EVERY_OTHER: Final = "00:00:00:00:00:00"
Tree = dict[str, Any]


class Linked:
    """What joins the nodes, and the devices that are no end of a link."""

    def __init__(
        self,
        facts: Sequence[NodeFacts],
        kept: Kept,
        needed: Collection[Mac],
        usual_queues: int | None,
        notes: list[str],
    ) -> None:
        """*needed* MAC addresses are named by something; *notes* are added to."""
        self._facts = {one.name: one for one in facts}
        self._kept = kept
        self._snapshot = kept.snapshot
        self._needed = needed
        self._usual_queues = usual_queues
        self._notes = notes

    def links(self) -> Iterator[Any]:
        """Each veth pair once; the end that is no port comes first."""
        told: set[DevRef] = set()
        self._notes += self._kept.notes()
        for one in self._facts.values():
            for link in one.state.links:
                ref = DevRef(one.name, link.name)
                if link.kind == "veth" and ref not in told and self._kept.holds(ref):
                    yield self._pair(ref, link, told)

    def _pair(self, ref: DevRef, link: LinkState, told: set[DevRef]) -> Any:
        far = self._snapshot.link(link.peer) if link.peer else None
        if far is None or link.peer is None:
            message = f"{ref} has no peer in the lab"
            raise ValueError(message)
        told.update((ref, link.peer))
        ends = [(ref, link), (link.peer, far)]
        ends.sort(key=lambda end: end[1].master is not None)
        parts = [self._end(end, state) for end, state in ends]
        macs = {
            f"{end.node}:{end.dev}": str(state.mac)
            for end, state in ends
            if state.mac is not None and self._matters(end, state.mac)
        }
        mtu = min(state.mtu for _end, state in ends)
        if link.mtu != far.mtu:
            self._notes.append(f"the ends of {ref} – {link.peer} differ in MTU: {mtu} is taken")
        long: Tree = {"mtu": mtu} if mtu != _MTU else {}
        long |= {"mac": macs} if macs else {}
        for key in ("queues", "rate", "delay", "jitter", "loss", "duplicate", "corrupt", "reorder"):
            first, second = (part.get(key) for part in parts)
            if first is not None and first == second:
                long[key] = first
                parts = [{k: v for k, v in part.items() if k != key} for part in parts]
        texts = [part["end"] if len(part) == 1 else part for part in parts]
        plain = not long and all(isinstance(text, str) for text in texts)
        return texts if plain else {"ends": texts, **long}

    def _end(self, ref: DevRef, state: LinkState) -> Tree:
        bridge = self._bridge_of(ref, state)
        found: Tree = {"end": f"{ref.node}:{ref.dev}" + (f"@{bridge.name}" if bridge else "")}
        found |= self._common(ref, state, bridge)
        usual = self._usual_queues
        if state.queues not in (1, usual) and usual is not None and QUEUES.hold(state.queues):
            found["queues"] = state.queues
        return found

    def _common(self, ref: DevRef, state: LinkState, bridge: LinkState | None) -> Tree:
        """How it is treated as a port, and how it sends."""
        qdiscs = [q for q in self._facts[ref.node].state.qdiscs if q.dev == ref.dev]
        return {
            **(port_options(state, bridge) if bridge is not None else {}),
            **sending(qdiscs, state.mtu),
        }

    def _bridge_of(self, ref: DevRef, state: LinkState) -> LinkState | None:
        if state.master is None:
            return None
        master = self._snapshot.link(DevRef(ref.node, state.master))
        if master is not None and master.kind == "bridge":
            return master
        self._notes.append(f"{ref} is a port of {state.master}, which is no bridge: left out")
        return None

    def _matters(self, ref: DevRef, mac: Mac) -> bool:
        """Whether it was chosen, or something names it; and hopscope would choose another."""
        one = self._facts[ref.node]
        return mac != mac_of(ref) and (ref.dev in one.chosen_macs or mac in self._needed)

    def devices(self, one: NodeFacts) -> Iterator[tuple[str, Tree]]:
        """The macvlan, vxlan and tap devices of a node."""
        for link in one.state.links:
            ref = DevRef(one.name, link.name)
            if link.kind in ("macvlan", "vxlan", "tap") and self._kept.holds(ref):
                yield str(link.name), self._device(one, ref, link)

    def _device(self, one: NodeFacts, ref: DevRef, link: LinkState) -> Tree:
        found: Tree = {"kind": link.kind}
        if link.over is not None:
            own = link.over.node == ref.node
            found["over"] = str(link.over.dev) if own else f"{link.over.node}:{link.over.dev}"
        if link.macvlan not in (None, "bridge"):
            found["mode"] = link.macvlan
        found |= self._tunnel(one, link)
        bridge = self._bridge_of(ref, link)
        found |= {"bridge": str(bridge.name)} if bridge is not None else {}
        if link.mac and link.macvlan != "passthru" and self._matters(ref, link.mac):
            found["mac"] = str(link.mac)
        if link.mtu != self._usual_mtu(link):
            found["mtu"] = link.mtu
        if link.kind != "tap" and link.queues != 1 and QUEUES.hold(link.queues):
            found["queues"] = link.queues
        return found | self._common(ref, link, bridge)

    def _usual_mtu(self, link: LinkState) -> int:
        lower = self._snapshot.link(link.over) if link.over else None
        if lower is None:
            return _MTU
        if link.vxlan is None:
            return lower.mtu
        ends = (link.vxlan.local or "") + (link.vxlan.remote or "")
        return lower.mtu - _OVERHEAD[6 if ":" in ends else 4]

    def _tunnel(self, one: NodeFacts, link: LinkState) -> Tree:
        """What a vxlan is set to, and the entries that somebody made."""
        vxlan = link.vxlan
        if vxlan is None:
            return {}
        found: Tree = {"id": vxlan.id}
        own = {address.ip for other in one.state.links for address in other.addresses}
        if vxlan.local in own:
            found["local"] = vxlan.local
        if vxlan.remote is not None:
            found["remote"] = vxlan.remote
        if vxlan.port != 4789:
            found["port"] = vxlan.port
        if not vxlan.learning:
            found["mac_learning"] = False
        entries = self._entries(one, link.name, vxlan.remote)
        return found | ({"fdb": entries} if entries else {})

    def _entries(self, one: NodeFacts, dev: DevName, remote: str | None) -> dict[str, Any]:
        found: dict[str, list[str]] = {}
        for entry in one.state.remotes:
            own = entry.mac == _EVERY_OTHER and entry.remote == remote
            if entry.dev == dev and entry.static and not own:
                found.setdefault(str(entry.mac), []).append(entry.remote)
        return {mac: ips[0] if len(ips) == 1 else ips for mac, ips in found.items()}
