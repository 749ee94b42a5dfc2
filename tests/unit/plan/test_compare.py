"""What is declared against what there is: each difference, and the operations that end it."""

from comparing import BR0, HOST, P1, found, lab, snapshot, told, work, world
from hopscope.model.change import Action
from hopscope.model.devices import BridgeState, PortOptions
from hopscope.model.vocab import DevName
from hopscope.plan.compare import differences
from hopscope.plan.compile import compile_lab
from hopscope.plan.ops import ChangeBridge, ChangeDevice, SetPort, SetSysctl
from hopscope.plan.restore import plan_of
from hopscope.plan.wanted import wanted
from hopscope.plan.world import World
from hopscope.spec import parse


def test_what_is_as_declared_does_not_differ() -> None:
    assert told(found(lab(), snapshot())) == []


def test_the_spanning_tree_is_set_before_a_delay_that_it_might_refuse() -> None:
    """A bridge with it takes 2 to 30 s only."""
    now = snapshot(BridgeState(stp=True, priority=9))
    ops = work(lab("forward_delay: 3"), now)
    assert ops == [
        ChangeBridge(node=HOST, dev=BR0, stp=False),
        ChangeBridge(node=HOST, dev=BR0, forward_delay=3),
        ChangeBridge(node=HOST, dev=BR0, priority=0x8000),
    ]


def test_a_time_that_the_kernel_rounds_is_the_same() -> None:
    assert told(found(lab("ageing: 12.344"), snapshot(BridgeState(ageing=12.34)))) == []


def test_one_operation_sets_all_of_a_port() -> None:
    """Each option is told."""
    text = lab(port="isolated: true, cost: 5")
    now = snapshot(port=PortOptions(cost=2, hairpin=True))
    assert told(found(text, now)) == [
        (Action.CHANGE, "p1", "hairpin", "on", "off"),
        (Action.CHANGE, "p1", "isolated", "off", "on"),
        (Action.CHANGE, "p1", "cost", "2", "5"),
    ]
    options = PortOptions(isolated=True, cost=5)
    assert work(text, now) == [SetPort(node=HOST, dev=P1, options=options)]


def test_a_cost_goes_when_the_port_joins_again() -> None:
    """The kernel takes none back."""
    now = snapshot(port=PortOptions(cost=7, isolated=True))
    assert work(lab(port="isolated: true"), now) == [
        ChangeDevice(node=HOST, dev=P1, bridge=DevName("")),
        ChangeDevice(node=HOST, dev=P1, bridge=BR0),
        SetPort(node=HOST, dev=P1, options=PortOptions(isolated=True)),
    ]


def test_what_there_was_is_told_as_a_plan() -> None:
    """Nothing differs from itself."""
    now = snapshot(BridgeState(ageing=7, stp=True), PortOptions(cost=2, flood=False))
    plan = plan_of(now, world(now).sysctls, {})
    assert told(differences(wanted(plan), world(now))) == []


def test_a_sysctl_that_is_declared_by_its_other_name_stays() -> None:
    """What was ip_forward is now that of all devices, which is the same."""
    text = lab().replace("net.ipv4.ip_forward: 0", "net.ipv4.conf.all.forwarding: 1")
    one, other = (HOST, "net/ipv4/ip_forward"), (HOST, "net/ipv4/conf/all/forwarding")
    now = World(
        snapshot(),
        sysctls={**world(snapshot()).sysctls, one: "1", other: "1"},
        defaults={"net/ipv4/ip_forward": "0"},
        expected_rules={},
    )
    assert told(differences(wanted(compile_lab(parse(text, "lab.yaml"))), now)) == []


def test_a_node_that_was_there_before_gets_back_what_it_had() -> None:
    """With all that the kernel sets along with it, and whatever a fresh namespace has."""
    text = lab().replace("sysctls: {net.ipv4.ip_forward: 0}, ", "")
    key = (HOST, "net/ipv4/ip_forward")
    now = World(
        snapshot(),
        sysctls={**world(snapshot()).sysctls, key: "0"},
        defaults={"net/ipv4/ip_forward": "0"},
        expected_rules={},
        usual={HOST: {"net/ipv4/ip_forward": "1"}},
        following={key: [("net/ipv4/conf/eth9/forwarding", "0")]},
    )
    (one,) = differences(wanted(compile_lab(parse(text, "lab.yaml"))), now)
    assert one.makes == (
        SetSysctl(node=HOST, path="net/ipv4/ip_forward", value="1"),
        SetSysctl(node=HOST, path="net/ipv4/conf/eth9/forwarding", value="0"),
    )
