"""What no lab file declares of a device: what is set is what pyroute2 decodes, and is read back."""

import struct
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from decoding import decoded
from hopscope.wire.netlink import attribute_list, attributes
from hopscope.wire.rtnl_settings import USUAL, set_settings, setting_text, settings

ETHERNET, LOOPBACK = 0x1003, 0x0009  # up, broadcast, multicast; up, loopback
WORDS: Final = {
    "port.proxy_arp": "IFLA_BRPORT_PROXYARP",
    "port.neigh_suppress": "IFLA_BRPORT_NEIGH_SUPPRESS",
    "port.mcast_flood": "IFLA_BRPORT_MCAST_FLOOD",
    "port.bcast_flood": "IFLA_BRPORT_BCAST_FLOOD",
    "port.mcast_to_unicast": "IFLA_BRPORT_MCAST_TO_UCAST",
    "port.guard": "IFLA_BRPORT_GUARD",
    "port.root_block": "IFLA_BRPORT_PROTECT",
    "port.fastleave": "IFLA_BRPORT_FAST_LEAVE",
    "port.mcast_router": "IFLA_BRPORT_MULTICAST_ROUTER",
    "port.priority": "IFLA_BRPORT_PRIORITY",
}
BRIDGE: Final = {
    "bridge.mcast_snooping": "IFLA_BR_MCAST_SNOOPING",
    "bridge.mcast_querier": "IFLA_BR_MCAST_QUERIER",
    "bridge.mcast_router": "IFLA_BR_MCAST_ROUTER",
    "bridge.mcast_query_use_ifaddr": "IFLA_BR_MCAST_QUERY_USE_IFADDR",
    "bridge.group_fwd_mask": "IFLA_BR_GROUP_FWD_MASK",
    "bridge.nf_call_ip6tables": "IFLA_BR_NF_CALL_IP6TABLES",
    "bridge.nf_call_arptables": "IFLA_BR_NF_CALL_ARPTABLES",
}


@pytest.mark.parametrize("name", WORDS)
def test_of_a_port(name: str) -> None:
    read = decoded(set_settings(7, {name: 1 - USUAL[name] & 1}), ifinfmsg)
    info = read["IFLA_LINKINFO"]
    assert (read["index"], read["change"], info["IFLA_INFO_SLAVE_KIND"]) == (7, 0, "bridge")
    assert info["IFLA_INFO_SLAVE_DATA"][WORDS[name]] == 1 - USUAL[name] & 1


@pytest.mark.parametrize("name", BRIDGE)
def test_of_a_bridge(name: str) -> None:
    info = decoded(set_settings(7, {name: 1 - USUAL[name]}), ifinfmsg)["IFLA_LINKINFO"]
    assert info["IFLA_INFO_KIND"] == "bridge"
    assert info["IFLA_INFO_DATA"][BRIDGE[name]] == 1 - USUAL[name]


def test_of_any_device() -> None:
    """Flags that are not named stay as they are; no ARP is a flag that is set."""
    read = decoded(set_settings(7, {"arp": 0, "multicast": 0, "promisc": 1, "group": 9}), ifinfmsg)
    assert (read["flags"], read["change"]) == (0x80 | 0x100, 0x80 | 0x1000 | 0x100)
    assert read["IFLA_GROUP"] == 9
    assert "IFLA_LINKINFO" not in read
    read = decoded(set_settings(7, {"arp": 1, "multicast": 1, "protodown": 0}), ifinfmsg)
    assert (read["flags"], read["change"]) == (0x1000, 0x80 | 0x1000)
    assert read["IFLA_PROTO_DOWN"] == 0


names = st.sampled_from(sorted(USUAL))


def changed(name: str) -> int:
    """Another value than the usual one."""
    return USUAL[name] + 1 if USUAL[name] > 1 else 1 - USUAL[name]


@given(some=st.sets(names))
def test_what_is_set_is_read(some: set[str]) -> None:
    values = {name: changed(name) for name in some}
    payload = set_settings(7, values).payload
    flags, change = struct.unpack_from("=8xII", payload)
    found = attributes(payload[16:])
    infos = payload[16:]
    port = bridge = b""
    for info in _infos(infos):
        port, bridge = info.get(5, port), info.get(2, bridge)
    flags |= ETHERNET & ~change
    read = settings("bridge", flags, found, attributes(port), attributes(bridge))
    assert read == values


def _infos(body: bytes) -> list[dict[int, bytes]]:
    """A message may hold two, which no device needs: one is no port and a bridge."""
    return [attributes(data) for kind, data in attribute_list(body) if kind == 18]


def test_what_the_kernel_has_by_itself_is_left_out() -> None:
    """Loopback has no multicast; what is not told is what there is not."""
    assert settings("bridge", ETHERNET, {}, {1: b"\3"}, {5: b"\0" * 4}) == {}
    assert settings("loopback", LOOPBACK, {27: b"\0" * 4}, {}, {}) == {}
    found = settings("vxlan", 0x3, {27: b"\x07\0\0\0"}, {}, {25: b"\0"})  # 25: no bridge's
    assert found == {"multicast": 0, "group": 7}


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("arp", 0, "off"),
        ("port.neigh_suppress", 1, "on"),
        ("port.mcast_router", 2, "2"),
        ("bridge.mcast_router", 0, "0"),
        ("group", 1, "1"),
        ("port.priority", 32, "32"),
    ],
)
def test_words(name: str, value: int, text: str) -> None:
    assert setting_text(name, value) == text
