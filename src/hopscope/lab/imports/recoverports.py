"""Bridges and their ports as they are → the keys of a lab file that make them. Does no I/O."""

from collections.abc import Collection, Iterator
from typing import Any, Final

from hopscope.model.devices import BridgeState, PortOptions, Vlan
from hopscope.model.limits import AGEING, FORWARD_DELAY, PRIORITY
from hopscope.model.snapshot import LinkState, NodeState
from hopscope.model.vocab import DevName

__all__ = ["bridge_options", "fdb_of", "port_options"]

_USUAL: Final = (Vlan(vid=1, pvid=True, untagged=True),)
_USUAL_COSTS: Final = {"veth": (2,)}  # of 10 Gbit/s
_OTHER_COSTS: Final = (2, 100)  # as what they lie over has it, or unknown
_TIMES: Final = (("ageing", AGEING), ("forward_delay", FORWARD_DELAY), ("priority", PRIORITY))


def bridge_options(bridge: BridgeState | None, vlans: tuple[Vlan, ...]) -> dict[str, Any]:
    """Where they differ from what the kernel takes by itself; what a lab cannot say is not."""
    if bridge is None:
        return {}
    found: dict[str, Any] = {"stp": True} if bridge.stp else {}
    for key, limits in _TIMES:
        value = getattr(bridge, key)
        if value != getattr(BridgeState(), key) and limits.hold(value):
            found[key] = int(value) if value == int(value) else value
    if bridge.vlan_filtering:
        found["vlan_filtering"] = True
        found |= _vlans(vlans)
    return found


def port_options(link: LinkState, bridge: LinkState) -> dict[str, Any]:
    """How *bridge* treats its port *link*."""
    found: dict[str, Any] = {}
    port = link.port or PortOptions()
    for key in ("hairpin", "isolated", "learning", "flood"):
        value = getattr(port, key)
        if value != getattr(PortOptions(), key):
            found[key] = value
    if port.cost is not None and port.cost not in _USUAL_COSTS.get(link.kind, _OTHER_COSTS):
        found["cost"] = port.cost
    if bridge.bridge is not None and bridge.bridge.vlan_filtering:
        found |= _vlans(link.vlans)
    return found


def fdb_of(state: NodeState, bridge: DevName, ports: Collection[DevName]) -> dict[str, str]:
    """The entries that somebody made, by MAC address."""
    return dict(_static(state, bridge, ports))


def _static(
    state: NodeState, bridge: DevName, ports: Collection[DevName]
) -> Iterator[tuple[str, str]]:
    for entry in state.fdb:
        unicast = not int(entry.mac[:2], 16) & 1
        if entry.bridge == bridge and entry.static and not entry.local and unicast:
            if entry.port in ports:
                yield str(entry.mac), str(entry.port)


def _vlans(vlans: tuple[Vlan, ...]) -> dict[str, Any]:
    if not vlans or vlans == _USUAL:
        return {}
    return {"vlans": [_vlan(one) for one in vlans]}


def _vlan(vlan: Vlan) -> Any:
    flags = {key: True for key in ("pvid", "untagged") if getattr(vlan, key)}
    return {"vid": vlan.vid, **flags} if flags else vlan.vid
