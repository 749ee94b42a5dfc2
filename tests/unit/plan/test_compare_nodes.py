"""Namespaces, sysctls, rules and devices that are declared against those that there are."""

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from comparing import BR0, ETH0, GUEST, HOST, P1, found, lab, link, snapshot, told, work, world
from hopscope.model.change import Action, Subject
from hopscope.model.devices import BridgeState, PortOptions
from hopscope.model.snapshot import Chain, NodeState, Rule, Snapshot
from hopscope.model.vocab import DevName, DevRef, Family, Hook, Mac, NodeName
from hopscope.plan.compare import differences
from hopscope.plan.compile import compile_lab
from hopscope.plan.difference import Difference
from hopscope.plan.macs import mac_of
from hopscope.plan.ops import (
    AddRules,
    AddTap,
    ChangeBridge,
    ChangeDevice,
    MakeNodes,
    Plan,
    RemoveDevice,
    RemoveNodes,
    ResetRules,
    SetPort,
    SetSysctl,
    SetUp,
    SetVlans,
)
from hopscope.plan.restore import plan_of
from hopscope.plan.wanted import wanted
from hopscope.plan.world import World, rules_text
from hopscope.spec import parse

NEW, FORWARD = NodeName("new"), "net/ipv4/ip_forward"
Sysctls = Mapping[tuple[NodeName, str], str | None]


def differ(
    text: str,
    now: Snapshot,
    *,
    sysctls: Sysctls | None = None,
    defaults: Mapping[str, str] | None = None,
    rules: Mapping[NodeName, tuple[Chain, ...]] | None = None,
) -> list[Difference]:
    """How *now* differs from the lab, with these sysctls and expected rules."""
    known = {**world(now).sysctls, **(sysctls or {})}
    there = World(now, sysctls=known, defaults=defaults or {}, expected_rules=rules or {})
    return differences(wanted(compile_lab(parse(text, "lab.yaml"))), there)


def makes(difference: Difference) -> list[Any]:
    """What is done, wherever it was written."""
    return [replace(op, place=None) for op in difference.makes]


class TestNodes:
    """Namespaces."""

    def test_one_that_is_not_there_is_made_first(self) -> None:
        """With its loopback brought up."""
        text = lab().replace("links:", "  new: {}\nlinks:")
        ops = work(text, snapshot())
        assert ops[0] == MakeNodes(names=(NEW,), home=None)
        assert SetUp(node=NEW, dev=DevName("lo")) in ops

    def test_one_that_nobody_declared_goes_last(self) -> None:
        """With all that is in it: its devices are not removed one by one."""
        stray = NodeState(name=NEW, links=(link(NEW, DevName("e"), "dummy"),))
        now = Snapshot(nodes=(*snapshot().nodes, stray))
        assert told(found(lab(), now)) == [(Action.REMOVE, "new", "", None, None)]
        assert work(lab(), now) == [RemoveNodes(names=(NEW,))]


