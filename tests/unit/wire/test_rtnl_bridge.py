"""rtnetlink requests about bridges: pyroute2 decodes our bytes to what we meant."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg

from decoding import decoded
from hopscope.model.devices import BridgeState, PortOptions, Vlan
from hopscope.model.vocab import DevName, Mac
from hopscope.wire import rtnl_bridge, rtnl_options
from hopscope.wire.netlink import (
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    Message,
    attr,
    attributes,
    nest,
    u8,
    u16,
    u32,
)
from strategies import dev_names, macs, port_options, vlans

NEW = NLM_F_CREATE | NLM_F_EXCL
indexes = st.integers(1, (1 << 31) - 1)
hundredths = st.none() | st.integers(0, 3000).map(lambda number: number / 100)
flags = st.booleans()


@given(
    name=dev_names,
    index=indexes,
    mac=st.none() | macs,
    mtu=st.none() | st.integers(68, 65535),
    switches=st.tuples(flags, flags, flags),
    ageing=hundredths,
    forward_delay=hundredths,
    priority=st.none() | st.integers(0, 0xFFFF),
)
def test_a_bridge(
    *,
    name: DevName,
    index: int,
    mac: Mac | None,
    mtu: int | None,
    switches: tuple[bool, bool, bool],
    ageing: float | None,
    forward_delay: float | None,
    priority: int | None,
) -> None:
    """What is None, and a switch that a kernel may lack and that is off, is not sent."""
    stp, nf_call, filtering = switches
    message = rtnl_bridge.add_bridge(
        name,
        index=index,
        mac=mac,
        mtu=mtu,
        stp=stp,
        nf_call_iptables=nf_call,
        ageing=ageing,
        forward_delay=forward_delay,
        priority=priority,
        vlan_filtering=filtering,
    )
    assert (message.type, message.flags) == (16, NEW)
    read = decoded(message, ifinfmsg)
    info = read["IFLA_LINKINFO"]
    assert (read["index"], read["IFLA_IFNAME"], read["change"]) == (index, name, 0)
    assert (read.get("IFLA_ADDRESS"), read.get("IFLA_MTU")) == (mac, mtu)
    options = {
        "IFLA_BR_STP_STATE": int(stp),
        "IFLA_BR_AGEING_TIME": None if ageing is None else round(ageing * 100),
        "IFLA_BR_FORWARD_DELAY": None if forward_delay is None else round(forward_delay * 100),
        "IFLA_BR_PRIORITY": priority,
        "IFLA_BR_VLAN_FILTERING": 1 if filtering else None,
        "IFLA_BR_NF_CALL_IPTABLES": 1 if nf_call else None,
    }
    told = {key: value for key, value in options.items() if value is not None}
    assert info == {"IFLA_INFO_KIND": "bridge", "IFLA_INFO_DATA": told}


@given(indexes, port_options)
def test_a_port_is_set(index: int, options: PortOptions) -> None:
    """A cost only when one is chosen: otherwise it follows from the device's speed."""
    message = rtnl_bridge.set_port(index, options)
    assert (message.type, message.flags) == (16, 0)
    read = decoded(message, ifinfmsg)
    assert (read["index"], read["change"], read["flags"]) == (index, 0, 0)
    wanted = {
        "IFLA_BRPORT_MODE": int(options.hairpin),
        "IFLA_BRPORT_ISOLATED": int(options.isolated),
        "IFLA_BRPORT_LEARNING": int(options.learning),
        "IFLA_BRPORT_UNICAST_FLOOD": int(options.flood),
        **({} if options.cost is None else {"IFLA_BRPORT_COST": options.cost}),
    }
    slave = {"IFLA_INFO_SLAVE_KIND": "bridge", "IFLA_INFO_SLAVE_DATA": wanted}
    assert read["IFLA_LINKINFO"] == slave


@given(indexes, vlans, flags)
def test_a_port_joins_and_leaves_a_vlan(index: int, vlan: Vlan, itself: object) -> None:
    """Of the bridge family; *itself*: the bridge's own stack and not a port of it."""
    joins = rtnl_bridge.add_vlan(index, vlan, itself=bool(itself))
    leaves = rtnl_bridge.remove_vlan(index, vlan.vid, itself=bool(itself))
    assert (joins.type, leaves.type) == (19, 17)
    own = {"IFLA_BRIDGE_VLAN_FLAGS": 2} if itself else {}
    for message, bits in ((joins, 2 * vlan.pvid + 4 * vlan.untagged), (leaves, 0)):
        read = decoded(message, ifinfmsg)
        assert (read["family"], read["index"]) == (7, index)
        info = {"vid": vlan.vid, "flags": bits}
        assert read["IFLA_AF_SPEC"] == own | {"IFLA_BRIDGE_VLAN_INFO": info}


def test_the_vlans_are_asked_for_by_their_filter() -> None:
    message = rtnl_bridge.dump_vlans()
    assert (message.type, message.flags) == (18, NLM_F_DUMP)
    read = decoded(message, ifinfmsg)
    assert (read["family"], read["IFLA_EXT_MASK"]) == (7, 2)


