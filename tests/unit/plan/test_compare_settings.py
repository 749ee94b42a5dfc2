"""What no lab file declares of a device: it is as usual again, or, on a way back, as it was."""

from typing import Any

import pytest
from msgspec.structs import replace

from comparing import BR0, ETH0, GUEST, HOST, P1, found, lab, snapshot, told, work, world
from hopscope.model.change import Action, Subject
from hopscope.model.devices import BridgeState
from hopscope.model.snapshot import Snapshot
from hopscope.model.vocab import DevName, DevRef
from hopscope.plan.compare import differences
from hopscope.plan.compare_settings import settings
from hopscope.plan.compile import compile_lab
from hopscope.plan.converge import converge
from hopscope.plan.ops import AddNeighbour, ChangeDevice, Mark, Op, OpenPort, SetOthers
from hopscope.plan.restore import plan_of
from hopscope.plan.wanted import wanted
from hopscope.spec import parse


def altered(dev: DevName, now: Snapshot | None = None, **more: Any) -> Snapshot:
    """With this device otherwise, or without it where nothing is said."""
    now = now or snapshot()
    nodes = [
        replace(
            node,
            links=tuple(replace(one, **more) if one.name == dev else one for one in node.links),
        )
        for node in now.nodes
    ]
    return Snapshot(nodes=tuple(nodes))


def back(before: Snapshot, now: Snapshot) -> list[Op]:
    """What leads back."""
    plan = plan_of(before, world(before).sysctls, {})
    there = world(now, only_told=True)
    done = converge(plan, differences(wanted(plan), there), there)
    assert done.removal.ops == ()
    assert told(differences(wanted(plan), world(before, only_told=True))) == []
    return list(done.making.ops)


def test_flags_of_any_device_are_as_usual_again() -> None:
    """By one operation, whatever their number."""
    now = altered(ETH0, settings={"arp": 0, "group": 7})
    assert told(found(lab(), now)) == [
        (Action.CHANGE, "eth0", "arp", "off", "on"),
        (Action.CHANGE, "eth0", "group", "7", "0"),
    ]
    done = [op for op in work(lab(), now) if isinstance(op, SetOthers)]
    assert done == [SetOthers(node=GUEST, dev=ETH0, values=(("arp", 1), ("group", 0)))]
    assert back(now, snapshot()) == [
        SetOthers(node=GUEST, dev=ETH0, values=(("arp", 0), ("group", 7)))
    ]


def test_a_ports_are_the_ports() -> None:
    now = altered(P1, settings={"port.neigh_suppress": 1, "port.mcast_router": 2})
    changes = [one.change for one in found(lab(), now)]
    assert {(one.subject, one.why) for one in changes} == {(Subject.PORT, "not declared")}
    assert [(one.attribute, one.before, one.after) for one in changes] == [
        ("mcast_router", "2", "1"),
        ("neigh_suppress", "on", "off"),
    ]
    assert {one.place for one in changes} == {None}


def test_a_port_that_leaves_its_bridge_leaves_them_there() -> None:
    """It could not be told them any more; and one that joins is as usual."""
    now = altered(P1, settings={"port.neigh_suppress": 1, "arp": 0}, master=None)
    assert told(found(lab(), now)) == [
        (Action.CHANGE, "p1", "bridge", "none", "br0"),
        (Action.CHANGE, "p1", "arp", "off", "on"),
    ]


def test_a_bridges_are_the_devices() -> None:
    now = altered(BR0, settings={"bridge.mcast_snooping": 0})
    (one,) = found(lab(), now)
    assert (one.change.subject, one.change.attribute) == (Subject.DEVICE, "mcast_snooping")
    assert (one.change.before, one.change.after) == ("off", "on")


def test_a_device_that_is_made_anew_is_as_usual() -> None:
    now = altered(ETH0, settings={"arp": 0}, alias="mine", kind="macvlan")
    assert not any(isinstance(op, SetOthers | Mark) for op in work(lab(), now))


def test_an_alias_is_not_declared() -> None:
    """Unless it is our mark, which is written again."""
    now = altered(ETH0, alias="mine")
    assert told(found(lab(), now)) == [(Action.CHANGE, "eth0", "alias", "mine", "none")]
    assert work(lab(), now) == [Mark(node=GUEST, dev=ETH0, alias="")]
    assert back(now, snapshot()) == [Mark(node=GUEST, dev=ETH0, alias="mine")]
    goal = wanted(compile_lab(parse(lab(), "lab.yaml"), on_host=True))
    here = altered(P1, altered(BR0, alias="hopscope:lab"), alias="hopscope:other")
    (one,) = settings(goal, world(here))
    assert (one.change.before, one.change.after) == ("hopscope:other", "hopscope:lab")
    assert (one.change.why, one.makes) == ("declared", (goal.marks[DevRef(HOST, P1)],))


def test_flags_are_set_before_neighbours_come() -> None:
    """No ARP, and ARP again, take those away."""
    text = lab(
        guest="neighbours: {eth0: {10.0.0.9: 02:00:00:00:00:09}}, addresses: {eth0: 10.0.0.1/24}"
    )
    now = altered(ETH0, settings={"arp": 0})
    kinds: list[object] = [type(op) for op in work(text, now)]
    assert kinds.index(SetOthers) < kinds.index(AddNeighbour)
    joins = altered(P1, settings={"arp": 0}, master=None)
    kinds = [type(op) for op in work(lab(), joins)]
    assert kinds == [ChangeDevice, SetOthers]


def shut(**more: Any) -> Snapshot:
    """A port that is disabled."""
    return altered(P1, **({"port_state": "disabled"} | more))


def test_a_port_that_someone_disabled_forwards_again() -> None:
    (one,) = found(lab(), shut())
    assert (one.change.subject, one.change.attribute) == (Subject.PORT, "state")
    assert (one.change.before, one.change.after) == ("disabled", "forwarding")
    assert one.makes == (OpenPort(node=HOST, dev=P1),)
    assert back(shut(), snapshot()) == [OpenPort(node=HOST, dev=P1, shut=True)]


@pytest.mark.parametrize(
    "now",
    [
        shut(running=False),
        shut(carrier=False),
        altered(BR0, shut(), bridge=BridgeState(stp=True)),
    ],
)
def test_one_that_is_disabled_by_itself_is_left_alone(now: Snapshot) -> None:
    """Or soon forwards, or is so until a spanning tree says otherwise."""
    assert not any(one.change.subject is Subject.PORT for one in found(lab(), now))
    plan = plan_of(now, {}, {})
    assert not any(isinstance(op, OpenPort) for op in plan.ops)


def test_a_port_of_a_bridge_that_is_down_is_disabled_by_itself() -> None:
    now = altered(BR0, shut(), up=False)
    assert told(found(lab(bridge="up: false"), now)) == []
