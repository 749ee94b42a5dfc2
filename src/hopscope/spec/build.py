"""A lab that fits the schema → LabSpec, with defaults and places, and its replicas made.

What is malformed is handed on as written: `check` will say so. The story is still told of
counted nodes by their one name: see `telling`.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv4Interface, IPv6Interface, ip_interface, ip_network
from typing import Final

from msgspec import Struct

from hopscope.errors import Problem
from hopscope.model.lab import (
    MAIN_TABLE,
    AddressSpec,
    DropExpect,
    Expect,
    ExpectStep,
    FirewallStep,
    LabSpec,
    NeighbourSpec,
    NodeSpec,
    PingStep,
    PolicySpec,
    RouteSpec,
    RuleLine,
    SetStep,
    ShowStep,
    StoryStep,
    SysctlSpec,
    ZeroStep,
)
from hopscope.model.snapshot import NextHop
from hopscope.model.vocab import DevName, DevRef, NodeName
from hopscope.spec.addressing import drawn
from hopscope.spec.buildlinks import built_bridge, built_device, built_link, written_mac
from hopscope.spec.counts import counted
from hopscope.spec.expected import PingExpect, TableExpect
from hopscope.spec.names import ip_of
from hopscope.spec.network import NextHop as Hop
from hopscope.spec.network import Policy, Route
from hopscope.spec.origins import Origins
from hopscope.spec.processes import processes_of
from hopscope.spec.replicas import Replicas, counts_of, links_of, nodes_of
from hopscope.spec.schema import Lab, Node, Ping, Step
from hopscope.spec.tree import Locate, Path

__all__ = ["Built", "address_meant", "build"]

_DEFAULT: Final = {4: "0.0.0.0/0", 6: "::/0"}


class Built(Struct, frozen=True, kw_only=True):
    """A lab, the replicas of its counted nodes, and what is wrong with these.

    *believed* are names of which nothing more is to be said, because of what is wrong.
    """

    lab: LabSpec
    replicas: Replicas
    where: Origins
    problems: tuple[Problem, ...]
    believed: frozenset[str]


def build(lab: Lab, *, where: Locate, file: str, believed: Collection[str] = ()) -> Built:
    """The LabSpec of *lab*; *where* knows the places in *file*."""
    written = [_node(NodeName(name), node, where) for name, node in lab.nodes.items()]
    ends = [built_link(link, ("links", n), where) for n, link in enumerate(lab.links)]
    counts, wrong = counts_of(lab, where)
    numbered = nodes_of(written, counts, where)
    links, numbers, unequal = links_of(ends, counts, where)
    origins = Origins(where=where, nodes=numbered.owners, links=numbers)
    made = drawn(lab, numbered.nodes, origins, believed)
    known = {node.name: node for node in made.nodes}
    return Built(
        lab=LabSpec(
            name=lab.name,
            nodes=made.nodes,
            links=tuple(links),
            story=tuple(
                _step(step, known, ("story", n), where) for n, step in enumerate(lab.story)
            ),
            description=lab.description,
            file=file,
        ),
        replicas=numbered.replicas,
        where=origins,
        problems=(*wrong, *numbered.problems, *unequal, *made.problems),
        believed=made.wanting.union({"count", *counts} if wrong else ()),
    )


def address_meant(source: NodeSpec | None, target: NodeSpec) -> str:
    """The address of *target* that a ping from *source* means; "" when it has none.

    The first in one of the source's subnets, else the first.
    """
    own = [each for each in map(_interface, _cidrs(source)) if each] if source else []
    theirs = [each for each in map(_interface, _cidrs(target)) if each]
    near = (t for t in theirs if any(t.version == o.version and t.ip in o.network for o in own))
    chosen = next(near, theirs[0] if theirs else None)
    return str(chosen.ip) if chosen else ""


def _cidrs(node: NodeSpec) -> list[str]:
    return [address.cidr for address in node.addresses]


def _interface(cidr: str) -> IPv4Interface | IPv6Interface | None:
    try:
        return ip_interface(cidr)
    except ValueError:
        return None


def _node(name: NodeName, node: Node, where: Locate) -> NodeSpec:
    path: Path = ("nodes", name)
    return NodeSpec(
        name=name,
        bridges=tuple(
            built_bridge(dev, bridge, (*path, "bridges", dev), where)
            for dev, bridge in node.bridges.items()
        ),
        devices=tuple(
            built_device(DevRef(name, DevName(dev)), device, (*path, "devices", dev), where)
            for dev, device in node.devices.items()
        ),
        addresses=_addresses(node, path, where),
        routes=tuple(
            _route(route, (*path, "routes", n), where) for n, route in enumerate(node.routes)
        ),
        policy=tuple(
            _policy(rule, (*path, "policy", n), where) for n, rule in enumerate(node.policy)
        ),
        neighbours=_neighbours(node, path, where),
        sysctls=_sysctls(node.sysctls, (*path, "sysctls"), where),
        iptables=_lines(node.iptables, "iptables", (*path, "iptables"), where),
        ip6tables=_lines(node.ip6tables, "ip6tables", (*path, "ip6tables"), where),
        nft=None if node.nft is None else RuleLine(text=node.nft, place=where((*path, "nft"))),
        lo=node.lo,
        dad=node.dad,
        down=tuple(map(DevName, node.down)),
        run=processes_of(node.run, (*path, "run"), where),
        place=where(path, key=True),
    )


def _addresses(node: Node, path: Path, where: Locate) -> tuple[AddressSpec, ...]:
    return tuple(
        AddressSpec(
            dev=DevName(dev),
            cidr=_cidr(address.cidr),
            place=where((*path, "addresses", dev, number)),
        )
        for dev, addresses in node.addresses.items()
        for number, address in enumerate(addresses)
    )


def _cidr(text: str) -> str:
    """One spelling for one address, so that it can be compared."""
    ip, slash, length = text.partition("/")
    interface = _interface(text) if slash and re.fullmatch("[0-9]{1,3}", length) else None
    return str(interface) if interface and ip_of(ip) else text


def _destination(to: str, how: str) -> str:
    """A network in one spelling. An address without a prefix length stays one."""
    if "/" not in to and to != "default":
        return _ip(to)
    via = next(
        (
            word
            for word, before in zip(how.split()[1:], how.split(), strict=False)
            if before == "via"
        ),
        None,
    )
    return _led_to(to, via)


def _led_to(to: str, via: str | None) -> str:
    """*to* as the kernel has it; the gateway tells which default is meant."""
    if to == "default":
        gateway = ip_of(via or "")
        return _DEFAULT[gateway.version if gateway else 4]
    with suppress(ValueError):
        return str(ip_network(to))
    return to


def _route(route: Route, path: Path, where: Locate) -> RouteSpec:
    hops = [_next_hop(one) for one in route.nexthops]
    first = hops[0].via if hops else None
    return RouteSpec(
        to=_led_to(route.to, route.via or first),
        type=route.type,
        via=route.via,
        dev=None if route.dev is None else DevName(route.dev),
        onlink=route.onlink,
        hops=tuple(hops),
        source=None if route.src is None else _ip(route.src),
        metric=route.metric,
        table=MAIN_TABLE if route.table is None else route.table,
        place=where(path),
    )


def _next_hop(hop: Hop) -> NextHop:
    return NextHop(
        via=hop.via,
        dev=None if hop.dev is None else DevName(hop.dev),
        weight=hop.weight,
        onlink=hop.onlink,
    )


def _policy(rule: Policy, path: Path, where: Locate) -> PolicySpec:
    mark, _, mask = (rule.fwmark or "").partition("/")
    return PolicySpec(
        action=rule.action or "lookup",
        table=rule.lookup or 0,
        source=_network(rule.source),
        destination=_network(rule.to),
        iif=None if rule.iif is None else DevName(rule.iif),
        oif=None if rule.oif is None else DevName(rule.oif),
        fwmark=_integer(mark) if mark else None,
        fwmask=_integer(mask) if mask else None,
        priority=rule.priority,
        place=where(path),
    )


def _integer(text: str) -> int:
    return int(text, 16 if text.startswith("0x") else 10)


def _network(text: str | None) -> str | None:
    """CIDR; ``all`` asks nothing."""
    if text in (None, "all", "default"):
        return None
    with suppress(ValueError):
        return str(ip_network(text))
    return text


def _neighbours(node: Node, path: Path, where: Locate) -> tuple[NeighbourSpec, ...]:
    return tuple(
        NeighbourSpec(
            dev=DevName(dev),
            ip=_ip(ip),
            mac=written_mac(mac),
            place=where((*path, "neighbours", dev, ip), key=True),
        )
        for dev, entries in node.neighbours.items()
        for ip, mac in entries.items()
    )


def _ip(text: str) -> str:
    return str(ip_of(text) or text)


def _sysctls(given: dict[str, str], path: Path, where: Locate) -> tuple[SysctlSpec, ...]:
    return tuple(
        SysctlSpec(key=key, value=value, place=where((*path, key), key=True))
        for key, value in given.items()
    )


def _lines(lines: Sequence[str], tool: str, path: Path, where: Locate) -> tuple[RuleLine, ...]:
    """As they are pasted: the tool's own name in front is left out."""
    return tuple(
        RuleLine(text=re.sub(rf"\s*{tool}\s+", "", line, count=1) if named else line, place=place)
        for number, line in enumerate(lines)
        for named in (re.match(rf"\s*{tool}\s", line),)
        for place in (where((*path, number)),)
    )


