"""Proxy entries: asked for, told and removed as pyroute2 decodes them, and made again the same."""

import struct

import pytest
from pyroute2.netlink.rtnl.ndmsg import ndmsg

from decoding import decoded
from hopscope.wire.netlink import NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, Message, attr, u8
from hopscope.wire.rtnl_proxy import ProxyEntry, dump_proxies, proxy, proxy_told, remove_proxy

PROXY, ROUTER = 8, 0x80


def entry(data: bytes, *, family: int = 2, index: int = 7, flags: int = PROXY) -> Message:
    """As the kernel tells it, with who made it."""
    body = struct.pack("=BxxxiHBB", family, index, 0, flags, 1)
    return Message(28, 2, body + attr(1, data) + u8(12, 4))


def test_those_of_both_families_are_asked_for_at_once() -> None:
    message = dump_proxies()
    assert (message.type, message.flags) == (30, NLM_F_DUMP)
    assert decoded(message, ndmsg)["flags"] == PROXY
    assert decoded(message, ndmsg)["family"] == 0


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (entry(b"\x0a\0\0\7"), ProxyEntry(index=7, ip="10.0.0.7")),
        (
            entry(b"\xfd" + bytes(15), family=10, flags=PROXY | ROUTER),
            ProxyEntry(index=7, ip="fd00::"),
        ),
        (entry(b"\x0a\0\0\7", flags=0), None),
        (entry(b"\x0a\0\0\7", family=10), None),
        (Message(29, 0, entry(b"\x0a\0\0\7").payload), None),
        (Message(28, 0, b"\2\0\0\0"), None),
    ],
)
def test_what_is_one(message: Message, found: ProxyEntry | None) -> None:
    assert proxy(message) == found
    assert (proxy_told(message) is None) == (found is None)


def test_one_is_made_again_in_the_kernels_own_words() -> None:
    """With who made it, and that it is a router."""
    message = entry(b"\xfd" + bytes(15), family=10, flags=PROXY | ROUTER)
    one = proxy_told(message)
    assert one is not None
    assert one.again == Message(28, NLM_F_CREATE | NLM_F_EXCL, message.payload)
    assert one.away == Message(29, 0, message.payload)
    assert (one.devices, one.kernels, one.stays) == (frozenset({7}), False, False)
    nowhere = proxy_told(entry(b"\x0a\0\0\7", index=0))
    assert nowhere is not None
    assert nowhere.devices == frozenset()


@pytest.mark.parametrize(("ip", "family"), [("10.0.0.7", 2), ("fd00::7", 10)])
def test_one_is_removed(ip: str, family: int) -> None:
    message = remove_proxy(7, ip)
    read = decoded(message, ndmsg)
    assert (message.type, read["family"], read["ifindex"]) == (29, family, 7)
    assert (read["flags"], read["NDA_DST"]) == (PROXY, ip)
