"""Operations say what they do, as it stands in an error; a plan parts into two."""

import pytest

from hopscope.model.vocab import DevName, DevRef, Mac, NodeName
from hopscope.plan.ops import (
    AddAddress,
    AddBridge,
    AddNeighbour,
    AddRoute,
    AddRules,
    AddVeth,
    MakeNodes,
    Mark,
    NewEnd,
    Op,
    Plan,
    SetSysctl,
    SetUp,
)

A, B, DEV = NodeName("a"), NodeName("b"), DevName("eth0")
MAC = Mac("02:00:00:00:00:01")
NEAR = NewEnd(ref=DevRef(A, DevName("p")), mac=MAC, bridge=DevName("br0"))
FAR = NewEnd(ref=DevRef(B, DEV), mac=MAC, bridge=None)
VETH = AddVeth(near=NEAR, far=FAR, up=True)


@pytest.mark.parametrize(
    ("op", "words"),
    [
        (MakeNodes(names=(A, B), home=None), "making the namespaces a, b"),
        (SetSysctl(node=A, path="net/x", value="1"), "a: setting net/x = 1"),
        (AddBridge(node=A, name=DevName("br0")), "making the bridge a/br0"),
        (VETH, "making the link a/p – b/eth0"),
        (SetUp(node=A, dev=DEV), "bringing a/eth0 up"),
        (SetUp(node=A, dev=DEV, up=False), "bringing a/eth0 down"),
        (Mark(node=A, dev=DEV, alias="hopscope:x"), "marking a/eth0 as ours"),
        (AddAddress(node=A, dev=DEV, cidr="::1/128"), "giving a/eth0 the address ::1/128"),
        (
            AddRoute(node=A, to="10.0.0.0/8", via="10.0.0.1", dev=DEV, metric=None),
            "a: adding the route to 10.0.0.0/8 via 10.0.0.1 dev eth0",
        ),
        (
            AddRoute(node=A, to="::/0", via=None, dev=None, metric=1),
            "a: adding the route to ::/0",
        ),
        (
            AddNeighbour(node=A, dev=DEV, ip="10.0.0.1", mac=MAC),
            "a/eth0: adding the neighbour 10.0.0.1 at 02:00:00:00:00:01",
        ),
        (AddRules(node=A, tool="nft", lines=("x",), places=()), "a: applying nft rules"),
    ],
)
def test_an_operation_says_what_it_does(op: Op, words: str) -> None:
    assert str(op) == words


def test_a_veth_pair_is_made_by_its_near_end() -> None:
    assert VETH.node == A


def test_rules_without_places_have_none() -> None:
    assert AddRules(node=A, tool="nft", lines=("x",), places=()).place is None


def test_a_plan_parts_into_namespaces_and_contents() -> None:
    """With the indexes in both, and what is set first with the former."""
    nodes, up = MakeNodes(names=(A,), home=None), SetUp(node=A, dev=DEV)
    early = SetSysctl(node=A, path="net/ipv4/ip_forward", value="1")
    late = SetSysctl(node=A, path="net/ipv4/conf/eth0/arp_ignore", value="1")
    indexes = {DevRef(A, DEV): 2}
    first, rest = Plan(ops=(nodes, early, up, VETH, late), indexes=indexes).parted()
    assert first == Plan(ops=(nodes, early), indexes=indexes)
    assert rest == Plan(ops=(up, VETH, late), indexes=indexes)


def test_a_plan_for_what_is_there_makes_none() -> None:
    plan = Plan(ops=(SetSysctl(node=A, path="net/ipv4/ip_forward", value="1"),), indexes={})
    assert plan.parted() == (Plan(ops=(), indexes={}), plan)
