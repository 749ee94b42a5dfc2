"""Random small labs that share names, so that one becomes another in every way."""

import json
from typing import Any

from hypothesis import strategies as st

__all__ = ["changing_labs"]

_OTHER = "02:00:00:00:00:99"
_ANY = "00:00:00:00:00:00"
_PORTS: list[dict[str, Any]] = [
    {},
    {"isolated": True},
    {"hairpin": True, "cost": 5},
    {"learning": False},
    {"cost": 7},
]
_RATES: list[dict[str, Any]] = [
    {},
    {"rate": "10mbit"},
    {"rate": {"rate": "5mbit", "kind": "htb"}},
    {"rate": {"rate": "5mbit", "burst": "9000"}},
]
_POLICIES = [
    "from 10.0.0.0/8 lookup main",
    "from 10.0.0.0/8 prohibit priority 9",
    "fwmark 7 lookup main priority 9",
    "from fd00::/8 blackhole",
]
_BRIDGES: list[dict[str, Any]] = [
    {},
    {"stp": True},
    {"ageing": 60},
    {"priority": 3, "forward_delay": 4, "nf_call_iptables": True},
]
_NAMES = ["n1", "n2", "n3"]
_VXLAN = {"kind": "vxlan", "remote": "192.0.2.2"}
_VXLANS: list[dict[str, Any]] = [
    {**_VXLAN, "id": 4},
    {**_VXLAN, "id": 5, "fdb": {_OTHER: "192.0.2.3"}},
    {**_VXLAN, "id": 4, "fdb": {_ANY: ["192.0.2.4", "192.0.2.5"], _OTHER: "192.0.2.6"}},
]


@st.composite
def changing_labs(draw: st.DrawFn) -> str:
    """The text of a lab file, with a node ``host`` and up to three others."""
    names = draw(st.lists(st.sampled_from(_NAMES), unique=True, min_size=1))
    bridges = draw(st.lists(st.sampled_from(["br0", "br1"]), unique=True, min_size=1))
    host: dict[str, Any] = {one: dict(draw(st.sampled_from(_BRIDGES))) for one in bridges}
    nodes: dict[str, Any] = {"host": {"bridges": host}}
    if draw(st.booleans()):
        nodes["host"]["sysctls"] = {"net.ipv4.ip_forward": 1}
    if draw(st.booleans()):
        nodes["host"]["iptables"] = ["-A FORWARD -j ACCEPT"]
    links = []
    for number, name in enumerate(names):
        dev = draw(st.sampled_from(["a", "b", "c"]))
        nodes[name] = _node(draw, number, dev, bridges)
        links.append(_link(draw, number, f"{name}:{dev}", bridges, host))
    for device in _device(draw, None, bridges, at_bridge=True):
        nodes["host"]["devices"] = {"h": device}
    return json.dumps({"name": "lab", "nodes": nodes, "links": links})


def _node(draw: st.DrawFn, number: int, dev: str, bridges: list[str]) -> dict[str, Any]:
    nets = draw(st.lists(st.sampled_from([0, 1, 2]), unique=True, max_size=2))
    given = [f"10.244.{net}.{number + 1}/24" for net in nets]
    given += draw(st.sampled_from([[], [f"fd00::{number + 1}/64"]]))
    node: dict[str, Any] = {"addresses": {dev: given}} if given else {}
    if draw(st.booleans()):
        node["down"] = [dev]
    rules = draw(st.lists(st.sampled_from(_POLICIES), unique=True, max_size=2))
    if len([rule for rule in rules if "priority 9" in rule]) < 2:
        node["policy"] = rules
    for device in _device(draw, dev, bridges, at_bridge=False):
        node["devices"] = {"x": device}
        node.setdefault("addresses", {})["x"] = [f"10.245.0.{number + 1}/24"]
        if device["kind"] != "macvlan" or "down" not in node:  # it is up only over one that is
            node["routes"] = ["10.246.0.0/16 dev x"]
    return node


def _device(
    draw: st.DrawFn, dev: str | None, bridges: list[str], *, at_bridge: bool
) -> list[dict[str, Any]]:
    """One, or none."""
    kinds: list[dict[str, Any]] = [{"kind": "tap"}, *_VXLANS]
    if dev is not None:
        mode = draw(st.sampled_from(["bridge", "private", "passthru"]))
        kinds += [{"kind": "macvlan", "over": dev, "mode": mode}, {**_VXLANS[0], "over": dev}]
        kinds += [{"kind": "macvlan", "over": f"host:{one}"} for one in bridges]
    found = draw(st.lists(st.sampled_from(kinds), max_size=1))
    if at_bridge:
        bridge, port = draw(st.sampled_from(bridges)), draw(st.sampled_from(_PORTS))
        return [{**one, "bridge": bridge, **port} for one in found]
    return found


def _link(
    draw: st.DrawFn, number: int, end: str, bridges: list[str], host: dict[str, Any]
) -> dict[str, Any]:
    port = draw(st.sampled_from([f"p{number}", f"q{number}"]))
    bridge = draw(st.sampled_from([None, *bridges]))
    other: dict[str, Any] = {"end": f"host:{port}" + (f"@{bridge}" if bridge else "")}
    if bridge is not None:
        other |= draw(st.sampled_from(_PORTS))
        if draw(st.booleans()):
            host[bridge]["fdb"] = {_OTHER: port}
    return {
        "ends": [{"end": end, **draw(st.sampled_from(_RATES))}, other],
        "mtu": draw(st.sampled_from([1500, 1400])),
        "queues": draw(st.sampled_from([1, 1, 2])),
    }
