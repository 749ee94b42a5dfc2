"""What a way back did not lead to."""

from hopscope.model.snapshot import LinkState, NodeState, PolicyRule, Snapshot
from hopscope.model.traffic import Qdisc
from hopscope.model.vocab import DevName, Family, NodeName
from hopscope.plan.lost import lost


def link(name: str, kind: str) -> LinkState:
    """A device."""
    return LinkState(
        name=DevName(name), index=2, kind=kind, mac=None, mtu=1500, up=True, carrier=True
    )


def node(*links: LinkState, rules: int = 0, qdiscs: tuple[Qdisc, ...] = ()) -> NodeState:
    """The node a, with so many rules."""
    made = tuple(PolicyRule(family=Family.IP, priority=n, table=7) for n in range(rules))
    return NodeState(name=NodeName("a"), links=links, policy_rules=made, qdiscs=qdiscs)


def test_what_is_gone_is_named() -> None:
    """Whatever is there again is not, nor what the kernel gives each device by itself."""
    queue = Qdisc(dev=DevName("e"), kind="pfifo", handle="7:", parent="root")
    usual = Qdisc(dev=DevName("f"), kind="noqueue", handle="0:", parent="root")
    before = node(
        link("e", "veth"), link("f", ""), link("g", "ifb"), rules=2, qdiscs=(queue, usual)
    )
    after = node(link("e", "veth"), link("g", "veth"), rules=1)
    assert lost(Snapshot(nodes=(before,)), Snapshot(nodes=(after,))) == [
        "a: the device f (a real one)",
        "a: the device g (ifb)",
        "a: the policy rule 1",
        "a: the queueing discipline pfifo of e",
    ]
    assert lost(Snapshot(nodes=(before,)), Snapshot(nodes=(before,))) == []
    assert len(lost(Snapshot(nodes=(before,)), Snapshot(nodes=()))) == 5
