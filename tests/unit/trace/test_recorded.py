"""Pings that real kernels answered, or did not, are told as they were; loss is told as loss."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hopscope.model.events import Event, FrameSeen, RuleHit
from hopscope.model.journey import BridgeStep, PassUpStep, hops
from hopscope.model.vocab import Fate, Nanos
from hopscope.trace.journeys import MOST_ALIKE, journeys
from hopscope.trace.replies import why_no_reply
from journeycases import CASES, FOLDER, Case, told

NAMED = {case.name: case for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_recording_is_told_as_it_was(case: Case) -> None:
    """Every journey, hop, step, fate and reason; see tests/golden/record_journeys.py."""
    assert told(case) == (FOLDER / f"{case.name}.txt").read_text()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_order_of_frames_is_that_of_their_time_stamps(case: Case) -> None:
    """Sockets are read one after the other; only trace messages must stay in order."""
    events = list(case.observation.events)
    frames = [event for event in events if isinstance(event, FrameSeen)]
    random.Random(1).shuffle(frames)  # noqa: S311 - no secret
    others = [event for event in events if not isinstance(event, FrameSeen)]
    assert told(case, case.scene([*frames, *others])) == told(case)


def some_events(case: Case) -> st.SearchStrategy[list[Event]]:
    """A part of a case's events, in any order."""
    events = case.observation.events
    chosen = st.sets(st.integers(0, len(events) - 1))
    return st.builds(
        lambda kept, order: shuffled([events[number] for number in sorted(kept)], order),
        chosen,
        st.one_of(st.none(), st.integers()),
    )


def shuffled(events: list[Event], order: int | None) -> list[Event]:
    """In their order, or in another."""
    if order is not None:
        random.Random(order).shuffle(events)  # noqa: S311 - no secret
    return events


def mixed(names: Sequence[str]) -> st.SearchStrategy[tuple[Case, list[Event]]]:
    """A case and a part of its events."""
    cases = [NAMED[name] for name in names]
    return st.sampled_from(cases).flatmap(lambda case: st.tuples(st.just(case), some_events(case)))


@settings(max_examples=150)
@given(mixed([case.name for case in CASES]))
def test_lost_or_disordered_events_never_raise(given_part: tuple[Case, list[Event]]) -> None:
    """Whatever is missing, every packet ends somehow, and says why unless it was delivered."""
    case, events = given_part
    scene = case.scene(events, lost=1)
    found = journeys(scene, ident=case.ident)
    for journey in found:
        assert journey.fate is Fate.DELIVERED or journey.reason is not None
        assert journey.lost == 1
        assert journey.notes[0] == "1 observations were lost meanwhile: there may be gaps"
    why_no_reply(scene, found, case.source)


@settings(max_examples=60)
@given(mixed([case.name for case in CASES]))
def test_every_frame_is_told_or_named_as_unplaced(given_part: tuple[Case, list[Event]]) -> None:
    """A device at which a packet was seen stands in its journey, in a step or in a note."""
    case, events = given_part
    scene = case.scene(events)
    for packet in scene.packets:
        journey = next((j for j in journeys(scene, ident=case.ident) if is_of(j, packet)), None)
        if journey is None:
            continue
        said = " ".join(journey.notes)
        steps = {
            f"{hop.node}/{getattr(step, 'dev', getattr(step, 'bridge', ''))}"
            for hop in hops(journey)
            for step in hop.steps
        }
        for sighting in packet.sightings:
            where = str(sighting.event.dev)
            assert where in steps or where in said or "hops, in a loop" in said


def is_of(journey: object, packet: object) -> bool:
    """Whether a journey tells this packet."""
    return (journey.headers, journey.started) == (packet.headers, packet.started)  # type: ignore[attr-defined]


def test_without_the_trace_devices_still_tell_the_way() -> None:
    """No nf_tables: the same devices, and a delivery that an answer proves."""
    case = NAMED["bridge-1"]
    frames = [e for e in case.observation.events if not isinstance(e, RuleHit)]
    found = journeys(case.scene(frames), ident=case.ident)
    assert [j.title for j in found] == ["ARP request", "ARP reply", "echo request", "echo reply"]
    assert {j.fate for j in found} == {Fate.DELIVERED}
    request = found[2]
    assert [hop.node for hop in hops(request)] == ["ns1", "host", "ns2"]


def test_a_frame_lost_on_the_last_link_is_not_made_up() -> None:
    """Without a sighting in ns2 the journey ends in host, unseen rather than dropped."""
    case = NAMED["drop-jump-1"]
    events = [
        event
        for event in case.observation.events
        if "ns2" not in (getattr(event, "node", ""), str(getattr(event, "dev", "")).split("/")[0])
    ]
    request = journeys(case.scene(events), ident=case.ident)[0]
    assert request.title == "ARP request"
    assert [hop.node for hop in hops(request)] == ["ns1", "host"]
    assert request.fate is not Fate.DELIVERED


def test_the_source_address_is_learnt_once() -> None:
    """The ARP request taught the bridge; the echo request of the same source did not."""
    case = NAMED["bridge-1"]
    steps = [
        (journey.title, step.learnt)
        for journey in journeys(case.scene(), ident=case.ident)
        for hop in hops(journey)
        for step in hop.steps
        if isinstance(step, BridgeStep)
    ]
    assert [title for title, learnt in steps if learnt] == ["ARP request", "ARP reply"]


def test_the_copy_for_the_stack_has_no_time_of_its_own() -> None:
    """The kernel stamps a frame once: on the port and on the bridge it bears one stamp."""
    case = NAMED["bridge-1"]
    ups = [
        step
        for journey in journeys(case.scene(), ident=case.ident)
        for hop in hops(journey)
        for step in hop.steps
        if isinstance(step, PassUpStep)
    ]
    assert ups
    assert all(step.at is None for step in ups)


def test_packets_without_end_are_told_a_few_times() -> None:
    """The same question again and again, as a loop makes it: the first ones, and how many."""
    case = NAMED["missing-address-1"]
    frames = [e for e in case.observation.events if isinstance(e, FrameSeen)]
    again = [moved(event, number) for number in range(20) for event in frames]
    found = journeys(case.scene(again), ident=case.ident)
    assert len(found) == MOST_ALIKE
    assert f"20 packets like this one were seen; the first {MOST_ALIKE} are told" in found[0].notes


def moved(event: FrameSeen, number: int) -> FrameSeen:
    """The frame, some seconds later."""
    return FrameSeen(
        at=Nanos(event.at + number * 1_000_000_000),
        dev=event.dev,
        direction=event.direction,
        pkttype=event.pkttype,
        frame=event.frame,
        length=event.length,
    )
