"""Filters of devices: pyroute2 encodes what a kernel would tell, and we read it."""

import struct
from typing import Any

import pytest
from pyroute2.netlink.rtnl.tcmsg import act_gact, act_mirred, tcmsg

from hopscope.wire.filters import EGRESS, INGRESS, FilterPart, dump_filters, filter_part
from hopscope.wire.netlink import NLM_F_DUMP, Message, attr, nest, pack, text, u32, unpack

IP, ARP, LLDP = 0x0008, 0x0608, 0xCC88
"""Protocols, in network byte order on a machine that is little-endian."""


def names(index: int) -> str:
    return {7: "eth7"}.get(index, f"device {index}")


def told(kind: str, handle: int, options: object, info: int = 5 << 16 | IP) -> Message:
    """A filter as pyroute2 encodes it."""
    made = tcmsg()
    made["index"], made["handle"], made["parent"], made["info"] = 3, handle, INGRESS, info
    made["attrs"] = [["TCA_KIND", kind], ["TCA_OPTIONS", options]]
    made["header"]["type"] = 44
    made.encode()
    (message,) = unpack(bytes(made.data))
    return message


def u32_with(kind: str, options: dict[str, Any]) -> object:
    """The options of a u32 filter that has one action."""
    action = {"attrs": [["TCA_ACT_KIND", kind], ["TCA_ACT_OPTIONS", options]]}
    actions = {"attrs": [["TCA_ACT_PRIO_1", action]]}
    return {"attrs": [["TCA_U32_ACT", actions], ["TCA_U32_SEL", {"keys": []}]]}


@pytest.mark.parametrize(
    ("kind", "options", "ends"),
    [
        ("gact", act_gact.get_parameters({"action": "drop"}), "dropped it"),
        ("gact", act_gact.get_parameters({"action": "ok"}), ""),
        (
            "mirred",
            act_mirred.get_parameters({"direction": "egress", "action": "redirect", "ifindex": 7}),
            "redirected it to eth7",
        ),
        (
            "mirred",
            act_mirred.get_parameters({"direction": "ingress", "action": "mirror", "ifindex": 7}),
            "",
        ),
    ],
)
def test_what_a_filters_action_does(kind: str, options: dict[str, Any], ends: str) -> None:
    """A packet that is mirrored, or let pass, goes on."""
    assert filter_part(told("u32", 0x80000800, u32_with(kind, options)), names) == FilterPart(
        index=3, text="protocol ip pref 5 handle 800::800 u32", ends=ends, taken=0
    )


def filtered(
    kind: str, options: bytes, *, handle: int = 1, info: int = 5 << 16 | IP, more: bytes = b""
) -> Message:
    """A filter of device 3."""
    head = struct.pack("=BxxxiIII", 0, 3, handle, INGRESS, info)
    return Message(44, 0, head + text(1, kind) + nest(2, options) + more)


def with_actions(number: int, *actions: bytes) -> bytes:
    return nest(number, b"".join(nest(1 + at, one) for at, one in enumerate(actions)))


def drop(packets: int) -> bytes:
    """A gact that drops, and how many it had."""
    parms = attr(2, struct.pack("=IIiii", 1, 0, 2, 1, 1))
    stats = attr(1, struct.pack("=QI", 84 * packets, packets))
    return text(1, "gact") + nest(2, parms) + nest(4, stats)


def test_how_many_packets_its_actions_had() -> None:
    """Of several actions, those of the one that had most: each has what the one before let pass."""
    police = text(1, "police") + nest(4, attr(1, struct.pack("=QI", 0, 9)))
    part = filter_part(filtered("flower", with_actions(3, police, drop(4))), names)
    assert part is not None
    assert (part.ends, part.taken) == ("dropped it", 9)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (filtered("matchall", b"", info=6 << 16 | ARP), "protocol arp pref 6 handle 0x1 matchall"),
        (filtered("fw", b"", info=LLDP), "protocol 0x88cc pref 0 handle 0x1 fw"),
        (
            filtered("flower", b"", more=u32(11, 4)),
            "protocol ip pref 5 chain 4 handle 0x1 flower",
        ),
        (filtered("u32", b"", handle=0x8012A803), "protocol ip pref 5 handle 801:2a:803 u32"),
        (filtered("strange", b""), "protocol ip pref 5 handle 0x1 strange"),
    ],
)
def test_which_filter_it_is(message: Message, text: str) -> None:
    """As ``tc filter`` takes it."""
    part = filter_part(message, names)
    assert part is not None
    assert (part.text, part.ends, part.taken) == (text, "", 0)


def test_a_program_that_decides_itself() -> None:
    """What it does, it alone knows; one with actions leaves it to them."""
    for flags, ends in ((u32(8, 1), None), (b"", "")):
        part = filter_part(filtered("bpf", flags), names)
        assert part is not None
        assert part.ends == ends


def test_what_is_no_filter() -> None:
    """The head of a preference, a hash table of u32, other messages, and cut ones."""
    assert filter_part(filtered("bpf", b"", handle=0), names) is None
    assert filter_part(filtered("u32", b"", handle=0x80000000), names) is None
    assert filter_part(Message(36, 0, bytes(40)), names) is None
    assert filter_part(Message(44, 0, b"x"), names) is None


def test_an_action_that_is_cut_short() -> None:
    """Nothing is made of what is not there."""
    for kind in ("gact", "mirred"):
        short = text(1, kind) + nest(2, attr(2, b"xx")) + nest(4, attr(1, b"x"))
        part = filter_part(filtered("basic", with_actions(3, short)), names)
        assert part is not None
        assert (part.ends, part.taken) == ("", 0)


@pytest.mark.parametrize("parent", [INGRESS, EGRESS])
def test_asking_for_them(parent: int) -> None:
    """All of one device and direction."""
    message = dump_filters(3, parent)
    assert (message.type, message.flags) == (46, NLM_F_DUMP)
    found = tcmsg(pack(message))
    found.decode()
    assert (found["index"], found["parent"]) == (3, parent)
