"""What is told of addresses that several nodes have."""

from collections.abc import Iterator
from ipaddress import ip_interface
from typing import cast

from hopscope.kernel.sandbox import Sandbox
from hopscope.lab.twice import Twice
from hopscope.model.ends import End, NodeEnds
from hopscope.model.vocab import NodeName


class NoNeighbours:
    """A sandbox whose nodes know nobody."""

    def ask(self, node: NodeName, request: object) -> Iterator[object]:
        """No entry."""
        del node, request
        return iter(())


def test_what_stays_open_is_said_and_counts_as_the_targets() -> None:
    a, b, c = (NodeName(name) for name in "abc")
    ends = []
    for node, cidr in ((a, "10.1.0.1/24"), (b, "10.2.0.2/24"), (c, "10.2.0.2/24")):
        interface = ip_interface(cidr)
        end = End(index=2, ip=str(interface.ip), network=interface.network)
        ends.append(NodeEnds(name=node, ends=(end,)))
    probed = {(a, b): "10.2.0.2", (a, c): "10.2.0.2", (b, a): "10.1.0.1"}
    twice = Twice(cast(Sandbox, NoNeighbours()), ends, probed, {(a, b), (b, a)})
    assert twice.instead((a, b)) == ()
    assert list(twice.notes()) == [
        "several nodes have the same address: 10.2.0.2 on b, c",
        "whose answers came, the neighbour tables do not tell: a → b",
    ]
