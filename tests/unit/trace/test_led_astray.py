"""What leads a packet astray below or beside the usual tables, where no recording shows it."""

import pytest
from msgspec.structs import replace

from hopscope.model.events import FrameSeen, Observation
from hopscope.model.flow import Arp, Headers, Ip
from hopscope.model.journey import (
    BridgeStep,
    HookStep,
    Reason,
    ReceiveStep,
    RouteStep,
    Step,
)
from hopscope.model.snapshot import Chain, FdbEntry, PolicyRule, Route, Rule, Snapshot
from hopscope.model.vocab import (
    Action,
    DevName,
    DevRef,
    Direction,
    Family,
    Hook,
    Mac,
    Nanos,
    NodeName,
    PktType,
    Verdict,
)
from hopscope.trace.causes import firewall, links, resolution, returning
from hopscope.trace.causes.tables import rule_removal
from hopscope.trace.identify import Sighting
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.stitch import weave
from smalllabs import lab, mac_of
from tracecases import BASIS, changed, hop, sent, with_link

A, B, SW = NodeName("a"), NodeName("b"), NodeName("sw")
BR0, E, P1, P2 = map(DevName, ("br0", "e", "p1", "p2"))
ADDRESSES = {"a/e": "10.0.0.1/24", "b/e": "10.0.0.2/24"}
FLAT = lab(["a/e = sw/p1@br0", "b/e = sw/p2@br0"], addresses=ADDRESSES)
DOWN: dict[str, object] = {"up": False, "carrier": False}


def scene(snapshot: Snapshot = FLAT) -> Scene:
    """A scene in which nothing was seen."""
    return Scene(
        before=snapshot,
        after=snapshot,
        observation=Observation(events=(), lost=0),
        packets=(),
        replied=frozenset(),
    )


def question(target: str = "10.0.0.2") -> Packet:
    """An ARP request of which nothing was seen."""
    arp = Arp(
        op=1,
        sender_mac=mac_of(DevRef(A, E)),
        sender_ip="10.0.0.1",
        target_mac=Mac("00:00:00:00:00:00"),
        target_ip=target,
    )
    return Packet(key=("arp",), headers=Headers(arp=arp), sightings=(), traversals=())


def got(dev: str, pkttype: PktType = PktType.HOST) -> ReceiveStep:
    """A device received it."""
    return ReceiveStep(dev=DevName(dev), at=Nanos(1), pkttype=pkttype, basis=BASIS)


class TestLinks:
    """What carries nothing, or leads elsewhere."""

    @pytest.mark.parametrize(
        ("ref", "said", "mend"),
        [
            ("b/e", "is down", "hopscope exec LAB b -- ip link set dev e up"),
            (
                "sw/p2",
                "has none: sw/p2 is down",
                "hopscope exec LAB sw -- ip link set dev p2 up",
            ),
            (None, "has none", ""),
        ],
    )
    def test_a_macvlan_has_the_carrier_of_the_device_below(
        self, ref: str | None, said: str, mend: str
    ) -> None:
        """Which has none when its other end is down, or for a reason that nobody knows."""
        below = DevRef(B, E)
        over = with_link(FLAT, "a/e", carrier=False, macvlan="bridge", over=below, peer=None)
        out = HookStep(
            family=Family.ARP,
            hook=Hook.OUTPUT,
            chains=(),
            verdict=Verdict.ACCEPT,
            basis=BASIS,
            oif=E,
        )
        snapshot = with_link(over, ref, **DOWN) if ref is not None else over
        why = links.not_sent(question(), hop("a", out), scene(snapshot))
        assert why is not None
        lies = f"a/e has no carrier: b/e, which it lies over, {said}"
        assert (why.sentence, why.mend) == (f"{lies}, so nothing leaves through it", mend)

    @pytest.mark.parametrize("ref", ["b/e", "sw/p2"])
    def test_an_owner_is_cut_off_with_the_device_below_it(self, ref: str) -> None:
        """Down itself, or without another end."""
        snapshot = lab(
            ["a/e = sw/p1@br0", "b/e = sw/p2@br0"],
            addresses={"a/e": "10.0.0.1/24", "c/m": "10.0.0.2/24"},
        )
        snapshot = with_link(snapshot, "c/m", macvlan="bridge", over=DevRef(B, E))
        asked = hop("a", sent("e"), onward=(hop("sw", got("p1"), came_in="p1"),))
        why = resolution.unanswered(question(), asked, scene(snapshot))
        assert why is not None
        assert why.code == "no-layer-2-path"
        why = resolution.unanswered(question(), asked, scene(with_link(snapshot, ref, **DOWN)))
        assert why is not None
        assert why.mend.endswith(f"ip link set dev {ref.partition('/')[2]} up")

    @pytest.mark.parametrize(
        ("port", "owner", "said"),
        [
            ("p1", "b/e", "names p1, by which it came in, and b/e, whose address that is, is"),
            ("p3", "b/e", "names p3, and b/e, whose address that is, is behind p2"),
            ("p2", "b/e", ""),  # as it should be
            ("p1", "c/e", ""),  # which nobody has
            ("p1", "far/e", ""),  # which is behind no port that is known
        ],
    )
    def test_an_entry_that_leads_elsewhere(self, port: str, owner: str, said: str) -> None:
        """The port is that which leads to the device that has the address."""
        snapshot = lab(
            ["a/e = sw/p1@br0", "b/e = sw/p2@br0"], addresses={**ADDRESSES, "far/e": "10.9.0.1/24"}
        )
        node, dev = owner.split("/")
        mac = mac_of(DevRef(NodeName(node), DevName(dev)))
        step = BridgeStep(
            bridge=BR0,
            action=Action.DROP,
            came_in=P1,
            out=(),
            entry=FdbEntry(bridge=BR0, mac=mac, port=DevName(port)),
            learnt=None,
            basis=BASIS,
        )
        first = hop("sw", got("p1", PktType.OTHERHOST), step, came_in="p1")
        why = links.wrong_port(question(), first, scene(snapshot))
        assert (why is not None) == bool(said)
        assert why is None or (said in why.sentence and f"dev {port} master" in why.mend)


