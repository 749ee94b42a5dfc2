"""What was brought up is waited for at every end."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

import pytest

from hopscope.errors import NotReadyError
from hopscope.kernel.apply import settling
from hopscope.kernel.apply.settling import await_working
from hopscope.kernel.protocol import Kernel
from hopscope.lab.declare import parse
from hopscope.model.vocab import NodeName
from hopscope.plan.compile import compile_lab
from hopscope.plan.ops import AddVeth
from hopscope.wire.netlink import Message

PAIR: Final = b"""
name: pair
nodes: {a: {}, b: {}}
links: [[a:e, b:e]]
"""
MANY: Final = b"""
name: many
nodes: {hub: {bridges: {br0: {}}}, pod: {count: 50, addresses: {e: {pool: "fd00::/64"}}}}
links: [[pod:e, hub:p@br0]]
"""
OVER: Final = b"""
name: over
nodes: {a: {}, b: {}, c: {devices: {m: {kind: macvlan, over: b:low}}}}
links: [[a:e, c:e], [b:low, a:low]]
"""
_NEWLINK: Final = 16
_UP, _RUNNING, _LOWER_UP = 1 << 0, 1 << 6, 1 << 16
_SECOND: Final = 2  # the index of each end


@dataclass
class Slow:
    """A kernel in which each node's device has a carrier, and runs when it is asked for it."""

    running: set[NodeName] = field(default_factory=set)

    def ask(self, node: NodeName, request: Message) -> Sequence[Message]:
        """A list of its devices, or the device."""
        (index,) = struct.unpack_from("=i", request.payload, 4)
        if index:
            self.running.add(node)
        flags = _UP | _LOWER_UP | (_RUNNING if node in self.running else 0)
        return [Message(_NEWLINK, 0, struct.pack("=BxHiII", 0, 1, _SECOND, flags, 0))]


def test_both_ends_of_a_link_are_waited_for() -> None:
    """Each has a carrier of its own, which the kernel sees to one by one."""
    plan = compile_lab(parse(PAIR, "pair"))
    assert [op for op in plan.ops if isinstance(op, AddVeth)]
    kernel = Slow()
    await_working(plan, cast("Kernel", kernel))
    assert kernel.running == {"a", "b"}


class Clock:
    """Time passes only for whoever waits, and in vain."""

    def __init__(self) -> None:
        self.now = 7.0

    def monotonic(self) -> float:
        """The time that passed."""
        return self.now

    def wait(self, _holds: Callable[[], bool], what: str, *, within: float) -> None:
        """All of it, for nothing."""
        self.now += within
        raise NotReadyError(what)


def test_many_nodes_that_never_get_ready_are_waited_for_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two seconds for the devices of all, as of one; and as long for all IPv6 addresses."""
    clock = Clock()
    monkeypatch.setattr(settling, "time", clock)
    monkeypatch.setattr(settling, "wait_until", clock.wait)
    plan = compile_lab(parse(MANY, "many"))
    await_working(plan, cast("Kernel", Slow()))
    assert clock.now == 7.0 + 2.0 + 2.0


def test_a_macvlan_is_waited_for_when_what_lies_below_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has no carrier before, and would pass for one that has none."""
    order: list[str] = []
    monkeypatch.setattr(settling, "wait_until", lambda _holds, what, within: order.append(what))
    await_working(compile_lab(parse(OVER, "over")), cast("Kernel", Slow()))
    assert sorted(order[:3]) == ["a: devices", "b: devices", "c: devices"]
    assert order[3:] == ["c: devices_over_others"]