class TestSysctls:
    """Values that were declared, and that are no longer."""

    @pytest.mark.parametrize(("now", "action"), [("1", Action.CHANGE), (None, Action.CREATE)])
    def test_one_that_differs_is_set(self, now: str | None, action: Action) -> None:
        """Also one of which nothing is known, as its device is not there yet."""
        (one,) = differ(lab(), snapshot(), sysctls={(HOST, FORWARD): now})
        assert told([one]) == [(action, "net.ipv4.ip_forward", "", now, "0")]
        assert makes(one) == [SetSysctl(node=HOST, path=FORWARD, value="0")]

    def test_blanks_make_no_difference(self) -> None:
        """The kernel writes tabs between numbers."""
        text = lab(guest='sysctls: {net.ipv4.ping_group_range: "0 7"}')
        path = "net/ipv4/ping_group_range"
        assert differ(text, snapshot(), sysctls={(GUEST, path): "0\t7"}) == []

    def test_one_that_is_no_longer_declared_is_as_in_a_fresh_namespace(self) -> None:
        """Where that is known, and it is not so already."""
        there: Sysctls = {(GUEST, FORWARD): "1"}
        (one,) = differ(lab(), snapshot(), sysctls=there, defaults={FORWARD: "0"})
        assert makes(one) == [SetSysctl(node=GUEST, path=FORWARD, value="0")]
        assert one.change.why == "not declared"
        assert differ(lab(), snapshot(), sysctls=there) == []
        assert differ(lab(), snapshot(), sysctls=there, defaults={FORWARD: "1"}) == []

    def test_ipv6_comes_on_because_an_address_of_it_is_declared(self) -> None:
        """Nobody declares that it is on."""
        path = "net/ipv6/conf/all/disable_ipv6"
        found = differ(
            lab(guest="addresses: {eth0: 'fd00::1/64'}"),
            snapshot(),
            sysctls={(GUEST, path): "1"},
            defaults={path: "0"},
        )
        why = {one.change.name: one.change.why for one in found}
        assert why["net.ipv6.conf.all.disable_ipv6"] == "an address of IPv6 is declared"

    def test_one_of_a_device_takes_after_the_default(self) -> None:
        """Of its node, where that is declared; it goes with its device."""
        path, default = "net/ipv4/conf/eth0/rp_filter", "net/ipv4/conf/default/rp_filter"
        there: Sysctls = {(GUEST, path): "1"}
        fresh = {default: "2"}
        (one,) = differ(lab(), snapshot(), sysctls=there, defaults=fresh)
        assert makes(one) == [SetSysctl(node=GUEST, path=path, value="2")]
        text = lab(guest="sysctls: {net.ipv4.conf.default.rp_filter: 0}")
        known: Sysctls = {**there, (GUEST, default): "0"}
        (one,) = differ(text, snapshot(), sysctls=known, defaults=fresh)
        assert makes(one) == [SetSysctl(node=GUEST, path=path, value="0")]
        gone: Sysctls = {(GUEST, "net/ipv4/conf/away/rp_filter"): "1"}
        assert differ(lab(), snapshot(), sysctls=gone, defaults=fresh) == []

    def test_one_that_was_set_is_again_what_it_was(self) -> None:
        """Which need not be what it is in a fresh namespace."""
        there = World(
            snapshot(),
            sysctls={**world(snapshot()).sysctls, (GUEST, FORWARD): "0"},
            defaults={FORWARD: "0"},
            expected_rules={},
            was={(GUEST, FORWARD): "1"},
        )
        (one,) = differences(wanted(compile_lab(parse(lab(), "lab.yaml"))), there)
        assert makes(one) == [SetSysctl(node=GUEST, path=FORWARD, value="1")]
        assert one.change.why == "not declared"

    def test_a_default_is_given_to_the_devices_that_are_there(self) -> None:
        """As if they came now; to loopback as well, which comes up after the lines."""
        default = "net/ipv4/conf/default/rp_filter"
        text = lab(guest="sysctls: {net.ipv4.conf.default.rp_filter: 1}")
        (one,) = differ(text, snapshot(), sysctls={(GUEST, default): "0"})
        assert makes(one) == [
            SetSysctl(node=GUEST, path=path, value="1")
            for path in (default, *(default.replace("default", dev) for dev in ("lo", "eth0")))
        ]


CHAIN = Chain(
    family=Family.IP,
    table="filter",
    name="INPUT",
    hook=Hook.INPUT,
    type="filter",
    priority=0,
    policy="accept",
    rules=(Rule(handle=3, text="-A INPUT -j DROP", packets=9),),
)
RULED = lab(guest="iptables: ['-A INPUT -j DROP']")


def chained(*chains: Chain) -> Snapshot:
    """With these in the guest."""
    return snapshot(guest={"chains": chains})


