"""rtnetlink requests: pyroute2 decodes our bytes to what we meant."""

from ipaddress import ip_interface
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.nsidmsg import nsidmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from decoding import decoded
from hopscope.model.vocab import DevName, Mac
from hopscope.wire import rtnl
from hopscope.wire.netlink import (
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    Message,
    pack,
)
from hopscope.wire.rtnl import VethPeer
from strategies import addresses4, addresses6, dev_names, macs

NEW = NLM_F_CREATE | NLM_F_EXCL
indexes = st.integers(1, (1 << 31) - 1)
mtus = st.none() | st.integers(68, 65535)
masters = st.none() | indexes


ends = st.fixed_dictionaries(
    {"name": dev_names, "index": indexes, "mac": macs, "queues": st.integers(1, 64)}
)


@given(ends, ends, masters, mtus)
def test_a_veth_pair_is_born_whole(
    near: dict[str, Any], far: dict[str, Any], master: int | None, mtu: int | None
) -> None:
    """Both ends with name, index, address, MTU and queues; the far one in its namespace."""
    peer = VethPeer(**far, ns_fd=7, mtu=mtu)
    message = rtnl.add_veth(**near, master=master, mtu=mtu, peer=peer)
    assert (message.type, message.flags) == (16, NEW)
    read = decoded(message, ifinfmsg)
    info = read.pop("IFLA_LINKINFO")
    assert info["IFLA_INFO_KIND"] == "veth"
    header = {"family": 0, "ifi_type": 0, "index": near["index"]}
    joined = {} if master is None else {"IFLA_MASTER": master}
    assert read == header | {"flags": 0, "change": 0} | _device(near, mtu) | joined
    inner = info["IFLA_INFO_DATA"]["VETH_INFO_PEER"]
    assert inner == _device(far, mtu) | {"IFLA_NET_NS_FD": 7}


def _device(end: dict[str, Any], mtu: int | None) -> dict[str, object]:
    return {
        "IFLA_IFNAME": end["name"],
        "IFLA_ADDRESS": end["mac"],
        **({} if mtu is None else {"IFLA_MTU": mtu}),
        "IFLA_NUM_TX_QUEUES": end["queues"],
        "IFLA_NUM_RX_QUEUES": end["queues"],
    }


def test_the_far_end_says_its_index_in_its_own_header() -> None:
    """The struct ifinfomsg inside VETH_INFO_PEER, which pyroute2 keeps to itself."""
    peer = VethPeer(name=DevName("b"), index=0x01020304, ns_fd=3, mac=MAC, mtu=None)
    message = rtnl.add_veth(DevName("a"), index=2, master=None, mac=MAC, mtu=None, peer=peer)
    inner = ifinfmsg(pack(message))
    inner.decode()
    far = inner.get_nested("IFLA_LINKINFO", "IFLA_INFO_DATA", "VETH_INFO_PEER")
    assert (far["index"], far["flags"], far["change"]) == (0x01020304, 0, 0)


MAC = Mac("02:00:00:00:00:01")


@given(
    index=indexes,
    up=st.none() | st.booleans(),
    master=masters,
    alias=st.none() | st.just("hopscope:a"),
    mtu=mtus,
)
def test_a_device_is_changed_only_where_asked(
    *, index: int, up: bool | None, master: int | None, alias: str | None, mtu: int | None
) -> None:
    """What is None is not in the message."""
    message = rtnl.set_link(index, up=up, master=master, alias=alias, mtu=mtu)
    assert (message.type, message.flags) == (16, 0)
    read = decoded(message, ifinfmsg)
    assert (read["index"], read["change"], read["flags"]) == (
        index,
        int(up is not None),
        int(up or 0),
    )
    sent = (read.get("IFLA_MASTER"), read.get("IFLA_IFALIAS"), read.get("IFLA_MTU"))
    assert sent == (master, alias, mtu)


@given(indexes)
def test_a_device_is_deleted_by_its_index(index: int) -> None:
    message = rtnl.delete_link(index)
    assert (message.type, message.flags) == (17, 0)
    read = decoded(message, ifinfmsg)
    assert (read["index"], read["flags"], read["change"]) == (index, 0, 0)


@given(indexes, addresses4, st.integers(0, 32))
def test_an_ipv4_address(index: int, ip: str, length: int) -> None:
    """With a broadcast address where the subnet has one."""
    message = rtnl.add_address(index, f"{ip}/{length}")
    assert (message.type, message.flags) == (20, NEW)
    read = decoded(message, ifaddrmsg)
    assert (read["family"], read["index"], read["prefixlen"]) == (2, index, length)
    assert (read["IFA_LOCAL"], read["IFA_ADDRESS"]) == (ip, ip)
    last = str(ip_interface(f"{ip}/{length}").network.broadcast_address)
    assert read.get("IFA_BROADCAST") == (last if length < 31 else None)
    assert "IFA_FLAGS" not in read
    assert read["scope"] == (254 if ip.startswith("127.") else 0)