_Nodes = Mapping[NodeName, NodeSpec]


def _step(step: Step, nodes: _Nodes, path: Path, where: Locate) -> StoryStep:
    place = where(path)
    if step.ping is not None:
        return _ping(step.ping, nodes, path, where)
    if step.show is not None:
        named = tuple(map(NodeName, step.show.nodes))
        return ShowStep(what=tuple(step.show.what), nodes=named, place=place)
    if step.set_ is not None:
        values = tuple(
            (NodeName(node), sysctl)
            for node, given in step.set_.items()
            for sysctl in _sysctls(given, (*path, "set", node), where)
        )
        return SetStep(values=values, place=place)
    if step.zero is not None:
        return ZeroStep(nodes=tuple(map(NodeName, step.zero)), place=place)
    if step.expect is not None:
        return ExpectStep(expect=_table_expect(step.expect, (*path, "expect"), where), place=place)
    return _firewall(step, path, where)


def _firewall(step: Step, path: Path, where: Locate) -> FirewallStep:
    tool, given = ("iptables", step.iptables) if step.iptables else ("ip6tables", step.ip6tables)
    lines = tuple(
        (NodeName(node), line)
        for node, texts in (given or {}).items()
        for line in _lines(texts, tool, (*path, tool, node), where)
    )
    return FirewallStep(tool=tool, lines=lines, place=where(path))