def chain(name: str, *rules: str, policy: str = "accept", counted: bool = False) -> Chain:
    """A chain of a device, at ingress."""
    return Chain(
        family=Family.NETDEV,
        table="t",
        name=name,
        hook=Hook.INGRESS,
        type="filter",
        priority=0,
        policy=policy,
        rules=tuple(
            Rule(handle=number, text=text, packets=0 if counted else None)
            for number, text in enumerate(rules, 2)
        ),
    )


LOOK = "look at its rules: hopscope exec LAB sw -- nft list chain netdev t "


@pytest.mark.parametrize(
    ("chains", "said", "mend"),
    [
        (
            [chain("c", "ip ttl 1 drop", "accept")],
            ": netdev t c, by its rule `ip ttl 1 drop`",
            "hopscope exec LAB sw -- nft delete rule netdev t c handle 2",
        ),
        (
            [chain("c", "accept", policy="drop")],
            ": netdev t c, whose policy is drop",
            "hopscope exec LAB sw -- nft 'chain netdev t c { policy accept; }'",
        ),
        ([chain("c", "drop", policy="drop")], " (netdev t c)", f"{LOOK}c"),
        ([chain("c", "ip ttl 1 drop", "ip ttl 2 drop")], " (netdev t c)", f"{LOOK}c"),
        ([chain("c", "drop", counted=True)], " (netdev t c)", f"{LOOK}c"),
        (
            [chain("c", policy="drop"), chain("d", policy="drop")],
            " (netdev t c, netdev t d)",
            f"{LOOK}c; hopscope exec LAB sw -- nft list chain netdev t d",
        ),
    ],
)
def test_a_chain_of_a_device_that_does_not_count(chains: list[Chain], said: str, mend: str) -> None:
    """What alone can have dropped it is named; of several, the chains are to be looked at."""
    snapshot = changed(FLAT, "sw", chains=tuple(chains))
    why = firewall.device_chain(question(), hop("sw", got("p1"), came_in="p1"), scene(snapshot))
    assert why is not None
    assert why.sentence.endswith(f"a chain of the device itself can have dropped it{said}")
    assert why.mend == mend


