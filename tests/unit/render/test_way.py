"""A journey as a tree of points: what follows what, and which hooks lie between."""

from msgspec.structs import replace

from hopscope.model.journey import HookStep, PassUpStep, TransmitStep
from hopscope.model.vocab import DevName, Family, Hook, Nanos, NodeName, PktType, Verdict, seen
from hopscope.render.way import Point, bridges_crossed, entered_stacks, way
from reportcases import echo, flood


def told(points: tuple[Point, ...]) -> list[tuple[str, str, int | None]]:
    """Each point in short."""
    return [(str(point.dev), point.what, point.parent) for point in points]


def test_each_point_follows_the_one_that_led_to_it() -> None:
    assert told(way(echo())) == [
        ("ns1/veth1a", "sent", None),
        ("host/veth1b", "received", 0),
        ("host/br0", "copied up", 1),
        ("host/veth2b", "sent", 1),
        ("ns2/veth2a", "received", 3),
    ]


def test_nothing_follows_from_the_capture_s_own_copy() -> None:
    """Even when it is told before the frame went on: that frame came from the port."""
    journey = echo()
    host = journey.first.onward[0]
    copy = [step for step in host.steps if isinstance(step, PassUpStep)]
    sent = [step for step in host.steps if isinstance(step, TransmitStep)]
    others = [step for step in host.steps if step not in (*copy, *sent)]
    turned = replace(host, steps=(*others[:2], *copy, *sent))
    first = replace(journey.first, onward=(turned,))
    assert told(way(replace(journey, first=first))) == told(way(journey))


def test_a_copy_without_a_time_stands_before_what_went_on() -> None:
    """The kernel makes it first, and gives it no time stamp of its own."""
    journey = echo()
    host = journey.first.onward[0]
    steps = tuple(replace(s, at=None) if isinstance(s, PassUpStep) else s for s in host.steps)
    first = replace(journey.first, onward=(replace(host, steps=steps),))
    points = way(replace(journey, first=first))
    assert told(points) == told(way(journey))
    assert points[2].at is None


def test_what_the_stack_got_is_what_it_forwards() -> None:
    """A copy for the bridge's own address goes up, and what the stack sends follows from it."""
    journey = echo(copy=False)
    host = journey.first.onward[0]
    up = PassUpStep(
        bridge=DevName("br0"),
        at=Nanos(journey.started + 700),
        because="own-address",
        pkttype=PktType.HOST,
        basis=seen("packet socket on host/br0"),
    )
    routed = replace(host, steps=(host.steps[0], up, host.steps[-1]))
    points = way(replace(journey, first=replace(journey.first, onward=(routed,))))
    assert told(points)[2:4] == [("host/br0", "copied up", 1), ("host/veth2b", "sent", 2)]


def _hook(oif: str) -> HookStep:
    return HookStep(
        family=Family.BRIDGE,
        hook=Hook.FORWARD,
        chains=(),
        verdict=Verdict.DROP,
        basis=seen("trace"),
        oif=DevName(oif),
    )


def test_each_branch_of_a_flood_has_its_own_hooks() -> None:
    """A hook towards another port is not on the way to this one."""
    first = flood(2)
    steps = (*first.steps[:2], _hook("v0"), _hook("v1"), *first.steps[2:])
    points = way(replace(echo(), first=replace(first, steps=steps)))
    hooks = {str(point.dev): [hook.oif for hook in point.hooks] for point in points}
    assert hooks["host/v0"] == ["v0"]
    assert hooks["host/v1"] == ["v1"]


def test_only_what_leads_to_the_goal_arrives() -> None:
    assert [point.arrives for point in way(echo())] == [True, True, False, True, True]
    assert [point.delivered for point in way(echo())] == [False] * 4 + [True]


def test_a_bridge_does_not_enter_its_node_s_stack() -> None:
    """The ends had the packet in their stacks; the host between them did not."""
    assert [str(ref) for ref in bridges_crossed(echo())] == ["host/br0"]
    assert entered_stacks(echo(switch=1)) == {NodeName("ns1"), NodeName("ns2")}


def test_an_ip_input_hook_is_the_stack() -> None:
    journey = echo(copy=False)
    host = journey.first.onward[0]
    hook = replace(_hook("br0"), family=Family.IP, hook=Hook.INPUT, oif=None)
    entered = replace(host, steps=(*host.steps, hook))
    journey = replace(journey, first=replace(journey.first, onward=(entered,)))
    assert NodeName("host") in entered_stacks(journey)
