"""Comments on frames: each decision stands at the frame after which it was made."""

from hypothesis import given
from msgspec.structs import replace

from hopscope.model.events import FrameSeen
from hopscope.model.flow import Headers
from hopscope.model.journey import (
    DeliverStep,
    DropStep,
    HookStep,
    Hop,
    Journey,
    PassUpStep,
    Reason,
    ReceiveStep,
    RouteStep,
    Step,
    TransmitStep,
)
from hopscope.model.vocab import (
    DevName,
    DevRef,
    Direction,
    Family,
    Fate,
    Hook,
    Nanos,
    NodeName,
    PktType,
    Verdict,
    seen,
)
from hopscope.render.comments import frame_comments
from strategies import journeys

HOST, NS1 = NodeName("host"), NodeName("ns1")
BASIS = seen("the test")


def frame(node: NodeName, dev: str, at: int, direction: Direction) -> FrameSeen:
    """A frame without bytes."""
    ref = DevRef(node, DevName(dev))
    return FrameSeen(
        at=Nanos(at), dev=ref, direction=direction, pkttype=PktType.HOST, frame=b"", length=0
    )


def hook(which: Hook, verdict: Verdict = Verdict.ACCEPT) -> HookStep:
    """A hook without chains."""
    return HookStep(family=Family.IP, hook=which, chains=(), verdict=verdict, basis=BASIS)


def sent(dev: str, at: int | None) -> TransmitStep:
    """Through a device."""
    return TransmitStep(dev=DevName(dev), at=Nanos(at) if at is not None else None, basis=BASIS)


def received(dev: str, at: int) -> ReceiveStep:
    """On a device."""
    return ReceiveStep(dev=DevName(dev), at=Nanos(at), pkttype=PktType.HOST, basis=BASIS)


def hop(node: NodeName, *steps: Step, onward: tuple[Hop, ...] = ()) -> Hop:
    """A hop of these steps."""
    return Hop(node=node, came_in=None, came_from=None, steps=steps, onward=onward)


def journey(first: Hop, reason: Reason | None = None) -> Journey:
    """One that was delivered, or with a reason dropped."""
    fate = Fate.DROPPED if reason else Fate.DELIVERED
    return Journey(
        title="x", headers=Headers(), started=Nanos(0), first=first, fate=fate, reason=reason
    )


ROUTE = RouteStep(destination="10.0.0.2", route="default", dev=None, via=None, basis=BASIS)
OUT = frame(NS1, "veth1a", 1, Direction.TRANSMIT)
IN = frame(HOST, "veth1b", 1, Direction.RECEIVE)
UP = frame(HOST, "br0", 2, Direction.RECEIVE)
ON = frame(HOST, "veth2b", 3, Direction.TRANSMIT)
SEEN = (OUT, IN, UP, ON)
LOST = Reason(code="rule-drop", sentence="a rule dropped it", at=None, basis=BASIS)


def test_what_comes_before_the_first_device_stands_at_it() -> None:
    """A packet born here passes OUTPUT before any frame of it exists."""
    born = hop(NS1, ROUTE, hook(Hook.OUTPUT), hook(Hook.POSTROUTING), sent("veth1a", 1))
    assert frame_comments([journey(born)], SEEN) == {
        0: "ns1: hook ip output: no chain\nns1: hook ip postrouting: no chain"
    }


def test_what_comes_between_two_devices_stands_at_the_first() -> None:
    """Up a bridge too; a drop is told like a hook, and a delivery is not."""
    up = PassUpStep(
        bridge=DevName("br0"), at=Nanos(2), because="group", pkttype=PktType.BROADCAST, basis=BASIS
    )
    gone = DropStep(reason="nobody asked", where="br0", basis=BASIS, expected=True)
    there = hop(
        HOST,
        received("veth1b", 1),
        hook(Hook.FORWARD),
        up,
        gone,
        sent("veth2b", 3),
        DeliverStep(to="x", basis=BASIS),
    )
    whole = journey(hop(NS1, sent("veth1a", 1), onward=(there,)))
    assert frame_comments([whole], SEEN) == {
        1: "host: hook ip forward: no chain",
        2: "host: ends: nobody asked",
    }


def test_a_copy_without_a_time_stands_at_the_bridge_s_frame() -> None:
    """The kernel stamps a frame once: the copy's frame has the time of the one on the port."""
    up = PassUpStep(
        bridge=DevName("br0"),
        at=None,
        because="promiscuous",
        pkttype=PktType.OTHERHOST,
        basis=BASIS,
    )
    gone = DropStep(reason="for the capture", where="br0", basis=BASIS, expected=True)
    there = hop(HOST, received("veth1b", 1), sent("veth2b", 3), up, gone)
    whole = journey(hop(NS1, sent("veth1a", 1), onward=(there,)))
    copy = replace(UP, at=IN.at)
    assert frame_comments([whole], (OUT, IN, copy, ON)) == {2: "host: ends: for the capture"}
    assert frame_comments([whole], (OUT, IN, ON)) == {1: "host: ends: for the capture"}


def test_the_fate_of_a_lost_packet_stands_at_its_last_frame() -> None:
    """After what was said there already."""
    there = hop(HOST, received("veth1b", 1), hook(Hook.FORWARD, Verdict.DROP))
    lost = journey(hop(NS1, sent("veth1a", 1), onward=(there,)), LOST)
    assert frame_comments([lost], SEEN) == {
        1: "host: hook ip forward: DROPPED\ndropped: a rule dropped it"
    }


def test_a_frame_that_was_not_captured_leaves_its_words_to_the_one_before() -> None:
    """And a packet of which no frame was captured has no comment."""
    there = hop(HOST, received("eth9", 7), hook(Hook.INPUT))
    known = journey(hop(NS1, sent("veth1a", 1), onward=(there,)))
    assert frame_comments([known], SEEN) == {0: "host: hook ip input: no chain"}
    unknown = journey(hop(NS1, hook(Hook.OUTPUT, Verdict.DROP)), LOST)
    assert frame_comments([unknown], SEEN) == {}
    timeless = journey(hop(NS1, hook(Hook.OUTPUT), sent("veth1a", None)))
    assert frame_comments([timeless], SEEN) == {}


def test_two_packets_may_share_a_frame_s_comment() -> None:
    """Each says its own."""
    born = journey(hop(NS1, hook(Hook.OUTPUT), sent("veth1a", 1)))
    said = frame_comments([born, born], SEEN)
    assert said[0].splitlines() == ["ns1: hook ip output: no chain"] * 2


@given(journeys)
def test_comments_name_frames_that_are_there(one: Journey) -> None:
    """By their number."""
    assert set(frame_comments([one], SEEN)) <= set(range(len(SEEN)))