class TestRules:
    """A node's rules are one whole."""

    def test_what_is_as_declared_does_not_differ(self) -> None:
        """Whatever was counted, and whatever handles the kernel gave."""
        expected = replace(CHAIN, rules=(Rule(handle=1, text="-A INPUT -j DROP", packets=0),))
        ours = replace(CHAIN, table="hopscope-log", ours=True)
        empty = replace(CHAIN, name="FORWARD", rules=())
        now = chained(empty, CHAIN, ours)
        assert differ(RULED, now, rules={GUEST: (expected,)}) == []

    def test_they_come(self) -> None:
        """Where there are none, nothing is removed before."""
        (one,) = differ(RULED, snapshot(), rules={GUEST: (CHAIN,)})
        assert (one.change.action, one.change.subject) == (Action.CREATE, Subject.RULES)
        assert one.removes == ()
        assert isinstance(one.makes[0], AddRules)
        assert one.change.place is not None

    def test_they_come_anew(self) -> None:
        """All of them, though one policy differs."""
        other = replace(CHAIN, policy="drop")
        (one,) = differ(RULED, chained(other), rules={GUEST: (CHAIN,)})
        assert one.change.action is Action.CHANGE
        assert one.removes == (ResetRules(node=GUEST),)
        assert isinstance(one.makes[0], AddRules)
        assert one.change.lines == (
            "- ip filter INPUT hook input priority 0 policy drop",
            "+ ip filter INPUT hook input priority 0 policy accept",
        )

    def test_they_go(self) -> None:
        """Where none are declared."""
        (one,) = differ(lab(), chained(CHAIN))
        assert one.change.action is Action.REMOVE
        assert (one.removes, one.makes) == ((ResetRules(node=GUEST),), ())

    def test_a_node_that_is_made_is_given_its_rules(self) -> None:
        """Though nobody knows yet what they would be listed as."""
        now = Snapshot(nodes=(snapshot().node(HOST),))
        made = [op for one in differ(RULED, now) for op in one.makes if isinstance(op, AddRules)]
        assert [op.node for op in made] == [GUEST]

    def test_a_chain_that_only_its_policy_fills_counts(self) -> None:
        """And one that is jumped to; an empty one that lets all pass does nothing."""
        quiet = replace(CHAIN, rules=())
        assert rules_text((quiet,)) == ()
        assert len(rules_text((replace(quiet, policy="drop"),))) == 1
        assert len(rules_text((replace(quiet, hook=None, policy=None),))) == 1


OTHER = Mac("02:00:00:00:00:99")


class TestDevices:
    """Attributes of devices that stay."""

    @pytest.mark.parametrize(
        ("text", "change", "op"),
        [
            (
                lab(end=f"mac: '{OTHER}'"),
                ("mac", mac_of(DevRef(GUEST, ETH0)), OTHER),
                ChangeDevice(node=GUEST, dev=ETH0, mac=OTHER),
            ),
            (
                lab("nf_call_iptables: true"),
                ("nf_call_iptables", "off", "on"),
                ChangeBridge(node=HOST, dev=BR0, nf_call_iptables=True),
            ),
            (
                lab("ageing: 20"),
                ("ageing", "300 s", "20 s"),
                ChangeBridge(node=HOST, dev=BR0, ageing=20),
            ),
            (
                lab(guest="down: [eth0]"),
                ("state", "up", "down"),
                ChangeDevice(node=GUEST, dev=ETH0, up=False),
            ),
        ],
    )
    def test_each_is_changed_by_itself(
        self, text: str, change: tuple[str, str, str], op: object
    ) -> None:
        """With the values before and after."""
        (one,) = found(text, snapshot())
        ((_, _, *values),) = told([one])
        assert tuple(values) == change
        assert makes(one) == [op]

    def test_the_mtu_of_a_link_is_that_of_its_ends_and_of_their_bridge(self) -> None:
        """Nobody chose the bridge's."""
        text = lab().replace("- {ends", "- {mtu: 1400, ends")
        assert told(found(text, snapshot())) == [
            (Action.CHANGE, name, "mtu", "1500", "1400") for name in ("br0", "p1", "eth0")
        ]

    def test_the_other_end_of_what_is_made_anew_is_not_told_again(self) -> None:
        """The declared end takes the name; what it was joined to goes with it."""
        lo = snapshot().node(GUEST).links[0]
        stray = link(GUEST, DevName("y"), peer=DevRef(HOST, P1))
        now = snapshot(guest={"links": (lo, stray)})
        host = now.node(HOST)
        links = tuple(
            replace(one, peer=DevRef(GUEST, stray.name)) if one.name == P1 else one
            for one in host.links
        )
        now = Snapshot(nodes=(replace(host, links=links), now.node(GUEST)))
        (one,) = found(lab(), now)
        assert one.change.why == "what has that name is another device, and is removed"
        assert one.removes == (RemoveDevice(node=HOST, dev=P1),)

    def test_a_tap_is_made_and_told_as_a_plan(self) -> None:
        """It is set up as a device of its own."""
        text = lab(guest="devices: {t: {kind: tap, mtu: 1400}}")
        made, up, *_rest = work(text, snapshot())
        assert made == AddTap(node=GUEST, name=DevName("t"))
        assert isinstance(up, SetUp)
        there = link(GUEST, DevName("t"), "tap", mtu=1400, index=3)
        now = snapshot(guest={"links": (*snapshot().node(GUEST).links, there)})
        assert told(found(text, now)) == []
        plan = plan_of(now, world(now).sysctls, {})
        assert AddTap(node=GUEST, name=DevName("t")) in plan.ops
        assert told(differences(wanted(plan), world(now))) == []