def _ping(ping: Ping, known: _Nodes, path: Path, where: Locate) -> PingStep:
    source, target = NodeName(ping.source), NodeName(ping.target)
    meant = address_meant(known.get(source), known[target]) if target in known else _ip(target)
    inner: Path = (*path, "ping", "expect")
    expect = None if ping.expect is None else _ping_expect(ping.expect, inner, where)
    return PingStep(
        source=source,
        target=ping.target,
        address=meant,
        count=ping.count,
        size=ping.size,
        timeout=float(ping.timeout),
        expect=expect,
        place=where(path),
    )


def _ping_expect(expect: PingExpect, path: Path, where: Locate) -> Expect:
    drop = expect.drop
    return Expect(
        reply=expect.reply,
        loss=expect.loss,
        latency=expect.latency,
        path=tuple(expect.path),
        drop=None if drop is None else DropExpect(cause=drop.cause, at=drop.at),
        crosses=tuple(expect.crosses),
        avoids=tuple(expect.avoids),
        log=None if expect.log is None else tuple(expect.log),
        place=where(path),
    )


def _table_expect(expect: TableExpect, path: Path, where: Locate) -> Expect:
    parts = (text.split("/", 1) for text in expect.no_address)
    return Expect(
        neighbours={
            node: {_ip(ip): wanted for ip, wanted in entries.items()}
            for node, entries in expect.neighbours.items()
        },
        fdb=expect.fdb,
        no_address=tuple(DevRef(NodeName(node), DevName(dev)) for node, dev in parts),
        addresses={
            dev: tuple(_cidr(text) if "/" in text else _ip(text) for text in texts)
            for dev, texts in expect.addresses.items()
        },
        routes={
            node: {_destination(to, how): how for to, how in routes.items()}
            for node, routes in expect.routes.items()
        },
        hits={key: counted(text) for key, text in expect.hits.items()},
        place=where(path),
    )
