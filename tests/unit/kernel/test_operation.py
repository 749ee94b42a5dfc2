"""What was brought up is waited for at every end."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from hopscope.kernel.apply.operation import await_operation
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
    await_operation(plan, cast("Kernel", kernel))
    assert kernel.running == {"a", "b"}