def test_an_address_of_loopback_is_for_the_host_alone() -> None:
    """RT_SCOPE_HOST, as ip has it."""
    assert decoded(rtnl.add_address(1, "127.0.0.1/8"), ifaddrmsg)["scope"] == 254
    assert decoded(rtnl.add_address(1, "7f00::1/8"), ifaddrmsg)["scope"] == 0


@given(index=indexes, ip=addresses6, length=st.integers(0, 128), nodad=st.booleans())
def test_an_ipv6_address_is_usable_at_once(
    *, index: int, ip: str, length: int, nodad: bool
) -> None:
    """IFA_F_NODAD is 2."""
    read = decoded(rtnl.add_address(index, f"{ip}/{length}", nodad=nodad), ifaddrmsg)
    assert (read["family"], read["index"], read["prefixlen"]) == (10, index, length)
    assert (read["IFA_LOCAL"], read.get("IFA_FLAGS")) == (ip, 2 if nodad else None)


@given(indexes, addresses4 | addresses6, macs)
def test_a_permanent_neighbour(index: int, ip: str, mac: Mac) -> None:
    message = rtnl.add_neighbour(index, ip, mac)
    assert (message.type, message.flags) == (28, 0x500)  # create, replace
    read = decoded(message, ndmsg)
    assert (read["family"], read["ifindex"]) == (10 if ":" in ip else 2, index)
    assert (read["state"], read["NDA_DST"], read["NDA_LLADDR"]) == (0x80, ip, mac)


@given(indexes, addresses4 | addresses6)
def test_a_neighbour_is_removed_whatever_its_mac(index: int, ip: str) -> None:
    message = rtnl.remove_neighbour(index, ip)
    assert (message.type, message.flags) == (29, 0)
    read = decoded(message, ndmsg)
    assert (read["family"], read["ifindex"]) == (10 if ":" in ip else 2, index)
    assert (read["NDA_DST"], read.get("NDA_LLADDR")) == (ip, None)


@given(indexes, addresses4 | addresses6, st.integers(0, 32))
def test_an_address_is_removed_with_its_length(index: int, ip: str, length: int) -> None:
    """The kernel takes no other for it, though the IP were the same."""
    message = rtnl.remove_address(index, f"{ip}/{length}")
    assert (message.type, message.flags) == (21, 0)
    read = decoded(message, ifaddrmsg)
    assert (read["family"], read["index"]) == (10 if ":" in ip else 2, index)
    assert (read["IFA_LOCAL"], read["prefixlen"]) == (ip, length)


@pytest.mark.parametrize(
    ("message", "index", "flags"),
    [(rtnl.get_link(7), 7, 0), (rtnl.dump_link_flags(), 0, NLM_F_DUMP)],
)
def test_devices_are_asked_for_without_their_counters(
    message: Message, index: int, flags: int
) -> None:
    """RTEXT_FILTER_SKIP_STATS is 8."""
    assert (message.type, message.flags) == (18, flags)
    read = decoded(message, ifinfmsg)
    assert (read["index"], read["IFLA_EXT_MASK"]) == (index, 8)


@pytest.mark.parametrize(
    ("message", "kind", "layout", "family"),
    [
        (rtnl.dump_links(), 18, ifinfmsg, 0),
        (rtnl.dump_addresses(), 22, ifaddrmsg, 0),
        (rtnl.dump_routes(2), 26, rtmsg, 2),
        (rtnl.dump_routes(10), 26, rtmsg, 10),
        (rtnl.dump_policy_rules(2), 34, fibmsg, 2),
        (rtnl.dump_neighbours(10), 30, ndmsg, 10),
        (rtnl.dump_fdb(), 30, ndmsg, 7),
    ],
)
def test_a_dump_asks_for_everything(
    message: Message, kind: int, layout: type[Any], family: int
) -> None:
    """All of its family: strict kernels take any other field for a filter."""
    assert (message.type, message.flags) == (kind, NLM_F_DUMP)
    read = decoded(message, layout)
    assert read.pop("family") == family
    assert not any(read.values())


def test_a_namespace_is_asked_for_by_descriptor() -> None:
    message = rtnl.get_nsid(9)
    assert (message.type, message.flags) == (90, 0)
    assert decoded(message, nsidmsg)["NETNSA_FD"] == 9
