"""What stands is what was declared, attribute by attribute, as hopscope and iproute2 see it."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_interface
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from hopscope.lab.declare import parse
from hopscope.lab.running import RunningLab
from hopscope.render.exports.yamltext import dumped
from leftovers import adopting
from proofsizes import SEED, size
from randomlabs import random_labs

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.timeout(size(120, 3600))]

Tree = Mapping[str, Any]
SAVED: Final = {
    "-P FORWARD DROP": ":FORWARD DROP [0:0]",
    "-A INPUT -p tcp --dport 80 -j ACCEPT": "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT",
    '-A FORWARD -p icmp -j LOG --log-prefix "a b$c"': (
        '-A FORWARD -p icmp -j LOG --log-prefix "a b$c"'
    ),
    "-t nat -A POSTROUTING -s 10.0.0.0/8 -j MASQUERADE": (
        "-A POSTROUTING -s 10.0.0.0/8 -j MASQUERADE"
    ),
    '-A OUTPUT ! -d 10.0.0.0/8 -m comment --comment "it\'s" -j REJECT': (
        '-A OUTPUT ! -d 10.0.0.0/8 -m comment --comment "it\\\'s" -j REJECT '
        "--reject-with icmp-port-unreachable"
    ),
}
"""A rule of a random lab, and how iptables-save tells it."""


@seed(SEED)
@settings(
    max_examples=size(6, 300),
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(random_labs())
def test_any_lab_is_read_back(records: Path, tree: dict[str, Any]) -> None:
    """Nothing differs, nothing is missing, and nothing is there that nobody asked for."""
    text = dumped(tree)
    with adopting(), RunningLab.start(parse(text, "random.yaml"), text) as lab:
        assert lab.differences().changes == ()
        seen = {node: Eyes(lab, node) for node in tree["nodes"]}
        for name, node in tree["nodes"].items():
            see, own = seen[name], list(ends(tree, name))
            assert sorted(see.links) == sorted(
                [*(dev for dev, _l, _b in own), *bridges(node), *node.get("devices", {}), "lo"]
            )
            _check_loopback(node, see)
            for dev, link, bridge in own:
                _check_end(node, see, dev, link, bridge)
            for bridge, options in bridges(node).items():
                _check_bridge(see, bridge, options, own)
            for dev, device in node.get("devices", {}).items():
                _check_device(node, see, dev, device)
            _check_layer3(node, see)
            _check_rest(node, see)
        _check_peers(tree, seen)


class Eyes:
    """A node as iproute2 and the tools of the firewall tell it."""

    def __init__(self, lab: RunningLab, node: str) -> None:
        self._lab, self._node = lab, node
        self.links = {one["ifname"]: one for one in self.json("ip -j -d address")}

    def text(self, command: str) -> str:
        """What a command prints."""
        done = self._lab.run(self._node, command.split())
        assert done.code == 0, f"{command}: {done.stderr.decode()}"
        return done.stdout.decode()

    def json(self, command: str) -> list[dict[str, Any]]:
        """The same, read."""
        found: list[dict[str, Any]] = json.loads(self.text(command) or "[]")
        return found

    def up(self, dev: str) -> bool:
        """Whether it is."""
        return "UP" in self.links[dev]["flags"]

    def addresses(self, dev: str) -> set[str]:
        """Those that the kernel does not give by itself."""
        given = {f"{a['local']}/{a['prefixlen']}" for a in self.links[dev]["addr_info"]}
        usual = {"127.0.0.1/8", "::1/128"} if dev == "lo" else set()
        return {one for one in given - usual if not one.startswith("fe80:")}


def bridges(node: Tree) -> Mapping[str, Tree]:
    """By name."""
    found: Mapping[str, Tree] = node.get("bridges", {})
    return found


def ends(tree: Tree, node: str) -> Iterator[tuple[str, Tree, str]]:
    """The ends of links in a node: device, what its link and its end have, bridge."""
    for link in tree["links"]:
        whole = link if isinstance(link, dict) else {"ends": link}
        for end in whole["ends"]:
            own = end if isinstance(end, dict) else {"end": end}
            name, _, dev = own["end"].partition(":")
            if name == node:
                yield dev.partition("@")[0], {**whole, **own}, dev.partition("@")[2]


def _check_loopback(node: Tree, see: Eyes) -> None:
    assert see.up("lo") == node.get("lo", True)


def _check_end(node: Tree, see: Eyes, dev: str, link: Tree, bridge: str) -> None:
    seen = see.links[dev]
    assert seen["linkinfo"]["info_kind"] == "veth"
    assert seen["mtu"] == link.get("mtu", 1500)
    assert see.up(dev) == (dev not in node.get("down", ()))
    assert seen.get("master", "") == bridge
    assert seen["address"] == link.get("mac", {}).get(link["end"], seen["address"])
    assert seen["num_tx_queues"] == seen["num_rx_queues"] == link.get("queues", 1)
    if bridge:
        port = seen["linkinfo"]["info_slave_data"]
        assert port["isolated"] == link.get("isolated", False)
        assert port["hairpin"] == link.get("hairpin", False)
        assert port["learning"] == link.get("learning", True)
        assert port["flood"] == link.get("flood", True)
        assert port["cost"] == link.get("cost", 2)
    shaped = {one["kind"] for one in see.json(f"tc -j qdisc show dev {dev}")} - {"noqueue"}
    rate = link.get("rate")
    kind = "tbf" if isinstance(rate, str) else (rate or {}).get("kind", "tbf")
    assert {one for one in shaped if one in ("tbf", "htb")} == ({kind} if rate else set())


def _check_device(node: Tree, see: Eyes, dev: str, device: Tree) -> None:
    seen = see.links[dev]
    info = seen["linkinfo"]
    assert see.up(dev) == (dev not in node.get("down", ()))
    assert seen.get("master") == device.get("bridge")
    match device["kind"]:
        case "tap":
            assert (info["info_kind"], info["info_data"]["type"]) == ("tun", "tap")
        case "macvlan":
            assert info["info_kind"] == "macvlan"
            assert info["info_data"]["mode"] == device.get("mode", "bridge")
        case "vxlan":
            assert info["info_data"]["id"] == device["id"]
            assert info["info_data"]["learning"] == device.get("mac_learning", True)
            assert info["info_data"]["port"] == device.get("port", 4789)
            assert seen["mtu"] == device["mtu"]


def _check_bridge(
    see: Eyes, bridge: str, options: Tree, own: Sequence[tuple[str, Tree, str]]
) -> None:
    seen = see.links[bridge]
    data = seen["linkinfo"]["info_data"]
    assert seen["linkinfo"]["info_kind"] == "bridge"
    assert data["stp_state"] == int(options.get("stp", False))
    assert data["nf_call_iptables"] == int(options.get("nf_call_iptables", False))
    assert data["ageing_time"] == 100 * options.get("ageing", 300)
    assert data["forward_delay"] == 100 * options.get("forward_delay", 15)
    assert data["priority"] == options.get("priority", 32768)
    fdb = {(e["mac"], e["ifname"]) for e in see.json("bridge -j fdb") if e.get("state") == "static"}
    assert fdb >= set(options.get("fdb", {}).items())
    assert see.up(bridge) == options.get("up", True)
    least = min([link.get("mtu", 1500) for _dev, link, of in own if of == bridge], default=1500)
    assert seen["mtu"] == options.get("mtu", least)


def _check_layer3(node: Tree, see: Eyes) -> None:
    for dev in see.links:
        given = node["addresses"].get(dev, [])
        declared = {str(ip_interface(a)) for a in ([given] if isinstance(given, str) else given)}
        assert see.addresses(dev) == declared
    told = see.json("ip -j route show table all") + see.json("ip -j -6 route show table all")
    assert {_told(one) for one in told if one.get("protocol") == "static"} == set(
        map(_declared, node.get("routes", ()))
    )
    permanent = see.json("ip -j neigh show nud permanent")
    neighbours = {one["dev"]: {one["dst"]: one["lladdr"]} for one in permanent if "lladdr" in one}
    assert neighbours == node.get("neighbours", {})
    own = len({rule["priority"] for rule in see.json("ip -j rule")} - {0, 32766, 32767})
    assert own == len(node.get("policy", ()))


Route = tuple[str, str, str | None, str | None, int | None, str]
"""Type, destination, gateway, device where there is no gateway, metric, table."""


def _told(one: Mapping[str, Any]) -> Route:
    via, kind = one.get("gateway"), one.get("type", "unicast")
    dev = None if via or kind != "unicast" else one["dev"]
    return kind, one["dst"], via, dev, one.get("metric"), one.get("table", "main")


def _declared(text: str) -> Route:
    kind, *words = text.split()
    if "/" in kind or kind == "default":
        kind, words = "unicast", [kind, *words]
    given = dict(zip(words[1::2], words[2::2], strict=True))
    metric = int(given["metric"]) if "metric" in given else None
    via = given.get("via")
    return kind, words[0], via, given.get("dev"), metric, given.get("table", "main")


def _check_rest(node: Tree, see: Eyes) -> None:
    for key, value in node.get("sysctls", {}).items():
        assert see.text(f"cat /proc/sys/{key.replace('.', '/')}").split() == str(value).split()
    saved = see.text("iptables-save").splitlines()
    counted = re.compile(r"\[\d+:\d+\]$")  # a policy may have met a packet by now
    kept = (line for line in saved if line.startswith("-") or " DROP " in line)
    rules = [counted.sub("[0:0]", line) for line in kept]
    declared = node.get("iptables", [])
    assert sorted(rules) == sorted(SAVED[line] for line in declared)
    tables = see.text("nft list tables").splitlines()
    own = [line for line in tables if " hopscope" not in line and "table inet" in line]
    assert own == (["table inet mine"] if "nft" in node else [])


def _check_peers(tree: Tree, seen: Mapping[str, Eyes]) -> None:
    """Each end's peer has the index that the other end has in its own node."""
    for link in tree["links"]:
        both = link["ends"] if isinstance(link, dict) else link
        names = [end["end"] if isinstance(end, dict) else end for end in both]
        pair = [name.partition("@")[0].split(":") for name in names]
        for (node, dev), (there, far) in (pair, reversed(pair)):
            mine = seen[node].links[dev]
            index = mine.get("link_index") or seen[node].links[mine["link"]]["ifindex"]
            assert index == seen[there].links[far]["ifindex"]
