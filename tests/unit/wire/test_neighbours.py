"""Batches of permanent neighbours, read back by pyroute2."""

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl import ndmsg

from hopscope.model.vocab import Mac
from hopscope.wire.neighbours import OURS, addition, batch, removal
from hopscope.wire.netlink import Message, attr, u8, unpack
from hopscope.wire.rtnl_read import neighbour_event
from strategies import addresses4, addresses6

MAC = Mac("02:00:00:00:00:07")


def decoded(data: bytes) -> list[ndmsg.ndmsg]:
    """Each message as pyroute2 reads it."""
    found = []
    at = 0
    while at < len(data):
        message = ndmsg.ndmsg(data[at:])
        message.decode()
        found.append(message)
        at += message["header"]["length"]
    return found


@given(st.lists(addresses4, min_size=1, max_size=9, unique=True), st.integers(1, 2**31 - 1))
def test_a_batch_is_its_messages(ips: list[str], index: int) -> None:
    """Each for that device, numbered, and only the last is answered when it goes well."""
    found = decoded(batch([addition(ip, MAC) for ip in ips], index))
    assert [message.get_attr("NDA_DST") for message in found] == ips
    assert {message["ifindex"] for message in found} == {index}
    assert [message["header"]["sequence_number"] for message in found] == list(range(len(ips)))
    assert [bool(message["header"]["flags"] & 4) for message in found] == [False] * (
        len(ips) - 1
    ) + [True]


@given(addresses4 | addresses6)
def test_an_entry(ip: str) -> None:
    """Permanent, marked as ours, and only where there is none (CREATE and EXCL)."""
    (message,) = decoded(batch([addition(ip, MAC)], 3))
    assert message["header"]["type"] == 28  # RTM_NEWNEIGH
    assert message["header"]["flags"] & 0x700 == 0x600
    assert message["state"] == 0x80
    assert message.get_attr("NDA_LLADDR") == MAC
    assert message.get_attr("NDA_PROTOCOL") == OURS
    (gone,) = decoded(batch([removal(ip)], 3))
    assert gone["header"]["type"] == 29  # RTM_DELNEIGH
    assert ip_address(gone.get_attr("NDA_DST")) == ip_address(ip)


@given(addresses4 | addresses6)
def test_our_mark_is_known_again(ip: str) -> None:
    """In a dump, which has the same form; entries of others, and scraps, are passed over."""
    (ours,) = unpack(batch([addition(ip, MAC)], 5))
    other = Message(ours.type, 0, ours.payload[: -len(u8(12, OURS))] + u8(12, 4))
    scrap = Message(ours.type, 0, ours.payload[:7])
    cut = Message(ours.type, 0, ours.payload[:12] + attr(1, b"\1") + u8(12, OURS))
    found = [neighbour_event(message) for message in (other, ours, scrap, cut)]
    assert [(part.ours, part.index, part.ip) if part else None for part in found] == [
        (False, 5, ip),
        (True, 5, ip),
        None,
        None,
    ]
