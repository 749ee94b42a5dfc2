"""rtnetlink answers: a recorded kernel's tables read as iproute2 told them; nothing raises."""

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopscope.model.vocab import Mac
from hopscope.wire import rtnl_read
from hopscope.wire.netlink import Message, attr, nest, text, u8, u32, unpack
from hopscope.wire.rtnl_read import LinkPart, PolicyRulePart, RoutePart

Part = TypeVar("Part")
FOLDER = Path(__file__).parents[2] / "golden" / "recordings"
TABLES = {"main": 254, "local": 255, "default": 253}
READERS: tuple[Callable[[Message], object], ...] = (
    rtnl_read.link,
    rtnl_read.address,
    rtnl_read.route,
    rtnl_read.policy_rule,
    rtnl_read.neighbour_event,
    rtnl_read.fdb_event,
    rtnl_read.nsid,
)
CONDITIONS = ("iif", "oif", "fwmark", "ipproto", "dport", "tos", "not")


@dataclass(frozen=True)
class Tables:
    """One kernel's answers, and what iproute2 said of the same tables."""

    kernel: str
    dumps: dict[str, list[str]]
    sayings: dict[str, list[dict[str, Any]]]

    def messages(self, name: str) -> list[Message]:
        """The answers to one dump."""
        return [next(unpack(bytes.fromhex(one))) for one in self.dumps[name]]

    def read(self, name: str, reader: Callable[[Message], Part | None]) -> list[Part]:
        """The answers to a dump, as one reader reads them."""
        return [part for one in self.messages(name) if (part := reader(one)) is not None]

    @property
    def names(self) -> dict[int | None, str]:
        """Devices by index, as iproute2 said."""
        return {said["ifindex"]: said["ifname"] for said in self.sayings["links"]}


RECORDED = [Tables(**json.loads(path.read_text())) for path in sorted(FOLDER.glob("tables-*.json"))]
KINDS = sorted(RECORDED[0].dumps)  # addresses, fdb, links, neighbours, routes, rules
recorded = pytest.mark.parametrize("tables", RECORDED, ids=lambda tables: tables.kernel)
both_families = pytest.mark.parametrize("suffix", ["", " 6"], ids=["IPv4", "IPv6"])


def test_there_is_a_recording() -> None:
    assert RECORDED


@recorded
def test_links_are_read_as_ip_link_tells_them(tables: Tables) -> None:
    """Also what holds only for some: master and state of ports, peers, a bridge's switch."""
    read = [_link_as_ip(part, tables.names) for part in tables.read("links", rtnl_read.link)]
    assert read == [_link_said(said) for said in tables.sayings["links"]]
    assert {one["master"] for one in read} == {None, "br0"}
    assert {one["port_state"] for one in read} == {None, "forwarding", "disabled"}
    assert {one["nf_call"] for one in read} == {0, 1}


def _link_as_ip(part: LinkPart, names: dict[int | None, str]) -> dict[str, object]:
    return {
        "name": part.name,
        "index": part.index,
        "kind": part.kind,
        "mac": part.mac,
        "mtu": part.mtu,
        "up": part.up,
        "carrier": part.carrier,
        "promiscuity": part.promiscuity,
        "master": names.get(part.master),
        "port_state": part.port_state,
        "peer": part.peer,
        "peer_nsid": part.peer_nsid,
        "nf_call": int(part.nf_call),
        "counters": part.counters,
    }


def _link_said(said: dict[str, Any]) -> dict[str, object]:
    info = said.get("linkinfo", {})
    by_name = {"port2": 6, "near2": 7, "alone": 8, "near3": 9}  # a peer in the same namespace
    stats = said["stats64"]
    return {
        "name": said["ifname"],
        "index": said["ifindex"],
        "kind": "loopback" if said["link_type"] == "loopback" else info.get("info_kind"),
        "mac": said["address"],
        "mtu": said["mtu"],
        "up": "UP" in said["flags"],
        "carrier": "LOWER_UP" in said["flags"],
        "promiscuity": said["promiscuity"],
        "master": said.get("master"),
        "port_state": info.get("info_slave_data", {}).get("state"),
        "peer": said.get("link_index", by_name.get(said["ifname"])),
        "peer_nsid": said.get("link_netnsid"),
        "nf_call": info.get("info_data", {}).get("nf_call_iptables", 0),
        "counters": {
            f"{way}_{what}": stats[way][what]
            for what in ("packets", "bytes", "errors", "dropped")
            for way in ("rx", "tx")
        },
    }


