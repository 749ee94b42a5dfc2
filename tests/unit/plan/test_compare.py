"""What is declared against what there is: each difference, and the operations that end it."""

from typing import Any

import pytest
from msgspec.structs import replace

from comparing import BR0, GUEST, HOST, P1, found, lab, snapshot, told, work, world
from hopscope.model.change import Action
from hopscope.model.devices import BridgeState, PortOptions
from hopscope.model.vocab import DevName
from hopscope.plan.compare import differences
from hopscope.plan.compile import compile_lab
from hopscope.plan.ops import ChangeBridge, ChangeDevice, OpenPort, ResetRules, SetPort, SetSysctl
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


FOR_ALL = [
    ("net.ipv4.ip_forward: 1", "net/ipv4/ip_forward", "ipv4", "forwarding"),
    ("net.ipv4.conf.all.forwarding: 1", "net/ipv4/conf/all/forwarding", "ipv4", "forwarding"),
    ("net.ipv6.conf.all.forwarding: 1", "net/ipv6/conf/all/forwarding", "ipv6", "forwarding"),
    (
        "net.ipv6.conf.all.ignore_routes_with_linkdown: 1",
        *("net/ipv6/conf/all/ignore_routes_with_linkdown", "ipv6", "ignore_routes_with_linkdown"),
    ),
]


@pytest.mark.parametrize(("declared", "path", "family", "key"), FOR_ALL)
def test_a_devices_sysctl_takes_after_what_is_set_of_all(
    declared: str, path: str, family: str, key: str
) -> None:
    """That was declared of the device before; a new one would be as all are."""
    text = lab().replace("net.ipv4.ip_forward: 0", declared)
    device = f"net/{family}/conf/p1/{key}"
    sysctls = {**world(snapshot()).sysctls, (HOST, path): "1", (HOST, device): "0"}
    now = World(
        snapshot(),
        sysctls={**sysctls, **{(HOST, f"net/ipv6/conf/{w}/accept_dad"): "0" for w in ALL}},
        defaults={f"net/{family}/conf/default/{key}": "0"},
        expected_rules={},
    )
    ops = [
        op for one in differences(wanted(compile_lab(parse(text, "x"))), now) for op in one.makes
    ]
    assert SetSysctl(node=HOST, path=device, value="1") in ops


@pytest.mark.parametrize(("before", "then"), [("0", "0"), ("1", "1")])
def test_what_a_line_changes_nothing_of_sets_nothing_along(before: str, then: str) -> None:
    """A host that routed before takes redirects again: the lab's line made no router of it."""
    text = lab().replace("net.ipv4.ip_forward: 0", "net.ipv4.ip_forward: 1")
    routes, takes = "net/ipv4/ip_forward", "net/ipv4/conf/all/accept_redirects"
    now = World(
        snapshot(),
        sysctls={**world(snapshot()).sysctls, (HOST, routes): "1", (HOST, takes): "7"},
        defaults={},
        expected_rules={},
        usual={HOST: {routes: before, takes: "1"}},
    )
    (one,) = differences(wanted(compile_lab(parse(text, "x"))), now)
    assert one.makes == (SetSysctl(node=HOST, path=takes, value=then),)


ALL = ("all", "default")


def test_a_node_with_ipv6_switched_on_for_all_has_no_other_default() -> None:
    """The kernel sets the default along with all, and a device made anew would be without."""
    text = lab(guest="sysctls: {net.ipv6.conf.all.disable_ipv6: 0}")
    plan = compile_lab(parse(text, "x"))
    paths = [op.path for op in plan.ops if isinstance(op, SetSysctl) and op.node == GUEST]
    assert paths == ["net/ipv6/conf/all/disable_ipv6"]
    text = lab(guest="sysctls: {net.ipv6.conf.default.disable_ipv6: 0}")
    ops = [op for op in compile_lab(parse(text, "x")).ops if isinstance(op, SetSysctl)]
    assert [(op.path.split("/")[3], op.value) for op in ops if op.node == GUEST] == [
        ("all", "1"),
        ("default", "0"),
    ]


def test_the_mtu_of_ipv6_is_set_last_and_is_usually_the_devices_own() -> None:
    """A device that comes up brings its own."""
    text = lab(guest="sysctls: {net.ipv6.conf.eth0.mtu: 1400}")
    ops = compile_lab(parse(text, "x")).ops
    last = ops[-1]
    assert isinstance(last, SetSysctl)
    assert (last.path, last.value) == ("net/ipv6/conf/eth0/mtu", "1400")
    gone = {(GUEST, "net/ipv6/conf/eth0/mtu"): "1400", (GUEST, "net/ipv6/conf/eth1/mtu"): "1400"}
    now = World(
        snapshot(),
        sysctls={**world(snapshot()).sysctls, **gone},
        defaults={"net/ipv6/conf/default/mtu": "1280"},
        expected_rules={},
    )
    (one,) = told(differences(wanted(compile_lab(parse(lab(), "x"))), now))
    assert one[1:] == ("net.ipv6.conf.eth0.mtu", "", "1400", "1500")


@pytest.mark.parametrize(
    ("bridge", "state", "more", "opened"),
    [
        ("", "listening", {}, 1),
        ("", "forwarding", {}, 0),
        ("", "blocking", {"carrier": False}, 0),
        ("stp: true", "listening", {}, 0),
    ],
)
def test_a_port_does_not_wait_without_a_spanning_tree(
    bridge: str, state: str, more: dict[str, Any], opened: int
) -> None:
    """Switched off, it leaves its ports where they were."""
    there = snapshot(BridgeState(stp=bool(bridge)))
    lo, br0, port = there.node(HOST).links
    now = snapshot(
        BridgeState(stp=bool(bridge)),
        host={"links": (lo, br0, replace(port, port_state=state, **more))},
    )
    ops = work(lab(bridge), now)
    assert ops.count(OpenPort(node=HOST, dev=P1)) == opened
    changes = told(found(lab(bridge), now))
    assert changes.count((Action.CHANGE, "p1", "state", state, "forwarding")) == opened


def test_what_nft_holds_beside_chains_is_compared() -> None:
    """A set is no chain; where it differs, the node's rules are given anew."""
    text = lab(guest="nft: 'table inet t {}'")
    goal = wanted(compile_lab(parse(text, "x")))
    one, other = (f'{{"table": {{"family": "inet", "name": "{name}"}}}}' for name in "tu")
    for now, lines in ((one, None), (other, ("- table inet u", "+ table inet t"))):
        there = world(snapshot(), objects={GUEST: (now,)}, expected_objects={GUEST: (one,)})
        differing = differences(goal, there)
        assert [op for one in differing for op in one.removes] == [ResetRules(node=GUEST)] * bool(
            lines
        )
        assert [one.change.lines for one in differing] == [lines] * bool(lines)
