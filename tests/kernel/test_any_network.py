"""Whatever a lab declares of its network, what is read back is what was declared."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hopscope.lab.running import RunningLab
from hopscope.model.devices import BridgeState, PortOptions, Vxlan
from hopscope.model.lab import (
    AddressSpec,
    BridgeSpec,
    DeviceSpec,
    FdbSpec,
    LabSpec,
    LinkEnd,
    LinkSpec,
    NodeSpec,
    PolicySpec,
    RouteSpec,
)
from hopscope.model.snapshot import NodeState, Snapshot
from hopscope.model.traffic import Htb, RateLimit, Tbf, Traffic
from hopscope.model.vocab import DevName, DevRef, Mac, NodeName
from hopscope.plan.traffic import shaped
from proofsizes import size
from strategies import port_options

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(size(60, 3600))]

HOST = NodeName("host")
ROUTE_TYPES = ("unicast", "blackhole", "unreachable", "prohibit", "throw")
maybe = st.booleans()
queues = st.integers(1, 3)
traffics = st.builds(
    Traffic,
    rate=st.none()
    | st.builds(
        RateLimit,
        kind=st.sampled_from(("tbf", "htb")),
        rate=st.integers(1000, 10**6).map(lambda number: 8 * number * 100),
        burst=st.none() | st.integers(1600, 100_000),
    ),
)
bridges = st.builds(
    BridgeSpec,
    name=st.just(DevName("br0")),
    stp=maybe,
    ageing=st.none() | st.integers(0, 1000).map(float),
    forward_delay=st.none() | st.integers(2, 30).map(float),
    priority=st.none() | st.integers(0, 0xFFFF),
    mac=st.just(Mac("02:00:00:00:00:b0")),
    fdb=st.sampled_from(((), (FdbSpec(mac=Mac("02:00:00:00:00:77"), port=DevName("p0")),))),
)


@st.composite
def devices(draw: st.DrawFn) -> DeviceSpec:
    """Of the host, and a port of br0 or not; a macvlan is over a link's end that is no port."""
    kind = draw(st.sampled_from(("macvlan", "vxlan", "tap")))
    number = draw(st.integers(0, 1 << 20))
    over = DevRef(HOST, DevName("low")) if kind == "macvlan" else None
    remote = draw(st.none() | st.sampled_from(("10.0.0.7", "10.0.0.8")))
    vxlan = Vxlan(
        id=number, remote=remote, port=draw(st.integers(1024, 60_000)), learning=draw(maybe)
    )
    port = draw(maybe) and kind != "macvlan"
    return DeviceSpec(
        ref=DevRef(HOST, DevName(f"{kind[:3]}0")),
        kind=kind,
        over=over,
        mode=draw(st.sampled_from(("bridge", "private", "vepa"))),
        vxlan=vxlan if kind == "vxlan" else None,
        bridge=DevName("br0") if port else None,
        port=draw(port_options) if port else PortOptions(),
        mtu=draw(st.none() | st.integers(1300, 1450)) if kind != "macvlan" else None,
        queues=draw(queues) if kind != "tap" else 1,
        traffic=draw(traffics),
    )


@st.composite
def routes(draw: st.DrawFn, number: int) -> RouteSpec:
    kind = draw(st.sampled_from(ROUTE_TYPES))
    return RouteSpec(
        to=f"10.{100 + number}.0.0/16",
        type=kind,
        via="10.0.0.9" if kind == "unicast" else None,
        metric=draw(st.none() | st.integers(1, 1000)),
        table=draw(st.sampled_from((254, 100, 1000))),
    )


@st.composite
def rules(draw: st.DrawFn, number: int) -> PolicySpec:
    action = draw(st.sampled_from(("lookup", "prohibit", "blackhole")))
    return PolicySpec(
        action=action,
        table=draw(st.sampled_from((254, 100, 1000))) if action == "lookup" else 0,
        source=draw(st.none() | st.just("10.0.0.0/8")),
        iif=draw(st.none() | st.just(DevName("low"))),
        fwmark=draw(st.none() | st.integers(1, 255)),
        priority=1000 + number,
    )


