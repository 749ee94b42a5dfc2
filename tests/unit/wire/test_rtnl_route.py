"""rtnetlink requests about routes and policy rules: pyroute2 decodes them to what we meant."""

from ipaddress import ip_network
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from decoding import decoded
from hopscope.model.lab import PolicySpec
from hopscope.model.vocab import Family
from hopscope.wire import rtnl_read, rtnl_route
from hopscope.wire.netlink import NLM_F_CREATE, NLM_F_EXCL, Message, nest
from hopscope.wire.netlink import u32 as attribute
from hopscope.wire.rtnl_read import HopPart
from hopscope.wire.rtnl_route import ROUTE_TYPES
from strategies import addresses4, addresses6, dev_names, u32

NEW = NLM_F_CREATE | NLM_F_EXCL
indexes = st.integers(1, (1 << 31) - 1)
networks4 = st.tuples(addresses4, st.integers(0, 32))
networks6 = st.tuples(addresses6, st.integers(0, 128))
tables = st.integers(1, 255) | st.integers(256, 0xFFFFFFFF)


def cidr(one: tuple[str, int]) -> str:
    return str(ip_network(f"{one[0]}/{one[1]}", strict=False))


hops = st.builds(
    HopPart,
    dev=indexes,
    via=st.none() | addresses4 | addresses6,
    weight=st.integers(1, 256),
    onlink=st.booleans(),
)
networks = (networks4 | networks6).map(cidr)


@given(
    to=networks,
    kind=st.sampled_from(sorted(ROUTE_TYPES)),
    dev=st.none() | indexes,
    metric=st.none() | u32,
    table=tables,
    data=st.data(),
)
def test_a_route(
    *, to: str, kind: str, dev: int | None, metric: int | None, table: int, data: st.DataObject
) -> None:
    """A unicast IPv4 one without a gateway has the scope of its link, all others the widest."""
    four = ":" not in to
    addresses = st.none() | (addresses4 if four else addresses6)
    via, source = data.draw(addresses), data.draw(addresses)
    message = rtnl_route.add_route(
        to, type=kind, via=via, dev=dev, source=source, metric=metric, table=table
    )
    assert (message.type, message.flags) == (24, NEW)
    read = decoded(message, rtmsg)
    network = ip_network(to)
    address = str(network.network_address) if network.prefixlen else None
    assert (read["family"], read["dst_len"]) == (2 if four else 10, network.prefixlen)
    assert (read["proto"], read["type"]) == (4, ROUTE_TYPES[kind])
    assert (read["table"], read.get("RTA_TABLE")) == _table(table)
    assert read["scope"] == (253 if four and via is None and kind == "unicast" else 0)
    assert (read.get("RTA_DST"), read.get("RTA_GATEWAY")) == (address, via)
    assert (read.get("RTA_OIF"), read.get("RTA_PRIORITY")) == (dev, metric)
    assert read.get("RTA_PREFSRC") == source
    part = rtnl_read.route(message)
    assert part is not None
    assert (part.destination, part.type, part.table) == (to, kind, table)


@given(hops=st.lists(hops, min_size=1, max_size=3), onlink=st.booleans())
def test_a_route_with_several_next_hops(hops: list[HopPart], *, onlink: bool) -> None:
    """Of the widest scope, as ``ip route`` asks for it."""
    message = rtnl_route.add_route("10.0.0.0/8", hops=hops, onlink=onlink)
    assert decoded(message, rtmsg)["scope"] == 0
    part = rtnl_read.route(message)
    assert part is not None
    assert (list(part.hops), part.onlink) == (hops, onlink)


@given(
    to=networks,
    kind=st.sampled_from(sorted(ROUTE_TYPES)),
    dev=st.none() | indexes,
    metric=st.none() | u32,
    table=tables,
)
def test_a_route_is_removed_whoever_added_it(
    *, to: str, kind: str, dev: int | None, metric: int | None, table: int
) -> None:
    """RTPROT_UNSPEC, RT_SCOPE_NOWHERE, no source: the kernel compares what is said alone."""
    message = rtnl_route.remove_route(to, type=kind, dev=dev, metric=metric, table=table)
    assert (message.type, message.flags) == (25, 0)
    read = decoded(message, rtmsg)
    assert (read["proto"], read["scope"], read.get("RTA_PREFSRC")) == (0, 255, None)
    assert (read["type"], read["dst_len"]) == (ROUTE_TYPES[kind], ip_network(to).prefixlen)
    assert (read.get("RTA_OIF"), read.get("RTA_PRIORITY")) == (dev, metric)
    assert (read["table"], read.get("RTA_TABLE")) == _table(table)


@given(
    to=networks,
    kind=st.sampled_from(("local", "type 99")),
    tos=st.integers(0, 255),
    nhid=st.none() | st.integers(1, 0xFFFFFFFF),
    hops=st.lists(hops, max_size=3),
)
def test_what_only_a_hand_adds_can_be_removed(
    to: str, kind: str, tos: int, nhid: int | None, hops: list[HopPart]
) -> None:
    """A type that has no name is not asked; gateways may be of the other family."""
    if ":" in to:
        hops = [one for one in hops if one.via is None or ":" in one.via]
    message = rtnl_route.remove_route(to, type=kind, tos=tos, nhid=nhid, hops=hops)
    read = decoded(message, rtmsg)
    assert (read["type"], read["tos"]) == (2 if kind == "local" else 0, tos)
    part = rtnl_read.route(Message(24, 0, message.payload))
    assert part is not None
    assert (part.tos, part.nhid) == (tos, nhid)
    assert list(part.hops) == hops