@pytest.mark.parametrize(("lost", "blind"), [(0, ()), (1, ()), (0, ("b: no hook was watched",))])
def test_what_no_hook_saw_asked_for_no_route(lost: int, blind: tuple[str, ...]) -> None:
    """Unless it may have met hooks that were lost, or that nobody watched."""
    headers = Headers(ip=Ip(version=4, src="10.0.0.1", dst="10.9.0.9", proto=1, ttl=64, length=84))
    event = FrameSeen(
        dev=DevRef(B, E),
        at=Nanos(1),
        direction=Direction.RECEIVE,
        pkttype=PktType.HOST,
        length=98,
        frame=bytes(98),
    )
    packet = Packet(
        key=("x",),
        headers=headers,
        sightings=(Sighting(event=event, headers=headers),),
        traversals=(),
    )
    seen_so = replace(scene(), observation=Observation(events=(), lost=lost, blind=blind))
    kinds = [step.kind for step in weave(packet, seen_so).first.steps]
    assert kinds == (["receive", "route"] if lost or blind else ["receive"])


def rule(**changes: object) -> PolicyRule:
    """A policy rule that asks a table of its own."""
    made = PolicyRule(family=Family.IP, priority=1001, table=101, source="10.0.0.0/24")
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "ip rule del from 10.0.0.0/24 priority 1001 lookup 101"),
        (
            {"table": 0, "action": "blackhole", "conditions": ("iif",), "values": {"iif": "e"}},
            "ip rule del from 10.0.0.0/24 iif e priority 1001 blackhole",
        ),
        (
            {
                "family": Family.IP6,
                "source": None,
                "destination": "fd00::/64",
                "action": "prohibit",
                "table": 0,
            },
            "ip -6 rule del from all to fd00::/64 priority 1001 prohibit",
        ),
        (
            {"conditions": ("iif",), "values": {"iif": "$(id)"}},
            "ip rule del from 10.0.0.0/24 iif '$(id)' priority 1001 lookup 101",
        ),
        ({"conditions": ("not", "iif"), "values": {"iif": "e"}}, "ip rule del priority 1001"),
    ],
)
def test_the_command_that_takes_a_policy_rule_away(changes: dict[str, object], words: str) -> None:
    """All that it asks, where that is known; else its priority."""
    assert rule_removal(A, rule(**changes)) == f"hopscope exec LAB a -- {words}"


DEFAULT = Route(
    family=Family.IP,
    destination="0.0.0.0/0",
    table=101,
    type="unicast",
    dev=P2,
    via="10.9.0.1",
)
GATEWAY = lab(
    ["a/e = gw/p1", "b/e = gw/p2", "c/e = gw/p3"],
    addresses={"gw/p1": "10.0.0.254/24", "gw/p2": "10.9.0.2/24", "gw/p3": "10.3.0.1/24"},
)
ASKED = RouteStep(destination="10.3.0.3", route="default", dev=P2, via="10.9.0.1", basis=BASIS)


def lost(code: str = "no-route") -> Reason:
    """A reason that is told of another node."""
    return Reason(code=code, sentence="b has no route", at=None, basis=BASIS, mend="add one")


@pytest.mark.parametrize(
    ("code", "route", "rules", "step", "said"),
    [
        (
            "no-route",
            DEFAULT,
            [rule()],
            ASKED,
            "rule 1001 (from 10.0.0.0/24) and its route `default via 10.9.0.1 dev p2 table 101`",
        ),
        ("no-route", replace(DEFAULT, table=254), [], ASKED, "by its route `default via 10.9.0.1"),
        ("no-route", DEFAULT, [], ASKED, ""),  # by what is not known
        ("no-route", DEFAULT, [rule()], replace(ASKED, destination="10.7.0.7"), ""),
        ("rule-drop", DEFAULT, [rule()], ASKED, ""),
        ("no-route", replace(DEFAULT, via=None), [rule()], ASKED, ""),
        ("no-route", DEFAULT, [rule()], None, ""),
    ],
)
def test_who_sent_it_past_its_own_subnet(
    code: str, route: Route, rules: list[PolicyRule], step: RouteStep | None, said: str
) -> None:
    """It is named where the node that had it then is not to blame."""
    there = changed(GATEWAY, "gw", routes=(route,), policy_rules=tuple(rules))
    steps: list[Step] = [got("p1"), *([step] if step is not None else []), sent("p2")]
    first = hop("gw", *steps, came_in="p1", onward=(hop("b", got("e"), came_in="e"),))
    headers = Headers(ip=Ip(version=4, src="10.0.0.1", dst="10.3.0.3", proto=1, ttl=64, length=84))
    packet = Packet(key=("x",), headers=headers, sightings=(), traversals=())
    why = returning.sent_away(lost(code), packet, first, scene(there))
    assert (why == lost(code)) == (not said)
    assert said in why.sentence