class TestPortsThatJoin:
    """A port that comes into a bridge begins with what is usual."""

    NOW = snapshot(host={"links": snapshot().node(HOST).links[:2]}, guest={"links": ()})

    def test_options_are_set_once(self) -> None:
        """Each that is not usual is told."""
        ones = [
            one
            for one in found(lab(port="isolated: true, cost: 5"), self.NOW)
            if one.change.subject is Subject.PORT
        ]
        assert told(ones) == [
            (Action.CREATE, "p1", "isolated", None, "on"),
            (Action.CREATE, "p1", "cost", None, "5"),
        ]
        options = PortOptions(isolated=True, cost=5)
        assert {type(op) for one in ones for op in one.makes} == {SetPort}
        assert makes(ones[0]) == makes(ones[1]) == [SetPort(node=HOST, dev=P1, options=options)]

    def test_one_of_which_nothing_is_said_needs_nothing(self) -> None:
        """Nor does one that joins another bridge than it was in."""
        elsewhere = tuple(
            replace(one, master=DevName("br9")) if one.name == P1 else one
            for one in snapshot().node(HOST).links
        )
        for now in (self.NOW, snapshot(host={"links": elsewhere})):
            subjects = {one.change.subject for one in found(lab(), now)}
            assert Subject.PORT not in subjects
            assert subjects

    def test_it_joins_its_vlans(self) -> None:
        """Those that are declared, in one operation."""
        text = lab("vlan_filtering: true", "vlans: [5, {vid: 7, pvid: true}]")
        now = snapshot(
            host={
                "links": (
                    snapshot().node(HOST).links[0],
                    replace(
                        snapshot().node(HOST).links[1], bridge=BridgeState(vlan_filtering=True)
                    ),
                )
            },
            guest={"links": ()},
        )
        (one,) = (one for one in found(text, now) if one.change.name == "p1" and one.change.after)
        assert one.change.after == "5, 7 pvid"
        assert isinstance(one.makes[0], SetVlans)


def test_whose_a_device_is_does_not_change_how_it_is() -> None:
    """Marks of devices of a real host are no part of the state."""
    lab_of = parse(lab(), "lab.yaml")
    assert wanted(compile_lab(lab_of, on_host=True)).devices.keys() == (
        wanted(compile_lab(lab_of)).devices.keys()
    )


def test_a_state_follows_from_what_builds_alone() -> None:
    """An operation that changes a lab which stands has no place in a plan for fresh namespaces."""
    with pytest.raises(TypeError, match="removing the namespaces new"):
        wanted(Plan(ops=(RemoveNodes(names=(NEW,)),), indexes={}))
