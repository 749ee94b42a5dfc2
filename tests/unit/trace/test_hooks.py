"""Traversals of hooks: which trace messages are one packet's way through one hook."""

import struct

from hopscope.model.events import RuleHit
from hopscope.model.vocab import DevName, Family, Nanos, NodeName, Verdict
from hopscope.trace.hooks import traversals
from hopscope.wire.nft import OUR_PREFIX

QUESTION = struct.pack(
    "!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, b"\2" * 6, b"\x0a" * 4, bytes(6), b"\x0b" * 4
)
LINK = b"\xff" * 6 + b"\2" * 6 + b"\x08\x06"


def mark(session: int, *, oif: str = "eth0") -> RuleHit:
    """The first message of a session's own chain at arp/output in ns1, about one question."""
    return RuleHit(
        at=Nanos(0),
        node=NodeName("ns1"),
        trace_id=7,
        kind="rule",
        family=Family.ARP,
        table=f"{OUR_PREFIX}-{session}",
        chain="output",
        handle=1,
        verdict=Verdict.CONTINUE,
        oif=DevName(oif),
        link_header=LINK,
        network_header=QUESTION,
    )


def test_a_question_asked_again_meets_its_hook_again() -> None:
    """Nothing need be read in between: other nodes' messages are other sockets'."""
    assert len(traversals([mark(1), mark(1), mark(1)])) == 3


def test_two_sessions_that_watch_see_one_packet_once() -> None:
    assert len(traversals([mark(1), mark(2)])) == 1


def test_two_sessions_see_two_packets_twice() -> None:
    assert len(traversals([mark(1), mark(2), mark(1), mark(2)])) == 2


def test_another_way_out_is_another_packet() -> None:
    assert len(traversals([mark(1), mark(2, oif="eth1")])) == 2
