"""Operations say what they do, as it stands in an error; a plan parts into two."""

from collections.abc import Callable
from typing import get_args

import pytest

from hopscope.model.devices import PortOptions, Vlan, Vxlan
from hopscope.model.lab import PolicySpec
from hopscope.model.snapshot import NextHop
from hopscope.model.traffic import Netem
from hopscope.model.vocab import DevName, DevRef, Mac, NodeName
from hopscope.plan.ops import (
    AddAddress,
    AddBridge,
    AddFdb,
    AddMacvlan,
    AddNeighbour,
    AddPolicyRule,
    AddQdisc,
    AddRemote,
    AddRoute,
    AddRules,
    AddTap,
    AddVeth,
    AddVxlan,
    ChangeBridge,
    ChangeDevice,
    ChangeVlans,
    MakeNodes,
    Mark,
    NewEnd,
    Op,
    OpenPort,
    Plan,
    RemoveAddress,
    RemoveDevice,
    RemoveFdb,
    RemoveNeighbour,
    RemoveNexthop,
    RemoveNodes,
    RemovePolicyRules,
    RemoveQdisc,
    RemoveRemote,
    RemoveRoute,
    RemoveRules,
    ResetRules,
    SetOthers,
    SetPort,
    SetSysctl,
    SetUp,
    SetVlans,
    is_netlink,
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
        (Mark(node=A, dev=DEV, alias="hopscope:x"), "giving a/eth0 the alias 'hopscope:x'"),
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
            AddRoute(
                node=A,
                to="::/0",
                via=None,
                dev=None,
                metric=1,
                hops=(NextHop(dev=DEV, weight=2), NextHop(dev=None, via="::2")),
            ),
            "a: adding the route to ::/0 nexthop dev eth0 weight 2 nexthop via ::2",
        ),
        (
            AddNeighbour(node=A, dev=DEV, ip="10.0.0.1", mac=MAC),
            "a/eth0: adding the neighbour 10.0.0.1 at 02:00:00:00:00:01",
        ),
        (AddRules(node=A, tool="nft", lines=("x",), places=()), "a: applying nft rules"),
        (
            AddMacvlan(node=A, over=DEV, ref=DevRef(B, DevName("m")), mode="vepa", mac=None),
            "making the macvlan b/m over a/eth0",
        ),
        (
            AddVxlan(node=A, name=DevName("v"), vxlan=Vxlan(id=7), mac=MAC),
            "making the vxlan a/v",
        ),
        (AddTap(node=A, name=DevName("t")), "making the tap a/t"),
        (
            AddRemote(node=A, dev=DEV, mac=MAC, remote="10.0.0.9"),
            "a/eth0: adding the remote 10.0.0.9 of 02:00:00:00:00:01",
        ),
        (SetPort(node=A, dev=DEV, options=PortOptions()), "setting the bridge port a/eth0"),
        (
            SetVlans(node=A, dev=DEV, vlans=(Vlan(vid=5, pvid=True), Vlan(vid=7))),
            "making a/eth0 a member of the VLANs 5 pvid, 7",
        ),
        (
            AddFdb(node=A, dev=DEV, mac=MAC),
            "a: adding the forwarding entry 02:00:00:00:00:01 at eth0",
        ),
        (
            AddQdisc(node=A, dev=DEV, options=Netem()),
            "a/eth0: adding the queueing discipline netem",
        ),
        (
            AddPolicyRule(node=A, rule=PolicySpec(table=7, priority=9)),
            "a: adding the policy rule 9: lookup 7",
        ),
        (
            AddPolicyRule(node=A, rule=PolicySpec(action="prohibit", priority=9)),
            "a: adding the policy rule 9: prohibit",
        ),
        (ChangeDevice(node=A, dev=DEV, up=True), "changing a/eth0"),
        (ChangeBridge(node=A, dev=DEV), "changing the bridge a/eth0"),
        (ChangeVlans(node=A, dev=DEV), "changing the VLANs of a/eth0"),
        (OpenPort(node=A, dev=DEV), "letting the port a/eth0 forward"),
        (OpenPort(node=A, dev=DEV, shut=True), "shutting the port a/eth0"),
        (
            SetOthers(node=A, dev=DEV, values=(("arp", 1), ("group", 0))),
            "a/eth0: setting arp, group",
        ),
        (RemoveNodes(names=(A, B)), "removing the namespaces a, b"),
        (RemoveDevice(node=A, dev=DEV), "removing a/eth0"),
        (
            RemoveAddress(node=A, dev=DEV, cidr="::1/128"),
            "taking the address ::1/128 from a/eth0",
        ),
        (
            RemoveRoute(node=A, to="10.0.0.0/8", via=None, dev=None, metric=None),
            "a: removing the route to 10.0.0.0/8",
        ),
        (RemoveNexthop(node=A, id=6), "a: removing the nexthop 6"),
        (
            RemoveNeighbour(node=A, dev=DEV, ip="10.0.0.1"),
            "a/eth0: removing the neighbour 10.0.0.1",
        ),
        (
            RemoveNeighbour(node=A, dev=DEV, ip="10.0.0.1", proxy=True),
            "a/eth0: removing the proxy 10.0.0.1",
        ),
        (
            RemoveFdb(node=A, dev=DEV, mac=MAC),
            "a: removing the forwarding entry 02:00:00:00:00:01 at eth0",
        ),
        (
            RemoveRemote(node=A, dev=DEV, mac=MAC),
            "a/eth0: removing the remotes of 02:00:00:00:00:01",
        ),
        (RemoveQdisc(node=A, dev=DEV), "a/eth0: removing the queueing discipline at root"),
        (RemovePolicyRules(node=A, priority=9), "a: removing the policy rules 9"),
        (ResetRules(node=A), "a: removing its firewall rules"),
        (RemoveRules(node=A, tool="iptables", lines=("x",)), "a: deleting iptables rules"),
    ],
)
def test_an_operation_says_what_it_does(op: Op, words: str) -> None:
    assert str(op) == words


def test_every_operation_was_asked() -> None:
    """Those above are all that a plan may hold."""
    (mark,) = (m for m in pytestmark_of(test_an_operation_says_what_it_does))
    assert {type(op) for op, _words in mark.args[1]} == set(get_args(Op))


def pytestmark_of(test: Callable[..., None]) -> list[pytest.Mark]:
    """The marks of a test."""
    marks: list[pytest.Mark] = vars(test)["pytestmark"]
    return marks


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


@pytest.mark.parametrize(
    ("op", "netlink", "changes"),
    [
        (VETH, True, False),
        (SetUp(node=A, dev=DEV), True, False),
        (RemoveDevice(node=A, dev=DEV), True, True),
        (ResetRules(node=A), False, True),
        (RemoveNodes(names=(A,)), False, True),
        (AddTap(node=A, name=DEV), False, False),
        (MakeNodes(names=(A,), home=None), False, False),
    ],
)
def test_what_is_said_over_netlink_and_what_changes_a_lab(
    op: Op, *, netlink: bool, changes: bool
) -> None:
    assert is_netlink(op) is netlink
    assert Plan(ops=(VETH, op)).changes() is changes


def test_the_nodes_that_get_rules_are_told_once_each() -> None:
    rules = (AddRules(node=A, tool=tool, lines=(), places=()) for tool in ("iptables", "nft"))
    assert Plan(ops=(VETH, *rules)).ruled() == (A,)