@given(mtu=u32)
def test_a_route_may_have_an_mtu_of_its_own(mtu: int) -> None:
    """It stands among its metrics."""
    message = rtnl_route.add_route("10.0.0.0/24", dev=1)
    metrics = nest(8, attribute(11, 1) + attribute(2, mtu))
    part = rtnl_read.route(Message(24, 0, message.payload + metrics))
    assert part is not None
    assert part.mtu == mtu


@given(ip=addresses4 | addresses6)
def test_the_route_to_an_address(ip: str) -> None:
    message = rtnl_route.get_route(ip)
    assert (message.type, message.flags) == (26, 0)
    read = decoded(message, rtmsg)
    assert (read["family"], read["dst_len"]) == ((10, 128) if ":" in ip else (2, 32))
    assert read.get("RTA_DST") == ip


def _table(table: int) -> tuple[int, int | None]:
    """One that is too large for the header stands in an attribute."""
    return (table, None) if table < 256 else (0, table)


@st.composite
def rules(draw: st.DrawFn) -> PolicySpec:
    """Of one family, with any of its conditions."""
    one = (networks4 if draw(st.booleans()) else networks6).map(cidr)
    action = draw(st.sampled_from(("lookup", "blackhole", "unreachable", "prohibit")))
    mark = draw(st.none() | u32)
    return PolicySpec(
        action=action,
        table=draw(tables) if action == "lookup" else 0,
        source=draw(st.none() | one),
        destination=draw(st.none() | one),
        iif=draw(st.none() | dev_names),
        oif=draw(st.none() | dev_names),
        fwmark=mark,
        fwmask=None if mark is None else draw(st.none() | u32),
        priority=draw(u32),
    )


@given(rules())
def test_a_policy_rule(rule: PolicySpec) -> None:
    message = rtnl_route.add_policy_rule(rule)
    assert (message.type, message.flags) == (32, NEW)
    read = decoded(message, fibmsg)
    assert read["family"] == (10 if rule.six else 2)
    assert (read["table"], read.get("FRA_TABLE")) == _table(rule.table)
    assert (
        read["action"]
        == {"lookup": 1, "blackhole": 6, "unreachable": 7, "prohibit": 8}[rule.action]
    )
    for name, length, wanted in (
        ("FRA_SRC", "src_len", rule.source),
        ("FRA_DST", "dst_len", rule.destination),
    ):
        assert _network(read, name, length) == wanted
    told = {key: read.get(f"FRA_{key}") for key in ("IIFNAME", "OIFNAME", "FWMARK", "FWMASK")}
    assert list(told.values()) == [rule.iif, rule.oif, rule.fwmark, rule.fwmask]
    assert read["FRA_PRIORITY"] == rule.priority


def _network(read: dict[str, Any], name: str, length: str) -> str | None:
    return f"{read[name]}/{read[length]}" if name in read else None


@given(rules())
def test_a_policy_rule_is_read_as_it_was_sent(rule: PolicySpec) -> None:
    """With the values of what it asks, and what becomes of the packets."""
    part = rtnl_read.policy_rule(rtnl_route.add_policy_rule(rule))
    assert part is not None
    assert (part.family is Family.IP6) == rule.six
    assert (part.priority, part.action, part.table) == (rule.priority, rule.action, rule.table)
    assert (part.source, part.destination) == (rule.source, rule.destination)
    assert (part.values.get("iif"), part.values.get("oif")) == (rule.iif, rule.oif)
    mark = None if rule.fwmark is None else f"{rule.fwmark:#x}"
    if mark is not None and rule.fwmask not in (None, 0xFFFFFFFF):
        mark += f"/{rule.fwmask:#x}"
    assert part.values.get("fwmark") == mark


def test_a_mark_of_0_under_a_mask_is_read() -> None:
    """The kernel tells it by the mask alone (fib_nl_fill_rule)."""
    rule = PolicySpec(table=7, fwmask=0xFF, priority=3)
    part = rtnl_read.policy_rule(rtnl_route.add_policy_rule(rule))
    assert part is not None
    assert (part.conditions, part.values) == (("fwmark",), {"fwmark": "0x0/0xff"})


@given(priority=u32, six=st.booleans())
def test_a_policy_rule_is_removed_by_its_priority(*, priority: int, six: bool) -> None:
    """Whatever it asks, and does."""
    message = rtnl_route.remove_policy_rule(priority, six=six)
    assert (message.type, message.flags) == (33, 0)
    read = decoded(message, fibmsg)
    assert (read["family"], read["FRA_PRIORITY"]) == (10 if six else 2, priority)
    assert (read["table"], read["action"]) == (0, 0)
