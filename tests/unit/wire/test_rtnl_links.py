"""Requests about macvlan and vxlan devices: pyroute2 decodes our bytes to what we meant."""

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg

from decoding import decoded
from hopscope.model.devices import Vxlan
from hopscope.model.vocab import DevName, Mac
from hopscope.wire import rtnl, rtnl_bridge, rtnl_links, rtnl_options
from hopscope.wire.netlink import (
    NLM_F_APPEND,
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    Message,
    attributes,
    nest,
    text,
    u32,
)
from hopscope.wire.rtnl_link_read import link
from hopscope.wire.rtnl_links import MACVLAN_MODES
from strategies import addresses4, addresses6, dev_names, macs, u16

NEW = NLM_F_CREATE | NLM_F_EXCL
indexes = st.integers(1, (1 << 31) - 1)
mtus = st.none() | st.integers(68, 65535)
modes = st.sampled_from(sorted(MACVLAN_MODES))
queues = st.integers(1, 64)


@given(
    name=dev_names,
    index=indexes,
    over=indexes,
    ns_fd=st.none() | st.integers(0, 1000),
    mode=modes,
    mac=st.none() | macs,
    mtu=mtus,
    count=queues,
)
def test_a_macvlan(
    *,
    name: DevName,
    index: int,
    over: int,
    ns_fd: int | None,
    mode: str,
    mac: Mac | None,
    mtu: int | None,
    count: int,
) -> None:
    """Its lower device is one of the socket's namespace, and it may be born in another."""
    message = rtnl_links.add_macvlan(
        name, index=index, over=over, ns_fd=ns_fd, mode=mode, mac=mac, mtu=mtu, queues=count
    )
    assert (message.type, message.flags) == (16, NEW)
    read = decoded(message, ifinfmsg)
    assert (read["index"], read["IFLA_IFNAME"], read["IFLA_LINK"]) == (index, name, over)
    assert (read.get("IFLA_ADDRESS"), read.get("IFLA_MTU")) == (mac, mtu)
    assert (read.get("IFLA_NET_NS_FD"), read["IFLA_NUM_TX_QUEUES"]) == (ns_fd, count)
    data = {"IFLA_MACVLAN_MODE": mode}
    assert read["IFLA_LINKINFO"] == {"IFLA_INFO_KIND": "macvlan", "IFLA_INFO_DATA": data}
    part = link(message)
    assert part is not None
    assert (part.kind, part.macvlan, part.peer) == ("macvlan", mode, over)


@st.composite
def tunnels(draw: st.DrawFn) -> Vxlan:
    """Of one IP version."""
    ends = st.none() | draw(st.sampled_from((addresses4, addresses6)))
    return Vxlan(
        id=draw(st.integers(0, (1 << 24) - 1)),
        local=draw(ends),
        remote=draw(ends),
        port=draw(u16),
        learning=draw(st.booleans()),
    )


@given(dev_names, indexes, tunnels(), st.none() | indexes, st.none() | macs)
def test_a_vxlan(
    name: DevName, index: int, vxlan: Vxlan, over: int | None, mac: Mac | None
) -> None:
    """Addresses of each version have attributes of their own; the port is in network order."""
    message = rtnl_links.add_vxlan(name, index=index, vxlan=vxlan, over=over, mac=mac, mtu=1400)
    assert (message.type, message.flags) == (16, NEW)
    read = decoded(message, ifinfmsg)
    assert (read["index"], read["IFLA_IFNAME"], read["IFLA_MTU"]) == (index, name, 1400)
    info = read["IFLA_LINKINFO"]
    data = info["IFLA_INFO_DATA"]
    assert (info["IFLA_INFO_KIND"], data["IFLA_VXLAN_ID"]) == ("vxlan", vxlan.id)
    assert (data["IFLA_VXLAN_PORT"], data["IFLA_VXLAN_LEARNING"]) == (vxlan.port, vxlan.learning)
    assert data.get("IFLA_VXLAN_LINK") == over
    for word, wanted in (("GROUP", vxlan.remote), ("LOCAL", vxlan.local)):
        found = data.get(f"IFLA_VXLAN_{word}") or data.get(f"IFLA_VXLAN_{word}6")
        assert (None if found is None else str(ip_address(found))) == wanted


