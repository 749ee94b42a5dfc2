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
            st.sampled_from([{}, {"stp": True}, {"up": False}, {"mtu": 1300}])
        )
        middle["bridges"] = {"br.0": {**options, "nf_call_iptables": draw(st.booleans())}}
    nodes, links = {home: middle}, []
    for number in range(1, count + 1):
        node, port = f"n-{number}", f"p{number}"
        nodes[node] = _leaf(draw, number, bridged=bridged, six=six)
        end = f"{home}:{port}@br.0" if bridged else f"{home}:{port}"
        if not bridged:
            middle["addresses"][port] = f"10.0.{number}.1/24"
        links.append(_link(draw, [f"{node}:eth0", end]))
    if draw(st.booleans()):
        links.append([f"{home}:loop0", f"{home}:loop1"])
        middle["down"] = ["loop1"]
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
    return node


def _link(draw: st.DrawFn, ends: list[str]) -> Any:
    link: dict[str, Any] = {"ends": ends}
    if draw(st.booleans()):
        link["mtu"] = 1400
    if draw(st.booleans()):
        link["mac"] = {ends[0]: "02:aa:00:00:00:0" + ends[0][2]}
    return link