@recorded
def test_addresses_are_read_as_ip_address_tells_them(tables: Tables) -> None:
    """Of a point-to-point pair, the local end."""
    read = [(p.index, p.ip, p.prefix) for p in tables.read("addresses", rtnl_read.address)]
    said = [
        (device["ifindex"], one["local"], one["prefixlen"])
        for device in tables.sayings["addresses"]
        for one in device["addr_info"]
    ]
    assert sorted(read) == sorted(said)
    assert (6, "10.9.1.1", 32) in read


@recorded
@both_families
def test_routes_are_read_as_ip_route_tells_them(tables: Tables, suffix: str) -> None:
    """Each of several next hops, too; and a gateway of the other family."""
    name = f"routes{suffix}"
    read = [_route_as_ip(part, tables.names) for part in tables.read(name, rtnl_read.route)]
    assert read == [_route_said(said) for said in tables.sayings[name]]


def _route_as_ip(part: RoutePart, names: dict[int | None, str]) -> dict[str, object]:
    return {
        "type": part.type,
        "to": part.destination,
        "table": part.table,
        "dev": names.get(part.dev),
        "via": part.via,
        "source": part.source,
        "metric": part.metric,
        "scope": part.scope,
        "protocol": part.protocol,
        "hops": [(names.get(hop.dev), hop.via, hop.weight) for hop in part.hops],
    }


def _route_said(said: dict[str, Any]) -> dict[str, object]:
    first = {**said, **said.get("nexthops", [{}])[0]}
    six = ":" in said["dst"] or said.get("pref") is not None
    default = "::/0" if six else "0.0.0.0/0"
    return {
        "type": said["type"],
        "to": default if said["dst"] == "default" else str(ip_network(said["dst"])),
        "table": TABLES.get(said["table"]) or int(said["table"]),
        "dev": first.get("dev"),
        "via": first.get("gateway") or said.get("via", {}).get("host"),
        "source": said.get("prefsrc"),
        "metric": said.get("metric", 0),
        "scope": said["scope"],
        "protocol": said["protocol"],
        "hops": [
            (hop["dev"], hop.get("gateway"), hop["weight"]) for hop in said.get("nexthops", ())
        ],
    }


@recorded
@both_families
def test_policy_rules_are_read_as_ip_rule_tells_them(tables: Tables, suffix: str) -> None:
    """What a rule asks beside source and destination is named, so that nobody overlooks it."""
    name = f"rules{suffix}"
    read = [_rule_as_ip(part) for part in tables.read(name, rtnl_read.policy_rule)]
    assert read == [_rule_said(said) for said in tables.sayings[name]]


def _rule_as_ip(part: PolicyRulePart) -> tuple[object, ...]:
    return part.priority, part.table, part.source, part.destination, sorted(part.conditions)


def _rule_said(said: dict[str, Any]) -> tuple[object, ...]:
    source = None if said["src"] == "all" else f"{said['src']}/{said.get('srclen', 32)}"
    destination = f"{said['dst']}/32" if "dst" in said else None
    asked = {word for word in CONDITIONS if word in said}
    asked |= {"suppress_prefixlength"} if "suppress_prefixlen" in said else set()
    table = said.get("table", "0")
    number = TABLES.get(table) or int(table)
    return said["priority"], number, source, destination, sorted(asked)


@recorded
@both_families
def test_neighbours_are_read_as_ip_neighbour_tells_them(tables: Tables, suffix: str) -> None:
    name = f"neighbours{suffix}"
    read = [
        (part.ip, tables.names[part.index], part.mac, part.state.upper(), part.removed)
        for part in tables.read(name, rtnl_read.neighbour_event)
    ]
    said = [
        (one["dst"], one["dev"], one.get("lladdr"), one["state"][0], False)
        for one in tables.sayings[name]
    ]
    assert read == said


@recorded
def test_a_forwarding_table_is_read_as_bridge_fdb_tells_it(tables: Tables) -> None:
    """Devices' own filters ("self") are no part of it."""
    read = [
        (p.mac, tables.names[p.index], tables.names[p.master], _how(local=p.local, static=p.static))
        for p in tables.read("fdb", rtnl_read.fdb_event)
    ]
    said = [
        (one["mac"], one["ifname"], one["master"], one["state"])
        for one in tables.sayings["fdb"]
        if "master" in one
    ]
    assert read == said
    assert {how for *_, how in read} == {"", "static", "permanent"}