@given(dev_names, indexes, tunnels(), st.none() | indexes)
def test_a_vxlan_is_read_as_it_was_sent(
    name: DevName, index: int, vxlan: Vxlan, over: int | None
) -> None:
    part = link(rtnl_links.add_vxlan(name, index=index, vxlan=vxlan, over=over))
    assert part is not None
    assert (part.kind, part.vxlan, part.peer) == ("vxlan", vxlan, over)


def test_a_tap_is_told_from_a_tun() -> None:
    """The kernel calls both tun."""

    def made(type_: int) -> str:
        data = nest(18, text(1, "tun") + nest(2, u32(3, type_)))
        part = link(Message(16, 0, bytes(16) + data))
        assert part is not None
        return part.kind

    assert (made(1), made(2)) == ("tun", "tap")


def test_a_mode_without_a_name_is_its_number() -> None:
    assert rtnl_options.macvlan_mode(attributes(u32(1, 32))) == "32"


ZERO = Mac("00:00:00:00:00:00")


@given(indexes, macs | st.just(ZERO), addresses4 | addresses6)
def test_a_remote(index: int, mac: Mac, remote: str) -> None:
    """Static; for groups and for all zeros there may be several."""
    message = rtnl_links.add_remote(index, mac, remote)
    several = mac == ZERO or int(mac[:2], 16) & 1
    assert (message.type, message.flags) == (
        28,
        NLM_F_CREATE | (NLM_F_APPEND if several else NLM_F_EXCL),
    )
    read = decoded(message, ndmsg)
    assert (read["family"], read["ifindex"], read["state"], read["flags"]) == (7, index, 0xC0, 2)
    assert read["NDA_LLADDR"] == mac
    part = rtnl_options.remote(message)
    assert part is not None
    assert (part.index, part.mac, part.remote, part.static) == (index, mac, remote, True)


def test_what_is_no_remote_is_none() -> None:
    """A neighbour of IP, an entry of a bridge, which has no address, what is cut or is removed."""
    remote = rtnl_links.add_remote(5, ZERO, "10.0.0.1")
    assert rtnl_options.remote(remote) is not None
    assert rtnl_options.remote(rtnl.add_neighbour(5, "10.0.0.1", ZERO)) is None
    assert rtnl_options.remote(rtnl_bridge.add_fdb(5, Mac("02:00:00:00:00:01"))) is None
    assert rtnl_options.remote(Message(28, 0, remote.payload[:11])) is None
    assert rtnl_options.remote(Message(29, 0, remote.payload)) is None


@given(indexes, macs.filter(lambda mac: not int(mac[:2], 16) & 1), addresses4, indexes)
def test_a_remote_may_take_the_place_of_one_that_was_learnt(
    index: int, mac: Mac, remote: str, via: int
) -> None:
    """Of one address; and it may lie behind a chosen device."""
    message = rtnl_links.add_remote(index, mac, remote, via=via, replaces=True)
    if mac != ZERO:
        assert message.flags == NLM_F_CREATE | NLM_F_REPLACE
    assert decoded(message, ndmsg)["NDA_IFINDEX"] == via
    assert rtnl_links.add_remote(index, ZERO, remote, replaces=True).flags & NLM_F_APPEND


@given(indexes, macs)
def test_all_remotes_of_an_address_are_removed(index: int, mac: Mac) -> None:
    """The device's own entry is meant (NTF_SELF), whatever its remotes."""
    message = rtnl_links.remove_remotes(index, mac)
    assert (message.type, message.flags) == (29, 0)
    read = decoded(message, ndmsg)
    assert (read["family"], read["ifindex"], read["flags"]) == (7, index, 2)
    assert (read["NDA_LLADDR"], read.get("NDA_DST")) == (mac, None)
