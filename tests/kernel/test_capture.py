"""Frames as the kernel hands them over."""

import socket
import time

import pytest

from hopscope.kernel.sandbox import Sandbox
from hopscope.kernel.waiting import wait_until
from hopscope.model.events import FrameSeen
from hopscope.model.vocab import DevName, Direction, NodeName
from hopscope.observe.capture import Capture

pytestmark = pytest.mark.kernel

HOST = NodeName("host")
ONE, TWO = DevName("one"), DevName("two")
SETUP = """
ip link add name one type veth peer name two
ip link set one up
ip link set two up
"""
MACS = bytes.fromhex("020000000002 020000000001")
TAGGED = MACS + b"\x81\x00\x20\x0a" + b"\x88\xb5" + bytes(range(46))  # a type for experiments


def test_a_tagged_frame_arrives_with_its_tag(sandbox: Sandbox) -> None:
    """Which the kernel takes off on receipt, and keeps beside it."""
    assert sandbox.run(HOST, ["sh", "-e"], SETUP.encode()).code == 0
    capture = Capture(sandbox, HOST, [ONE, TWO])
    seen: list[FrameSeen] = []

    def both() -> bool:
        seen.extend(frame for frame in capture.read() if frame.frame.startswith(MACS))
        return len(seen) >= 2

    try:
        with sandbox.open_socket(HOST, socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
            sender.sendto(TAGGED, (ONE, 0))
        wait_until(both, "both ends saw it", within=5)
    finally:
        capture.close()
    assert [(frame.dev.dev, frame.direction) for frame in seen] == [
        (ONE, Direction.TRANSMIT),
        (TWO, Direction.RECEIVE),
    ]
    assert [(frame.frame, frame.length) for frame in seen] == [(TAGGED, len(TAGGED))] * 2
    assert 0 < seen[0].at <= seen[1].at <= time.time_ns()