def _how(*, local: bool, static: bool) -> str:
    return "permanent" if local else "static" if static else ""


@recorded
def test_each_reader_leaves_other_messages_alone(tables: Tables) -> None:
    """A dump of one kind is nothing to the readers of the others."""
    readers = dict(zip(KINDS, (1, 5, 0, 4, 4, 2, 2, 3, 3), strict=True))
    for name, own in readers.items():
        messages = tables.messages(name)
        able = [number for number, reader in enumerate(READERS) if any(map(reader, messages))]
        assert able == [own], name


def test_an_entry_that_is_removed_says_so() -> None:
    """RTM_DELNEIGH, for a neighbour and for a forwarding entry."""
    octets = bytes.fromhex("0242ac110002")
    gone = struct.pack("=BBHiHBB", 2, 0, 0, 3, 2, 0, 0) + attr(1, bytes(4)) + attr(2, octets)
    neighbour = rtnl_read.neighbour_event(Message(29, 0, gone))
    assert neighbour is not None
    assert (neighbour.removed, neighbour.mac) == (True, Mac("02:42:ac:11:00:02"))
    left = struct.pack("=BBHiHBB", 7, 0, 0, 3, 2, 0, 0) + attr(2, octets) + u32(9, 1)
    entry = rtnl_read.fdb_event(Message(29, 0, left))
    assert entry is not None
    assert (entry.removed, entry.master, entry.mac) == (True, 1, "02:42:ac:11:00:02")


@pytest.mark.parametrize(("number", "read"), [(-1, None), (0, 0), (7, 7)])
def test_a_namespace_without_a_number_has_none(number: int, read: int | None) -> None:
    """NETNSA_NSID_NOT_ASSIGNED is -1."""
    answer = Message(88, 0, bytes(4) + attr(1, struct.pack("=i", number)))
    assert rtnl_read.nsid(answer) == read


def test_what_a_newer_kernel_may_say_is_named_by_its_number() -> None:
    """An unknown route type, scope and protocol; a port state beyond the known."""
    header = struct.pack("=BBBBBBBBI", 2, 8, 0, 0, 254, 99, 77, 42, 0)
    route = rtnl_read.route(Message(24, 0, header + attr(1, bytes((10, 0, 0, 0)))))
    assert route is not None
    assert (route.type, route.scope, route.protocol) == ("type 42", "77", "99")
    port = nest(18, text(4, "bridge") + nest(5, u8(1, 9)))
    link = rtnl_read.link(Message(16, 0, struct.pack("=BxHiII", 0, 1, 3, 0, 0) + port))
    assert link is not None
    assert link.port_state == "state 9"


@given(st.data())
def test_whatever_is_cut_or_changed_never_raises(data: st.DataObject) -> None:
    """A real answer with a piece missing and an octet changed, to every reader."""
    tables = data.draw(st.sampled_from(RECORDED))
    message = data.draw(st.sampled_from(tables.messages(data.draw(st.sampled_from(KINDS)))))
    octets = bytearray(message.payload)
    octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    start = data.draw(st.integers(0, len(octets)))
    del octets[start : data.draw(st.integers(start, len(octets)))]
    for reader in READERS:
        reader(Message(message.type, message.flags, bytes(octets)))


@given(st.sampled_from((16, 20, 24, 28, 29, 32, 88)), st.binary(max_size=64))
def test_any_bytes_never_raise(kind: int, payload: bytes) -> None:
    for reader in READERS:
        reader(Message(kind, 0, payload))


attribute = st.tuples(st.integers(1, 40), st.binary(max_size=20)).map(lambda one: attr(*one))


@given(
    st.sampled_from((16, 20, 24, 28, 29, 32)),
    st.sampled_from((2, 7, 10, 28)),
    st.binary(min_size=15, max_size=15),
    st.lists(attribute, max_size=6).map(b"".join),
)
def test_attributes_of_any_length_never_raise(
    kind: int, family: int, header: bytes, attributes: bytes
) -> None:
    """And what is read is an address or a network that Python knows as one."""
    size = {16: 16, 20: 8}.get(kind, 12)
    message = Message(kind, 0, bytes((family,)) + header[: size - 1] + attributes)
    for reader in READERS:
        part = reader(message)
        if isinstance(part, RoutePart):
            ip_network(part.destination, strict=False)