@given(indexes, macs)
def test_an_entry_is_static_and_the_bridges(index: int, mac: Mac) -> None:
    """NUD_NOARP is what ``bridge fdb add … static`` sends; permanent would be the bridge's own."""
    message = rtnl_bridge.add_fdb(index, mac)
    assert (message.type, message.flags) == (28, NEW)
    read = decoded(message, ndmsg)
    assert (read["family"], read["ifindex"], read["state"], read["flags"]) == (7, index, 0x40, 4)
    assert read["NDA_LLADDR"] == mac


@given(indexes, macs)
def test_an_entry_may_take_the_place_of_one_that_was_learnt(index: int, mac: Mac) -> None:
    message = rtnl_bridge.add_fdb(index, mac, replaces=True)
    assert (message.type, message.flags) == (28, NLM_F_CREATE | NLM_F_REPLACE)
    assert message.payload == rtnl_bridge.add_fdb(index, mac).payload


@given(indexes, macs)
def test_an_entry_is_removed_from_the_bridge(index: int, mac: Mac) -> None:
    """Not from the device's own filter (NTF_SELF)."""
    message = rtnl_bridge.remove_fdb(index, mac)
    assert (message.type, message.flags) == (29, 0)
    read = decoded(message, ndmsg)
    assert (read["family"], read["ifindex"], read["flags"]) == (7, index, 4)
    assert read["NDA_LLADDR"] == mac


@given(
    indexes,
    st.fixed_dictionaries(
        {
            "stp": st.none() | flags,
            "nf_call_iptables": st.none() | flags,
            "vlan_filtering": st.none() | flags,
            "ageing": hundredths,
            "forward_delay": hundredths,
            "priority": st.none() | st.integers(0, 0xFFFF),
        }
    ),
)
def test_what_is_none_of_a_bridge_is_not_changed(index: int, options: dict[str, Any]) -> None:
    """All else is, and may be turned off."""
    message = rtnl_bridge.change_bridge(index, **options)
    assert (message.type, message.flags) == (16, 0)
    read = decoded(message, ifinfmsg)
    assert (read["index"], read["change"]) == (index, 0)
    names = {"stp": "STP_STATE", "ageing": "AGEING_TIME"}
    told = {
        f"IFLA_BR_{names.get(key, key.upper())}": round(value * 100)
        if key in ("ageing", "forward_delay")
        else int(value)
        for key, value in options.items()
        if value is not None
    }
    assert read["IFLA_LINKINFO"].get("IFLA_INFO_DATA", {}) == told


@given(port_options)
def test_what_is_set_of_a_port_is_read(options: PortOptions) -> None:
    message = rtnl_bridge.set_port(7, options)
    info = attributes(attributes(message.payload[16:])[18])
    assert rtnl_options.port_options(attributes(info[5])) == options


@pytest.mark.parametrize(("shut", "state"), [(False, b"\3"), (True, b"\0")])
def test_a_port_is_told_to_forward(shut: object, state: bytes) -> None:
    """BR_STATE_FORWARDING or _DISABLED, and nothing else, of its bridge."""
    message = rtnl_bridge.open_port(7, shut=bool(shut))
    assert (message.type, message.payload[0]) == (19, 7)
    assert attributes(attributes(message.payload[16:])[12]) == {1: state}


def test_what_is_set_of_a_bridge_is_read() -> None:
    chosen = BridgeState(
        stp=True, ageing=30.0, forward_delay=2.5, priority=4096, vlan_filtering=True
    )
    for state in (chosen, BridgeState()):
        message = rtnl_bridge.add_bridge(
            DevName("br0"),
            index=2,
            stp=state.stp,
            ageing=state.ageing,
            forward_delay=state.forward_delay,
            priority=state.priority,
            vlan_filtering=state.vlan_filtering,
        )
        info = attributes(attributes(message.payload[16:])[18])
        assert rtnl_options.bridge_state(attributes(info[2])) == state


def test_of_what_a_kernel_does_not_tell_the_usual_is_taken() -> None:
    assert rtnl_options.bridge_state({}) == BridgeState()
    assert rtnl_options.port_options({}) == PortOptions()


def _vlans(*infos: tuple[int, int]) -> Message:
    members = b"".join(attr(2, struct.pack("=HH", bits, vid)) for bits, vid in infos)
    body = struct.pack("=BxHiII", 7, 0, 5, 0, 0) + nest(26, u16(0, 1) + members + u32(9, 1))
    return Message(16, 0, body)


@pytest.mark.parametrize(
    ("infos", "wanted"),
    [
        ([(6, 1)], (Vlan(vid=1, pvid=True, untagged=True),)),
        ([(0, 10), (4, 20)], (Vlan(vid=10), Vlan(vid=20, untagged=True))),
        ([(8, 30), (16, 32)], (Vlan(vid=30), Vlan(vid=31), Vlan(vid=32))),
        ([(16, 40)], (Vlan(vid=40),)),  # an end without a beginning
    ],
)
def test_vlans_are_read_ranges_too(infos: list[tuple[int, int]], wanted: tuple[Vlan, ...]) -> None:
    assert rtnl_options.vlans(_vlans(*infos)) == (5, wanted)


def test_who_is_in_no_vlan_is_left_out() -> None:
    """And so is what is no device at all, or is cut."""
    assert rtnl_options.vlans(_vlans()) is None
    assert rtnl_options.vlans(Message(17, 0, _vlans((6, 1)).payload)) is None
    assert rtnl_options.vlans(Message(16, 0, u8(1, 1))) is None