@st.composite
def labs(draw: st.DrawFn) -> LabSpec:
    """A host with a bridge, some ports, one other link and devices; and a node at each link."""
    links = [
        LinkSpec(
            a=LinkEnd(
                ref=DevRef(HOST, DevName(f"p{number}")),
                bridge=DevName("br0"),
                port=draw(port_options),
                queues=draw(queues),
                traffic=draw(traffics),
            ),
            b=LinkEnd(ref=DevRef(NodeName(f"n{number}"), DevName("e")), traffic=draw(traffics)),
        )
        for number in range(draw(st.integers(1, 3)))
    ]
    low = LinkEnd(ref=DevRef(HOST, DevName("low")))
    links.append(LinkSpec(a=low, b=LinkEnd(ref=DevRef(NodeName("far"), DevName("e")))))
    host = NodeSpec(
        name=HOST,
        bridges=(draw(bridges),),
        devices=tuple(draw(st.lists(devices(), max_size=3, unique_by=lambda one: one.kind))),
        addresses=(AddressSpec(dev=DevName("low"), cidr="10.0.0.1/24"),),
        routes=tuple(draw(routes(number)) for number in range(draw(st.integers(0, 3)))),
        policy=tuple(draw(rules(number)) for number in range(draw(st.integers(0, 3)))),
    )
    others = tuple(NodeSpec(name=link.b.ref.node) for link in links)
    return LabSpec(name="any", nodes=(host, *others), links=tuple(links))


@given(labs())
@settings(
    max_examples=size(15, 500),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_what_is_read_is_what_was_declared(records: Path, lab: LabSpec) -> None:
    with RunningLab.start(lab, "") as running:
        now = running.snapshot()
    host = now.node(HOST)
    _check_bridge(lab.node(HOST).bridges[0], host)
    for link in lab.links:
        for end in (link.a, link.b):
            _check_end(end, now, 1500)
    for device in lab.node(HOST).devices:
        _check_end(device, now, device.mtu or 1500)
        _check_device(device, host)
    assert sorted(_routes_declared(lab)) == sorted(_routes_read(host))
    assert list(_rules_declared(lab)) == list(_rules_read(host))


def _check_bridge(bridge: BridgeSpec, host: NodeState) -> None:
    read, usual = host.link(bridge.name), BridgeState()
    assert read is not None
    assert read.bridge == BridgeState(
        stp=bridge.stp,
        ageing=usual.ageing if bridge.ageing is None else bridge.ageing,
        forward_delay=(
            usual.forward_delay if bridge.forward_delay is None else bridge.forward_delay
        ),
        priority=usual.priority if bridge.priority is None else bridge.priority,
    )
    static = {(one.mac, one.port) for one in host.fdb if one.static}
    assert static == {(one.mac, one.port) for one in bridge.fdb}


def _check_end(end: LinkEnd | DeviceSpec, now: Snapshot, mtu: int) -> None:
    read = now.link(end.ref)
    assert read is not None
    assert read.queues == end.queues
    assert read.master == end.bridge
    if end.bridge is not None:
        assert read.port is not None
        cost = read.port.cost if end.port.cost is None else end.port.cost
        assert read.port == replace(end.port, cost=cost)
    found = [
        one
        for one in now.node(end.ref.node).qdiscs
        if one.dev == end.ref.dev and one.handle != "0:"  # what the kernel gives by itself
    ]
    if end.traffic.rate is None:
        assert found == []
        return
    (qdisc,) = found
    wanted, told = shaped(end.traffic.rate, mtu), qdisc.options
    assert isinstance(told, Tbf | Htb)
    assert abs(told.burst - wanted.burst) <= wanted.rate // 8 * 64 // 10**9 + 1
    assert replace(told, burst=wanted.burst) == wanted


def _check_device(device: DeviceSpec, host: NodeState) -> None:
    read = host.link(device.ref.dev)
    assert read is not None
    assert (read.kind, read.up, read.vxlan) == (device.kind, True, device.vxlan)
    assert read.over == device.over
    assert read.macvlan == (device.mode if device.kind == "macvlan" else None)
    if device.mtu is not None:
        assert read.mtu == device.mtu
    remotes = {one.remote for one in host.remotes if one.dev == device.ref.dev}
    declared = device.vxlan.remote if device.vxlan is not None else None
    assert remotes == ({declared} if declared else set())


def _routes_declared(lab: LabSpec) -> Iterator[tuple[object, ...]]:
    for one in lab.node(HOST).routes:
        yield one.to, one.type, one.via or "", one.metric or 0, one.table


def _routes_read(host: NodeState) -> Iterator[tuple[object, ...]]:
    for one in host.routes:
        if one.protocol == "static":
            yield one.destination, one.type, one.via or "", one.metric, one.table


def _rules_declared(lab: LabSpec) -> Iterator[tuple[object, ...]]:
    for one in lab.node(HOST).policy:
        asked = {"iif": one.iif, "fwmark": None if one.fwmark is None else f"{one.fwmark:#x}"}
        values = {key: value for key, value in asked.items() if value is not None}
        yield one.priority, one.action, one.table, one.source, values


def _rules_read(host: NodeState) -> Iterator[tuple[object, ...]]:
    for one in host.policy_rules:
        if 0 < one.priority < 32766 and one.family == "ip":
            yield one.priority, one.action, one.table, one.source, one.values
