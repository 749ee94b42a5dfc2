"""Random lab files for round trips: small, lawful, with every part that a lab file knows."""

from typing import Any

from hypothesis import strategies as st

__all__ = ["random_labs"]

_RULES = [
    "-P FORWARD DROP",
    "-A INPUT -p tcp --dport 80 -j ACCEPT",
    '-A FORWARD -p icmp -j LOG --log-prefix "a b$c"',
    "-t nat -A POSTROUTING -s 10.0.0.0/8 -j MASQUERADE",
    '-A OUTPUT ! -d 10.0.0.0/8 -m comment --comment "it\'s" -j REJECT',
]
_SYSCTLS = [
    {"net.ipv4.ip_forward": 1},
    {"net.ipv4.conf.all.rp_filter": 2},
    {"net.ipv4.conf.default.arp_ignore": 1},
    {"net.ipv4.ip_local_port_range": "20000 30000"},
    {"net.bridge.bridge-nf-call-iptables": 0},
]
_BRIDGES = [
    {"ageing": 10, "priority": 4096, "forward_delay": 4},
    {"fdb": {"02:00:00:00:00:99": "p1"}},
]
_PORTS = [
    {"isolated": True, "hairpin": True},
    {"learning": False, "flood": False, "cost": 7},
    {"queues": 3},
]
_SENDING = [
    {"rate": "10mbit"},
    {"rate": {"rate": "777kbit", "burst": "32kb", "latency": "17ms"}},
    {"rate": {"rate": "3gbit", "kind": "htb", "ceil": "5gbit"}},
    {"rate": {"rate": "1234567bit", "kind": "htb"}, "queues": 4},
]
_MODES = ["bridge", "private", "vepa", "passthru"]
_REMOTES = {
    "00:00:00:00:00:00": ["10.0.0.201", "10.0.0.202"],
    "02:00:00:00:00:55": "10.0.0.203",
}
_TABLES = [
    ["10.88.0.0/16 dev eth0 table 100", "blackhole 10.89.0.0/16"],
    ["unreachable 10.88.0.0/16 table 100", "throw 10.87.0.0/16 metric 3 table 100"],
]
_POLICY = [
    "from 10.0.0.0/8 lookup 100",
    "to 10.91.0.0/16 iif eth0 lookup 100 priority 7",
    "fwmark 0x10/0xff prohibit priority 8",
]
_NFT = "table inet mine {\n  chain in {\n    type filter hook input priority 0;\n  }\n}\n"


@st.composite
def random_labs(draw: st.DrawFn) -> dict[str, Any]:
    """The tree of a lab file. Node 0 is ``host`` or not; each other node hangs on it."""
    home = draw(st.sampled_from(["host", "r0"]))
    count = draw(st.integers(1, 3))
    bridged = draw(st.booleans())
    six = draw(st.booleans())
    middle: dict[str, Any] = {"addresses": {}}
    if bridged:
        options: dict[str, Any] = draw(
            st.sampled_from([{}, {"stp": True}, {"up": False}, {"mtu": 1300}, *_BRIDGES])
        )
        middle["bridges"] = {"br.0": {**options, "nf_call_iptables": draw(st.booleans())}}
    nodes, links = {home: middle}, []
    for number in range(1, count + 1):
        node, port = f"n-{number}", f"p{number}"
        nodes[node] = _leaf(draw, number, bridged=bridged, six=six)
        end = f"{home}:{port}@br.0" if bridged else f"{home}:{port}"
        if not bridged:
            middle["addresses"][port] = f"10.0.{number}.1/24"
        links.append(_link(draw, f"{node}:eth0", end, bridged=bridged))
    if draw(st.booleans()):
        links.append([f"{home}:loop0", f"{home}:loop1"])
        middle["down"] = ["loop1"]
    if draw(st.booleans()):
        _devices(draw, nodes, home, bridged=bridged)
    middle |= draw(st.fixed_dictionaries({}, optional={"sysctls": st.sampled_from(_SYSCTLS)}))
    rules = draw(st.lists(st.sampled_from(_RULES), unique=True, max_size=3))
    middle |= {"iptables": rules} if rules else {}
    middle |= {"nft": _NFT} if draw(st.booleans()) else {}
    return {"name": "random", "nodes": nodes, "links": links}


def _leaf(draw: st.DrawFn, number: int, *, bridged: bool, six: bool) -> dict[str, Any]:
    own = [f"10.0.0.{number + 1}/24" if bridged else f"10.0.{number}.2/24"]
    own += [f"fd00::{number}/64"] if six else []
    node: dict[str, Any] = {"addresses": {"eth0": own}, "lo": draw(st.booleans())}
    if draw(st.booleans()):
        node["addresses"]["lo"] = f"10.255.0.{number}/32"
    gateway = "10.0.0.200" if bridged else f"10.0.{number}.1"
    routes = [f"default via {gateway}", "10.77.0.0/16 dev eth0 metric 7"]
    node["routes"] = draw(st.lists(st.sampled_from(routes), unique=True))
    if draw(st.booleans()):
        node["neighbours"] = {"eth0": {gateway: "02:00:00:00:00:77"}}
    if draw(st.booleans()):
        node["sysctls"] = {"net.ipv4.conf.eth0.rp_filter": 1}
    if draw(st.booleans()):
        node["routes"] += draw(st.sampled_from(_TABLES))
        node["policy"] = draw(st.lists(st.sampled_from(_POLICY), unique=True, min_size=1))
    node["dad"] = six and draw(st.booleans())
    return node


def _devices(draw: st.DrawFn, nodes: dict[str, Any], home: str, *, bridged: bool) -> None:
    """Devices that are no end of a link, of the first leaf and of the middle."""
    leaf, middle = nodes["n-1"], nodes[home]
    own = leaf["addresses"]["eth0"][0].partition("/")[0]
    vxlan: dict[str, Any] = {"kind": "vxlan", "id": 7, "remote": "10.0.0.200", "mtu": 1300}
    vxlan |= draw(st.sampled_from([{}, {"local": own}, {"over": "eth0"}, {"port": 8472}]))
    vxlan |= draw(st.sampled_from([{}, {"mac_learning": False}, {"fdb": _REMOTES}]))
    leaf["devices"] = {
        "mv0": {"kind": "macvlan", "over": "eth0", "mode": draw(st.sampled_from(_MODES))},
        "vx0": {**vxlan, "rate": "8mbit"},
    }
    leaf["down"] = draw(st.lists(st.sampled_from(["mv0", "vx0"]), unique=True))
    middle["devices"] = {"tap0": {"kind": "tap", **({"bridge": "br.0"} if bridged else {})}}
    if not bridged and leaf["devices"]["mv0"]["mode"] != "passthru":  # which wants it for itself
        middle["devices"]["mv1"] = {"kind": "macvlan", "over": "n-1:eth0"}


def _link(draw: st.DrawFn, leaf: str, port: str, *, bridged: bool) -> Any:
    ends: list[Any] = [leaf, port]
    if bridged and draw(st.booleans()):
        ends[1] = {"end": port, **draw(st.sampled_from(_PORTS))}
    if draw(st.booleans()):
        ends[0] = {"end": leaf, **draw(st.sampled_from(_SENDING))}
    link: dict[str, Any] = {"ends": ends}
    if draw(st.booleans()):
        link["mtu"] = 1400
    if draw(st.booleans()):
        link["mac"] = {leaf: "02:aa:00:00:00:0" + leaf[2]}
    return link
